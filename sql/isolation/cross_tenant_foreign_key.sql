-- A foreign key between protected tables without the tenant on both sides. PostgreSQL checks keys and runs cascades past
-- policies: a partner can refer to another tenant's row, learn that it exists, and delete across.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_cross_tenant_foreign_key() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'cross_tenant_foreign_key', format('%s.%I', here.relation_name, f.conname),
         format('rows can refer to another tenant''s rows of %s', there.relation_name),
         format('SELECT opsadmin.secure_foreign_key(%L, %L);', here.relation_name, f.conname)
  FROM pg_constraint f
  JOIN opsadmin_private.isolated_relations() AS here ON here.relation = f.conrelid
  JOIN opsadmin_private.isolated_relations() AS there ON there.relation = f.confrelid
  WHERE f.contype = 'f' AND f.conparentid = 0
    AND NOT EXISTS (SELECT FROM unnest(f.conkey, f.confkey) AS pair (own, referred) WHERE pair.own = here.tenant_number AND pair.referred = there.tenant_number)
$$;
COMMENT ON FUNCTION opsadmin_private.rule_cross_tenant_foreign_key IS 'Foreign keys between protected tables without the tenant';
REVOKE ALL ON FUNCTION opsadmin_private.rule_cross_tenant_foreign_key FROM PUBLIC;
