-- The table of error codes against the codes that the SQL sources raise. The texts of the page are compared
-- by its own tests.
\ir include/failure.psql
SELECT plan(10);

SELECT is_empty($$SELECT * FROM opsadmin.error_codes() WHERE sqlstate !~ '^OA[0-9]{3}$' OR condition !~ '^[a-z][a-z_]+$' OR http_status NOT BETWEEN 400 AND 599
                    OR title !~ '^[a-zA-Z].*[^.]$'$$, 'codes, conditions, statuses and titles have their form');
SELECT is(count(DISTINCT sqlstate), count(*), 'each code stands once') FROM opsadmin.error_codes();
SELECT is(count(DISTINCT condition), count(*), 'each condition stands once') FROM opsadmin.error_codes();
SELECT results_eq($$SELECT http_status, title FROM opsadmin.error_codes() WHERE sqlstate = 'OA411'$$,
                  $$VALUES (404, 'no tenant is chosen')$$, 'a row holds what errors.def says');

CREATE VIEW raised AS
SELECT p.oid::regprocedure::text AS name, p.prosrc, m[1] AS code
FROM pg_proc p CROSS JOIN regexp_matches(p.prosrc, '\m(OA[0-9]{3})\M', 'g') AS m
WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace);

SELECT cmp_ok(count(DISTINCT code), '>', 20::bigint, 'the sources raise codes') FROM raised;
SELECT is_empty('SELECT name, code FROM raised WHERE code NOT IN (SELECT sqlstate FROM opsadmin.error_codes())', 'every code that SQL raises is in the table');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p
                  WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace)
                    AND p.prosrc ~ 'RAISE EXCEPTION' AND (SELECT count(*) FROM regexp_matches(p.prosrc, 'RAISE EXCEPTION', 'g'))
                        <> (SELECT count(*) FROM regexp_matches(p.prosrc, 'RAISE EXCEPTION USING ERRCODE = ''OA[0-9]{3}'', MESSAGE = ', 'g'))$$,
                'every RAISE EXCEPTION has a code of opsadmin and a message');
SELECT is_empty($$SELECT p.oid::regprocedure, m[1] FROM pg_proc p CROSS JOIN regexp_matches(p.prosrc, 'MESSAGE = (?:format\()?''([^'']*(?:''''[^'']*)*)''', 'g') AS m
                  WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace) AND (m[1] ~ '[.!]$' OR m[1] ~ '^[A-Z][a-z]')$$,
                'messages are lower case without a full stop');
SELECT is_empty($$SELECT name, code FROM (SELECT DISTINCT p.oid::regprocedure AS name, m[1] AS code FROM pg_proc p
                    CROSS JOIN regexp_matches(coalesce(obj_description(p.oid, 'pg_proc'), ''), '\m(OA[0-9]{3})\M', 'g') AS m
                    WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace)) AS said
                  WHERE code NOT IN (SELECT sqlstate FROM opsadmin.error_codes())$$, 'comments name codes of the table');

-- As everybody receives them.
SELECT is(failure_as('opsadmin_worker', 'SELECT opsadmin.error_codes()'), NULL, 'the table is for every role of opsadmin');

SELECT * FROM finish();
