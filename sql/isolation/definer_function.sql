-- A SECURITY DEFINER function of the company that a role of the sites can call: it reads with its owner's rights, and
-- only its own text keeps tenants apart. An error when its owner sees the rows of all tenants.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_definer_function() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN o.rolsuper OR o.rolbypassrls
                   OR EXISTS (SELECT FROM opsadmin.protected_table p CROSS JOIN unnest(p.trusted_roles) AS trusted (role_name) LEFT JOIN pg_roles r ON r.rolname = trusted.role_name
                              WHERE trusted.role_name = 'public' OR pg_has_role(o.oid, r.oid, 'USAGE'))
              THEN 'error' ELSE 'warning' END,
         'definer_function', d.routine::regprocedure::text, format('%s can call it, and it runs as "%s"', d.grantees, o.rolname),
         format('REVOKE EXECUTE ON ROUTINE %s FROM %s; -- then GRANT it to the roles that need it, or make it SECURITY INVOKER', d.routine::regprocedure, d.grantees)
  FROM opsadmin_private.reachable_definers() AS d JOIN pg_proc p ON p.oid = d.routine JOIN pg_roles o ON o.oid = p.proowner
$$;
COMMENT ON FUNCTION opsadmin_private.rule_definer_function IS 'SECURITY DEFINER functions that the sites can call';
REVOKE ALL ON FUNCTION opsadmin_private.rule_definer_function FROM PUBLIC;
