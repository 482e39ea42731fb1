-- How entries name rows, and whose they are: keys of any kind, rows that change their tenant, tenants that are not yet
-- there, tables that nobody has protected.
-- topic: audit
SELECT plan(23);
\ir include/failure.psql
SET client_min_messages = error;
CREATE SCHEMA regress_shop;
CREATE TABLE looked AS SELECT 0::bigint AS id;
CREATE FUNCTION entries(target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    lines text;
BEGIN
    SELECT string_agg(concat_ws(' ', l.tenant_id, l.op, l.target_pk, l.before, '->', l.after), E'\n' ORDER BY l.id) INTO lines
    FROM opsadmin.audit_log l WHERE l.target = 'regress_shop.' || entries.target AND l.id > (SELECT looked.id FROM looked);
    UPDATE looked SET id = (SELECT coalesce(max(l.id), 0) FROM opsadmin.audit_log l);
    RETURN lines;
END
$$;

-- What is left out or redacted is so in keys, too.
CREATE TABLE regress_shop.person (resident int, name text, PRIMARY KEY (resident));
CREATE TABLE regress_shop.card (pin text, n int, PRIMARY KEY (pin, n));
SELECT opsadmin.audit('regress_shop.person', ignore => '{resident}'), opsadmin.audit('regress_shop.card', ignore => '{pin}') \g /dev/null
INSERT INTO regress_shop.person VALUES (901231, 'Kim');
INSERT INTO regress_shop.card VALUES ('1234', 1);
SELECT is(entries('person'), '0 INSERT {"resident": "[redacted]"} -> {"name": "Kim"}', 'an integer that is ignored is not in the key');
SELECT isnt((SELECT row_key FROM opsadmin.audit_entry ORDER BY id LIMIT 1), 901231::bigint, 'nor in row_key');
SELECT is((SELECT target_pk FROM opsadmin.audit_log WHERE target = 'regress_shop.card'), '{"n": 1, "pin": "[redacted]"}', 'nor what looks sensitive and is ignored');

-- Keys that PostgreSQL does not call the table's key.
CREATE TABLE regress_shop.late (id int, n int, PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE regress_shop.late_text (id text, PRIMARY KEY (id) DEFERRABLE);
SELECT opsadmin.audit('regress_shop.late'), opsadmin.audit('regress_shop.late_text') \g /dev/null
INSERT INTO regress_shop.late VALUES (1, 1);
INSERT INTO regress_shop.late_text VALUES ('a');
SELECT entries('') IS NULL \g /dev/null
SELECT is(string_agg(target_pk::text, ' ' ORDER BY id), '{"id": 1} {"id": "a"}', 'deferrable keys') FROM opsadmin.audit_log WHERE target LIKE 'regress_shop.late%';
CREATE TABLE regress_shop.node (id int PRIMARY KEY, name text);
CREATE TABLE regress_shop.leaf (extra text) INHERITS (regress_shop.node);
CREATE TABLE regress_shop.pair (a text, b int, PRIMARY KEY (a, b));
CREATE TABLE regress_shop.pair_child () INHERITS (regress_shop.pair);
SELECT opsadmin.audit('regress_shop.node'), opsadmin.audit('regress_shop.pair') \g /dev/null
INSERT INTO regress_shop.leaf VALUES (5, 'leaf', 'more');
SELECT is(entries('node'), '0 INSERT {"id": 5} -> {"id": 5, "name": "leaf", "extra": "more"}', 'a table that inherits, by the root''s key');
SELECT is((SELECT row_key FROM opsadmin.audit_entry ORDER BY id DESC LIMIT 1), 5::bigint, 'with its number');
INSERT INTO regress_shop.pair_child VALUES ('x', 1);
SELECT is(entries('pair'), '0 INSERT {"a": "x", "b": 1} -> {"a": "x", "b": 1}', 'and of several columns');
ALTER TABLE regress_shop.pair RENAME a TO first;
INSERT INTO regress_shop.pair_child VALUES ('y', 1);
SELECT is(entries('pair'), '0 INSERT {"b": 1, "first": "y"} -> {"b": 1, "first": "y"}', 'also when one is renamed');

-- Rows of which a trigger keeps some out pair by what their keys are, not by what the log shows of them.
CREATE TABLE regress_shop.moved (id int, at int, note text, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
CREATE TABLE regress_shop.moved_1 PARTITION OF regress_shop.moved FOR VALUES IN (1);
CREATE TABLE regress_shop.moved_2 PARTITION OF regress_shop.moved FOR VALUES IN (2);
CREATE FUNCTION regress_shop.keep_out() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER keep_out BEFORE INSERT ON regress_shop.moved_2 FOR EACH ROW EXECUTE FUNCTION regress_shop.keep_out();
SELECT opsadmin.audit('regress_shop.moved', redact => '{id}') \g /dev/null
INSERT INTO regress_shop.moved VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 1, 'three');
SELECT entries('moved') IS NULL \g /dev/null
UPDATE regress_shop.moved SET note = note || '+', at = CASE WHEN id = 1 THEN 2 ELSE 1 END;
SELECT set_eq($$SELECT regexp_split_to_table(entries('moved'), E'\n')$$, $$VALUES
  ('0 DELETE {"at": 1, "id": "[redacted]"} {"at": 1, "id": "[redacted]", "note": "one"} ->'),
  ('0 UPDATE {"at": 1, "id": "[redacted]"} {"note": "two"} -> {"note": "two+"}'),
  ('0 UPDATE {"at": 1, "id": "[redacted]"} {"note": "three"} -> {"note": "three+"}')$$, 'rows with redacted keys pair by what the keys are');

-- A MERGE that moves rows.
CREATE TABLE regress_shop.part (id int, k int, note text) PARTITION BY LIST (k);
CREATE TABLE regress_shop.part_1 PARTITION OF regress_shop.part FOR VALUES IN (1);
CREATE TABLE regress_shop.part_2 PARTITION OF regress_shop.part FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE regress_shop.part_2_1 PARTITION OF regress_shop.part_2 FOR VALUES IN (1, 2);
CREATE TABLE regress_shop.part_2_3 PARTITION OF regress_shop.part_2 FOR VALUES IN (3);
SELECT opsadmin.audit('regress_shop.part') \g /dev/null
INSERT INTO regress_shop.part VALUES (1, 1, 'a'), (2, 1, 'b');
SELECT entries('part') IS NULL \g /dev/null
MERGE INTO regress_shop.part p USING (VALUES (1)) AS s (id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET k = 2;
SELECT is(entries('part'), '0 DELETE {"k": 1, "id": 1, "note": "a"} ->
0 INSERT -> {"k": 2, "id": 1, "note": "a"}', 'MERGE with UPDATE alone: a row that moves is a DELETE and an INSERT');
MERGE INTO regress_shop.part p USING (VALUES (1), (2), (9)) AS s (id) ON p.id = s.id WHEN MATCHED AND p.id = 1 THEN UPDATE SET note = 'x' WHEN MATCHED THEN UPDATE SET k = 2 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1, 'new');
SELECT set_eq($$SELECT regexp_split_to_table(entries('part'), E'\n')$$, $$VALUES ('0 UPDATE {"note": "a"} -> {"note": "x"}'), ('0 DELETE {"k": 1, "id": 2, "note": "b"} ->'), ('0 INSERT -> {"k": 2, "id": 2, "note": "b"}'), ('0 INSERT -> {"k": 1, "id": 9, "note": "new"}')$$, 'beside what it changes and inserts');
MERGE INTO regress_shop.part_2 p USING (VALUES (2)) AS s (id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET id = 3;
SELECT is(entries('part'), '0 DELETE {"k": 2, "id": 2, "note": "b"} ->
0 INSERT -> {"k": 2, "id": 3, "note": "b"}', 'sent to a partition that has partitions');
MERGE INTO regress_shop.part p USING (VALUES (1)) AS s (id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET note = 'y';
SELECT is(entries('part'), '0 UPDATE {"note": "x"} -> {"note": "y"}', 'a row that stays is an UPDATE');

-- A tenant that the same statement makes, and one that a REPEATABLE READ snapshot does not see.
CREATE TABLE regress_shop.shop (id bigint PRIMARY KEY, name text NOT NULL);
CREATE FUNCTION regress_shop.new_shop() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM opsadmin.create_tenant('shop-' || NEW.id, NEW.name, id => NEW.id); RETURN NULL; END$$;
CREATE TRIGGER new_shop AFTER INSERT ON regress_shop.shop FOR EACH ROW EXECUTE FUNCTION regress_shop.new_shop();
SELECT opsadmin.protect('regress_shop.shop', 'id'), opsadmin.audit('regress_shop.shop') \g /dev/null
INSERT INTO regress_shop.shop VALUES (1, 'Acme'), (2, 'Globex');
SELECT is(entries('shop'), '1 INSERT {"id": 1} -> {"id": 1, "name": "Acme"}
2 INSERT {"id": 2} -> {"id": 2, "name": "Globex"}', 'a tenant that a trigger of the statement makes');
CREATE TABLE regress_shop.item (id int PRIMARY KEY, shop text NOT NULL, name text);
SELECT opsadmin.create_tenant('hooli', 'Hooli', id => 3, key => '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01') \g /dev/null
SELECT opsadmin.audit('regress_shop.item') \g /dev/null
SELECT entries('item') IS NULL \g /dev/null
INSERT INTO regress_shop.item VALUES (1, '1', 'Tea');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 0::bigint, 'a table that is not protected has no tenant');
CREATE TABLE regress_shop.inside (id int PRIMARY KEY, tenant_id bigint NOT NULL);
SELECT opsadmin.audit('regress_shop.inside') \g /dev/null
INSERT INTO regress_shop.inside VALUES (1, 1);
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 0::bigint, 'whatever its columns are called');
SELECT opsadmin.protect('regress_shop.inside') \g /dev/null
INSERT INTO regress_shop.inside VALUES (2, 1);
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 1::bigint, 'from protect() on it has');
SELECT opsadmin.unprotect('regress_shop.inside') \g /dev/null
INSERT INTO regress_shop.inside VALUES (3, 1);
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 0::bigint, 'and until unprotect()');
SELECT opsadmin.protect('regress_shop.item', 'shop') \g /dev/null
INSERT INTO regress_shop.item VALUES (2, '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', 'Cake');

-- A row that goes to another tenant.
SELECT entries('item') IS NULL \g /dev/null
UPDATE regress_shop.item SET shop = '2', name = 'Pie' WHERE id = 1;
SELECT is(entries('item'), '1 DELETE {"id": 1} {"id": 1, "name": "Tea", "shop": "1"} ->
2 INSERT {"id": 1} -> {"id": 1, "name": "Pie", "shop": "2"}', 'goes from one and comes to the other');
UPDATE regress_shop.item SET name = 'Rice';
SELECT is((SELECT count(*) FROM opsadmin.audit_log l WHERE l.id > (SELECT looked.id FROM looked) AND l.op = 'UPDATE'), 2::bigint, 'one that stays is an UPDATE');
SELECT opsadmin.audit('regress_shop.item', ignore => '{shop}') \g /dev/null
SELECT entries('item') IS NULL \g /dev/null
UPDATE regress_shop.item SET shop = '1' WHERE id = 1;
SELECT is(entries('item'), '2 DELETE {"id": 1} {"id": 1, "name": "Rice"} ->
1 INSERT {"id": 1} -> {"id": 1, "name": "Rice"}', 'also where the column is ignored');
SELECT is(failure($$UPDATE regress_shop.item SET shop = '2' WHERE id = 1; UPDATE regress_shop.item SET shop = '1'$$), NULL, 'any number of rows');
BEGIN ISOLATION LEVEL REPEATABLE READ;
WITH made AS (SELECT opsadmin.create_tenant('new', 'New', id => 4)) INSERT INTO regress_shop.item SELECT 9, '4', 'x' FROM made;
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 4::bigint, 'a tenant that the same statement''s WITH makes');
COMMIT;
DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
