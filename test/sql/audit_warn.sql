-- opsadmin.audit_on_error = warn lets through what cannot be recorded, never what the caller's own limits have stopped; and
-- what it notes has bounds.
-- topic: audit
SELECT plan(13);
\ir include/failure.psql
SET client_min_messages = error;
CREATE SCHEMA regress_shop;

-- A column whose conversion fails with the code that it holds.
CREATE TYPE regress_shop.failing AS ENUM ('57014', '40001', '40P01', '55P03', '22012', 'none');
CREATE FUNCTION regress_shop.failing_json(value regress_shop.failing) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    IF value <> 'none' THEN
        RAISE EXCEPTION USING ERRCODE = value::text, MESSAGE = 'the conversion has failed';
    END IF;
    RETURN to_json(value::text);
END
$$;
CREATE CAST (regress_shop.failing AS json) WITH FUNCTION regress_shop.failing_json(regress_shop.failing);
CREATE TABLE regress_shop.item (id int PRIMARY KEY, b regress_shop.failing);
SELECT opsadmin.audit('regress_shop.item') \g /dev/null
SET opsadmin.audit_on_error = warn;

CREATE FUNCTION regress_shop.caught(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        INSERT INTO regress_shop.item VALUES (1, code::regress_shop.failing);
        RETURN 'let through';
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        RETURN SQLSTATE || ' ' || (SELECT count(*) FROM regress_shop.item);
    END;
END
$$;
SELECT is(regress_shop.caught(code), code || ' 0', code || ' takes the change back with its block')
FROM unnest('{57014,40001,40P01,55P03}'::text[]) AS code;
SELECT is_empty('SELECT FROM regress_shop.item', 'nothing of them has got past the audit');
SELECT is_empty($$SELECT FROM opsadmin.audit_log WHERE target = 'regress_shop.item'$$, 'and there is no entry');
SELECT is(regress_shop.caught('22012'), 'let through', 'any other error lets the change through');

-- Who it was.
SELECT opsadmin.create_tenant('acme', 'Acme', id => 1) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'superadmin') \g /dev/null
GRANT USAGE ON SCHEMA regress_shop TO opsadmin_internal;
GRANT ALL ON regress_shop.item TO opsadmin_internal;
DELETE FROM opsadmin.audit_failure;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme') \g /dev/null
UPDATE regress_shop.item SET b = '22012', id = 2;
COMMIT;
SELECT is(f, ROW(f.created_at, f.target_id, 'the conversion has failed', (SELECT a.id FROM opsadmin.actor a WHERE a.email = 'kim@example.com'), 1, session_user)::opsadmin.audit_failure, 'the failure with who, in which tenant, by which role')
FROM opsadmin.audit_failure f;

-- A thousand of a table are kept.
DO $$BEGIN FOR n IN 1 .. 1050 LOOP INSERT INTO regress_shop.item VALUES (n + 10, '22012'); END LOOP; END$$;
SELECT is(count(*), 1000::bigint, 'a thousand failures of a table are kept') FROM opsadmin.audit_failure;
CREATE TABLE regress_shop.other (id int PRIMARY KEY, b regress_shop.failing);
SELECT opsadmin.audit('regress_shop.other') \g /dev/null
INSERT INTO regress_shop.other VALUES (1, '22012');
SELECT is(count(*), 1::bigint, 'which leaves room for another''s') FROM opsadmin.audit_failure f JOIN opsadmin.target t ON t.id = f.target_id WHERE t.name = 'regress_shop.other';
SELECT matches((SELECT problem FROM opsadmin.health() WHERE rule = 'audit' AND object = 'regress_shop.item'), '^1000 or more statements since ', 'health() says that there may be more');
RESET opsadmin.audit_on_error;
TRUNCATE opsadmin.audit_failure;

-- A session outlives its role.
CREATE ROLE regress_opsadmin_gone SUPERUSER;
GRANT USAGE ON SCHEMA regress_shop TO PUBLIC;
GRANT INSERT ON regress_shop.other TO PUBLIC;
SELECT oid AS gone FROM pg_roles WHERE rolname = 'regress_opsadmin_gone' \gset
SET SESSION AUTHORIZATION regress_opsadmin_gone;
DELETE FROM pg_authid WHERE oid = :gone;
SELECT is(failure('INSERT INTO regress_shop.other VALUES (2, ''none'')'), NULL, 'a session whose role was dropped goes on');
RESET SESSION AUTHORIZATION;
SELECT is((SELECT db_user FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), :'gone', 'with the role''s number as its name');

-- What annotate_audit() replaces is freed.
BEGIN;
SELECT opsadmin.annotate_audit('import', jsonb_build_object('n', n, 'text', repeat('x', 1000))) FROM generate_series(1, 5000) AS n \g /dev/null
SELECT cmp_ok(sum(used_bytes), '<', 500000::numeric, 'annotations that are replaced take no memory') FROM pg_backend_memory_contexts WHERE name = 'TopTransactionContext';
COMMIT;
DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
