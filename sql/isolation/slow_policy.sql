-- A policy of somebody else, for the sites, with an OR, a subquery or a call that takes a column: no index can follow
-- it, so each query of a partner reads its whole tenant or the whole table.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_slow_policy() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'warning', 'slow_policy', i.relation_name, format('policy "%s" has %s: no index can follow it', p.polname, why.what),
         format('DROP POLICY %I ON %s; -- and say it again as comparisons of columns, joined by AND', p.polname, i.relation_name)
  FROM opsadmin_private.isolated_relations() AS i
  JOIN pg_policy p ON p.polrelid = i.relation AND p.polname NOT IN ('opsadmin_partner', 'opsadmin_partner_floor', 'opsadmin_internal')
  CROSS JOIN LATERAL (SELECT CASE WHEN e.tree ~ E'\\{SUBLINK ' THEN 'a subquery' WHEN e.tree ~ E'\\{BOOLEXPR :boolop or ' THEN 'an OR'
                                  WHEN opsadmin_private.calls_with_column(e.tree) THEN 'a call that takes a column' END
                      FROM (SELECT concat(p.polqual::text, p.polwithcheck::text) AS tree) AS e) AS why (what)
  WHERE why.what IS NOT NULL AND EXISTS (SELECT FROM opsadmin_private.site_grantees() AS g WHERE g.role = ANY (p.polroles))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_slow_policy IS 'Policies of others that keep indexes from being used';
REVOKE ALL ON FUNCTION opsadmin_private.rule_slow_policy FROM PUBLIC;
