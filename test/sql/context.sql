-- The context of a transaction: its readers, where it may be bound, when it ends, and parallel workers.
SELECT plan(100);
\ir include/failure.psql

SELECT opsadmin.create_tenant('acme', 'Acme', id => 11), opsadmin.create_tenant('numbered', 'Numbered', id => 12, key => '4200000001'),
       opsadmin.create_tenant('hooli', 'Hooli', id => 13, key => '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01'), opsadmin.create_tenant('lettered', 'Lettered', id => 14, key => 'T-14 é') \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('both@example.com', 'Both'), opsadmin.create_actor('nobody@example.com', 'Nobody') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('both@example.com', 'partner_admin', 'acme'), opsadmin.grant_role('both@example.com', 'partner_member', 'hooli') \g /dev/null

-- Without a context.
SELECT is(failure('SELECT opsadmin.' || reader), 'OA001', reader || ' without a context')
FROM unnest(ARRAY['current_tenant()', 'current_tenant_key_int4()', 'current_tenant_key_int8()', 'current_tenant_key_uuid()', 'current_tenant_key_text()', 'current_actor()',
                  'current_site()', 'context()', 'can(''a:b'')']) AS reader;
SELECT is(opsadmin_private.context_is_bound(), false, 'context_is_bound() never raises');

-- Staff without a tenant.
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', reason => 'support') \g /dev/null
SELECT is(current_user, 'opsadmin_internal', 'begin_as() takes on the site''s role');
SELECT is(opsadmin.current_site(), 'internal', 'current_site()');
SELECT is(opsadmin.current_tenant(), NULL, 'current_tenant() of staff without one is NULL');
SELECT is(opsadmin.current_tenant_key_int4(), NULL, 'as are its keys');
SELECT is(opsadmin.current_tenant_key_uuid(), NULL, 'as are its keys');
SELECT is(opsadmin.context() - 'permissions' - 'actor_id',
          '{"actor_name":"Kim","site":"internal","tenant_id":null,"ip":null,"method":null,"path":null,"request_id":null,"reason":"support","job_id":null,"action":null}',
          'context() has everything');
RESET ROLE;
SELECT is(opsadmin.current_actor(), (SELECT id FROM opsadmin.actor WHERE email = 'kim@example.com'), 'current_actor()');
SELECT is(failure($$SELECT opsadmin.begin_as('kim@example.com')$$), 'OA002', 'a transaction has one context');
SELECT is(opsadmin.current_site(), 'internal', 'which stays');
SAVEPOINT a;
SELECT is(opsadmin.current_site(), 'internal', 'also below a savepoint');
ROLLBACK TO a;
SELECT is(opsadmin.current_site(), 'internal', 'and after rolling back to it');
COMMIT;
SELECT is(failure('SELECT opsadmin.context()'), 'OA001', 'COMMIT ends it');
SELECT is(current_user, 'postgres', 'and the role');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
ROLLBACK;
SELECT is(failure('SELECT opsadmin.context()'), 'OA001', 'ROLLBACK ends it');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
COMMIT AND CHAIN;
SELECT is(failure('SELECT opsadmin.context()'), 'OA001', 'COMMIT AND CHAIN ends it');
COMMIT;
BEGIN;
SAVEPOINT a;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
\o /dev/null
SELECT opsadmin.begin_as('kim@example.com');
\o
\set code :LAST_ERROR_SQLSTATE
\set VERBOSITY default
\set ON_ERROR_STOP on
ROLLBACK;
SELECT is(text :'code', 'OA002', 'it is not bound below a savepoint');
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure('SELECT opsadmin.context()'), 'OA001', 'a transaction of one statement is one too');
SELECT current_setting('max_prepared_transactions')::int > 0 AS can_prepare \gset
\if :can_prepare
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
PREPARE TRANSACTION 'opsadmin context';
SELECT is(failure('SELECT opsadmin.context()'), 'OA001', 'PREPARE TRANSACTION ends it');
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'the next transaction binds its own');
COMMIT;
COMMIT PREPARED 'opsadmin context';
SELECT is(failure('SELECT opsadmin.context()'), 'OA001', 'COMMIT PREPARED brings none back');
\else
SELECT skip(3, 'max_prepared_transactions is 0');
\endif

