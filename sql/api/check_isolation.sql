-- Lists the ways around isolation that the catalog shows. Each rule is a file in sql/isolation/ with one function
-- rule_<name>(); they are found by that name, so that none can be forgotten.

-- Every finding of every rule, errors first; no row means that no rule found anything. For superusers. Reads the
-- catalog alone, and changes nothing. The planner takes the rules for larger than they are, and would compile them and
-- start workers.
CREATE OR REPLACE FUNCTION opsadmin.check_isolation() RETURNS SETOF opsadmin.finding
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
  RETURN QUERY EXECUTE (
    SELECT format('SELECT * FROM (%s) AS found ORDER BY level, rule, object, problem', string_agg(format('SELECT * FROM opsadmin_private.%I()', p.proname), ' UNION ALL '))
    FROM pg_proc p WHERE p.pronamespace = 'opsadmin_private'::regnamespace AND p.proname LIKE E'rule\\_%');
END
$$;
COMMENT ON FUNCTION opsadmin.check_isolation IS 'Lists the ways around isolation, each with the SQL that closes it; no row means that none was found';
REVOKE ALL ON FUNCTION opsadmin.check_isolation FROM PUBLIC;
