-- A protected table or a child of one that has a parent of another kind besides: read through that parent, its rows are
-- under the parent's policies alone, which do not tell tenants apart.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_unprotected_parent() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'unprotected_parent', i.relation_name, format('whoever reads %s reads its rows past its policies', parent.name),
         CASE WHEN c.relispartition THEN format('ALTER TABLE %s DETACH PARTITION %s;', parent.name, i.relation_name)
              ELSE format('ALTER TABLE %s NO INHERIT %s;', i.relation_name, parent.name) END
  FROM opsadmin_private.isolated_relations() AS i
  JOIN pg_class c ON c.oid = i.relation
  JOIN pg_inherits h ON h.inhrelid = i.relation
  CROSS JOIN LATERAL (SELECT opsadmin_private.qualified_name(h.inhparent)) AS parent (name)
  WHERE (h.inhparent, i.tenant_column) NOT IN (SELECT above.relation, above.tenant_column FROM opsadmin_private.isolated_relations() AS above)
$$;
COMMENT ON FUNCTION opsadmin_private.rule_unprotected_parent IS 'Protected tables whose rows can be read through a parent that is not';
REVOKE ALL ON FUNCTION opsadmin_private.rule_unprotected_parent FROM PUBLIC;