-- An exception block of PL/pgSQL is a subtransaction, too.
BEGIN;
SELECT is(failure($$SELECT opsadmin.begin_as('kim@example.com')$$), 'OA002', 'it is not bound inside an exception block');
SELECT is(opsadmin_private.context_is_bound(), false, 'nor left by one');
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure('SELECT 1 / 0'), '22012', 'an exception block that fails');
SELECT is(opsadmin.current_site(), 'internal', 'leaves the context as it was');
COMMIT;

-- Deferred triggers run at COMMIT, before the context ends.
CREATE TABLE deferred_row (n int);
CREATE TABLE deferred_tenant (tenant bigint);
CREATE FUNCTION note_tenant() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO deferred_tenant VALUES (opsadmin.current_tenant()); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON deferred_row DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_tenant();
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
RESET ROLE;
INSERT INTO deferred_row VALUES (1);
COMMIT;
SELECT is(tenant, 11::bigint, 'deferred triggers see it') FROM deferred_tenant;

-- No setting holds or changes it.
BEGIN;
SELECT opsadmin.begin_as('both@example.com', 'acme') \g /dev/null
SET ROLE NONE;
RESET ALL;
SELECT is(opsadmin.context() ->> 'tenant_id', '11', 'RESET ALL leaves it');
SELECT is((SELECT count(*) FROM pg_settings WHERE setting LIKE '%both@example%' OR setting = 'acme'), 0::bigint, 'no setting holds it');
COMMIT;

-- Partners.
SELECT is(failure($$SELECT opsadmin.begin_as('both@example.com', 'nowhere')$$), 'OA404', 'a tenant that does not exist');
SELECT is(failure($$SELECT opsadmin.begin_as('ghost@example.com')$$), 'OA408', 'an actor that does not exist');
SELECT is(failure($$SELECT opsadmin.begin_as('both@example.com', 'lettered')$$), 'OA403', 'a tenant that is not the actor''s');
SELECT is(failure($$SELECT opsadmin.begin_as('nobody@example.com')$$), 'OA403', 'an actor without a role');
SELECT is(failure('SELECT opsadmin.begin_as()'), 'OA420', 'neither actor nor tenant');
BEGIN;
SELECT opsadmin.begin_as('both@example.com', 'hooli') \g /dev/null
SELECT is(opsadmin.current_tenant(), 13::bigint, 'the tenant that was named');
SELECT is(opsadmin.context() -> 'permissions', '["*:read"]', 'with the permissions of that tenant alone');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('both@example.com') \g /dev/null
SELECT is(failure('SELECT opsadmin.' || reader), 'OA411', reader || ' of a partner without a choice') FROM unnest(ARRAY['current_tenant()', 'current_tenant_key_int8()']) AS reader;
SELECT is(failure('SELECT opsadmin.list_rows(''product'')'), 'OA405', 'an unknown resource stays unknown');
SELECT is(failure('SELECT opsadmin.list_jobs()'), 'OA411', 'list_jobs() names what is missing');
SELECT is(failure('SELECT opsadmin.list_audit()'), 'OA411', 'as does list_audit()');
SELECT is(failure('SELECT opsadmin.kpi_summary()'), 'OA411', 'as does kpi_summary()');
SELECT is(failure($$SELECT opsadmin_private.require_permission('product:read')$$), 'OA411', 'no permission without a tenant');
SELECT isnt(failure('SELECT opsadmin_private.require_permission(NULL)'), NULL, 'nor is NULL one that anybody has');
COMMIT;
SELECT opsadmin.revoke_role('both@example.com', 'partner_member', 'hooli') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('both@example.com') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'the only tenant needs no choice');
SELECT is(current_user, 'opsadmin_partner', 'with the role of partners');
COMMIT;
UPDATE opsadmin.actor SET disabled_at = now() WHERE email = 'both@example.com';
SELECT is(failure($$SELECT opsadmin.begin_as('both@example.com', 'acme')$$), 'OA408', 'a disabled actor');

