-- check_isolation(): releases of PostgreSQL with known faults of row-level security.
SELECT plan(12);
\ir ../include/check_isolation.psql

-- Whatever this server is, the rule judges by a function that can be asked about others.
CREATE FUNCTION judged(version integer) RETURNS text LANGUAGE sql AS $$SELECT concat_ws(' ', (SELECT count(*) FROM regexp_matches(f.faults, 'CVE-\d+-\d+', 'g')), f.mended_in) FROM opsadmin_private.version_faults(version) AS f$$;
SELECT is(judged(150002), '8 15.20', '15.2 has them all');
SELECT is(judged(150003), '7 15.20', 'what a release has mended is not told');
SELECT is(judged(150019), '2 15.20', '15.19 has the last ones');
SELECT is(judged(150020), '0', '15.20 has none');
SELECT is(judged(160000), '6 16.16', 'a major release does not have what was mended before it');
SELECT is(judged(170011), '2 17.12', 'each has a release of its own');
SELECT is(judged(170012), '0', 'from which on it has none');
SELECT is(judged(190000), '0', 'nothing is known of a later one');

CREATE OR REPLACE FUNCTION opsadmin_private.version_faults(version integer, OUT faults text, OUT mended_in text) LANGUAGE sql AS $$SELECT 'CVE-0 (a fault)', version || '.1'$$;
SELECT is(level || '|' || rule || '|' || object, 'error|old_minor_version|PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1), 'a fault of this server is told') FROM opsadmin.check_isolation();
SELECT is(problem, 'known faults lead past row-level security: CVE-0 (a fault)', 'with its number') FROM opsadmin_private.rule_old_minor_version();
SELECT is(remedy, format('SELECT version(); -- install PostgreSQL %s.1 or later and restart the server', current_setting('server_version_num')), 'and the release that mends it') FROM opsadmin_private.rule_old_minor_version();

SELECT * FROM finish();
