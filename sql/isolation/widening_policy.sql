-- A permissive policy besides those of protect() that applies to partners. Permissive policies add up: only the
-- restrictive floor still keeps other tenants' rows out, and where it does not stand they are open.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_widening_policy() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN floor.missing IS NULL THEN 'warning' ELSE 'error' END, 'widening_policy', i.relation_name,
         format('policy "%s" adds rows for partners%s', p.polname, CASE WHEN floor.missing IS NULL THEN '; only the restrictive policy keeps other tenants'' rows out' END),
         CASE p.polname WHEN 'opsadmin_trusted' THEN format('SELECT opsadmin_private.renew_policies(%L, %L);', i.relation_name, i.root_name)
              ELSE format('DROP POLICY %I ON %s;', p.polname, i.relation_name) END
  FROM opsadmin_private.isolated_relations() AS i
  JOIN pg_policy p ON p.polrelid = i.relation AND p.polpermissive AND p.polname NOT IN ('opsadmin_partner', 'opsadmin_internal')
  LEFT JOIN opsadmin_private.policy_faults() AS floor ON floor.relation = i.relation AND floor.policy = 'opsadmin_partner_floor'
  WHERE EXISTS (SELECT FROM opsadmin_private.site_grantees() AS g WHERE g.partner AND g.role = ANY (p.polroles))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_widening_policy IS 'Permissive policies of others that apply to partners';
REVOKE ALL ON FUNCTION opsadmin_private.rule_widening_policy FROM PUBLIC;
