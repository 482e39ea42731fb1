-- A sequence of the company that partners can use: its value tells how many rows all tenants have added, and how fast.
-- An error with UPDATE, which moves it: the next inserts of everybody then fail.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_sequence_privilege() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN bool_or(a.privilege_type = 'UPDATE') THEN 'error' ELSE 'warning' END, 'sequence_privilege', format('%I.%I', n.nspname, c.relname),
         CASE WHEN bool_or(a.privilege_type = 'UPDATE') THEN 'partners can set it to any value' ELSE 'partners see how many rows all tenants add' END,
         format('REVOKE ALL ON SEQUENCE %I.%I FROM %s; -- inserts into an identity column need no right on it', n.nspname, c.relname, string_agg(DISTINCT g.role_name, ', '))
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN aclexplode(c.relacl) AS a
  JOIN opsadmin_private.site_grantees() AS g ON g.role = a.grantee AND g.partner
  WHERE c.relkind = 'S' AND n.nspname NOT IN ('opsadmin', 'opsadmin_private')
    AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS s JOIN opsadmin_private.site_grantees() AS u ON u.role = s.grantee AND u.partner WHERE s.privilege_type = 'USAGE')
  GROUP BY n.nspname, c.relname
$$;
COMMENT ON FUNCTION opsadmin_private.rule_sequence_privilege IS 'Sequences that partners can read or move';
REVOKE ALL ON FUNCTION opsadmin_private.rule_sequence_privilege FROM PUBLIC;
