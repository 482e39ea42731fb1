-- A role of opsadmin that is missing, or that has an attribute which leads past policies: SUPERUSER and BYPASSRLS read
-- everything, CREATEROLE and CREATEDB make what does, REPLICATION copies it.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_privileged_role() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'privileged_role', expected.role_name, CASE WHEN r.oid IS NULL THEN 'the role does not exist' ELSE 'the role may do more than opsadmin allows' END,
         CASE WHEN r.oid IS NULL THEN format('CREATE ROLE %I; -- as the install script makes it', expected.role_name)
              ELSE format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;', expected.role_name) END
  FROM unnest('{opsadmin_internal,opsadmin_partner,opsadmin_internal_login,opsadmin_partner_login,opsadmin_worker,opsadmin_trusted}'::text[]) AS expected (role_name)
  LEFT JOIN pg_roles r ON r.rolname = expected.role_name
  WHERE r.oid IS NULL OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
$$;
COMMENT ON FUNCTION opsadmin_private.rule_privileged_role IS 'Roles of opsadmin that are missing or may do too much';
REVOKE ALL ON FUNCTION opsadmin_private.rule_privileged_role FROM PUBLIC;
