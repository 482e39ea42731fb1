-- A right of the sites on a function, table or view of the server or of an extension that its install script has not
-- given: to read files or another session's statements, or to call what lets opsadmin become anybody.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_system_privilege() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN o.of_server THEN 'error' ELSE 'warning' END, 'system_privilege', o.identity, format('%s was granted %s', g.role_name, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)),
         format('REVOKE %s ON %s%s FROM %s;', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), o.kind, o.identity, g.role_name)
  FROM (SELECT 'pg_proc'::regclass AS catalog, p.oid, p.oid::regprocedure::text AS identity, 'ROUTINE ' AS kind, p.pronamespace AS schema, p.proacl AS acl, acldefault('f', p.proowner) AS default_acl
        FROM pg_proc p WHERE p.proacl IS NOT NULL
        UNION ALL
        SELECT 'pg_class', c.oid, format('%I.%I', n.nspname, c.relname), CASE WHEN c.relkind = 'S' THEN 'SEQUENCE ' ELSE '' END, c.relnamespace, c.relacl,
               acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relacl IS NOT NULL) AS object
  CROSS JOIN LATERAL (SELECT object.identity, object.kind, n.nspname IN ('pg_catalog', 'opsadmin', 'opsadmin_private') AS of_server
                      FROM pg_namespace n WHERE n.oid = object.schema) AS o
  LEFT JOIN pg_init_privs initial ON initial.classoid = object.catalog AND initial.objoid = object.oid AND initial.objsubid = 0
  CROSS JOIN aclexplode(object.acl) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee
  WHERE (o.of_server OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = object.catalog AND d.objid = object.oid AND d.deptype = 'e'))
    AND NOT EXISTS (SELECT FROM aclexplode(coalesce(initial.initprivs, object.default_acl)) AS was
                    WHERE was.privilege_type = a.privilege_type AND was.grantee IN (0, a.grantee))
  GROUP BY o.of_server, o.identity, o.kind, g.role_name
$$;
COMMENT ON FUNCTION opsadmin_private.rule_system_privilege IS 'Rights on objects of the server and of extensions that the sites were given';
REVOKE ALL ON FUNCTION opsadmin_private.rule_system_privilege FROM PUBLIC;
