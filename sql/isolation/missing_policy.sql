-- A policy that protect() has made and that is gone or says something else. Without the floor, the next permissive
-- policy widens; a changed condition may let other tenants' rows through.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_missing_policy() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'missing_policy', i.relation_name, format('policy "%s" %s', f.policy, CASE WHEN f.missing THEN 'is missing' ELSE 'is not as protect() makes it' END),
         format('SELECT opsadmin_private.renew_policies(%1$L, %1$L);', i.relation_name)
  FROM opsadmin_private.policy_faults() AS f JOIN opsadmin_private.isolated_relations() AS i ON i.relation = f.relation
  WHERE i.relation = i.root
$$;
COMMENT ON FUNCTION opsadmin_private.rule_missing_policy IS 'Policies of protect() that are gone or say something else';
REVOKE ALL ON FUNCTION opsadmin_private.rule_missing_policy FROM PUBLIC;
