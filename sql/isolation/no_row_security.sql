-- A protected table whose row-level security is off: every role that may use the table sees the rows of all tenants.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_no_row_security() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'no_row_security', i.relation_name, 'row-level security is off: policies are not applied',
         format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', i.relation_name)
  FROM opsadmin_private.isolated_relations() AS i JOIN pg_class c ON c.oid = i.relation
  WHERE i.relation = i.root AND NOT c.relrowsecurity
$$;
COMMENT ON FUNCTION opsadmin_private.rule_no_row_security IS 'Protected tables without row-level security';
REVOKE ALL ON FUNCTION opsadmin_private.rule_no_row_security FROM PUBLIC;
