-- Audit: who did it when no context says so, what a transaction says of itself, and events.
-- topic: audit annotation
SELECT plan(56);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'superadmin'), opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text);
CREATE TABLE regress_shop.unaudited (id int);
SELECT opsadmin.protect('regress_shop.item'), opsadmin.audit('regress_shop.item'), opsadmin.expose('regress_shop.item') \g /dev/null
INSERT INTO regress_shop.item VALUES (1, 1, 'Tea'), (2, 2, 'Tea');

-- The entries since the last look, one a line: what was done, as part of what.
CREATE TABLE looked AS SELECT coalesce(max(id), 0) AS id FROM opsadmin.audit_log;
CREATE FUNCTION stamps() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    lines text;
BEGIN
    SELECT string_agg(concat_ws(' ', l.op, l.after ->> 'name', l.action, l.meta), ', ' ORDER BY l.id) INTO lines FROM opsadmin.audit_log l, looked WHERE l.id > looked.id;
    UPDATE looked SET id = (SELECT max(l.id) FROM opsadmin.audit_log l) WHERE lines IS NOT NULL;
    RETURN lines;
END
$$;

-- The session.
SET application_name = 'nightly import';
UPDATE regress_shop.item SET name = 'a' WHERE id = 1;
SET application_name = 'psql';
UPDATE regress_shop.item SET name = 'b' WHERE id = 1;
SET application_name = '';
UPDATE regress_shop.item SET name = 'c' WHERE id = 1;
BEGIN;
SET LOCAL application_name = 'with a context';
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
UPDATE regress_shop.item SET name = 'd' WHERE id = 1;
COMMIT;
SELECT is((SELECT string_agg(concat_ws(' ', after ->> 'name', coalesce(application, 'none'), db_user = session_user), ', ' ORDER BY l.id) FROM opsadmin.audit_log l, looked WHERE l.id > looked.id),
          'a nightly import t, b psql t, c none t, d with a context t', 'the session has a user and calls itself something, with a context too');
SELECT has_column('opsadmin', 'audit_log', 'application', 'application is a column of audit_log');
SELECT stamps() \g /dev/null

-- annotate_audit(): entries before and after.
BEGIN;
UPDATE regress_shop.item SET name = 'before' WHERE id = 1;
SELECT opsadmin.annotate_audit('price-list', '{"file":"july.csv"}') \g /dev/null
UPDATE regress_shop.item SET name = 'after' WHERE id = 1;
COMMIT;
SELECT is(stamps(), 'UPDATE before price-list {"file": "july.csv"}, UPDATE after price-list {"file": "july.csv"}', 'what was written and what is to come');
BEGIN;
SELECT opsadmin.annotate_audit('price-list') \g /dev/null
UPDATE regress_shop.item SET name = 'first' WHERE id = 1;
COMMIT;
UPDATE regress_shop.item SET name = 'next' WHERE id = 1;
SELECT is(stamps(), 'UPDATE first price-list, UPDATE next', 'without meta; the next transaction is another');
SELECT opsadmin.annotate_audit('alone') \g /dev/null
BEGIN;
SELECT opsadmin.annotate_audit('rolled back') \g /dev/null
ROLLBACK;
UPDATE regress_shop.item SET name = 'plain' WHERE id = 1;
SELECT is(stamps(), 'UPDATE plain', 'nor does one that ended, or was rolled back, reach further');
BEGIN READ ONLY;
SELECT lives_ok($$SELECT opsadmin.annotate_audit('reading')$$, 'a transaction that only reads may be annotated');
COMMIT;
SELECT is(stamps(), NULL, 'which leaves nothing');
BEGIN;
SELECT opsadmin.annotate_audit('one', '{"a":1,"b":1}') \g /dev/null
UPDATE regress_shop.item SET name = 'x' WHERE id = 1;
SELECT opsadmin.annotate_audit('two', '{"b":2,"c":2}') \g /dev/null
UPDATE regress_shop.item SET name = 'y' WHERE id = 1;
COMMIT;
SELECT is(stamps(), 'UPDATE x two {"a": 1, "b": 2, "c": 2}, UPDATE y two {"a": 1, "b": 2, "c": 2}', 'the last action holds, and of each member the last');
BEGIN;
UPDATE regress_shop.item SET name = 'nobody' WHERE id = 1;
SELECT opsadmin.annotate_audit('mixed') \g /dev/null
SELECT opsadmin.begin_as('kim@example.com', 'acme', 'ticket 7') \g /dev/null
UPDATE regress_shop.item SET name = 'kim' WHERE id = 1;
SELECT opsadmin.annotate_audit('mixed', '{"n":1}') \g /dev/null
COMMIT;
SELECT is(stamps(), 'UPDATE nobody mixed {"n": 1}, UPDATE kim mixed {"n": 1, "reason": "ticket 7"}', 'a context bound in between; its reason stays');

