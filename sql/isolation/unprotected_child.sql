-- A partition or other child of a protected table without row-level security or the policies of its own: through the
-- parent the parent's policies apply, but whoever can name the child reads all of it. An error when partners can.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_unprotected_child() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN i.relation IN (SELECT r.relation FROM opsadmin_private.reachable_relations() AS r) THEN 'error' ELSE 'warning' END,
         'unprotected_child', i.relation_name, format('read by its own name it has no policies, unlike %s', i.root_name),
         format('SELECT opsadmin_private.renew_policies(%L, %L);', i.relation_name, i.root_name)
  FROM opsadmin_private.isolated_relations() AS i JOIN pg_class c ON c.oid = i.relation
  WHERE i.relation <> i.root AND i.kind <> 'f'
    AND (NOT c.relrowsecurity OR NOT c.relforcerowsecurity OR i.relation IN (SELECT f.relation FROM opsadmin_private.policy_faults() AS f))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_unprotected_child IS 'Children of protected tables without protection of their own';
REVOKE ALL ON FUNCTION opsadmin_private.rule_unprotected_child FROM PUBLIC;