-- The forms of a tenant.
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(opsadmin.context() ->> 'actor_id', NULL, 'a tenant alone has no actor');
SELECT is(opsadmin.can('anything:delete'), true, 'and every permission');
SELECT is(opsadmin.current_tenant_key_int4(), 11, 'integer columns hold the id');
SELECT is(opsadmin.current_tenant_key_int8(), 11::bigint, 'as do bigint ones');
SELECT is(failure('SELECT opsadmin.current_tenant_key_uuid()'), 'OA404', 'without a key there is no uuid');
SELECT is(failure('SELECT opsadmin.current_tenant_key_text()'), 'OA404', 'and no text');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'numbered') \g /dev/null
SELECT is(opsadmin.current_tenant_key_int8(), 4200000001, 'a numeric key stands for the id in bigint columns');
SELECT is(failure('SELECT opsadmin.current_tenant_key_int4()'), 'OA404', 'it is never cut to fit');
SELECT is(opsadmin.current_tenant_key_text(), '4200000001', 'text columns hold the key');
SELECT is(opsadmin.current_tenant(), 12::bigint, 'opsadmin''s own tables the id');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'hooli') \g /dev/null
SELECT is(opsadmin.current_tenant_key_uuid(), '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', 'uuid columns hold the key');
SELECT is(opsadmin.current_tenant_key_text(), '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', 'as do text columns');
SELECT is(failure('SELECT opsadmin.current_tenant_key_int8()'), 'OA404', 'integer ones cannot');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'lettered') \g /dev/null
SELECT is(opsadmin.current_tenant_key_text(), 'T-14 é', 'any text may be a key');
SELECT is(failure('SELECT opsadmin.current_tenant_key_uuid()'), 'OA404', 'that is no uuid');
COMMIT;