-- Savepoints.
BEGIN;
UPDATE regress_shop.item SET name = 'a' WHERE id = 1;
SAVEPOINT s;
SELECT opsadmin.annotate_audit('undone', '{"undone":1}') \g /dev/null
UPDATE regress_shop.item SET name = 'undone' WHERE id = 1;
ROLLBACK TO s;
UPDATE regress_shop.item SET name = 'b' WHERE id = 1;
COMMIT;
SELECT is(stamps(), 'UPDATE a, UPDATE b', 'a savepoint takes its annotation back, from written entries too');
BEGIN;
SELECT opsadmin.annotate_audit('outer', '{"o":1}') \g /dev/null
SAVEPOINT s;
SELECT opsadmin.annotate_audit('inner', '{"i":1}') \g /dev/null
ROLLBACK TO s;
UPDATE regress_shop.item SET name = 'a' WHERE id = 1;
COMMIT;
SELECT is(stamps(), 'UPDATE a outer {"o": 1}', 'what was said before it holds again');
BEGIN;
SAVEPOINT s;
SELECT opsadmin.annotate_audit('released', '{"r":1}') \g /dev/null
RELEASE s;
SAVEPOINT t;
SAVEPOINT u;
SELECT opsadmin.annotate_audit('undone') \g /dev/null
RELEASE u;
ROLLBACK TO t;
UPDATE regress_shop.item SET name = 'b' WHERE id = 1;
COMMIT;
SELECT is(stamps(), 'UPDATE b released {"r": 1}', 'what a released savepoint said stays, unless the one around it is rolled back');
BEGIN;
SAVEPOINT s;
UPDATE regress_shop.item SET name = 'undone' WHERE id = 1;
SELECT opsadmin.annotate_audit('undone') \g /dev/null
ROLLBACK TO s;
SELECT opsadmin.annotate_audit('kept') \g /dev/null
UPDATE regress_shop.item SET name = 'c' WHERE id = 1;
COMMIT;
SELECT is(stamps(), 'UPDATE c kept', 'also when the header went with it');
DO $$
BEGIN
    FOR n IN 1 .. 3 LOOP
        BEGIN
            PERFORM opsadmin.annotate_audit('n' || n, jsonb_build_object('n' || n, n));
            IF n = 2 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN
            NULL;
        END;
    END LOOP;
    UPDATE regress_shop.item SET name = 'a' || name WHERE id = 1;
END
$$;
SELECT is(stamps(), 'UPDATE ac n3 {"n1": 1, "n3": 3}', 'in PL/pgSQL: but for the caught error''s');
BEGIN;
SELECT opsadmin.annotate_audit('prepared', '{"p":1}') \g /dev/null
UPDATE regress_shop.item SET name = 'p' WHERE id = 1;
PREPARE TRANSACTION 'regress_opsadmin_who';
UPDATE regress_shop.item SET name = 'other' WHERE id = 2;
COMMIT PREPARED 'regress_opsadmin_who';
SELECT is((SELECT string_agg(concat_ws(' ', l.after ->> 'name', l.action), ', ' ORDER BY l.after ->> 'name' COLLATE "C") FROM opsadmin.audit_log l, looked WHERE l.id > looked.id), 'other, p prepared', 'a prepared transaction takes its annotation along');
SELECT stamps() \g /dev/null

