-- What the checks of opsadmin find, for the page.

-- Findings of health() and check_isolation(), errors first, as {"rows":[{"check":…,"level":…,"rule":…,"object":…,
-- "problem":…,"remedy":…}],"checked_at":…}. For the internal site alone, with health:read; OA403 otherwise.
CREATE OR REPLACE FUNCTION opsadmin.list_findings() RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_permission('health:read');
  -- health() repeats what check_isolation() finds of roles and tenant columns, for who asks it alone. In the order of the
  -- alphabet an error comes before a warning.
  RETURN (
    SELECT json_build_object('rows', coalesce(json_agg(json_build_object('check', f.source, 'level', f.level, 'rule', f.rule, 'object', f.object,
             'problem', f.problem, 'remedy', f.remedy) ORDER BY f.level, f.source, f.rule, f.object, f.problem), '[]'), 'checked_at', now())
    FROM (SELECT DISTINCT ON (u.level, u.object, u.problem, u.remedy) u.*
          FROM (SELECT 'health' AS source, h.* FROM opsadmin.health() AS h
                UNION ALL
                SELECT 'isolation', i.* FROM opsadmin.check_isolation() AS i) AS u
          ORDER BY u.level, u.object, u.problem, u.remedy, u.source DESC) AS f);
END
$$;
COMMENT ON FUNCTION opsadmin.list_findings IS 'What health() and check_isolation() find, errors first, as json';
REVOKE ALL ON FUNCTION opsadmin.list_findings FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_findings TO opsadmin_internal;