SELECT opsadmin.create_tenant('t' || n, 'Odd', key => key) FROM (VALUES (1, repeat('-', 36)), (2, repeat('a', 36)), (3, '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f0'), (4, '5d7bbdd04-e33-4f8e-9b3a-6f2b1c9f6f01'), (5, '99999999999999999999'), (6, ' 7'), (7, '+7'), (8, '007'), (9, '-0'), (10, '5D7BBDD0-4E33-4F8E-9B3A-6F2B1C9F6F01')) AS odd (n, key) \g /dev/null
CREATE FUNCTION keys_of(tenant text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opsadmin.begin_as(tenant => tenant);
    RETURN concat_ws(' ', opsadmin.current_tenant_key_text(), failure('SELECT opsadmin.current_tenant_key_uuid()'), failure('SELECT opsadmin.current_tenant_key_int8()'));
END
$$;
SELECT is(keys_of('t1'), repeat('-', 36) || ' OA404 OA404', 'a key that only looks like a uuid');
SELECT is(keys_of('t2'), repeat('a', 36) || ' OA404 OA404', 'a key that only looks like a uuid');
SELECT is(keys_of('t4'), '5d7bbdd04-e33-4f8e-9b3a-6f2b1c9f6f01 OA404 OA404', 'a key that only looks like a uuid');
SELECT is(keys_of('t10'), '5D7BBDD0-4E33-4F8E-9B3A-6F2B1C9F6F01 OA404 OA404', 'a uuid is written in one way, so that it has one tenant');
SELECT is(keys_of('t5'), '99999999999999999999 OA404 OA404', 'a key that only looks like a number');
SELECT is(keys_of('t6'), ' 7 OA404 OA404', 'a number is written in one way too');
SELECT is(keys_of('t7'), '+7 OA404 OA404', 'a number is written in one way too');
SELECT is(keys_of('t8'), '007 OA404 OA404', 'a number is written in one way too');
SELECT is(keys_of('t9'), '-0 OA404 OA404', 'a number is written in one way too');
SELECT is_empty($$SELECT key, tenant_type FROM opsadmin.tenant, unnest(ARRAY['integer', 'bigint', 'uuid']) AS tenant_type WHERE slug ~ '^t[0-9]+$' AND opsadmin_private.key_of_type(key, tenant_type) IS NOT NULL$$,
                'KPIs read keys in the same way');
SELECT is(opsadmin_private.key_of_type(key, tenant_type), key, format('%s of %s', key, tenant_type))
FROM (VALUES ('0', 'integer'), ('2147483647', 'integer'), ('-2147483648', 'integer'), ('9223372036854775807', 'bigint'), ('-9223372036854775808', 'bigint'), ('5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', 'uuid'), (' 7', 'text')) AS keys (key, tenant_type);
SELECT is(opsadmin_private.key_of_type(key, tenant_type), NULL, format('no %s of %s', key, tenant_type))
FROM (VALUES ('2147483648', 'integer'), ('-2147483649', 'integer'), ('9223372036854775808', 'bigint'), ('-9223372036854775809', 'bigint'), ('x', 'bigint'), ('', 'integer')) AS keys (key, tenant_type);

-- Long texts are cut, never inside a character.
BEGIN;
SELECT opsadmin_private.bind_actor('internal', NULL, NULL, '{*}', '2001:db8::1', repeat('M', 1000), repeat('é', 1000), repeat('r', 1000), repeat('한', 1000), action => repeat('a', 1000), actor_name => repeat('é', 1000)) \g /dev/null
SELECT is((SELECT jsonb_object_agg(key, octet_length(value)) FROM jsonb_each_text(opsadmin.context()) WHERE octet_length(value) > 14),
          '{"method":15,"path":510,"request_id":63,"reason":255,"action":63,"actor_name":126}', 'texts of a context have their bounds');
COMMIT;

-- A parallel worker reads the context of its leader.
CREATE TABLE parallel_row AS SELECT n FROM generate_series(1, 1000) AS n;
GRANT SELECT ON parallel_row TO opsadmin_internal, opsadmin_partner;
ANALYZE parallel_row;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
CREATE FUNCTION plan_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
        lines := lines || line || chr(10);
    END LOOP;
    RETURN lines;
END
$$;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT matches(plan_of('SELECT count(*) FROM parallel_row WHERE opsadmin.current_tenant_key_int4() + n = 11 + n'), 'Parallel Seq Scan', 'the readers run in parallel plans');
SELECT is(count(*), 1000::bigint, 'and see the leader''s tenant') FROM parallel_row WHERE opsadmin.current_tenant_key_int4() + n = 11 + n;
SELECT is(count(*), 1000::bigint, 'and its permissions') FROM parallel_row WHERE opsadmin.can(n || ':read');
COMMIT;
SELECT current_setting('server_version_num')::int < 160000 AS before_16 \gset
\if :before_16
SET force_parallel_mode = on;
\else
SET debug_parallel_query = on;
\endif
SET parallel_leader_participation = on;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'hooli', 'x') \g /dev/null
SELECT opsadmin.current_tenant() = 13 AND opsadmin.current_tenant_key_uuid() = opsadmin.current_tenant_key_text()::uuid AND opsadmin.can('x:run') AND opsadmin.current_site() = 'internal'
       AND opsadmin.context() ->> 'reason' = 'x' AND opsadmin.current_actor() = (opsadmin.context() ->> 'actor_id')::bigint AS all_the_same \gset
SELECT ok(:'all_the_same', 'every reader answers in a worker as in the leader');
SELECT matches(plan_of('SELECT opsadmin.context()'), 'Gather', 'where it does run');
COMMIT;
RESET ALL;
SELECT is(failure($$SELECT count(*) FROM parallel_row WHERE opsadmin.current_tenant_key_int4() + n = 11 + n$$), 'OA001', 'without a context they raise, as the leader does');

SELECT * FROM finish();
