-- A table that is not protected although it has the same tenant column as a protected one, in a schema with protected
-- tables or within reach of partners. An error when they can use it: they see the rows of all tenants.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_unprotected_table() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN reach.within THEN 'error' ELSE 'warning' END, 'unprotected_table', format('%I.%I', n.nspname, c.relname),
         format('it has tenant column "%s" and is not protected%s', a.attname, CASE WHEN reach.within THEN ': partners see the rows of all tenants' END),
         format('SELECT opsadmin.protect(%L, %L%s);', format('%I.%I', n.nspname, c.relname), a.attname,
                (SELECT coalesce(', trusted_roles => ' || quote_literal(array_agg(w.role_name ORDER BY w.role_name) FILTER (WHERE g.role IS NULL)::text), '')
                        || coalesce(', excluded_roles => ' || quote_literal(array_agg(w.role_name ORDER BY w.role_name) FILTER (WHERE g.role IS NOT NULL)::text), '')
                 FROM opsadmin_private.roles_without_rows(c.oid, '{}') AS w LEFT JOIN opsadmin_private.site_grantees() AS g ON lower(g.role_name) = w.role_name))
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  CROSS JOIN LATERAL (SELECT c.oid IN (SELECT r.relation FROM opsadmin_private.reachable_relations() AS r)) AS reach (within)
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private')
    AND (a.attname, CASE WHEN a.atttypid = 'varchar'::regtype THEN 'text' ELSE format_type(a.atttypid, NULL) END) IN (SELECT p.tenant_column, p.tenant_type FROM opsadmin.protected_table p)
    AND c.oid NOT IN (SELECT i.relation FROM opsadmin_private.isolated_relations() AS i)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    AND (reach.within OR n.oid IN (SELECT p.relnamespace FROM opsadmin_private.isolated_relations() AS i JOIN pg_class p ON p.oid = i.relation))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_unprotected_table IS 'Tables with a tenant column that are not protected';
REVOKE ALL ON FUNCTION opsadmin_private.rule_unprotected_table FROM PUBLIC;
