-- A role of opsadmin in a predefined role: pg_monitor and pg_read_all_stats show what every session runs,
-- pg_signal_backend ends others' sessions, pg_read_all_data reads every table, pg_read_server_files every file.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_predefined_role() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'predefined_role', member.rolname::text, format('the role is a member of "%s"', granted.rolname), opsadmin_private.revoke_membership(m)
  FROM pg_auth_members m JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
  WHERE member.rolname IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login', 'opsadmin_worker', 'opsadmin_trusted')
    AND granted.rolname ~ '^pg_'
$$;
COMMENT ON FUNCTION opsadmin_private.rule_predefined_role IS 'Roles of opsadmin in predefined roles of PostgreSQL';
REVOKE ALL ON FUNCTION opsadmin_private.rule_predefined_role FROM PUBLIC;
