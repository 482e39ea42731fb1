-- A table that partners can use and that is not protected, has no tenant column, and refers to a protected table: its
-- rows are of tenants all the same, and every partner sees them all.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_unprotected_reference() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'unprotected_reference', t.relation_name, format('its rows belong to rows of %s, and partners see those of all tenants', string_agg(DISTINCT there.root_name, ', ')),
         CASE WHEN t.through IS NULL THEN format('REVOKE ALL ON %s FROM %s; -- or give it a tenant column, and protect() it', t.relation_name, t.grantees)
              ELSE format('ALTER VIEW %s SET (security_invoker = true);', t.through) END
  FROM opsadmin_private.reachable_relations() AS t
  JOIN pg_constraint f ON f.conrelid = t.relation AND f.contype = 'f'
  JOIN opsadmin_private.isolated_relations() AS there ON there.relation = f.confrelid
  WHERE t.relation NOT IN (SELECT i.relation FROM opsadmin_private.isolated_relations() AS i)
    AND t.relation_name NOT IN (SELECT u.object FROM opsadmin_private.rule_unprotected_table() AS u)
  GROUP BY t.relation_name, t.grantees, t.through
$$;
COMMENT ON FUNCTION opsadmin_private.rule_unprotected_reference IS 'Tables without a tenant column that partners can use and that refer to protected ones';
REVOKE ALL ON FUNCTION opsadmin_private.rule_unprotected_reference FROM PUBLIC;
