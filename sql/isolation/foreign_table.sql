-- A foreign table that partners can use: it cannot have policies, so they see whatever the other server gives. An error
-- when it has a tenant column.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_foreign_table() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN tenant.column_name IS NULL THEN 'warning' ELSE 'error' END, 'foreign_table', f.relation_name,
         'partners see every row of it: a foreign table has no policies' || coalesce(', through view ' || f.through, ''),
         CASE WHEN f.through IS NULL THEN format('REVOKE ALL ON %s FROM %s;', f.relation_name, f.grantees)
              ELSE format('ALTER VIEW %s SET (security_invoker = true);', f.through) END
  FROM opsadmin_private.reachable_relations() AS f
  LEFT JOIN LATERAL (SELECT a.attname FROM pg_attribute a JOIN opsadmin.protected_table p ON p.tenant_column = a.attname
                     WHERE a.attrelid = f.relation AND a.attnum > 0 AND NOT a.attisdropped LIMIT 1) AS tenant (column_name) ON true
  WHERE f.kind = 'f'
$$;
COMMENT ON FUNCTION opsadmin_private.rule_foreign_table IS 'Foreign tables that partners can use';
REVOKE ALL ON FUNCTION opsadmin_private.rule_foreign_table FROM PUBLIC;
