-- Audit of partitioned and inherited tables: each change is there once under the root's name, whether it was sent
-- to the root or to a child, whenever the child came.
-- topic: audit
SELECT plan(33);
\ir include/failure.psql
SET client_min_messages = error;
CREATE SCHEMA regress_shop;

-- The entries of a target since the last look, one a line, in their order.
CREATE TABLE looked AS SELECT 0::bigint AS id;
CREATE FUNCTION entries(target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    lines text;
BEGIN
    SELECT string_agg(concat_ws(' ', l.op, l.target_pk, l.before, '->', l.after), E'\n' ORDER BY l.id) INTO lines
    FROM opsadmin.audit_log l WHERE l.target = 'regress_shop.' || entries.target AND l.id > (SELECT looked.id FROM looked);
    UPDATE looked SET id = (SELECT coalesce(max(l.id), 0) FROM opsadmin.audit_log l);
    RETURN lines;
END
$$;

-- Partitions, of which one has its columns in another order and one has partitions itself.
CREATE TABLE regress_shop.visit (id int, at int, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE regress_shop.visit_1 PARTITION OF regress_shop.visit FOR VALUES FROM (0) TO (10);
CREATE TABLE regress_shop.visit_2 (gone int, note text, at int NOT NULL, id int NOT NULL);
ALTER TABLE regress_shop.visit_2 DROP gone;
ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.visit_2 FOR VALUES FROM (10) TO (20);
CREATE TABLE regress_shop.visit_3 PARTITION OF regress_shop.visit FOR VALUES FROM (20) TO (30) PARTITION BY LIST (at);
CREATE TABLE regress_shop.visit_3_20 PARTITION OF regress_shop.visit_3 FOR VALUES IN (20);
SELECT is(failure('SELECT opsadmin.audit(''regress_shop.visit_1'')'), 'OA436', 'a partition is not audited by itself');
SELECT opsadmin.audit('regress_shop.visit', ignore => '{}') \g /dev/null
INSERT INTO regress_shop.visit VALUES (1, 1, 'a'), (2, 11, 'b'), (3, 20, 'c');
SELECT is(entries('visit'), 'INSERT {"at": 1, "id": 1} -> {"at": 1, "id": 1, "note": "a"}
INSERT {"at": 11, "id": 2} -> {"at": 11, "id": 2, "note": "b"}
INSERT {"at": 20, "id": 3} -> {"at": 20, "id": 3, "note": "c"}', 'INSERT through the root');
UPDATE regress_shop.visit SET note = note || '!' WHERE id > 1;
SELECT is(entries('visit'), 'UPDATE {"at": 11, "id": 2} {"note": "b"} -> {"note": "b!"}
UPDATE {"at": 20, "id": 3} {"note": "c"} -> {"note": "c!"}', 'UPDATE through the root');
UPDATE regress_shop.visit_2 SET note = 'direct';
SELECT is(entries('visit'), 'UPDATE {"at": 11, "id": 2} {"note": "b!"} -> {"note": "direct"}', 'straight on a partition with another layout');
INSERT INTO regress_shop.visit_3_20 VALUES (4, 20, 'd');
DELETE FROM regress_shop.visit_3 WHERE id = 4;
SELECT is(entries('visit'), 'INSERT {"at": 20, "id": 4} -> {"at": 20, "id": 4, "note": "d"}
DELETE {"at": 20, "id": 4} {"at": 20, "id": 4, "note": "d"} ->', 'straight on a partition of a partition');
COPY regress_shop.visit FROM stdin;
5	5	copied
6	15	copied
\.
SELECT is(entries('visit'), 'INSERT {"at": 5, "id": 5} -> {"at": 5, "id": 5, "note": "copied"}
INSERT {"at": 15, "id": 6} -> {"at": 15, "id": 6, "note": "copied"}', 'COPY through the root');
UPDATE regress_shop.visit SET at = at + 10 WHERE id IN (1, 5);
SELECT is(entries('visit'), 'UPDATE {"at": 1, "id": 1} {"at": 1} -> {"at": 11}
UPDATE {"at": 5, "id": 5} {"at": 5} -> {"at": 15}', 'a row that moves to another partition is one UPDATE');
DELETE FROM regress_shop.visit WHERE id = 5;
SELECT is(entries('visit'), 'DELETE {"at": 15, "id": 5} {"at": 15, "id": 5, "note": "copied"} ->', 'DELETE through the root');

-- A trigger that keeps rows out of the partition that they move to: the old rows are gone, and no other row's values
-- are taken for theirs.
CREATE FUNCTION regress_shop.keep_out() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN CASE WHEN NEW.id % 2 = 0 THEN NEW END; END$$;
CREATE TRIGGER keep_out BEFORE INSERT ON regress_shop.visit_3_20 FOR EACH ROW EXECUTE FUNCTION regress_shop.keep_out();
DELETE FROM regress_shop.visit;
INSERT INTO regress_shop.visit SELECT n, 1, 'n' || n FROM generate_series(1, 6) AS n;
SELECT entries('visit') IS NULL \g /dev/null
UPDATE regress_shop.visit SET note = note || '+', at = CASE WHEN id < 5 THEN 20 ELSE 1 END;
SELECT set_eq($$SELECT regexp_split_to_table(entries('visit'), E'\n')$$, $$VALUES
  ('DELETE {"at": 1, "id": 1} {"at": 1, "id": 1, "note": "n1"} ->'), ('DELETE {"at": 1, "id": 2} {"at": 1, "id": 2, "note": "n2"} ->'),
  ('DELETE {"at": 1, "id": 3} {"at": 1, "id": 3, "note": "n3"} ->'), ('DELETE {"at": 1, "id": 4} {"at": 1, "id": 4, "note": "n4"} ->'),
  ('INSERT {"at": 20, "id": 2} -> {"at": 20, "id": 2, "note": "n2+"}'), ('INSERT {"at": 20, "id": 4} -> {"at": 20, "id": 4, "note": "n4+"}'),
  ('UPDATE {"at": 1, "id": 5} {"note": "n5"} -> {"note": "n5+"}'), ('UPDATE {"at": 1, "id": 6} {"note": "n6"} -> {"note": "n6+"}')$$,
  'rows that a trigger keeps out of their new partition: none is taken for another');
CREATE TABLE regress_shop.moved (id int PRIMARY KEY, note text) PARTITION BY HASH (id);
CREATE TABLE regress_shop.moved_0 PARTITION OF regress_shop.moved FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT opsadmin.audit('regress_shop.moved') \g /dev/null
INSERT INTO regress_shop.moved VALUES (1, 'x');
SELECT is(entries('moved'), 'INSERT {"id": 1} -> {"id": 1, "note": "x"}', 'the key of a partitioned table may be one integer');

-- Children that come later, and go.
CREATE TABLE regress_shop.visit_4 PARTITION OF regress_shop.visit FOR VALUES FROM (30) TO (40);
CREATE TABLE regress_shop.visit_5 (LIKE regress_shop.visit INCLUDING INDEXES);
ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.visit_5 FOR VALUES FROM (40) TO (50);
INSERT INTO regress_shop.visit_4 VALUES (1, 30, 'late');
INSERT INTO regress_shop.visit_5 VALUES (1, 40, 'later');
INSERT INTO regress_shop.visit VALUES (2, 41, 'root');
SELECT is(entries('visit'), 'INSERT {"at": 30, "id": 1} -> {"at": 30, "id": 1, "note": "late"}
INSERT {"at": 40, "id": 1} -> {"at": 40, "id": 1, "note": "later"}
INSERT {"at": 41, "id": 2} -> {"at": 41, "id": 2, "note": "root"}', 'partitions that come later');
BEGIN;
CREATE TABLE regress_shop.visit_9 (LIKE regress_shop.visit INCLUDING INDEXES);
ALTER TABLE regress_shop.visit ATTACH PARTITION regress_shop.visit_9 FOR VALUES FROM (90) TO (100);
SELECT is_empty($$SELECT l.relation::regclass, l.mode FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = ANY ('{regress_shop.visit,regress_shop.visit_1,regress_shop.visit_2}'::regclass[])
                  AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')$$, 'ATTACH takes no lock that those who write to the others would wait for');
SELECT is(count(*), 4::bigint, 'and the new one has its triggers') FROM pg_trigger WHERE tgrelid = 'regress_shop.visit_9'::regclass AND tgname LIKE 'opsadmin%';
ROLLBACK;
TRUNCATE regress_shop.visit_4;
SELECT is(entries('visit'), 'TRUNCATE {"table": "regress_shop.visit_4"} ->', 'TRUNCATE of a partition says which');
TRUNCATE regress_shop.moved;
SELECT is(entries('moved'), 'TRUNCATE {"table": "regress_shop.moved_0"} ->', 'of the root: a line for each partition');
CREATE ROLE regress_opsadmin_owner;
GRANT CREATE, USAGE ON SCHEMA regress_shop TO regress_opsadmin_owner;
ALTER TABLE regress_shop.visit OWNER TO regress_opsadmin_owner;
SET ROLE regress_opsadmin_owner;
CREATE TABLE regress_shop.visit_6 PARTITION OF regress_shop.visit FOR VALUES FROM (50) TO (60);
INSERT INTO regress_shop.visit_6 VALUES (1, 50, 'owner');
RESET ROLE;
SELECT is(entries('visit'), 'INSERT {"at": 50, "id": 1} -> {"at": 50, "id": 1, "note": "owner"}', 'made by an owner without rights in opsadmin');
ALTER TABLE regress_shop.visit DETACH PARTITION regress_shop.visit_6;
INSERT INTO regress_shop.visit_6 VALUES (2, 50, 'alone');
SELECT is(entries('visit'), 'INSERT {"at": 50, "id": 2} -> {"at": 50, "id": 2, "note": "alone"}', 'a partition that is detached goes on under the root''s name');
ALTER TABLE regress_shop.visit_2 DISABLE TRIGGER opsadmin_audit_update;
SELECT results_eq($$SELECT level, object FROM opsadmin.health() WHERE rule = 'audit'$$, $$VALUES ('error', 'regress_shop.visit_2')$$, 'health() tells of a partition whose changes are not recorded');
SELECT opsadmin.audit('regress_shop.visit', redact => '{note}') \g /dev/null
SELECT is_empty($$SELECT level, object FROM opsadmin.health() WHERE rule = 'audit'$$, 'audit() mends it');
UPDATE regress_shop.visit_5 SET note = 'secret' WHERE id = 1;
SELECT is(entries('visit'), 'UPDATE {"at": 40, "id": 1} {"note": "[redacted]"} -> {"note": "[redacted]"}', 'settings hold for partitions');

-- Foreign keys to and from partitions.
CREATE TABLE regress_shop.guest (id int PRIMARY KEY);
CREATE TABLE regress_shop.stay (id int, guest_id int REFERENCES regress_shop.guest ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.stay_1 PARTITION OF regress_shop.stay FOR VALUES FROM (0) TO (10);
CREATE TABLE regress_shop.stay_2 PARTITION OF regress_shop.stay FOR VALUES FROM (10) TO (20);
SELECT opsadmin.audit('regress_shop.stay') \g /dev/null
INSERT INTO regress_shop.guest VALUES (1);
INSERT INTO regress_shop.stay VALUES (1, 1), (11, 1);
SELECT entries('stay') IS NULL \g /dev/null
DELETE FROM regress_shop.guest;
SELECT is(entries('stay'), 'DELETE {"id": 1} {"id": 1, "guest_id": 1} ->
DELETE {"id": 11} {"id": 11, "guest_id": 1} ->', 'a cascade reaches partitions: once each');

-- Inheritance: each table with the columns that it has.
CREATE TABLE regress_shop.node (id int PRIMARY KEY, name text);
CREATE TABLE regress_shop.leaf (extra text, PRIMARY KEY (id)) INHERITS (regress_shop.node);
SELECT opsadmin.audit('regress_shop.node') \g /dev/null
INSERT INTO regress_shop.node VALUES (1, 'node');
INSERT INTO regress_shop.leaf VALUES (2, 'leaf', 'more');
SELECT is(entries('node'), 'INSERT {"id": 1} -> {"id": 1, "name": "node"}
INSERT {"id": 2} -> {"id": 2, "name": "leaf", "extra": "more"}', 'INSERT into each');
UPDATE regress_shop.node SET name = upper(name);
SELECT is(entries('node'), 'UPDATE {"id": 1} {"name": "node"} -> {"name": "NODE"}
UPDATE {"id": 2} {"name": "leaf"} -> {"name": "LEAF"}', 'UPDATE of both through the parent');
UPDATE regress_shop.leaf SET extra = 'own';
DELETE FROM regress_shop.node;
SELECT is(entries('node'), 'UPDATE {"id": 2} {"extra": "more"} -> {"extra": "own"}
DELETE {"id": 1} {"id": 1, "name": "NODE"} ->
DELETE {"id": 2} {"id": 2, "name": "LEAF", "extra": "own"} ->', 'the child''s own columns are there');
CREATE TABLE regress_shop.twig () INHERITS (regress_shop.leaf);
INSERT INTO regress_shop.twig VALUES (3, 'twig', 'x');
SELECT is(entries('node'), 'INSERT {"id": 3} -> {"id": 3, "name": "twig", "extra": "x"}', 'a child that comes later; without a key it has the root''s');
TRUNCATE regress_shop.node;
SELECT set_eq($$SELECT regexp_split_to_table(entries('node'), E'\n')$$, $$VALUES ('TRUNCATE ->'), ('TRUNCATE {"table": "regress_shop.leaf"} ->'), ('TRUNCATE {"table": "regress_shop.twig"} ->')$$, 'TRUNCATE of all');
CREATE TABLE regress_shop.alone (id int PRIMARY KEY, name text);
SELECT opsadmin.audit('regress_shop.alone') \g /dev/null
CREATE TABLE regress_shop.heir (extra text) INHERITS (regress_shop.alone);
INSERT INTO regress_shop.alone VALUES (1, 'first');
INSERT INTO regress_shop.heir VALUES (2, 'heir', 'x');
DELETE FROM regress_shop.alone;
SELECT is(entries('alone'), 'INSERT {"id": 1} -> {"id": 1, "name": "first"}
INSERT {"id": 2} -> {"id": 2, "name": "heir", "extra": "x"}
DELETE {"id": 1} {"id": 1, "name": "first"} ->
DELETE {"id": 2} {"id": 2, "name": "heir", "extra": "x"} ->', 'a table that gets its first child');
SELECT is_empty($$SELECT * FROM opsadmin.health() WHERE rule = 'audit'$$, 'health() has nothing to say');

-- Deferred triggers write within the transaction.
CREATE TABLE regress_shop.total (id int PRIMARY KEY, n int);
CREATE FUNCTION regress_shop.count_up() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE regress_shop.total SET n = n + 1; RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON regress_shop.moved DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_shop.count_up();
INSERT INTO regress_shop.total VALUES (1, 0);
SELECT opsadmin.audit('regress_shop.total') \g /dev/null
INSERT INTO regress_shop.moved VALUES (1), (2);
SELECT is(entries('total'), 'UPDATE {"id": 1} {"n": 0} -> {"n": 1}
UPDATE {"id": 1} {"n": 1} -> {"n": 2}', 'what deferred triggers change at COMMIT');
SELECT is((SELECT count(DISTINCT header_id) FROM opsadmin.audit_log WHERE target = 'regress_shop.total' OR target = 'regress_shop.moved' AND after ->> 'id' = '2'), 1::bigint, 'under the same header');

SELECT opsadmin.unaudit('regress_shop.visit'), opsadmin.unaudit('regress_shop.node') \g /dev/null
INSERT INTO regress_shop.visit VALUES (9, 5);
INSERT INTO regress_shop.visit_2 VALUES ('x', 15, 9);
INSERT INTO regress_shop.leaf VALUES (9);
SELECT is(entries('visit'), NULL, 'unaudit() ends it for all partitions');
SELECT is(entries('node'), NULL, 'and for those that inherit');
SELECT is_empty($$SELECT FROM pg_trigger g WHERE g.tgfoid = 'opsadmin.audit_trigger'::regproc AND g.tgrelid IN (SELECT opsadmin_private.tree_members('regress_shop.visit') UNION SELECT opsadmin_private.tree_members('regress_shop.node'))$$, 'without a trigger left');
DROP SCHEMA regress_shop CASCADE;
DROP ROLE regress_opsadmin_owner;
SELECT * FROM finish();
