-- A publication with a protected table: subscribers get the rows of all tenants, since logical replication knows no
-- policies.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_published_table() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT 'warning', 'published_table', p.pubname || ': ' || i.root_name, 'subscribers receive the rows of all tenants',
         CASE WHEN pub.puballtables THEN format('DROP PUBLICATION %I; -- or publish the tables that are not protected', pub.pubname)
              WHEN EXISTS (SELECT FROM pg_publication_rel r JOIN opsadmin_private.isolated_relations() AS named ON named.relation = r.prrelid WHERE r.prpubid = pub.oid AND named.root = i.root)
                THEN (SELECT format('ALTER PUBLICATION %I DROP TABLE %s;', pub.pubname, string_agg(named.relation_name, ', ' ORDER BY named.relation_name))
                      FROM pg_publication_rel r JOIN opsadmin_private.isolated_relations() AS named ON named.relation = r.prrelid WHERE r.prpubid = pub.oid AND named.root = i.root)
              ELSE format('ALTER PUBLICATION %I DROP TABLES IN SCHEMA %I; -- and add the tables that are not protected', pub.pubname, p.schemaname) END
  FROM pg_publication_tables p
  JOIN pg_publication pub ON pub.pubname = p.pubname
  JOIN opsadmin_private.isolated_relations() AS i ON i.relation_name = format('%I.%I', p.schemaname, p.tablename)
$$;
COMMENT ON FUNCTION opsadmin_private.rule_published_table IS 'Protected tables that a publication sends elsewhere';
REVOKE ALL ON FUNCTION opsadmin_private.rule_published_table FROM PUBLIC;
