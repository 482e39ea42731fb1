-- A session keeps what it has learned of audited tables, of tenants and of the log's indexes: it learns anew when they
-- change, also within a transaction and when that is taken back.
-- topic: audit
SELECT plan(23);
\ir include/failure.psql
SET client_min_messages = error;
CREATE SCHEMA regress_shop;
CREATE FUNCTION newest() RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', l.tenant_id, l.op, l.target_pk, l.before, '->', l.after) FROM opsadmin.audit_log l ORDER BY l.id DESC LIMIT 1
$$;

-- ---- Tables ----

CREATE TABLE regress_shop.product (id int PRIMARY KEY, name text, price int);
SELECT opsadmin.audit('regress_shop.product') \g /dev/null
INSERT INTO regress_shop.product VALUES (1, 'tea', 1);
UPDATE regress_shop.product SET price = 2;
SELECT is(newest(), '0 UPDATE {"id": 1} {"price": 1} -> {"price": 2}', 'an entry');
ALTER TABLE regress_shop.product RENAME price TO cost;
UPDATE regress_shop.product SET cost = 3;
SELECT is(newest(), '0 UPDATE {"id": 1} {"cost": 2} -> {"cost": 3}', 'a column has another name');
ALTER TABLE regress_shop.product ADD stock int DEFAULT 5, DROP name;
UPDATE regress_shop.product SET stock = 6, cost = 4;
SELECT is(newest(), '0 UPDATE {"id": 1} {"cost": 3, "stock": 5} -> {"cost": 4, "stock": 6}', 'columns come and go');
ALTER TABLE regress_shop.product ALTER cost TYPE text;
UPDATE regress_shop.product SET cost = 'five';
SELECT is(newest(), '0 UPDATE {"id": 1} {"cost": "4"} -> {"cost": "five"}', 'a column has another type');
SELECT opsadmin.audit('regress_shop.product', redact => '{cost}', ignore => '{stock}') \g /dev/null
UPDATE regress_shop.product SET cost = 'six', stock = 7;
SELECT is(newest(), '0 UPDATE {"id": 1} {"cost": "[redacted]"} -> {"cost": "[redacted]"}', 'other rules');
BEGIN;
SAVEPOINT before;
SELECT opsadmin.audit('regress_shop.product') \g /dev/null
UPDATE regress_shop.product SET cost = 'seven';
SELECT is(newest(), '0 UPDATE {"id": 1} {"cost": "six"} -> {"cost": "seven"}', 'other rules within a transaction');
ROLLBACK TO before;
UPDATE regress_shop.product SET cost = 'eight';
SELECT is(newest(), '0 UPDATE {"id": 1} {"cost": "[redacted]"} -> {"cost": "[redacted]"}', 'and those from before when they are taken back');
COMMIT;
ALTER TABLE regress_shop.product DROP CONSTRAINT product_pkey;
UPDATE regress_shop.product SET cost = 'nine';
SELECT is(newest(), '0 UPDATE {"cost": "[redacted]"} -> {"cost": "[redacted]"}', 'a table without its key');
ALTER TABLE regress_shop.product ADD PRIMARY KEY (id, stock);
SELECT opsadmin.audit('regress_shop.product') \g /dev/null
UPDATE regress_shop.product SET cost = 'ten';
SELECT is(newest(), '0 UPDATE {"id": 1, "stock": 7} {"cost": "nine"} -> {"cost": "ten"}', 'another key');

-- Members of a composite type.
CREATE TYPE regress_shop.contact AS (name text, hint text);
CREATE TABLE regress_shop.member (id int PRIMARY KEY, contact regress_shop.contact);
SELECT opsadmin.audit('regress_shop.member') \g /dev/null
INSERT INTO regress_shop.member VALUES (1, ('Kim', 'blue'));
SELECT is(newest(), '0 INSERT {"id": 1} -> {"id": 1, "contact": {"hint": "blue", "name": "Kim"}}', 'a composite value');
ALTER TYPE regress_shop.contact RENAME ATTRIBUTE hint TO password;
INSERT INTO regress_shop.member VALUES (2, ('Lee', 'red'));
SELECT is(newest(), '0 INSERT {"id": 2} -> {"id": 2, "contact": {"name": "Lee", "password": "[redacted]"}}', 'whose member has got another name');

