-- A view over a protected table that partners can read and that has its owner's rights, as views have by default: the
-- policies for the owner apply, not those for the partner, and the rows of all tenants show.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_definer_view() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'definer_view', v.relation_name, format('partners read %s with the rights of the view''s owner', string_agg(DISTINCT i.root_name, ', ')),
         format('ALTER VIEW %s SET (security_invoker = true);', v.relation_name)
  FROM opsadmin_private.reachable_relations() AS v
  JOIN pg_rewrite w ON w.ev_class = v.relation
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
  JOIN opsadmin_private.isolated_relations() AS i ON i.relation = d.refobjid
  WHERE v.definer_view
  GROUP BY v.relation_name
$$;
COMMENT ON FUNCTION opsadmin_private.rule_definer_view IS 'Views with their owner''s rights over protected tables';
REVOKE ALL ON FUNCTION opsadmin_private.rule_definer_view FROM PUBLIC;
