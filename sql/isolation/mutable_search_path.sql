-- A SECURITY DEFINER function that the sites can call, or that a trigger of a protected table calls for them, without a
-- search_path of its own that ends with pg_temp: whoever can make a table or function makes it run their own.
-- A body in standard SQL (BEGIN ATOMIC) and functions in C look no name up.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_mutable_search_path() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'mutable_search_path', p.oid::regprocedure::text,
         CASE WHEN path.setting IS NULL THEN 'the caller''s search_path decides which tables and functions it uses'
              ELSE 'tables of the caller''s own temporary schema come first in its search_path' END,
         CASE WHEN path.setting IS NULL THEN format('ALTER ROUTINE %s SET search_path = pg_catalog, %I, pg_temp; -- and the other schemas that it names things of', p.oid::regprocedure, n.nspname)
              ELSE format('ALTER ROUTINE %s SET search_path = %s, pg_temp;', p.oid::regprocedure, regexp_replace(regexp_replace(path.setting, E'"?\\mpg_temp"?\\s*,\\s*', '', 'g'), E',\\s*"?pg_temp"?\\s*$', '')) END
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
  LEFT JOIN LATERAL (SELECT substr(c.setting, length('search_path=') + 1) FROM unnest(p.proconfig) AS c (setting) WHERE c.setting LIKE E'search\\_path=%') AS path (setting) ON true
  WHERE p.prosecdef AND l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private')
    AND (path.setting IS NULL OR path.setting NOT IN ('', '""') AND (path.setting !~ E'(^|,)\\s*"?pg_temp"?\\s*$' OR path.setting ~ E'\\mpg_temp"?\\s*,'))
    AND (p.oid IN (SELECT d.routine FROM opsadmin_private.reachable_definers() AS d)
         OR p.oid IN (SELECT t.tgfoid FROM pg_trigger t JOIN opsadmin_private.isolated_relations() AS i ON i.relation = t.tgrelid))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_mutable_search_path IS 'Definer functions that take names from their caller''s search_path';
REVOKE ALL ON FUNCTION opsadmin_private.rule_mutable_search_path FROM PUBLIC;
