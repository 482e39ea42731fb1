-- list_findings(): for staff with health:read, errors first, each gone once its remedy was run.
SELECT plan(12);
\ir include/failure.psql
SET client_min_messages = error;

CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id int PRIMARY KEY, tenant_id bigint NOT NULL, sold_at timestamptz);
SELECT opsadmin.create_tenant('acme', 'Acme'), opsadmin.protect('regress_shop.item'), opsadmin.define_kpi('sold', 'regress_shop.item', 'sold_at') \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('jo@example.com', 'Jo'), opsadmin.define_role('watcher', 'internal', '{health:read}'),
       opsadmin.define_role('blind', 'internal', '{item:read,audit:read}'), opsadmin.grant_role('kim@example.com', 'watcher'),
       opsadmin.grant_role('lee@example.com', 'blind'), opsadmin.grant_role('jo@example.com', 'partner_admin', 'acme') \g /dev/null

-- Who may.
SELECT is(failure('SELECT opsadmin.list_findings()'), 'OA001', 'without a context');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure('SELECT opsadmin.list_findings()'), 'OA403', 'without health:read');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('jo@example.com', 'acme') \g /dev/null
SELECT ok(opsadmin.can('health:read'), 'a partner''s *:read holds the permission');
SELECT is(failure('SELECT opsadmin.list_findings()'), '42501', 'but the function is for the internal site');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme') \g /dev/null
SELECT is(failure('SELECT opsadmin.list_findings()'), NULL, 'staff who act in one tenant may');
COMMIT;

-- A fault for each check, and one that is a warning.
ALTER TABLE regress_shop.item NO FORCE ROW LEVEL SECURITY;
ALTER ROLE opsadmin_trusted CREATEROLE;
ALTER TABLE regress_shop.item RENAME sold_at TO bought_at;
BEGIN READ ONLY;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.list_findings()::jsonb AS answer, now() AS asked_at \gset
COMMIT;
CREATE TABLE found AS
SELECT r.ordinality AS place, r.value ->> 'check' AS source, r.value ->> 'level' AS level, r.value ->> 'rule' AS rule, r.value ->> 'object' AS object, r.value ->> 'problem' AS problem, r.value ->> 'remedy' AS remedy
FROM jsonb_array_elements(:'answer'::jsonb -> 'rows') WITH ORDINALITY AS r;
SELECT is(:'answer'::jsonb - 'rows', jsonb_build_object('checked_at', :'asked_at'::timestamptz), 'the answer says when the checks were made');
SELECT set_eq('SELECT source, level, rule, object, problem, remedy FROM found',
              $$SELECT 'isolation', * FROM opsadmin.check_isolation() UNION ALL
                SELECT 'health', * FROM opsadmin.health() AS h WHERE NOT EXISTS (SELECT FROM opsadmin.check_isolation() AS i WHERE (i.object, i.problem, i.remedy) = (h.object, h.problem, h.remedy))$$,
              'it holds what both checks find, each once');
SELECT set_has('SELECT DISTINCT source, level FROM found WHERE object IN (''regress_shop.item'', ''opsadmin_trusted'', ''sold'')',
              $$VALUES ('isolation', 'error'), ('health', 'warning')$$, 'the planted faults are there');
SELECT results_eq('SELECT source, level, rule, object FROM found ORDER BY place', 'SELECT source, level, rule, object FROM found ORDER BY level = ''warning'', source, rule, object, problem',
                  'errors first, then by check, rule and object');
SELECT is(remedy, 'ALTER TABLE regress_shop.item FORCE ROW LEVEL SECURITY;', 'the remedy of an isolation fault') FROM found WHERE source = 'isolation' AND remedy ~ '\mFORCE\M';
SELECT is(remedy, 'ALTER ROLE opsadmin_trusted NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION;', 'the remedy of a fault that both find') FROM found WHERE object = 'opsadmin_trusted';
SELECT string_agg(remedy, ' ') AS remedies FROM found WHERE remedy ~ '\mFORCE\M' OR object = 'opsadmin_trusted' \gset
:remedies
ALTER TABLE regress_shop.item RENAME bought_at TO sold_at;
BEGIN READ ONLY;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.list_findings()::jsonb AS answer \gset
COMMIT;
SELECT is_empty(format($$SELECT r ->> 'problem' FROM jsonb_array_elements(%L::jsonb -> 'rows') AS r WHERE r ->> 'object' IN ('opsadmin_trusted', 'sold') OR r ->> 'remedy' ~ '\mFORCE\M'$$, :'answer'),
                'what is mended is not there any more');

SELECT * FROM finish();
