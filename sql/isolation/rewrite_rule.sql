-- A rewrite rule (CREATE RULE) of a table that partners can use, whose actions use a protected table: they run with the
-- rights of the table's owner, and the policies for the owner apply.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_rewrite_rule() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT 'error', 'rewrite_rule', format('%s.%I', t.relation_name, w.rulename), format('partners use %s with the rights of the table''s owner', i.relation_name),
         format('DROP RULE %I ON %s; -- and do it by a trigger', w.rulename, t.relation_name)
  FROM opsadmin_private.reachable_relations() AS t
  JOIN pg_rewrite w ON w.ev_class = t.relation
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> t.relation
  JOIN opsadmin_private.isolated_relations() AS i ON i.relation = d.refobjid
  WHERE t.kind IN ('r', 'p')
$$;
COMMENT ON FUNCTION opsadmin_private.rule_rewrite_rule IS 'Rewrite rules of tables that use protected tables with their owner''s rights';
REVOKE ALL ON FUNCTION opsadmin_private.rule_rewrite_rule FROM PUBLIC;
