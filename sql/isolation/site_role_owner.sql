-- An object of this database that a role of opsadmin owns: an owner may turn policies off, grant, and drop.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_site_role_owner() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'site_role_owner', o.type || ' ' || o.identity, format('role "%s" owns it', r.rolname),
         format('ALTER %s %s OWNER TO CURRENT_USER; -- or to the role that owns the company''s other objects', upper(replace(o.type, 'statistics object', 'statistics')), o.identity)
  FROM pg_shdepend d
  JOIN pg_roles r ON r.oid = d.refobjid
  CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS o
  WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND d.classid <> 'pg_default_acl'::regclass
    -- A sequence of a column goes with its table.
    AND NOT EXISTS (SELECT FROM pg_depend own WHERE own.classid = d.classid AND own.objid = d.objid AND own.refclassid = 'pg_class'::regclass AND own.deptype IN ('a', 'i'))
    AND r.rolname IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login', 'opsadmin_worker', 'opsadmin_trusted')
    AND (d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
         OR d.classid = 'pg_database'::regclass AND d.objid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_site_role_owner IS 'Objects that a role of opsadmin owns';
REVOKE ALL ON FUNCTION opsadmin_private.rule_site_role_owner FROM PUBLIC;