-- A job's own action, and reason, stay.
CREATE FUNCTION regress_shop.annotate() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM opsadmin.annotate_audit('in a trigger', '{"t":1}'); RETURN NULL; END$$;
CREATE TRIGGER annotate AFTER UPDATE ON regress_shop.item FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.annotate();
SELECT opsadmin.define_action('rename', 'regress_shop.item', 'name = ''job''') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.run_action('rename', '{}', '{"ids":["1"]}') AS job \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(stamps(), 'UPDATE job rename {"t": 1, "action": "in a trigger"}', 'a job keeps its action; the annotation''s is in meta');
DROP TRIGGER annotate ON regress_shop.item;

-- Events.
SELECT opsadmin.audit_event('backup', meta => '{"gigabytes":7}') \g /dev/null
SELECT is(stamps(), 'EVENT backup {"gigabytes": 7}', 'an event');
SELECT opsadmin.audit_event('looked-at', 'regress_shop.item', '{"id":1}') \g /dev/null
SELECT results_eq('SELECT target, target_pk, op, tenant_id, before, after FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1', $$VALUES ('regress_shop.item', '{"id":1}'::jsonb, 'EVENT', 0::bigint, NULL::jsonb, NULL::jsonb)$$, 'of a row');
SELECT is(count(DISTINCT e.row_key), 1::bigint, 'by the same number as its changes') FROM opsadmin.audit_log l JOIN opsadmin.audit_entry e USING (id) WHERE l.target_pk = '{"id":1}' AND l.target = 'regress_shop.item' HAVING count(DISTINCT e.op) > 1;
SELECT stamps() \g /dev/null
BEGIN;
UPDATE regress_shop.item SET name = 'a' WHERE id = 1;
SELECT opsadmin.audit_event('mail-sent', meta => '{"m":1}') \g /dev/null
UPDATE regress_shop.item SET name = 'b' WHERE id = 1;
SELECT opsadmin.annotate_audit('order', '{"o":1}') \g /dev/null
SELECT opsadmin.audit_event('call-made') \g /dev/null
COMMIT;
SELECT is(stamps(), 'UPDATE a order {"o": 1}, EVENT mail-sent {"m": 1, "o": 1, "action": "order"}, UPDATE b order {"o": 1}, EVENT call-made {"o": 1, "action": "order"}',
          'events among changes keep their action, and have the annotation besides');
BEGIN;
SAVEPOINT s;
SELECT opsadmin.audit_event('undone') \g /dev/null
ROLLBACK TO s;
COMMIT;
SELECT is(stamps(), NULL, 'an event that was rolled back was none');
SELECT is_empty('SELECT FROM opsadmin.audit_header h WHERE NOT EXISTS (SELECT FROM opsadmin.audit_entry e WHERE e.header_id = h.id)', 'no header without an entry');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.audit_event('exported', 'regress_shop.item') \g /dev/null
SELECT is((SELECT concat_ws(' ', tenant_id, actor_name, site, action) FROM opsadmin.audit_log WHERE op = 'EVENT' ORDER BY id DESC LIMIT 1), '1 Lee partner exported', 'a partner''s event is in its tenant, which sees it');
COMMIT;
BEGIN READ ONLY;
SELECT is(failure($$SELECT opsadmin.audit_event('reading')$$), '25006', 'a transaction that only reads has no events');
COMMIT;

