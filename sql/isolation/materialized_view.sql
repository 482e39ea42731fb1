-- A materialized view over a protected table, also by way of other views, that partners can read: it holds the rows that
-- its owner saw, and has no policies.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_materialized_view() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE derived AS (
    SELECT i.relation FROM opsadmin_private.isolated_relations() AS i
    UNION
    SELECT w.ev_class
    FROM derived JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = derived.relation AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid
  )
  SELECT 'error', 'materialized_view', m.relation_name, 'partners can read what it holds of all tenants' || coalesce(', through view ' || m.through, ''),
         CASE WHEN m.through IS NULL THEN format('REVOKE ALL ON %s FROM %s;', m.relation_name, m.grantees)
              ELSE format('ALTER VIEW %s SET (security_invoker = true);', m.through) END
  FROM opsadmin_private.reachable_relations() AS m JOIN derived ON derived.relation = m.relation
  WHERE m.kind = 'm'
$$;
COMMENT ON FUNCTION opsadmin_private.rule_materialized_view IS 'Materialized views over protected tables that partners can read';
REVOKE ALL ON FUNCTION opsadmin_private.rule_materialized_view FROM PUBLIC;