-- What an error has left behind is of no account.
CREATE TABLE regress_shop.event (id int PRIMARY KEY, at timestamptz, name text CHECK (name <> 'wrong'));
SELECT opsadmin.audit('regress_shop.event') \g /dev/null
INSERT INTO regress_shop.event VALUES (1, '2026-01-01 00:00Z', 'right');
SELECT is(failure($$INSERT INTO regress_shop.event VALUES (2, '2026-01-02 00:00Z', 'right'), (1, '2026-01-03 00:00Z', 'right')$$), '23505', 'a statement fails');
INSERT INTO regress_shop.event VALUES (3, '2026-01-04 00:00Z', repeat('long ', 3000));
SELECT is((SELECT after ->> 'at' FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), '2026-01-04T00:00:00+00:00', 'the next one has its own values');

-- ---- Tenants ----

SELECT opsadmin.create_tenant('acme', 'Acme', key => 'a') AS acme, opsadmin.create_tenant('globex', 'Globex', key => 'g') AS globex \gset
CREATE TABLE regress_shop.note (id int PRIMARY KEY, tenant_id text NOT NULL);
SELECT opsadmin.protect('regress_shop.note'), opsadmin.audit('regress_shop.note') \g /dev/null
INSERT INTO regress_shop.note VALUES (1, 'a');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), :acme::bigint, 'the tenant of a row');
UPDATE opsadmin.tenant SET key = 'old' WHERE id = :acme;
UPDATE opsadmin.tenant SET key = 'a' WHERE id = :globex;
INSERT INTO regress_shop.note VALUES (2, 'a');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), :globex::bigint, 'whose key is another''s now');
INSERT INTO regress_shop.note VALUES (3, 'new');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 0::bigint, 'a tenant that is not there');
BEGIN;
SELECT opsadmin.create_tenant('initech', 'Initech', key => 'new') AS initech \gset
INSERT INTO regress_shop.note VALUES (4, 'new');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), :initech::bigint, 'and then is');
ROLLBACK;
INSERT INTO regress_shop.note VALUES (4, 'new');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 0::bigint, 'but not when that is taken back');
DELETE FROM opsadmin.tenant WHERE id = :globex;
INSERT INTO regress_shop.note VALUES (5, 'a');
SELECT is((SELECT tenant_id FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 0::bigint, 'nor when it is deleted');

-- ---- Indexes of the log ----

SELECT p.name AS part FROM opsadmin_private.audit_partitions('audit_entry') AS p WHERE p.begins <= now() AND p.ends > now() \gset
CREATE FUNCTION by_index(part name) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  plan json;
  found bigint;
BEGIN
  EXECUTE format('EXPLAIN (FORMAT JSON) SELECT count(op) FROM opsadmin.%I WHERE id %% 1 = 0', part) INTO plan;
  EXECUTE format('SELECT count(op) FROM opsadmin.%I WHERE id %% 1 = 0', part) INTO found;
  RETURN concat_ws(' ', substring(plan::text FROM 'regress_[a-z]+'), found);
END
$$;
CREATE INDEX regress_made ON opsadmin.:"part" ((id % 1));
INSERT INTO regress_shop.note VALUES (6, 'a');
SELECT is(by_index(:'part'), 'regress_made ' || count(e.op), 'an index that somebody makes has the entries from then on') FROM opsadmin.:"part" AS e;
BEGIN;
CREATE INDEX regress_later ON opsadmin.:"part" ((id % 1)) WHERE op <> 'X';
INSERT INTO regress_shop.note VALUES (7, 'a');
SELECT is((SELECT count(*) FROM opsadmin.audit_log WHERE target = 'regress_shop.note'), 7::bigint, 'another one within a transaction');
ROLLBACK;
INSERT INTO regress_shop.note VALUES (7, 'a');
SELECT is(by_index(:'part'), 'regress_made ' || count(e.op), 'that is taken back') FROM opsadmin.:"part" AS e;
DROP INDEX opsadmin.regress_made;
INSERT INTO regress_shop.note VALUES (8, 'a');
SELECT is((SELECT after ->> 'id' FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), '8', 'and one that is gone does not matter');

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