-- What does not fit.
CREATE TABLE bad AS SELECT * FROM (VALUES ('NULL', '/action'), ('''''', '/action'), (quote_literal(repeat('é', 33)), '/action'), ('''a'', ''[]''', '/meta'), ('''a'', ''"x"''', '/meta'), ('''a'', ''{"reason":"mine"}''', '/meta'),
  ('''a'', ''{"action":"mine"}''', '/meta'), (format('''a'', ''{"x":"%s"}''', repeat('x', 8192)), '/meta')) AS bad (arguments, pointer);
SELECT is(failure(format('SELECT opsadmin.annotate_audit(%s)', arguments)), 'OA420 ' || pointer, 'annotate_audit(): ' || left(arguments, 60)) FROM bad;
SELECT is(failure(format('SELECT opsadmin.audit_event(%s)', replace(arguments, ', ''', ', meta => '''))), 'OA420 ' || pointer, 'audit_event(): ' || left(arguments, 60)) FROM bad;
SELECT is(failure(format('SELECT opsadmin.annotate_audit(%L, %L)', repeat('é', 32), format('{"x":"%s"}', repeat('x', 8000)))), NULL, 'as much as there may be');
SELECT is(failure(format('SELECT opsadmin.annotate_audit(%L, %L), opsadmin.annotate_audit(%L, %L)', 'a', format('{"x":"%s"}', repeat('x', 5000)), 'a', format('{"y":"%s"}', repeat('x', 5000)))), 'OA420 /meta', 'not even in two');
SELECT is(failure(format('SELECT opsadmin.audit_event(''a'', %s)', arguments)), code, 'audit_event(): ' || left(arguments, 60))
FROM (VALUES ('''regress_shop.unaudited''', 'OA438'), ('''opsadmin.actor''', 'OA438'), ('NULL, ''{"id":1}''', 'OA420 /target_pk'), ('''regress_shop.item'', ''1''', 'OA420 /target_pk'),
             (format('''regress_shop.item'', ''{"id":"%s"}''', repeat('x', 8192)), 'OA420 /target_pk')) AS bad (arguments, code);
SELECT is(stamps(), 'EVENT exported', 'nothing of that is in the log');

-- Who may: the site roles with a context, and the company's own application when the DBA grants it.
SELECT is(failure_at(login, $$SELECT opsadmin.annotate_audit('x')$$), 'OA001', login || ' needs a context') FROM unnest(ARRAY['opsadmin_internal_login', 'opsadmin_partner_login']) AS login;
CREATE ROLE regress_opsadmin_app LOGIN;
GRANT USAGE ON SCHEMA regress_shop, opsadmin TO regress_opsadmin_app;
GRANT SELECT, UPDATE ON regress_shop.item TO regress_opsadmin_app;
CREATE POLICY app ON regress_shop.item TO regress_opsadmin_app USING (true);
SELECT is(failure_as('regress_opsadmin_app', $$SELECT opsadmin.annotate_audit('x')$$), '42501', 'the application may not');
GRANT EXECUTE ON FUNCTION opsadmin.annotate_audit, opsadmin.audit_event TO regress_opsadmin_app;
SET SESSION AUTHORIZATION regress_opsadmin_app;
SET application_name = 'shop';
BEGIN;
UPDATE regress_shop.item SET name = 'app' WHERE id = 1;
SELECT opsadmin.annotate_audit('checkout') \g /dev/null
SELECT opsadmin.audit_event('paid', 'regress_shop.item', '{"id":1}') \g /dev/null
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT is((SELECT string_agg(concat_ws(' ', l.op, l.db_user, l.application, l.action, l.site), ', ' ORDER BY l.id) FROM (SELECT * FROM opsadmin.audit_log ORDER BY id DESC LIMIT 2) AS l),
          'UPDATE regress_opsadmin_app shop checkout, EVENT regress_opsadmin_app shop paid', 'until it is granted: then the log tells it by its login and its name');

