-- check_isolation() as a whole: what it says of the sample shop, that no rule is forgotten, and who may call it.
-- needs: operated-shop
SELECT plan(10);
\ir ../include/failure.psql

CREATE FUNCTION findings() RETURNS SETOF text LANGUAGE sql AS $$SELECT concat_ws('|', level, rule, object) FROM opsadmin.check_isolation() WHERE rule <> 'old_minor_version'$$;
SELECT is_empty('SELECT findings()', 'the sample shop, set up as a DBA would, has no way around isolation that a rule knows');

-- A rule is a file, a function, a test and a section of the documentation of one name.
\set files `cd sql/isolation && ls *.sql | sed 's/\.sql$//' | tr '\n' ' '`
\set tests `cd test/sql/check_isolation && ls *.sql | grep -v '^all\.sql$' | sed 's/\.sql$//' | tr '\n' ' '`
\set sections `sed -n 's/^## \([a-z_]*\)$/\1/p' docs/reference/check-isolation.md | sort | tr '\n' ' '`
SELECT string_agg(substr(proname, 6), ' ' ORDER BY proname COLLATE "C") || ' ' AS rules FROM pg_proc WHERE pronamespace = 'opsadmin_private'::regnamespace AND proname LIKE 'rule\_%' \gset
SELECT cmp_ok(cardinality(string_to_array(:'rules', ' ')), '>', 25, 'there are rules');
SELECT is(:'files'::text, :'rules', 'every file is a rule that is installed');
SELECT is(:'tests'::text, :'rules', 'every rule has a test');
SELECT is(:'sections'::text, :'rules', 'every rule has its section in the documentation');
SELECT is_empty($$SELECT proname FROM pg_proc WHERE pronamespace = 'opsadmin_private'::regnamespace AND proname LIKE 'rule\_%' AND prosrc !~ format('''(error|warning)''.*''%s''', substr(proname, 6))$$,
                'every rule names itself in its findings');

-- Every function rule_…() is run; errors come first.
CREATE FUNCTION opsadmin_private.rule_of_this_test() RETURNS SETOF opsadmin.finding LANGUAGE sql AS $$VALUES ('warning', 'a', 'b', 'c', 'd'), ('error', 'z', 'b', 'c', 'd')$$;
SELECT results_eq('SELECT findings()', $$VALUES ('error|z|b'), ('warning|a|b')$$, 'check_isolation() runs every rule, and errors come first');
DROP FUNCTION opsadmin_private.rule_of_this_test();

-- It is the superuser's.
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p CROSS JOIN aclexplode(p.proacl) AS a
                  WHERE (p.oid = 'opsadmin.check_isolation'::regproc OR p.proname LIKE 'rule\_%') AND a.grantee <> p.proowner$$, 'nobody has been granted it, nor a rule');
BEGIN;
SELECT opsadmin.begin_as('ops@example.com') \g /dev/null
SELECT is(failure('SELECT * FROM opsadmin.check_isolation()'), '42501', 'staff may not call it');
ROLLBACK;
SELECT is(failure_as('shop_app', 'SELECT * FROM opsadmin.check_isolation()'), '42501', 'nor may the shop''s own application');

SELECT * FROM finish();
