-- TRUNCATE, REFERENCES, TRIGGER or MAINTAIN on a protected table for a role of the sites: policies do not govern them.
-- TRUNCATE deletes every tenant's rows, a key that refers to the table tells which values exist, a trigger runs in
-- others' sessions.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_table_privilege() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'table_privilege', i.relation_name, format('%s has %s, which no policy governs', g.role_name, string_agg(DISTINCT a.privilege_type, ', ')),
         format('REVOKE %s ON %s FROM %s;', string_agg(DISTINCT a.privilege_type, ', '), i.relation_name, g.role_name)
  FROM opsadmin_private.isolated_relations() AS i
  CROSS JOIN LATERAL (SELECT c.relacl FROM pg_class c WHERE c.oid = i.relation
                      UNION ALL
                      SELECT t.attacl FROM pg_attribute t WHERE t.attrelid = i.relation AND t.attacl IS NOT NULL) AS granted (acl)
  CROSS JOIN aclexplode(granted.acl) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee
  WHERE a.grantee <> a.grantor AND a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN')
  GROUP BY i.relation_name, g.role_name
$$;
COMMENT ON FUNCTION opsadmin_private.rule_table_privilege IS 'Rights on protected tables that policies do not govern';
REVOKE ALL ON FUNCTION opsadmin_private.rule_table_privilege FROM PUBLIC;
