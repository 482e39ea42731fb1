-- A function of the company marked LEAKPROOF that partners can call: the planner may run it on a row before the
-- policies are asked. If it can fail or take longer for some value, it tells of other tenants' rows.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_leakproof_function() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'warning', 'leakproof_function', p.oid::regprocedure::text, 'it may run on other tenants'' rows before the policies do',
         format('ALTER FUNCTION %s NOT LEAKPROOF; -- unless no argument can make it fail or tell it apart', p.oid::regprocedure)
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.proleakproof AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private')
    AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee WHERE g.partner)
$$;
COMMENT ON FUNCTION opsadmin_private.rule_leakproof_function IS 'Functions of the company that run before policies';
REVOKE ALL ON FUNCTION opsadmin_private.rule_leakproof_function FROM PUBLIC;
