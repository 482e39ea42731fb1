-- A membership that opsadmin has not made: of a stranger in a role of the sites, of a site's role in the other site, or
-- of one in any other role of the company. SET ROLE, and inherited rights, then lead past the site's own.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_role_membership() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'role_membership', granted.rolname::text, format('role "%s" is a member of it', member.rolname), opsadmin_private.revoke_membership(m)
  FROM pg_auth_members m JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
  WHERE NOT member.rolsuper AND (
    granted.rolname IN ('opsadmin_internal', 'opsadmin_partner') AND member.rolname NOT IN (granted.rolname || '_login', 'opsadmin_trusted')
    OR granted.rolname IN ('opsadmin_internal_login', 'opsadmin_partner_login', 'opsadmin_worker'))
  UNION ALL
  SELECT 'error', 'role_membership', member.rolname::text, format('the role is a member of "%s"', granted.rolname), opsadmin_private.revoke_membership(m)
  FROM pg_auth_members m JOIN pg_roles granted ON granted.oid = m.roleid JOIN pg_roles member ON member.oid = m.member
  WHERE member.rolname IN ('opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login', 'opsadmin_worker', 'opsadmin_trusted')
    AND granted.rolname !~ '^pg_'
    AND NOT (granted.rolname = 'opsadmin_internal' AND member.rolname IN ('opsadmin_internal_login', 'opsadmin_trusted')
             OR granted.rolname = 'opsadmin_partner' AND member.rolname IN ('opsadmin_partner_login', 'opsadmin_trusted'))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_role_membership IS 'Memberships that lead from one site to the other, or elsewhere';
REVOKE ALL ON FUNCTION opsadmin_private.rule_role_membership FROM PUBLIC;