-- The session of a site's login: what the company's code has said is not for it to change, and events have a bound.
INSERT INTO opsadmin.secret (hash, purpose, actor_id, site, expires_at, last_seen_at)
SELECT sha256('lee'), 'session', a.id, 'partner', now() + interval '1 hour', now() FROM opsadmin.actor a WHERE a.email = 'lee@example.com';
CREATE FUNCTION regress_shop.tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM opsadmin.audit_event('priced', meta => '{"by":"the shop"}'), opsadmin.annotate_audit('shop', '{"rule":"a","by":"the shop"}');
    RETURN NULL;
END
$$;
CREATE TRIGGER tell AFTER UPDATE ON regress_shop.item FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.tell();
SELECT stamps() \g /dev/null
SET SESSION AUTHORIZATION opsadmin_partner_login;
SET application_name = 'page';
BEGIN;
SELECT FROM opsadmin.begin_request('lee', ip => '192.0.2.9');
UPDATE regress_shop.item SET name = 'a' WHERE id = 1;
SELECT opsadmin.annotate_audit('mine', '{"rule":"b","note":1,"by":"me"}') \g /dev/null
UPDATE regress_shop.item SET name = 'b' WHERE id = 1;
COMMIT;
BEGIN;
SELECT FROM opsadmin.begin_request('lee', ip => '192.0.2.9');
SELECT count(opsadmin.audit_event('many')) AS many FROM generate_series(1, 1000) \gset
COMMIT;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
BEGIN;
SELECT FROM opsadmin.begin_request('lee', ip => '192.0.2.9');
SELECT count(opsadmin.audit_event('too many')) FROM generate_series(1, 1001);
\set code :LAST_ERROR_SQLSTATE
ROLLBACK;
\set VERBOSITY default
\set ON_ERROR_STOP on
BEGIN;
SELECT FROM opsadmin.begin_request('lee');
SELECT string_agg(DISTINCT concat_ws(' ', l.db_user, l.ip, l.application), ', ') AS own FROM opsadmin.audit_log l WHERE l.action IN ('shop', 'many') \gset
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT is((SELECT string_agg(concat_ws(' ', l.op, l.after ->> 'name', l.action, l.meta), ', ' ORDER BY l.id) FROM opsadmin.audit_log l, looked WHERE l.id > looked.id AND l.action <> 'many'),
          'UPDATE a shop {"by": "the shop", "note": 1, "rule": "a"}, EVENT priced {"by": "the shop", "note": 1, "rule": "a", "action": "shop"}, UPDATE b shop {"by": "the shop", "note": 1, "rule": "a"}, EVENT priced {"by": "the shop", "note": 1, "rule": "a", "action": "shop"}',
          'a partner adds to what was said, and replaces nothing of it');
SELECT is(ARRAY[:'many', :'code'], ARRAY['1000', 'OA420'], 'and writes at most 1,000 events a transaction');
SELECT is(:'own'::text, 'opsadmin_partner_login 192.0.2.9 page', 'what came through the gateway is told with from where it came');
DROP TRIGGER tell ON regress_shop.item;
SELECT opsadmin.audit_event('large', 'regress_shop.item', '{"id":9223372036854775807}'), opsadmin.audit_event('larger', 'regress_shop.item', '{"id":9223372036854775808}') \g /dev/null
SELECT results_eq('SELECT l.action, l.row_key = 9223372036854775807, l.target_pk FROM opsadmin.audit_log l ORDER BY l.id DESC LIMIT 2',
                  $$VALUES ('larger', false, '{"id":9223372036854775808}'::jsonb), ('large', true, '{"id":9223372036854775807}')$$, 'the largest key is a number, as the trigger has it');

DROP SCHEMA regress_shop CASCADE;
REVOKE USAGE ON SCHEMA opsadmin FROM regress_opsadmin_app;
REVOKE EXECUTE ON FUNCTION opsadmin.annotate_audit, opsadmin.audit_event FROM regress_opsadmin_app;
DROP ROLE regress_opsadmin_app;
SELECT * FROM finish();
