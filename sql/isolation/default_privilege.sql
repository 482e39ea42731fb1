-- Default privileges that give a site role, or PUBLIC, rights on tables, sequences or schemas still to come: a new table
-- is open to partners before anybody has protected it.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_default_privilege() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'warning', 'default_privilege', format('role %I', owner.rolname) || coalesce(', schema ' || quote_ident(n.nspname), ''), format('%s still to come will be open to %s', kind.plural, g.role_name),
         format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %sREVOKE ALL ON %s FROM %s;', owner.rolname, 'IN SCHEMA ' || quote_ident(n.nspname) || ' ', upper(kind.plural), g.role_name)
  FROM pg_default_acl d
  JOIN pg_roles owner ON owner.oid = d.defaclrole
  LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  JOIN (VALUES ('r'::"char", 'tables'), ('S', 'sequences'), ('n', 'schemas')) AS kind (code, plural) ON kind.code = d.defaclobjtype
  CROSS JOIN aclexplode(d.defaclacl) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee
  WHERE a.grantee <> a.grantor
  GROUP BY owner.rolname, n.nspname, kind.plural, g.role_name
$$;
COMMENT ON FUNCTION opsadmin_private.rule_default_privilege IS 'Default privileges that open new tables to the sites';
REVOKE ALL ON FUNCTION opsadmin_private.rule_default_privilege FROM PUBLIC;
