-- CREATE on the database or a schema for a role of the sites or PUBLIC: what they create there (a table or function that
-- comes first in a search_path, a view, an operator) runs with others' rights.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_create_privilege() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'create_privilege', o.identity, format('%s may create objects in it', g.role_name), format('REVOKE CREATE ON %s FROM %s;', o.identity, g.role_name)
  FROM (SELECT format('SCHEMA %I', n.nspname), n.nspacl FROM pg_namespace n WHERE n.nspname !~ '^pg_t(oast|emp)'
        UNION ALL
        SELECT format('DATABASE %I', b.datname), b.datacl FROM pg_database b WHERE b.datname = current_database()) AS o (identity, acl)
  CROSS JOIN aclexplode(o.acl) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee
  WHERE a.grantee <> a.grantor AND a.privilege_type = 'CREATE'
$$;
COMMENT ON FUNCTION opsadmin_private.rule_create_privilege IS 'Schemas in which the sites may create objects';
REVOKE ALL ON FUNCTION opsadmin_private.rule_create_privilege FROM PUBLIC;
