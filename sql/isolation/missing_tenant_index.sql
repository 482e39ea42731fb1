-- A protected table without an index that begins with its tenant column: every query of a partner looks for its tenant
-- first. Partitions are told of once, by the partitioned table that could have the index for all of them.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_missing_tenant_index() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT 'warning', 'missing_tenant_index', format('%I.%I', n.nspname, c.relname), format('no index begins with tenant column "%s"', i.tenant_column),
         format('CREATE INDEX %sON %I.%I (%I);', CASE WHEN c.relkind = 'r' THEN 'CONCURRENTLY ' END, n.nspname, c.relname, i.tenant_column)
  FROM opsadmin_private.isolated_relations() AS i
  JOIN pg_class c ON c.oid = coalesce(pg_partition_root(i.relation), i.relation) JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE i.kind = 'r'
    AND NOT EXISTS (SELECT FROM pg_index x JOIN pg_class xc ON xc.oid = x.indexrelid JOIN pg_am m ON m.oid = xc.relam
                    WHERE x.indrelid = i.relation AND x.indkey[0] = i.tenant_number AND x.indpred IS NULL AND x.indisvalid AND m.amname IN ('btree', 'hash'))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_missing_tenant_index IS 'Protected tables without an index that begins with the tenant';
REVOKE ALL ON FUNCTION opsadmin_private.rule_missing_tenant_index FROM PUBLIC;
