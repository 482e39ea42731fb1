-- A tenant column that accepts NULL: such a row belongs to nobody, no partner finds it, and a key with the tenant
-- neither holds it unique nor checks its references.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_nullable_tenant_column() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'warning', 'nullable_tenant_column', i.relation_name, format('tenant column "%s" accepts NULL', i.tenant_column),
         format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', i.relation_name, i.tenant_column)
  FROM opsadmin_private.isolated_relations() AS i JOIN pg_attribute a ON a.attrelid = i.relation AND a.attnum = i.tenant_number
  WHERE NOT a.attnotnull
$$;
COMMENT ON FUNCTION opsadmin_private.rule_nullable_tenant_column IS 'Tenant columns that accept NULL';
REVOKE ALL ON FUNCTION opsadmin_private.rule_nullable_tenant_column FROM PUBLIC;
