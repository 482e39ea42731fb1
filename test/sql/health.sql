-- health(): a finding for everything that is missing, each with a remedy that mends it.
SELECT plan(46);
\ir include/failure.psql

CREATE FUNCTION findings(rules text[]) RETURNS SETOF text LANGUAGE sql AS $$SELECT concat_ws('|', level, rule, object, problem, remedy) FROM opsadmin.health() WHERE rule = ANY (rules)$$;
SELECT is_empty($$SELECT findings('{preload,roles,key}')$$, 'nothing is wrong with the library, the roles and the key');
SELECT is_empty($$SELECT * FROM opsadmin.health() WHERE level NOT IN ('error', 'warning') OR rule IS NULL OR object IS NULL OR problem IS NULL OR remedy IS NULL$$, 'a finding is complete');

-- Without pg_cron here.
SELECT coalesce(current_setting('cron.database_name', true) <> current_database(), true) AS cron_elsewhere, current_setting('shared_preload_libraries') ~ 'pg_cron' AS cron_loaded \gset
SELECT set_eq('SELECT rule FROM opsadmin.health()', ARRAY['cron'], 'one finding about pg_cron') WHERE :'cron_elsewhere';
SELECT skip('pg_cron runs in this database') WHERE NOT :'cron_elsewhere';
SELECT is(findings('{cron}'), format('error|cron|pg_cron|pg_cron runs in database "%s", not in this one|ALTER SYSTEM SET cron.database_name = ''%s''; -- then restart the server',
          current_setting('cron.database_name', true), current_database()), 'it names the database and the setting') WHERE :'cron_elsewhere' AND :'cron_loaded';
SELECT skip('pg_cron runs in this database, or is not loaded') WHERE NOT (:'cron_elsewhere' AND :'cron_loaded');

-- Roles that may do too much, and the remedy of each.
CREATE PROCEDURE mend() LANGUAGE plpgsql AS $$
DECLARE
    remedy text;
BEGIN
    FOR remedy IN SELECT h.remedy FROM opsadmin.health() AS h WHERE h.rule = 'roles' LOOP
        EXECUTE remedy;
    END LOOP;
END
$$;
CREATE FUNCTION harm(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE statement;
    SELECT string_agg(concat_ws('|', h.object, h.problem), ', ') INTO found FROM opsadmin.health() AS h WHERE h.rule = 'roles';
    CALL mend();
    RETURN found || coalesce((SELECT ', not mended: ' || string_agg(h.problem, ', ') FROM opsadmin.health() AS h WHERE h.rule = 'roles'), '');
END
$$;
BEGIN;
CREATE ROLE regress_opsadmin_stranger;
SELECT is(harm(statement), problem, statement)
FROM (VALUES ('ALTER ROLE opsadmin_partner_login BYPASSRLS', 'opsadmin_partner_login|the role may do more than opsadmin allows'), ('ALTER ROLE opsadmin_worker SUPERUSER', 'opsadmin_worker|the role may do more than opsadmin allows'),
             ('ALTER ROLE opsadmin_trusted CREATEROLE', 'opsadmin_trusted|the role may do more than opsadmin allows'), ('ALTER ROLE opsadmin_internal REPLICATION CREATEDB', 'opsadmin_internal|the role may do more than opsadmin allows'),
             ('GRANT opsadmin_partner TO regress_opsadmin_stranger', 'opsadmin_partner|role "regress_opsadmin_stranger" is a member of it'),
             ('GRANT opsadmin_worker TO regress_opsadmin_stranger', 'opsadmin_worker|role "regress_opsadmin_stranger" is a member of it'),
             ('GRANT regress_opsadmin_stranger TO opsadmin_partner_login', 'opsadmin_partner_login|the role is a member of "regress_opsadmin_stranger"'),
             ('GRANT pg_read_all_data TO opsadmin_internal', 'opsadmin_internal|the role is a member of "pg_read_all_data"')) AS harms (statement, problem);
SELECT is(harm('GRANT opsadmin_internal TO opsadmin_partner_login'), 'opsadmin_internal|role "opsadmin_partner_login" is a member of it, opsadmin_partner_login|the role is a member of "opsadmin_internal"', 'a login of one site in the other');
SELECT is(harm(format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database())), 'opsadmin_internal_login|the role may not connect to this database, opsadmin_partner_login|the role may not connect to this database, opsadmin_worker|the role may not connect to this database', 'a database that not everybody may connect to');
GRANT opsadmin_trusted TO regress_opsadmin_stranger;
SELECT is_empty($$SELECT findings('{roles}')$$, 'members of opsadmin_trusted are for the DBA to choose');
ROLLBACK;

