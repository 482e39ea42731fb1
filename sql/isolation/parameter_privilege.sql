-- A setting that only superusers may change, granted to a site role or PUBLIC: session_replication_role switches foreign
-- keys and audit triggers off, and opsadmin's own settings decide what is watched.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_parameter_privilege() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'parameter_privilege', p.parname, format('%s may change it (%s)', g.role_name, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)),
         format('REVOKE %s ON PARAMETER %s FROM %s;', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type),
                (SELECT string_agg(quote_ident(part), '.' ORDER BY n) FROM string_to_table(p.parname, '.') WITH ORDINALITY AS parts (part, n)), g.role_name)
  FROM pg_parameter_acl p
  CROSS JOIN aclexplode(p.paracl) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee
  GROUP BY p.parname, g.role_name
$$;
COMMENT ON FUNCTION opsadmin_private.rule_parameter_privilege IS 'Settings of superusers that the sites may change';
REVOKE ALL ON FUNCTION opsadmin_private.rule_parameter_privilege FROM PUBLIC;
