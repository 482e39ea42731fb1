-- protect() of partitioned and inherited tables: partitions that are there, that come later, that go; sub-partitions;
-- foreign keys of partitions; and what unprotect() leaves.
-- topic: isolation
SELECT plan(66);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
CREATE ROLE regress_opsadmin_shop;
CREATE ROLE regress_opsadmin_report;
CREATE SCHEMA regress_shop AUTHORIZATION regress_opsadmin_shop;
GRANT USAGE ON SCHEMA regress_shop TO regress_opsadmin_report;
SET ROLE regress_opsadmin_shop;

CREATE TABLE regress_shop.event (id bigint, tenant_id bigint NOT NULL, at date NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE INDEX ON regress_shop.event (tenant_id);
CREATE TABLE regress_shop.event_2024 PARTITION OF regress_shop.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE regress_shop.event_2025 PARTITION OF regress_shop.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (id);
CREATE TABLE regress_shop.event_2025_a PARTITION OF regress_shop.event_2025 FOR VALUES FROM (1) TO (1000);
INSERT INTO regress_shop.event SELECT n, 1 + n % 2, '2024-06-01', 'old' FROM generate_series(1, 10) AS n;
INSERT INTO regress_shop.event SELECT n, 1 + n % 2, '2025-06-01', 'new' FROM generate_series(11, 20) AS n;
CREATE TABLE regress_shop.thing (id int PRIMARY KEY, tenant_id bigint NOT NULL, note text);
CREATE TABLE regress_shop.book (title text, PRIMARY KEY (id)) INHERITS (regress_shop.thing);
CREATE TABLE regress_shop.atlas (maps int) INHERITS (regress_shop.book);
INSERT INTO regress_shop.thing VALUES (1, 1), (2, 2);
INSERT INTO regress_shop.book VALUES (3, 1, NULL, 'x'), (4, 2, NULL, 'y');
INSERT INTO regress_shop.atlas VALUES (5, 1, NULL, 'x', 7), (6, 2, NULL, 'y', 8);
RESET ROLE;

CREATE FUNCTION closed(target regclass) RETURNS boolean LANGUAGE sql AS $$
  SELECT relrowsecurity AND relforcerowsecurity AND (SELECT count(*) = 4 FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE oid = target
$$;
CREATE FUNCTION hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, detail, hint);
END
$$;

-- Only the root can be named, and rights on children count.
SELECT matches(hint_of(format('SELECT opsadmin.protect(%L)', target)), 'OA436 .*Name the table on top of it, ' || root, target)
FROM (VALUES ('regress_shop.event_2024', 'regress_shop.event'), ('regress_shop.event_2025', 'regress_shop.event'), ('regress_shop.event_2025_a', 'regress_shop.event'),
             ('regress_shop.book', 'regress_shop.thing'), ('regress_shop.atlas', 'regress_shop.thing')) AS v(target, root);
GRANT SELECT ON regress_shop.event_2025_a TO regress_opsadmin_report;
SELECT matches(hint_of($$SELECT opsadmin.protect('regress_shop.event', trusted_roles => '{regress_opsadmin_shop}')$$), '"regress_opsadmin_report" \(granted select of regress_shop.event_2025_a\)',
               'a right on a partition counts');
CREATE FOREIGN DATA WRAPPER regress_opsadmin_wrapper;
CREATE SERVER regress_opsadmin_server FOREIGN DATA WRAPPER regress_opsadmin_wrapper;
CREATE FOREIGN TABLE regress_shop.far () INHERITS (regress_shop.thing) SERVER regress_opsadmin_server;
SELECT matches(hint_of($$SELECT opsadmin.protect('regress_shop.thing', trusted_roles => '{regress_opsadmin_shop}')$$), '^OA436 .*child of "regress_shop.thing"', 'a foreign child is refused');
DROP FOREIGN TABLE regress_shop.far;
DROP FOREIGN DATA WRAPPER regress_opsadmin_wrapper CASCADE;

-- What a partition had is remembered.
ALTER TABLE regress_shop.event_2024 ENABLE ROW LEVEL SECURITY;
ALTER TABLE regress_shop.event_2024 ALTER tenant_id SET DEFAULT 7;
CREATE POLICY company ON regress_shop.event_2024 TO regress_opsadmin_shop USING (true);
CREATE FUNCTION state_of_all() RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_object_agg(c.relname, jsonb_build_array(c.relrowsecurity, c.relforcerowsecurity, c.relacl::text,
    (SELECT jsonb_agg(to_jsonb(p) - 'oid' ORDER BY policyname) FROM pg_policies p WHERE p.schemaname = 'regress_shop' AND p.tablename = c.relname),
    (SELECT jsonb_agg(pg_get_expr(adbin, adrelid) ORDER BY adnum) FROM pg_attrdef WHERE adrelid = c.oid),
    (SELECT jsonb_agg(jsonb_build_array(conname, pg_get_constraintdef(oid)) ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid)))
  FROM pg_class c WHERE c.relnamespace = 'regress_shop'::regnamespace AND c.relkind IN ('r', 'p')
$$;
-- An ACL that is written out, as it will be afterwards.
REVOKE SELECT ON regress_shop.event, regress_shop.event_2024 FROM opsadmin_internal;
CREATE TABLE state AS SELECT state_of_all() AS before, NULL::jsonb AS protected;

SELECT lives_ok($$SELECT opsadmin.protect('regress_shop.event', trusted_roles => '{regress_opsadmin_shop}', excluded_roles => '{regress_opsadmin_report}')$$, 'a partitioned table');
UPDATE state SET protected = state_of_all();
SELECT ok(closed(t), t || ' is closed') FROM unnest(ARRAY['regress_shop.event', 'regress_shop.event_2025', 'regress_shop.event_2025_a']) AS t;
SELECT is(count(*), 5::bigint, 'a partition keeps a policy of its own') FROM pg_policy WHERE polrelid = 'regress_shop.event_2024'::regclass;
SELECT is(failure($$SELECT opsadmin.protect('regress_shop.event_2024')$$), 'OA436', 'a partition cannot be protected again');
SELECT is(opsadmin.protect_children('regress_shop.event'), 0, 'nothing is left to do');

-- As partner, by the root and by the partitions.
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT results_eq('SELECT count(*), min(tenant_id), max(tenant_id) FROM regress_shop.event', 'VALUES (10::bigint, 1::bigint, 1::bigint)', 'a partner sees its rows of all partitions');
SELECT results_eq($$INSERT INTO regress_shop.event (id, at) VALUES (100, '2024-02-02'), (101, '2025-02-02') RETURNING tenant_id$$, 'VALUES (1::bigint), (1::bigint)', 'an INSERT fills in the tenant');
SELECT is(failure($$INSERT INTO regress_shop.event (id, tenant_id, at) VALUES (102, 2, '2024-02-02')$$), '42501', 'not for another tenant');
SELECT is(failure($$UPDATE regress_shop.event SET tenant_id = 2$$), '42501', 'nor by UPDATE');
SELECT results_eq($$WITH u AS (UPDATE regress_shop.event SET at = '2025-03-03' WHERE at < '2025-01-01' RETURNING 1) SELECT count(*) FROM u$$, 'VALUES (6::bigint)', 'rows move between partitions');
SELECT is(failure('SELECT FROM ' || t), '42501', 'no way around by ' || t) FROM unnest(ARRAY['regress_shop.event_2024', 'regress_shop.event_2025', 'regress_shop.event_2025_a']) AS t;
ROLLBACK;
BEGIN;
GRANT SELECT, INSERT ON regress_shop.event_2024 TO opsadmin_partner;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT results_eq('SELECT count(*), max(tenant_id) FROM regress_shop.event_2024', 'VALUES (5::bigint, 1::bigint)', 'with a right on a partition its policies hold');
SELECT is(failure($$INSERT INTO regress_shop.event_2024 (id, tenant_id, at) VALUES (102, 2, '2024-02-02')$$), '42501', 'for writing, too');
ROLLBACK;
SET ROLE regress_opsadmin_shop;
SELECT is((SELECT count(*) FROM regress_shop.event) || ' ' || (SELECT count(*) FROM regress_shop.event_2025_a), '20 10', 'the shop''s own application goes on, by either');
SET ROLE regress_opsadmin_report;
SELECT is(count(*), 0::bigint, 'who is excluded sees nothing in a partition') FROM regress_shop.event_2025_a;
RESET ROLE;

-- Partitions that come later, made by the owner, who may nothing in opsadmin.
SET ROLE regress_opsadmin_shop;
CREATE TABLE regress_shop.event_2026 PARTITION OF regress_shop.event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE regress_shop.event_2025_b PARTITION OF regress_shop.event_2025 FOR VALUES FROM (1000) TO (2000);
CREATE TABLE regress_shop.event_2027 (LIKE regress_shop.event) PARTITION BY LIST (id);
CREATE TABLE regress_shop.event_2027_a PARTITION OF regress_shop.event_2027 DEFAULT;
RESET ROLE;
SELECT is(closed('regress_shop.event_2027_a'), false, 'what is not a part yet is none of opsadmin''s business');
SET ROLE regress_opsadmin_shop;
ALTER TABLE regress_shop.event ATTACH PARTITION regress_shop.event_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
RESET ROLE;
SELECT ok(closed(t), t || ' is closed') FROM unnest(ARRAY['regress_shop.event_2026', 'regress_shop.event_2025_b', 'regress_shop.event_2027', 'regress_shop.event_2027_a']) AS t;
CREATE SCHEMA regress_more CREATE TABLE event_2028 PARTITION OF regress_shop.event FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');
SELECT ok(closed('regress_more.event_2028'), 'regress_more.event_2028 is closed');
SET ROLE regress_opsadmin_shop;
SELECT is(failure($$INSERT INTO regress_shop.event (id, tenant_id, at) VALUES (200, 2, '2026-02-02')$$), NULL, 'the application writes to it');
SELECT is(count(*), 1::bigint, 'and reads') FROM regress_shop.event_2026;
RESET ROLE;

-- While event triggers are off, nobody covers them.
ALTER EVENT TRIGGER opsadmin_new_child DISABLE;
CREATE TABLE regress_shop.event_2029 PARTITION OF regress_shop.event FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
ALTER EVENT TRIGGER opsadmin_new_child ENABLE;
SELECT ok(NOT closed('regress_shop.event_2029'), 'a partition that nobody has covered');
SELECT is(opsadmin.protect_children('regress_shop.event'), 1, 'is covered by protect_children()');
SELECT ok(closed('regress_shop.event_2029'), 'as any other');
SET opsadmin.guard = off;
DROP POLICY opsadmin_partner_floor ON regress_shop.event_2029;
RESET opsadmin.guard;
SELECT is(opsadmin.protect_children('regress_shop.event'), 1, 'a policy that is gone comes back, too');
SELECT is(failure($$SELECT opsadmin.protect_children('regress_shop.event_2029')$$), 'OA435', 'it wants the table on top');

-- A partition that goes keeps its policies.
ALTER TABLE regress_shop.event DETACH PARTITION regress_shop.event_2029;
SELECT ok(closed('regress_shop.event_2029'), 'a partition that is detached stays closed');
SELECT is(failure($$SELECT opsadmin.protect('regress_shop.event_2029', trusted_roles => '{regress_opsadmin_shop}')$$), NULL, 'and can be protected by itself');
-- When it becomes a part again, it is protected twice, and stays closed when one of the two goes.
ALTER TABLE regress_shop.event ATTACH PARTITION regress_shop.event_2029 FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
SELECT opsadmin.unprotect('regress_shop.event_2029') \g /dev/null
SELECT ok(closed('regress_shop.event_2029'), 'a partition that was protected by itself is covered by its parent');
ALTER TABLE regress_shop.event DETACH PARTITION regress_shop.event_2029;
SELECT opsadmin.protect('regress_shop.event_2029', trusted_roles => '{regress_opsadmin_shop}') \g /dev/null
SELECT opsadmin.unprotect('regress_shop.event_2029') \g /dev/null
SELECT is((SELECT relrowsecurity FROM pg_class WHERE oid = 'regress_shop.event_2029'::regclass), false, 'and unprotected');
ALTER TABLE regress_shop.event RENAME tenant_id TO customer_id;
CREATE TABLE regress_shop.event_2030 PARTITION OF regress_shop.event FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
ALTER TABLE regress_shop.event RENAME customer_id TO tenant_id;
SELECT ok(closed('regress_shop.event_2030'), 'a new partition is closed, whatever the tenant column is called by now');
DROP TABLE regress_shop.event_2030, regress_shop.event_2029, regress_more.event_2028, regress_shop.event_2027, regress_shop.event_2026, regress_shop.event_2025_b;
DROP SCHEMA regress_more;

-- Foreign keys to and from partitioned tables.
CREATE TABLE regress_shop.comment (id int PRIMARY KEY, tenant_id bigint NOT NULL, event_id bigint, event_at date, CONSTRAINT of_event FOREIGN KEY (event_id, event_at) REFERENCES regress_shop.event ON DELETE CASCADE);
CREATE TABLE regress_shop.visit (id int, tenant_id bigint NOT NULL, comment_id int CONSTRAINT of_comment REFERENCES regress_shop.comment ON DELETE SET NULL, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.visit_1 PARTITION OF regress_shop.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE regress_shop.visit_2 PARTITION OF regress_shop.visit FOR VALUES FROM (100) TO (200);
ALTER TABLE regress_shop.visit_2 ADD CONSTRAINT follows FOREIGN KEY (comment_id) REFERENCES regress_shop.visit_1;
CREATE TABLE keys AS SELECT state_of_all() -> 'comment' -> 5 AS comment, state_of_all() -> 'visit_1' -> 5 AS visit_1, state_of_all() -> 'visit_2' -> 5 AS visit_2;
SELECT opsadmin.protect('regress_shop.visit'), opsadmin.protect('regress_shop.comment') \g /dev/null
SELECT is(string_agg(format('%s: %s', conname, pg_get_constraintdef(oid)), '; ' ORDER BY conname, conrelid::regclass::text),
          'follows: FOREIGN KEY (tenant_id, comment_id) REFERENCES regress_shop.visit_1(tenant_id, id); '
          'of_comment: FOREIGN KEY (tenant_id, comment_id) REFERENCES regress_shop.comment(tenant_id, id) ON DELETE SET NULL (comment_id); '
          'of_comment: FOREIGN KEY (tenant_id, comment_id) REFERENCES regress_shop.comment(tenant_id, id) ON DELETE SET NULL (comment_id); '
          'of_event: FOREIGN KEY (tenant_id, event_id, event_at) REFERENCES regress_shop.event(tenant_id, id, at) ON DELETE CASCADE',
          'foreign keys to, from and between partitions hold the tenant')
FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text ~ 'comment|visit' AND (conparentid = 0 OR conrelid = 'regress_shop.visit_1'::regclass);
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(failure($$INSERT INTO regress_shop.comment (id, event_id, event_at) VALUES (1, 1, '2024-06-01')$$), '23503', 'another tenant''s event cannot be referred to');
SELECT is(failure($$INSERT INTO regress_shop.comment (id, event_id, event_at) VALUES (1, 2, '2024-06-01')$$), NULL, 'an own one can');
SELECT is(failure($$INSERT INTO regress_shop.visit (id, comment_id) VALUES (1, 1)$$), NULL, 'from a partitioned table');
DELETE FROM regress_shop.event WHERE id = 2;
SELECT is((SELECT count(*) FROM regress_shop.comment) || ' ' || (SELECT count(*) FROM regress_shop.visit WHERE comment_id IS NULL), '0 1', 'deleting goes on as before');
ROLLBACK;
SELECT opsadmin.unprotect('regress_shop.visit'), opsadmin.unprotect('regress_shop.comment') \g /dev/null
SELECT is(jsonb_build_array(state_of_all() -> 'comment' -> 5, state_of_all() -> 'visit_1' -> 5, state_of_all() -> 'visit_2' -> 5), jsonb_build_array(comment, visit_1, visit_2), 'and come back') FROM keys;
DROP TABLE regress_shop.visit, regress_shop.comment;

-- The plan does the same; unprotect() takes all of it away.
SELECT opsadmin.unprotect('regress_shop.event') \g /dev/null
SELECT is(state_of_all(), before, 'unprotect() restores the whole tree') FROM state;
SELECT is((SELECT count(*) FROM opsadmin.protected_child), 0::bigint, 'and forgets what it knew of it');
\o /dev/null
SELECT opsadmin.protect_plan('regress_shop.event', trusted_roles => '{regress_opsadmin_shop}', excluded_roles => '{regress_opsadmin_report}') \gexec
\o
SELECT is(state_of_all(), protected, 'the plan leaves what protect() leaves') FROM state;
SELECT opsadmin.unprotect('regress_shop.event') \g /dev/null
CREATE TABLE plan AS SELECT n, step FROM opsadmin.protect_plan('regress_shop.event', trusted_roles => '{regress_opsadmin_shop}', excluded_roles => '{regress_opsadmin_report}') WITH ORDINALITY AS p (step, n);
CREATE TABLE regress_shop.event_2031 PARTITION OF regress_shop.event FOR VALUES FROM ('2031-01-01') TO ('2032-01-01');
\o /dev/null
SELECT step FROM plan ORDER BY n \gexec
\o
SELECT ok(closed('regress_shop.event_2031'), 'a partition that comes while the steps are run is closed, too');
DROP TABLE regress_shop.event_2031;

-- Inheritance.
SELECT opsadmin.protect('regress_shop.thing', trusted_roles => '{regress_opsadmin_shop}') \g /dev/null
SELECT ok(closed(t), t || ' is closed') FROM unnest(ARRAY['regress_shop.book', 'regress_shop.atlas']) AS t;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'globex') \g /dev/null
SELECT is(string_agg(id::text, ','  ORDER BY id), '2,4,6', 'a partner sees its rows of all children') FROM regress_shop.thing;
SELECT is(failure('SELECT FROM regress_shop.book'), '42501', 'by the root alone');
ROLLBACK;
SET ROLE regress_opsadmin_shop;
CREATE TABLE regress_shop.pen () INHERITS (regress_shop.thing);
CREATE TABLE regress_shop.cup (id int NOT NULL, tenant_id bigint NOT NULL, note text);
ALTER TABLE regress_shop.cup INHERIT regress_shop.thing;
RESET ROLE;
SELECT ok(closed('regress_shop.pen') AND closed('regress_shop.cup'), 'children that come later are closed');

-- Resources, actions and jobs over trees.
SELECT lives_ok($$SELECT opsadmin.expose('regress_shop.thing'), opsadmin.define_action('annotate', 'regress_shop.thing', 'note = ''seen''')$$, 'a tree can be exposed, and have actions');
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'partner_admin', 'acme') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(jsonb_path_query_array(opsadmin.list_rows('thing')::jsonb, '$.rows[*].id')::text, '[5, 3, 1]', 'the list has the rows of all children');
SELECT opsadmin.run_action('annotate', '{}', '{"filter":null}') \g /dev/null
COMMIT;
SELECT opsadmin.bulk_update('regress_shop.event', 'note = ''done''', 'id > 5') \g /dev/null
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT name, state, total, changed FROM opsadmin.bulk_job ORDER BY id', $$VALUES ('annotate', 'DONE', 3::bigint, 3::bigint), ('bulk_update', 'DONE', 15, 15)$$, 'jobs go through children and partitions');
SELECT is((SELECT string_agg(id::text, ',' ORDER BY id) FROM regress_shop.thing WHERE note = 'seen') || ' ' || (SELECT count(*) FROM regress_shop.event WHERE note = 'done'), '1,3,5 15', 'and change each row');
SELECT is(failure($$SELECT opsadmin.audit('regress_shop.event')$$), NULL, 'audit() is for trees, too');
SELECT opsadmin.unprotect('regress_shop.thing') \g /dev/null
SELECT is(count(*), 0::bigint, 'unprotect() opens them all') FROM pg_class c WHERE c.oid = ANY (ARRAY['regress_shop.thing', 'regress_shop.book', 'regress_shop.atlas', 'regress_shop.pen', 'regress_shop.cup']::regclass[])
  AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) OR EXISTS (SELECT FROM pg_attrdef WHERE adrelid = c.oid));

DROP SCHEMA regress_shop CASCADE;
SELECT is((SELECT count(*) FROM opsadmin.protected_table) + (SELECT count(*) FROM opsadmin.protected_child), 0::bigint, 'trees that are dropped are forgotten');
DROP ROLE regress_opsadmin_shop, regress_opsadmin_report;
SELECT * FROM finish();