-- KPIs whose table cannot be read any more.
SELECT opsadmin.create_tenant('acme', 'Acme') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.kept (id int PRIMARY KEY, tenant_id bigint NOT NULL, at timestamptz);
CREATE TABLE regress_shop.dropped (LIKE regress_shop.kept INCLUDING ALL);
SET client_min_messages = error;
SELECT opsadmin.protect(t), opsadmin.define_kpi(name, t, 'at') FROM (VALUES ('kept', 'regress_shop.kept'::regclass), ('dropped', 'regress_shop.dropped')) AS v (name, t) \g /dev/null
SELECT is_empty($$SELECT findings('{kpi}')$$, 'nothing is wrong with the KPIs');
SELECT opsadmin.unprotect('regress_shop.kept') \g /dev/null
DROP TABLE regress_shop.dropped;
SELECT set_eq($$SELECT findings('{kpi}')$$, ARRAY['warning|kpi|kept|table "regress_shop.kept" is not protected: the KPI is not refreshed|SELECT opsadmin.protect(''regress_shop.kept'');',
              'warning|kpi|dropped|table "regress_shop.dropped" was dropped: the KPI is not refreshed|SELECT opsadmin.drop_kpi(''dropped'');'], 'a table that is not protected any more, and one that is gone');
SELECT opsadmin.protect('regress_shop.kept'), opsadmin.drop_kpi('dropped') \g /dev/null
SELECT is_empty($$SELECT findings('{kpi}')$$, 'the remedies mend it');

-- Resources that cannot be read any more.
SELECT opsadmin.expose('regress_shop.kept', 'item') \g /dev/null
SELECT is_empty($$SELECT findings('{resource}')$$, 'nothing is wrong with the resources');
SELECT opsadmin.unprotect('regress_shop.kept') \g /dev/null
ALTER TABLE regress_shop.kept RENAME at TO sold_at;
SELECT set_eq($$SELECT findings('{resource}')$$, ARRAY['warning|resource|item|table "regress_shop.kept" is not protected: nobody can read the resource|SELECT opsadmin.protect(''regress_shop.kept'');',
              'warning|resource|item|table "regress_shop.kept" has no column "at" any more: the resource cannot be read|SELECT opsadmin.expose(''regress_shop.kept'', ''item'');'],
              'a table that is not protected any more, and a column that has another name');
SELECT opsadmin.protect('regress_shop.kept'), opsadmin.expose('regress_shop.kept', 'item') \g /dev/null
SELECT is_empty($$SELECT findings('{resource}')$$, 'the remedies mend it');
BEGIN;
ALTER TABLE regress_shop.kept DROP CONSTRAINT kept_pkey, ADD PRIMARY KEY (tenant_id, id);
SELECT set_eq($$SELECT findings('{resource}')$$, ARRAY['warning|resource|item|"id" is not the primary key of table "regress_shop.kept" any more: rows cannot be selected one by one|SELECT opsadmin.unexpose(''regress_shop.kept''); -- or make it the key again'],
              'a key of several columns');
ALTER TABLE regress_shop.kept DROP CONSTRAINT kept_pkey, ADD number int UNIQUE, ADD PRIMARY KEY (number);
SELECT set_eq($$SELECT findings('{resource}')$$, ARRAY['warning|resource|item|"id" is not the primary key of table "regress_shop.kept" any more: rows cannot be selected one by one|SELECT opsadmin.expose(''regress_shop.kept'', ''item'');'],
              'another key');
