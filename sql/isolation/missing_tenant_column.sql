-- A protected table that has no column of the registered name any more: it was renamed or dropped, and what names it
-- (jobs, key figures, audit entries) no longer finds the tenant.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_missing_tenant_column() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'missing_tenant_column', opsadmin_private.qualified_name(t.relation), format('table "%s" has no column "%s" any more', t.name, p.tenant_column),
         format('SELECT opsadmin.unprotect(%L); -- then protect() and audit() it by the column that names the tenant now', opsadmin_private.qualified_name(t.relation))
  FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id
  WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attname = p.tenant_column AND NOT a.attisdropped)
$$;
COMMENT ON FUNCTION opsadmin_private.rule_missing_tenant_column IS 'Protected tables whose tenant column is gone';
REVOKE ALL ON FUNCTION opsadmin_private.rule_missing_tenant_column FROM PUBLIC;
