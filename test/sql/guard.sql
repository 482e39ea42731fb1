-- opsadmin.guard: changes of the schema that take a protection away, one by one, and those that do not.
-- topic: isolation
SELECT plan(125);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1) \g /dev/null
CREATE ROLE regress_opsadmin_shop;
CREATE SCHEMA regress_shop AUTHORIZATION regress_opsadmin_shop;
SET ROLE regress_opsadmin_shop;
CREATE TABLE regress_shop.shop (id int PRIMARY KEY, tenant_id bigint NOT NULL, name text);
CREATE UNIQUE INDEX shop_name ON regress_shop.shop (tenant_id, name);
CREATE TABLE regress_shop.product (id int PRIMARY KEY, tenant_id bigint NOT NULL, shop_id int CONSTRAINT of_shop REFERENCES regress_shop.shop,
    parent_id int, name text, CONSTRAINT named FOREIGN KEY (tenant_id, name) REFERENCES regress_shop.shop (tenant_id, name));
CREATE TABLE regress_shop.event (id int PRIMARY KEY, tenant_id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.event_1 PARTITION OF regress_shop.event FOR VALUES FROM (1) TO (100);
CREATE TABLE regress_shop.free (id int PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE POLICY opsadmin_internal ON regress_shop.free USING (true);
RESET ROLE;
CREATE FUNCTION regress_shop.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TABLE regress_shop.every (name text);
CREATE TABLE regress_shop.whole (id int, tenant_id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE public.regress_kept (id int PRIMARY KEY, tenant_id bigint NOT NULL);
SELECT opsadmin.protect('public.regress_kept') \g /dev/null
SELECT opsadmin.protect(t, trusted_roles => '{regress_opsadmin_shop}') FROM unnest('{regress_shop.shop,regress_shop.product,regress_shop.event}'::regclass[]) AS t \g /dev/null
SELECT opsadmin.audit('regress_shop.product'), opsadmin.audit('regress_shop.free') \g /dev/null
-- Audited, but not protected; and what could become part of them. No code of an owner runs while the guard looks for rows.
CREATE TABLE regress_shop.visit (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.visit_1 PARTITION OF regress_shop.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE regress_shop.visit_2 PARTITION OF regress_shop.visit FOR VALUES FROM (100) TO (200);
CREATE TABLE regress_shop.full_part (id int NOT NULL, name text);
CREATE TABLE regress_shop.empty_part (id int NOT NULL, name text);
CREATE TABLE regress_shop.full_tree (id int NOT NULL, name text) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.full_leaf PARTITION OF regress_shop.full_tree FOR VALUES FROM (300) TO (400);
CREATE TABLE regress_shop.tree (id int, name text);
CREATE TABLE regress_shop.branch () INHERITS (regress_shop.tree);
CREATE VIEW regress_shop.harmful AS SELECT 1 / (random() - random())::int AS id, NULL::text AS name;
INSERT INTO regress_shop.visit VALUES (1, 'one');
INSERT INTO regress_shop.full_part VALUES (201, 'x');
INSERT INTO regress_shop.full_tree VALUES (301, 'x');
INSERT INTO regress_shop.branch VALUES (1, 'x');
SELECT opsadmin.audit('regress_shop.visit'), opsadmin.audit('regress_shop.tree') \g /dev/null
CREATE POLICY company ON regress_shop.product TO regress_opsadmin_shop USING (true);
CREATE TRIGGER company BEFORE UPDATE ON regress_shop.product FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();

-- What each setting makes of a statement: its SQLSTATE by refuse and by warn; the change itself is undone.
CREATE FUNCTION judged(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answers text[] := '{}';
    setting text;
BEGIN
    FOREACH setting IN ARRAY '{refuse,warn,off}'::text[] LOOP
        BEGIN
            PERFORM set_config('opsadmin.guard', setting, true);
            EXECUTE statement;
            RAISE SQLSTATE 'OK000';
        EXCEPTION WHEN OTHERS THEN answers := answers || SQLSTATE;
        END;
    END LOOP;
    RETURN array_to_string(answers, ' ');
END
$$;
CREATE TABLE verdict (verdict text, statement text);
INSERT INTO verdict VALUES
    ('OA452', 'ALTER TABLE regress_shop.product DISABLE ROW LEVEL SECURITY'),
    ('OA452', 'ALTER TABLE regress_shop.event_1 DISABLE ROW LEVEL SECURITY'),
    ('OA452', 'ALTER TABLE regress_shop.product ADD x int, NO FORCE ROW LEVEL SECURITY'),
    ('OA452', 'ALTER TABLE IF EXISTS ONLY regress_shop.product NO FORCE ROW LEVEL SECURITY'),
    ('OK000', 'ALTER TABLE regress_shop.free DISABLE ROW LEVEL SECURITY'),
    ('OK000', 'ALTER TABLE regress_shop.product ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'),
    ('OA452', 'DROP POLICY opsadmin_partner ON regress_shop.product'),
    ('OA452', 'DROP POLICY IF EXISTS opsadmin_trusted ON regress_shop.event_1'),
    ('OA452', 'ALTER POLICY opsadmin_partner_floor ON regress_shop.product USING (true)'),
    ('OA452', 'ALTER POLICY opsadmin_partner_floor ON regress_shop.product TO regress_opsadmin_shop'),
    ('OA452', 'ALTER POLICY opsadmin_partner_floor ON regress_shop.product RENAME TO mine'),
    ('OK000', 'DROP POLICY company ON regress_shop.product'),
    ('OK000', 'ALTER POLICY company ON regress_shop.product RENAME TO theirs'),
    ('OK000', 'DROP POLICY opsadmin_internal ON regress_shop.free'),
    ('OK000', 'CREATE POLICY wide ON regress_shop.product USING (true)'),
    ('OA452', 'DROP OWNED BY opsadmin_partner'),
    ('OK000', 'DROP OWNED BY opsadmin_worker'),
    ('OA452', 'ALTER TABLE regress_shop.product ALTER tenant_id DROP NOT NULL'),
    ('OA452', 'ALTER TABLE regress_shop.product DROP tenant_id CASCADE'),
    ('OK000', 'ALTER TABLE regress_shop.product ALTER name DROP NOT NULL'),
    ('OK000', 'ALTER TABLE regress_shop.product DROP parent_id'),
    ('OK000', 'ALTER TABLE regress_shop.product RENAME tenant_id TO owner_id'),
    ('OK000', 'ALTER TABLE regress_shop.free DROP tenant_id'),
    ('OA452', 'ALTER TABLE regress_shop.product DROP CONSTRAINT of_shop'),
    ('OA452', 'ALTER TABLE regress_shop.product DROP CONSTRAINT named'),
    ('OA452', 'DROP INDEX regress_shop.shop_name CASCADE'),
    ('2BP01', 'DROP INDEX regress_shop.shop_name'),
    ('OK000', 'ALTER TABLE regress_shop.shop DROP CONSTRAINT shop_pkey'),
    ('OK000', 'ALTER TABLE regress_shop.product ADD CONSTRAINT later FOREIGN KEY (parent_id) REFERENCES regress_shop.product'),
    ('OA452', 'DROP TRIGGER opsadmin_audit_update ON regress_shop.product'),
    ('OA452', 'DROP TRIGGER opsadmin_audit_update ON regress_shop.free'),
    ('OA452', 'ALTER TABLE regress_shop.product DISABLE TRIGGER opsadmin_audit_delete'),
    ('OA452', 'ALTER TABLE regress_shop.product ENABLE REPLICA TRIGGER opsadmin_audit_delete'),
    ('OA452', 'ALTER TABLE regress_shop.product DISABLE TRIGGER ALL'),
    ('OA452', 'ALTER TABLE regress_shop.free DISABLE TRIGGER USER'),
    ('OA452', 'CREATE OR REPLACE TRIGGER opsadmin_audit_update AFTER UPDATE ON regress_shop.product FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.nothing()'),
    ('OA452', 'CREATE OR REPLACE TRIGGER opsadmin_audit_update AFTER UPDATE ON regress_shop.free REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION opsadmin.audit_trigger(1, '''')'),
    ('OA452', 'ALTER TRIGGER opsadmin_audit_update ON regress_shop.product DEPENDS ON EXTENSION plpgsql'),
    ('OA452', 'ALTER TABLE regress_shop.product ENABLE TRIGGER opsadmin_audit_delete'),
    ('OA452', 'ALTER TABLE regress_shop.product ENABLE TRIGGER ALL'),
    ('OA452', 'ALTER TABLE regress_shop.free ENABLE TRIGGER USER'),
    ('OK000', 'ALTER TABLE regress_shop.product ENABLE ALWAYS TRIGGER opsadmin_audit_delete'),
    ('OK000', 'ALTER TABLE regress_shop.product ENABLE TRIGGER company'),
    ('OK000', 'ALTER TABLE regress_shop.shop ENABLE TRIGGER ALL'),
    ('OK000', 'CREATE OR REPLACE TRIGGER company BEFORE UPDATE ON regress_shop.product FOR EACH ROW EXECUTE FUNCTION regress_shop.nothing()'),
    ('OK000', 'CREATE OR REPLACE TRIGGER other AFTER UPDATE ON regress_shop.product FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.nothing()'),
    ('42710', 'CREATE TRIGGER opsadmin_audit_update AFTER UPDATE ON regress_shop.product FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.nothing()'),
    ('OK000', 'ALTER TRIGGER opsadmin_audit_update ON regress_shop.product NO DEPENDS ON EXTENSION plpgsql'),
    ('OK000', 'ALTER TRIGGER company ON regress_shop.product DEPENDS ON EXTENSION plpgsql'),
    ('42704', 'ALTER TRIGGER nothing ON regress_shop.product DEPENDS ON EXTENSION plpgsql'),
    ('OK000', $$SELECT opsadmin.audit('regress_shop.product', redact => '{name}')$$),
    ('OK000', 'ALTER TABLE regress_shop.product DISABLE TRIGGER company'),
    ('OK000', 'ALTER TABLE regress_shop.shop DISABLE TRIGGER ALL'),
    ('OK000', 'DROP TRIGGER company ON regress_shop.product'),
    ('OA452', 'ALTER TRIGGER opsadmin_audit_update ON regress_shop.product RENAME TO mine'),
    ('OA452', 'ALTER TRIGGER opsadmin_audit_row ON regress_shop.tree RENAME TO mine'),
    ('OK000', 'ALTER TRIGGER company ON regress_shop.product RENAME TO theirs'),
    ('42704', 'ALTER TRIGGER nothing ON regress_shop.product RENAME TO theirs'),
    ('OA452', $$ALTER TABLE regress_shop.free ALTER id TYPE bigint USING 7$$),
    ('OA452', $$ALTER TABLE regress_shop.visit ALTER name TYPE text USING 'x'$$),
    ('OK000', 'ALTER TABLE regress_shop.free ALTER id TYPE bigint'),
    ('OK000', $$ALTER TABLE regress_shop.shop ALTER name TYPE text USING 'x'$$),
    ('OA452', 'ALTER TABLE regress_shop.free DROP CONSTRAINT free_pkey'),
    ('OA452', 'ALTER TABLE regress_shop.visit DROP CONSTRAINT visit_pkey'),
    ('OA452', 'ALTER TABLE regress_shop.free DROP id'),
    ('42704', 'ALTER TABLE regress_shop.free DROP CONSTRAINT nothing'),
    ('OA452', 'ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.full_part FOR VALUES FROM (200) TO (300)'),
    ('OA452', 'ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.full_tree FOR VALUES FROM (300) TO (400)'),
    ('OK000', 'ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.empty_part FOR VALUES FROM (200) TO (300)'),
    ('OA452', 'ALTER TABLE regress_shop.visit DETACH PARTITION regress_shop.visit_1'),
    ('OK000', 'ALTER TABLE regress_shop.visit DETACH PARTITION regress_shop.visit_2'),
    ('OA452', 'ALTER TABLE regress_shop.branch NO INHERIT regress_shop.tree'),
    ('OA452', 'ALTER TABLE regress_shop.full_part INHERIT regress_shop.tree'),
    ('OK000', 'ALTER TABLE regress_shop.empty_part INHERIT regress_shop.tree'),
    ('42809', 'ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.harmful FOR VALUES FROM (200) TO (300)'),
    ('OA452', 'ALTER TABLE regress_shop.product OWNER TO opsadmin_internal'),
    ('OA452', 'ALTER TABLE regress_shop.event_1 OWNER TO opsadmin_partner_login'),
    ('OK000', 'ALTER TABLE regress_shop.product OWNER TO CURRENT_USER'),
    ('OK000', 'ALTER TABLE regress_shop.free OWNER TO opsadmin_internal'),
    ('42704', 'ALTER TABLE regress_shop.product OWNER TO regress_opsadmin_nobody'),
    ('42P01', 'ALTER TABLE regress_shop.nothing DISABLE ROW LEVEL SECURITY'),
    ('OK000', 'ALTER TABLE IF EXISTS regress_shop.nothing OWNER TO opsadmin_internal'),
    ('42704', 'DROP POLICY nothing ON regress_shop.product'),
    ('42P01', 'DROP POLICY nothing ON regress_shop.nothing'),
    ('OK000', 'DROP POLICY IF EXISTS nothing ON regress_nowhere.nothing'),
    ('42704', 'DROP INDEX regress_shop.nothing'),
    ('42809', 'DROP INDEX regress_shop.product'),
    ('OK000', 'ALTER INDEX regress_shop.shop_name RENAME TO other'),
    ('OA452', 'ALTER TABLE regress_shop.product INHERIT regress_shop.every'),
    ('OA452', 'ALTER TABLE regress_shop.whole ATTACH PARTITION public.regress_kept FOR VALUES FROM (1) TO (9)'),
    ('OK000', 'ALTER TABLE regress_shop.event ATTACH PARTITION public.regress_kept FOR VALUES FROM (100) TO (200)'),
    ('OK000', 'ALTER TABLE regress_shop.whole ATTACH PARTITION regress_shop.free FOR VALUES FROM (1) TO (9)'),
    ('42P01', 'ALTER TABLE regress_shop.product INHERIT regress_shop.nothing'),
    ('OK000', 'ALTER TABLE regress_shop.event DETACH PARTITION regress_shop.event_1'),
    ('OK000', 'DROP TABLE regress_shop.product'),
    ('OK000', 'DROP TABLE regress_shop.shop CASCADE'),
    ('OK000', 'DROP SCHEMA regress_shop CASCADE'),
    ('OK000', 'ALTER TABLE regress_shop.product RENAME TO article'),
    ('OK000', $$SELECT opsadmin.unaudit('regress_shop.product'), opsadmin.unprotect('regress_shop.product'), opsadmin.unprotect('regress_shop.event')$$),
    ('OK000', $$SELECT opsadmin.protect('regress_shop.free', trusted_roles => '{regress_opsadmin_shop}'), opsadmin.audit('regress_shop.free', ignore => '{tenant_id}')$$);
SELECT is(judged(statement), concat_ws(' ', verdict, otherwise, otherwise), statement) FROM (SELECT *, CASE verdict WHEN 'OA452' THEN 'OK000' ELSE verdict END AS otherwise FROM verdict) AS v;
-- These PostgreSQL refuses as well, but the guard first.
SELECT matches(judged(statement), '^OA452 (42P16|0A000) ', statement)
FROM unnest(ARRAY['ALTER TABLE regress_shop.event_1 ALTER tenant_id DROP NOT NULL', 'ALTER TABLE regress_shop.event ALTER tenant_id TYPE text']) AS statement;

-- Other names do not deceive it.
SET opsadmin.guard = off;
ALTER TABLE regress_shop.shop RENAME tenant_id TO owner_id;
ALTER TRIGGER opsadmin_audit_update ON regress_shop.product RENAME TO other;
ALTER TABLE regress_shop.product RENAME CONSTRAINT of_shop TO shop_of;
SELECT is(judged(statement), 'OA452 OK000 OK000', statement)
FROM unnest(ARRAY['ALTER TABLE regress_shop.shop ALTER owner_id DROP NOT NULL', 'DROP TRIGGER other ON regress_shop.product', 'ALTER TABLE regress_shop.product DROP CONSTRAINT shop_of']) AS statement;
ALTER TABLE regress_shop.shop RENAME owner_id TO tenant_id;
ALTER TRIGGER other ON regress_shop.product RENAME TO opsadmin_audit_update;
ALTER TABLE regress_shop.product RENAME CONSTRAINT shop_of TO of_shop;

-- A trigger that has another name all the same does not stay beside its successor.
ALTER TRIGGER opsadmin_audit_update ON regress_shop.free RENAME TO mine;
SELECT opsadmin.audit('regress_shop.free', redact => '{tenant_id}') \g /dev/null
INSERT INTO regress_shop.free VALUES (1, 1);
UPDATE regress_shop.free SET tenant_id = 4711;
SELECT results_eq($$SELECT op, after ->> 'tenant_id' FROM opsadmin.audit_log WHERE target = 'regress_shop.free' ORDER BY id$$, $$VALUES ('INSERT', '[redacted]'), ('UPDATE', '[redacted]')$$, 'audit() again: a trigger by another name writes nothing any more');
CREATE TRIGGER mine AFTER UPDATE ON regress_shop.free REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION opsadmin.audit_trigger(1, '');
SELECT is((SELECT count(*) FROM opsadmin.health() WHERE object = 'regress_shop.free' AND problem LIKE 'trigger "mine"%'), 1::bigint, 'health() tells of one beside opsadmin''s');
DROP TRIGGER mine ON regress_shop.free;

-- What opsadmin itself mends is not judged.
ALTER POLICY opsadmin_partner_floor ON regress_shop.product USING (true);
ALTER POLICY opsadmin_trusted ON regress_shop.shop TO opsadmin_partner;
ALTER POLICY opsadmin_partner ON regress_shop.event_1 USING (true);
DROP POLICY opsadmin_internal ON regress_shop.event_1;
SET opsadmin.guard = refuse;
SELECT is(judged($$SELECT opsadmin.protect_children('regress_shop.event')$$), 'OK000 OK000 OK000', 'protect_children()');
CREATE FUNCTION faults() RETURNS bigint LANGUAGE sql AS $$SELECT count(DISTINCT object) FROM opsadmin.check_isolation() WHERE rule IN ('missing_policy', 'unprotected_child', 'widening_policy')$$;
SELECT is(faults(), 3::bigint, 'tables with faults');
\o /dev/null
SELECT remedy FROM opsadmin.check_isolation() WHERE rule IN ('missing_policy', 'unprotected_child', 'widening_policy') \gexec
\o
SELECT is(faults(), 0::bigint, 'the remedies mend them');
SELECT is(count(*), 4::bigint, 'trusted roles go on as before') FROM pg_policy WHERE polname = 'opsadmin_trusted' AND polroles = ARRAY['regress_opsadmin_shop'::regrole::oid];

-- Whoever does it, at whatever depth.
SET opsadmin.guard = refuse;
SET SESSION AUTHORIZATION regress_opsadmin_shop;
SELECT is(failure('ALTER TABLE regress_shop.product DISABLE ROW LEVEL SECURITY'), 'OA452', 'the owner');
SELECT is(failure('SET opsadmin.guard = off'), '42501', 'who may not switch the guard off');
-- The settings that a dump begins with.
SET row_security = off;
SET check_function_bodies = off;
SELECT is(failure('ALTER TABLE regress_shop.product DISABLE ROW LEVEL SECURITY'), 'OA452', 'nor pose as pg_restore');
RESET SESSION AUTHORIZATION;
SELECT is(failure('ALTER TABLE regress_shop.product DISABLE ROW LEVEL SECURITY'), NULL, 'which a superuser may be');
RESET row_security;
RESET check_function_bodies;
SET SESSION AUTHORIZATION regress_opsadmin_shop;
ALTER TABLE regress_shop.product ENABLE ROW LEVEL SECURITY;
SELECT is(failure('DO $d$ BEGIN EXECUTE ''DROP POLICY opsadmin_partner ON regress_shop.product''; END $d$'), 'OA452', 'inside a DO block');
RESET SESSION AUTHORIZATION;
SET search_path = regress_shop, public;
SELECT is(failure('ALTER TABLE product DISABLE ROW LEVEL SECURITY'), 'OA452', 'by a name without a schema');
RESET search_path;
-- CURRENT_USER is whoever runs the statement.
SELECT is(failure_as('opsadmin_partner', 'DROP OWNED BY CURRENT_USER'), 'OA001', 'a partner cannot give its rights away');
SET ROLE regress_opsadmin_shop;
DO $$
BEGIN
    DROP OWNED BY CURRENT_USER CASCADE;
    RAISE EXCEPTION 'site roles: %', has_table_privilege('opsadmin_partner', 'public.regress_kept', 'SELECT') USING ERRCODE = 'OK000';
EXCEPTION WHEN SQLSTATE 'OK000' THEN
    PERFORM set_config('regress.kept', SQLERRM, false);
END
$$;
RESET ROLE;
SELECT is(current_setting('regress.kept'), 'site roles: t', 'DROP OWNED of somebody who does not own opsadmin closes no other table');
-- unprotect() leaves the guard as it was, also when it fails.
SELECT opsadmin.unprotect('regress_shop.event') \g /dev/null
SELECT is(failure($$SELECT opsadmin.unprotect('regress_shop.event')$$), 'OA435', 'unprotect() fails');
SELECT is(current_setting('opsadmin.guard'), 'refuse', 'and the guard is what it was');
SELECT is(failure('SET opsadmin.guard = maybe'), '22023', 'there is no other setting');
RESET opsadmin.guard;
SELECT is(current_setting('opsadmin.guard'), 'warn', 'the default warns');
SELECT is(failure('SELECT opsadmin_private.guard()'), '39P03', 'the guard is no function to call');

-- What the client receives.
CREATE FUNCTION fields(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    PERFORM set_config('opsadmin.guard', 'refuse', true);
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLERRM, detail, hint);
END
$$;
SELECT is(fields('ALTER TABLE regress_shop.product DROP CONSTRAINT of_shop'),
          'this takes a protection of "product" away | Foreign key "of_shop" keeps rows from referring to another tenant''s. | '
          'opsadmin.unprotect() and opsadmin.unaudit() take it away as a whole; a superuser can SET opsadmin.guard = off.', 'what is lost, and how it can be done all the same');

DROP SCHEMA regress_shop CASCADE;
DROP TABLE public.regress_kept;
DROP ROLE regress_opsadmin_shop;
SELECT * FROM finish();