ROLLBACK;

-- Columns that were renamed under what names them.
ALTER TABLE regress_shop.kept ADD gone text;
SELECT opsadmin.define_kpi('kept', 'regress_shop.kept', 'sold_at', 'count(*)', 'id > 0'), opsadmin.audit('regress_shop.kept', redact => '{sold_at,gone}') \g /dev/null
ALTER TABLE regress_shop.kept RENAME sold_at TO bought_at;
ALTER TABLE regress_shop.kept RENAME tenant_id TO customer_id;
ALTER TABLE regress_shop.kept DROP gone;
SELECT set_eq($$SELECT findings('{isolation,audit,kpi}')$$, ARRAY['error|isolation|regress_shop.kept|table "regress_shop.kept" has no column "tenant_id" any more|SELECT opsadmin.unprotect(''regress_shop.kept''); -- then protect() and audit() it by the column that names the tenant now',
              'error|audit|regress_shop.kept|table "regress_shop.kept" has no column "gone" any more, which audit() was told of|SELECT opsadmin.audit(''regress_shop.kept'', redact => ''{…}'', ignore => ''{…}'', keep => ''{…}''); -- with the columns that there are now',
              'warning|kpi|kept|column target.sold_at does not exist: the KPI is not refreshed|SELECT opsadmin.define_kpi(''kept'', ''regress_shop.kept'', …); -- as the table is now'],
              'a tenant column and a time column that have another name, and a redacted column that is gone');
SELECT lives_ok($$SELECT opsadmin.unprotect('regress_shop.kept'), opsadmin.protect('regress_shop.kept', 'customer_id'), opsadmin.audit('regress_shop.kept', redact => '{bought_at}'),
                         opsadmin.define_kpi('kept', 'regress_shop.kept', 'bought_at')$$, 'the remedies can be run');
SELECT is_empty($$SELECT findings('{isolation,audit,kpi}')$$, 'and mend it');

