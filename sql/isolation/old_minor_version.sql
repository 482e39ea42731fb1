-- A release of PostgreSQL with a known fault that leads past row-level security. A minor release that mends it needs
-- new packages and a restart, no more.

-- The faults that a server version has, and the release in which the last of them is mended.
CREATE OR REPLACE FUNCTION opsadmin_private.version_faults(version integer, OUT faults text, OUT mended_in text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(format('%s (%s)', known.cve, known.what), ', ' ORDER BY mended.release, known.cve),
         max(mended.release) / 10000 || '.' || max(mended.release) % 10000
  FROM (VALUES
    ('CVE-2023-2455', 'policies of another role after inlining', '{150003}'::integer[]),
    ('CVE-2023-39418', 'MERGE past policies', '{150004}'),
    ('CVE-2024-10976', 'policies of another role in cached plans', '{150009,160005,170001}'),
    ('CVE-2024-10978', 'SET ROLE resets to the wrong role', '{150009,160005,170001}'),
    ('CVE-2025-8713', 'statistics of hidden rows', '{150014,160010,170006}'),
    ('CVE-2026-14666', 'cached plans outlive role changes', '{150019,160015,170011,180006}'),
    ('CVE-2026-16237', 'INSERT ON CONFLICT writes past policies', '{150020,160016,170012,180007}'),
    ('CVE-2026-120154', 'INSERT ON CONFLICT reads past policies', '{150020,160016,170012,180007}')
  ) AS known (cve, what, releases)
  CROSS JOIN unnest(known.releases) AS mended (release)
  WHERE mended.release / 10000 = $1 / 10000 AND $1 < mended.release
$$;
COMMENT ON FUNCTION opsadmin_private.version_faults IS 'The known faults of row-level security that a server version has';
REVOKE ALL ON FUNCTION opsadmin_private.version_faults FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.rule_old_minor_version() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'old_minor_version', 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1), 'known faults lead past row-level security: ' || f.faults,
         format('SELECT version(); -- install PostgreSQL %s or later and restart the server', f.mended_in)
  FROM opsadmin_private.version_faults(current_setting('server_version_num')::integer) AS f
  WHERE f.faults IS NOT NULL
$$;
COMMENT ON FUNCTION opsadmin_private.rule_old_minor_version IS 'A release of PostgreSQL with known faults of row-level security';
REVOKE ALL ON FUNCTION opsadmin_private.rule_old_minor_version FROM PUBLIC;