-- Triggers of the audit that are not as audit() makes them, each found and mended.
CREATE FUNCTION regress_shop.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE FUNCTION audit_after(fault text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    EXECUTE fault;
    SELECT h.problem, h.remedy INTO found FROM opsadmin.health() AS h WHERE h.rule = 'audit';
    EXECUTE found.remedy;
    RETURN substring(found.problem FROM '[A-Z]+(?:, [A-Z]+)*') || CASE WHEN EXISTS (SELECT FROM opsadmin.health() AS h WHERE h.rule = 'audit') THEN ' not mended' ELSE '' END;
END
$$;
SELECT is(trim(audit_after(fault)), events, fault)
FROM (VALUES ('CREATE OR REPLACE TRIGGER opsadmin_audit_update AFTER UPDATE ON regress_shop.kept EXECUTE FUNCTION regress_shop.nothing()', 'UPDATE'),
             ('CREATE OR REPLACE TRIGGER opsadmin_audit_insert AFTER INSERT ON regress_shop.kept REFERENCING NEW TABLE AS new_rows WHEN (false) EXECUTE FUNCTION opsadmin.audit_trigger(1, '''')', 'INSERT'),
             ('ALTER TRIGGER opsadmin_audit_delete ON regress_shop.kept DEPENDS ON EXTENSION plpgsql', 'DELETE'),
             ('ALTER TABLE regress_shop.kept ENABLE TRIGGER ALL', 'INSERT, DELETE, UPDATE, TRUNCATE'),
             ('ALTER TABLE regress_shop.kept DISABLE TRIGGER opsadmin_audit_truncate', 'TRUNCATE'),
             ('DROP TRIGGER opsadmin_audit_truncate ON regress_shop.kept', 'TRUNCATE')) AS v (fault, events);
SELECT is(redact, '{bought_at}', 'with the same columns redacted') FROM opsadmin.audited_table;
DROP SCHEMA regress_shop CASCADE;
RESET client_min_messages;

-- The upkeep.
SELECT opsadmin.create_actor('kim@example.com', 'Kim') \g /dev/null
INSERT INTO opsadmin.secret (hash, purpose, actor_id, site, last_seen_at, expires_at)
SELECT sha256(n::text::bytea), CASE WHEN n = 4 THEN 'invitation' ELSE 'session' END, a.id, 'internal', now() - CASE WHEN n = 2 THEN interval '8 hours 1 second' ELSE '7 hours' END, now() + CASE WHEN n IN (3, 4) THEN interval '-1 second' ELSE '1 hour' END
FROM opsadmin.actor a, generate_series(1, 4) AS n;
INSERT INTO opsadmin.sign_in_event (email, site, outcome, created_at) SELECT 'x', 'internal', 'ok', now() - d * interval '1 day' FROM generate_series(88, 92) AS d;
INSERT INTO opsadmin.request (tenant_id, site, method, path, request_id, action, status, milliseconds, created_at) SELECT 0, 'internal', 'GET', '/', d, 'me', 200, 1, now() - d * interval '1 day' FROM generate_series(88, 92) AS d;
SELECT is(opsadmin.run_maintenance(), 9::bigint, 'run_maintenance() removes what has expired');
SELECT results_eq('SELECT purpose, count(*) FROM opsadmin.secret GROUP BY 1 ORDER BY 1', $$VALUES ('invitation', 1::bigint), ('session', 1)$$, 'sessions and invitations that hold stay');
SELECT is(count(*), 2::bigint, 'attempts to sign in stay for 90 days') FROM opsadmin.sign_in_event;
SELECT is(count(*), 2::bigint, 'requests too') FROM opsadmin.request;
SELECT is(opsadmin.run_maintenance(), 0::bigint, 'the next time there is nothing');
SET SESSION AUTHORIZATION opsadmin_worker;
SELECT is(opsadmin.run_maintenance(), 0::bigint, 'the worker may call it');
RESET SESSION AUTHORIZATION;
-- A step that fails undoes no other.
CREATE FUNCTION fail_upkeep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE TRIGGER fail BEFORE DELETE ON opsadmin.sign_in_event EXECUTE FUNCTION fail_upkeep();
INSERT INTO opsadmin.request (tenant_id, site, method, path, request_id, action, status, milliseconds, created_at) VALUES (0, 'internal', 'GET', '/', 'x', 'me', 200, 1, now() - interval '91 days');
INSERT INTO opsadmin.secret (hash, purpose, actor_id, site, expires_at) SELECT sha256('x'), 'session', a.id, 'internal', now() - interval '1 second' FROM opsadmin.actor a;
SET client_min_messages = error;
SELECT is(opsadmin.run_maintenance(), 2::bigint, 'what comes before and after a step that fails is done');
RESET client_min_messages;
SELECT results_eq($$SELECT object, problem ~ '^the upkeep has failed since .*: no$' FROM opsadmin.health() WHERE rule = 'upkeep'$$, $$VALUES ('sign-ins', true)$$, 'health() tells of the one that failed');
DROP TRIGGER fail ON opsadmin.sign_in_event;
SELECT opsadmin.run_maintenance() \g /dev/null
SELECT is_empty($$SELECT FROM opsadmin.health() WHERE rule = 'upkeep'$$, 'until it succeeds');
-- A transaction's advisory locks are for everybody.
BEGIN;
SELECT opsadmin_private.make_audit_partitions() \g /dev/null
SELECT is_empty($$SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()$$, 'the upkeep takes none');
COMMIT;
BEGIN;
SELECT opsadmin_private.bind_actor('internal', NULL, NULL, '{*}') \g /dev/null
SET LOCAL ROLE opsadmin_internal;
SELECT is(failure(statement), '42501', 'staff may not: ' || statement) FROM unnest(ARRAY['SELECT opsadmin.run_maintenance()', 'SELECT opsadmin.health()', 'SELECT opsadmin.unschedule()']) AS statement;
ROLLBACK;

SELECT * FROM finish();
