-- Audit: every committed change of an audited row is in the log once, with who and from where, whatever made it.
SELECT plan(111);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2), opsadmin.create_tenant('hooli', 'Hooli', id => 3, key => '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01') \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.define_role('blind', 'partner', '{item:read}') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'superadmin'), opsadmin.grant_role('lee@example.com', 'blind', 'acme') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, price numeric, secret text, seen_at timestamptz);
SELECT opsadmin.protect('regress_shop.item'), opsadmin.audit('regress_shop.item', redact => '{secret}', ignore => '{seen_at}') \g /dev/null

-- The entries of a table since the last look, one a line, in their order.
CREATE TABLE looked AS SELECT 0::bigint AS id;
CREATE FUNCTION entries(target text DEFAULT 'item') RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    lines text;
BEGIN
    SELECT string_agg(concat_ws(' ', l.op, l.target_pk, l.before, '->', l.after), E'\n' ORDER BY l.id), max(l.id) INTO lines
    FROM opsadmin.audit_log l WHERE l.target = 'regress_shop.' || entries.target AND l.id > (SELECT looked.id FROM looked);
    UPDATE looked SET id = (SELECT max(l.id) FROM opsadmin.audit_log l) WHERE lines IS NOT NULL;
    RETURN lines;
END
$$;

-- Each kind of change.
INSERT INTO regress_shop.item VALUES (1, 1, 'Tea', 12.50, 's3cret', now()), (2, 1, NULL, NULL, NULL, NULL);
SELECT is(entries(), 'INSERT {"id": 1} -> {"id": 1, "name": "Tea", "price": 12.50, "secret": "[redacted]", "tenant_id": 1}
INSERT {"id": 2} -> {"id": 2, "name": null, "price": null, "secret": null, "tenant_id": 1}', 'INSERT: the row, redacted, without what is ignored');
UPDATE regress_shop.item SET price = price * 2, name = name, secret = 'other' WHERE id = 1;
SELECT is(entries(), 'UPDATE {"id": 1} {"price": 12.50, "secret": "[redacted]"} -> {"price": 25.00, "secret": "[redacted]"}', 'UPDATE: the columns that changed');
UPDATE regress_shop.item SET price = price, seen_at = now();
SELECT is(entries(), NULL, 'an UPDATE that changes nothing, or only what is ignored, leaves nothing');
UPDATE regress_shop.item SET name = CASE WHEN id = 2 THEN 'Coffee' ELSE name END;
SELECT is(entries(), 'UPDATE {"id": 2} {"name": null} -> {"name": "Coffee"}', 'of many rows those that changed');
UPDATE regress_shop.item SET id = 3 WHERE id = 2;
SELECT is(entries(), 'UPDATE {"id": 2} {"id": 2} -> {"id": 3}', 'a key that changes: the row is named as it was');
DELETE FROM regress_shop.item WHERE id = 3;
SELECT is(entries(), 'DELETE {"id": 3} {"id": 3, "name": "Coffee", "price": null, "secret": null, "tenant_id": 1} ->', 'DELETE: the row as it was');
DELETE FROM regress_shop.item WHERE false;
SELECT is(entries(), NULL, 'a statement without rows leaves nothing');
COPY regress_shop.item (id, tenant_id, name) FROM stdin;
4	1	Cake
5	2	Bread
\.
SELECT is(entries(), 'INSERT {"id": 4} -> {"id": 4, "name": "Cake", "price": null, "secret": null, "tenant_id": 1}
INSERT {"id": 5} -> {"id": 5, "name": "Bread", "price": null, "secret": null, "tenant_id": 2}', 'COPY');
INSERT INTO regress_shop.item (id, tenant_id, name) VALUES (4, 1, 'Pie'), (6, 1, 'Rice') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
SELECT is((SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM regexp_split_to_table(entries(), E'\n') AS line), 'INSERT {"id": 6} -> {"id": 6, "name": "Rice", "price": null, "secret": null, "tenant_id": 1}
UPDATE {"id": 4} {"name": "Cake"} -> {"name": "Pie"}', 'ON CONFLICT DO UPDATE: what was inserted and what was updated');
INSERT INTO regress_shop.item (id, tenant_id, name) VALUES (4, 1, 'Nothing') ON CONFLICT DO NOTHING;
SELECT is(entries(), NULL, 'ON CONFLICT DO NOTHING: nothing');
MERGE INTO regress_shop.item i USING (VALUES (4, 'gone'), (5, 'Toast'), (7, 'Milk')) AS v (id, name) ON i.id = v.id
WHEN MATCHED AND v.name = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, tenant_id, name) VALUES (v.id, 1, v.name);
SELECT is((SELECT string_agg(split_part(line, ' ->', 1), E'\n' ORDER BY line COLLATE "C") FROM regexp_split_to_table(entries(), E'\n') AS line), 'DELETE {"id": 4} {"id": 4, "name": "Pie", "price": null, "secret": null, "tenant_id": 1}
INSERT {"id": 7}
UPDATE {"id": 5} {"name": "Bread"}', 'MERGE: all three');
WITH gone AS (DELETE FROM regress_shop.item WHERE id = 5 RETURNING name), came AS (INSERT INTO regress_shop.item (id, tenant_id, name) SELECT 8, 1, name FROM gone RETURNING id) UPDATE regress_shop.item SET name = 'Oat milk' FROM came WHERE item.id = 7;
SELECT is((SELECT string_agg(split_part(line, ' ->', 1), E'\n' ORDER BY line COLLATE "C") FROM regexp_split_to_table(entries(), E'\n') AS line), 'DELETE {"id": 5} {"id": 5, "name": "Toast", "price": null, "secret": null, "tenant_id": 2}
INSERT {"id": 8}
UPDATE {"id": 7} {"name": "Milk"}', 'changes inside WITH');
CREATE FUNCTION regress_shop.in_plpgsql() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 11 .. 13 LOOP
        BEGIN
            INSERT INTO regress_shop.item (id, tenant_id) VALUES (n, 1);
            IF n = 12 THEN RAISE EXCEPTION 'no'; END IF;
        EXCEPTION WHEN raise_exception THEN
            NULL;
        END;
    END LOOP;
END
$$;
SELECT regress_shop.in_plpgsql() \g /dev/null
SELECT is((SELECT string_agg(substring(line, '"id": \d+'), ' ') FROM regexp_split_to_table(entries(), E'\n') AS line), '"id": 11 "id": 13', 'in PL/pgSQL: what a caught error undid is not there');
TRUNCATE regress_shop.item;
SELECT is(entries(), 'TRUNCATE ->', 'TRUNCATE');

-- Headers: one a transaction, and none of what was rolled back.
CREATE FUNCTION headers_since(id bigint) RETURNS bigint LANGUAGE sql AS $$SELECT count(*) FROM opsadmin.audit_header h WHERE h.id > $1$$;
CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql AS $$SELECT coalesce(max(id), 0) FROM opsadmin.audit_header$$;
SELECT newest() AS mark \gset
BEGIN;
INSERT INTO regress_shop.item (id, tenant_id) VALUES (1, 1);
UPDATE regress_shop.item SET name = 'x';
SAVEPOINT a;
UPDATE regress_shop.item SET name = 'y';
RELEASE a;
DELETE FROM regress_shop.item;
COMMIT;
SELECT is(headers_since(:mark), 1::bigint, 'several statements have one header');
SELECT is((SELECT string_agg(op, ' ' ORDER BY id) FROM opsadmin.audit_log WHERE header_id > :mark), 'INSERT UPDATE UPDATE DELETE', 'and their entries in order');
SELECT newest() AS mark \gset
BEGIN;
INSERT INTO regress_shop.item (id, tenant_id) VALUES (1, 1);
ROLLBACK;
BEGIN;
SAVEPOINT a;
INSERT INTO regress_shop.item (id, tenant_id) VALUES (2, 1);
ROLLBACK TO a;
COMMIT;
SELECT is(headers_since(:mark), 0::bigint, 'what was rolled back leaves neither entry nor header');
BEGIN;
SAVEPOINT a;
INSERT INTO regress_shop.item (id, tenant_id) VALUES (3, 1);
ROLLBACK TO a;
INSERT INTO regress_shop.item (id, tenant_id) VALUES (4, 1);
SAVEPOINT b;
INSERT INTO regress_shop.item (id, tenant_id) VALUES (5, 1);
ROLLBACK TO b;
COMMIT;
SELECT results_eq(format('SELECT (target_pk ->> ''id'')::int, actor_name, db_user FROM opsadmin.audit_log WHERE header_id > %s', :mark), $$VALUES (4, NULL::text, session_user::text COLLATE "default")$$, 'a header that went with a savepoint is written anew');
SELECT is(headers_since(:mark), 1::bigint, 'once');
SELECT newest() AS mark \gset
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
UPDATE regress_shop.item SET name = 'in b';
RELEASE b;
ROLLBACK TO a;
UPDATE regress_shop.item SET name = 'after';
COMMIT;
SELECT is((SELECT string_agg(after ->> 'name', ' ') FROM opsadmin.audit_log WHERE id > :mark AND header_id IN (SELECT id FROM opsadmin.audit_header)), 'after', 'also when the savepoint below was released first');
SELECT is_empty('SELECT FROM opsadmin.audit_entry e WHERE NOT EXISTS (SELECT FROM opsadmin.audit_header h WHERE h.id = e.header_id)', 'no entry is without a header');
SELECT is_empty('SELECT FROM opsadmin.audit_header h WHERE NOT EXISTS (SELECT FROM opsadmin.audit_entry e WHERE e.header_id = h.id)', 'no header without an entry');
SELECT ok(bool_and(abs(extract(epoch FROM created_at - clock_timestamp())) < 600), 'an id tells the time') FROM opsadmin.audit_log;
SELECT is(count(DISTINCT id), count(*), 'ids are distinct') FROM opsadmin.audit_log;

-- Foreign keys: what a cascade does is there too.
CREATE TABLE regress_shop.part (id int PRIMARY KEY, item_id bigint REFERENCES regress_shop.item ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE regress_shop.note (id int PRIMARY KEY, item_id bigint REFERENCES regress_shop.item ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO regress_shop.item (id, tenant_id) VALUES (20, 1);
INSERT INTO regress_shop.part VALUES (1, 20), (2, 20);
INSERT INTO regress_shop.note VALUES (1, 20);
SELECT opsadmin.audit('regress_shop.part'), opsadmin.audit('regress_shop.note') \g /dev/null
SELECT newest() AS mark \gset
UPDATE regress_shop.item SET id = 21 WHERE id = 20;
DELETE FROM regress_shop.item WHERE id = 21;
SELECT is((SELECT string_agg(concat_ws(' ', split_part(target, '.', 2), op, target_pk ->> 'id', before ->> 'item_id', after ->> 'item_id'), ', ' ORDER BY header_id, target COLLATE "C", id) FROM opsadmin.audit_log
           WHERE header_id > :mark AND target <> 'regress_shop.item'),
          'note UPDATE 1 20 21, part UPDATE 1 20 21, part UPDATE 2 20 21, note UPDATE 1 21, part DELETE 1 21, part DELETE 2 21', 'ON UPDATE CASCADE, ON DELETE CASCADE and ON DELETE SET NULL');
SELECT is(headers_since(:mark), 2::bigint, 'under the header of the statement that began it');
DELETE FROM regress_shop.note;
DROP TABLE regress_shop.note, regress_shop.part;

-- Values of every type.
CREATE TYPE regress_shop.colour AS ENUM ('red', 'green');
CREATE TYPE regress_shop.size AS (width int, label text);
CREATE DOMAIN regress_shop.sku AS text CHECK (VALUE <> '');
CREATE TABLE regress_shop.value (
  k1 int, k2 text, boolean boolean, smallint smallint, bigint bigint, numeric numeric, real real, double double precision, text text, varchar varchar(20), char char(4), bytea bytea, date date, "time" time, timestamp timestamp,
  timestamptz timestamptz, interval interval, uuid uuid, json json, jsonb jsonb, ints int[], texts text[], enum regress_shop.colour, composite regress_shop.size, domain regress_shop.sku, range int4range, inet inet, bits bit(3),
  doubled numeric GENERATED ALWAYS AS (numeric * 2) STORED, PRIMARY KEY (k2, k1));
ALTER TABLE regress_shop.value ADD dropped int;
ALTER TABLE regress_shop.value DROP dropped;
ALTER TABLE regress_shop.value ADD "Odd ""name""" text DEFAULT 'odd';
SELECT opsadmin.audit('regress_shop.value') \g /dev/null
SET TimeZone = 'Asia/Seoul';
SET DateStyle = 'SQL, DMY';
SET extra_float_digits = 0;
INSERT INTO regress_shop.value VALUES
  (1, 'a', true, -32768, 9223372036854775807, 12345678901234567890.123456789, 1.5, 0.1, E'line\n"quoted" \\ é 한', 'v', 'c', '\xdeadbeef', '2026-02-28', '12:34:56.789', '2026-02-28 12:34:56.789', '2026-02-28 12:34:56.789+00', '1 day 02:03',
   '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', '{"a": 1, "a": 2}', '{"b":[1,null,"x"]}', '{1,NULL,3}', '{"a,b","c\"d",NULL}', 'green', '(7,"x, y")', 'S-1', '[1,5)', '10.0.0.0/8', '101'),
  (2, 'b', false, 0, 0, 'NaN', 'NaN', '-Infinity', '', '', '', '', 'infinity', '00:00', '-infinity', 'infinity', '0', '00000000-0000-0000-0000-000000000000', 'null', '"scalar"', '{}', '{}', 'red', '(,)', 'x', 'empty', '::1', '000');
INSERT INTO regress_shop.value (k1, k2, numeric) VALUES (3, 'c', 'Infinity');
RESET ALL;
SET client_min_messages = error;
SET timezone = 'UTC';
SELECT is((SELECT after FROM opsadmin.audit_log WHERE target = 'regress_shop.value' AND target_pk ->> 'k1' = k1::text), to_jsonb(v), format('row %s is as to_jsonb() has it without settings', k1)) FROM regress_shop.value v ORDER BY k1;
SELECT is((SELECT after FROM opsadmin.audit_log WHERE target = 'regress_shop.value' AND target_pk ->> 'k1' = '1') ->> 'timestamptz', '2026-02-28T12:34:56.789+00:00', 'times are ISO 8601 in UTC, whatever the session''s settings');
SELECT is((SELECT target_pk FROM opsadmin.audit_log WHERE target = 'regress_shop.value' AND target_pk ->> 'k1' = '3'), '{"k1": 3, "k2": "c"}', 'a key of two columns');
SELECT is((SELECT after -> 'numeric' FROM opsadmin.audit_log WHERE target = 'regress_shop.value' AND target_pk ->> 'k1' = '2'), '"NaN"', 'NaN is a text');
SELECT entries('value') IS NULL \g /dev/null
UPDATE regress_shop.value SET numeric = 3, ints = '{1,2}', jsonb = jsonb || '{"c":true}', composite = '(8,z)', text = NULL WHERE k1 = 1;
SELECT is(entries('value'), 'UPDATE {"k1": 1, "k2": "a"} {"ints": [1, null, 3], "text": "line\n\"quoted\" \\ é 한", "jsonb": {"b": [1, null, "x"]}, "doubled": 24691357802469135780.246913578, "numeric": 12345678901234567890.123456789, "composite": {"label": "x, y", "width": 7}} -> {"ints": [1, 2], "text": null, "jsonb": {"b": [1, null, "x"], "c": true}, "doubled": 6, "numeric": 3, "composite": {"label": "z", "width": 8}}',
          'an UPDATE of arrays, documents and what is generated from them');
UPDATE regress_shop.value SET numeric = 3.00 WHERE k1 = 1;
SELECT is(entries('value'), 'UPDATE {"k1": 1, "k2": "a"} {"doubled": 6, "numeric": 3} -> {"doubled": 6.00, "numeric": 3.00}', 'a number written otherwise is a change');
CREATE TABLE regress_shop.many (id int PRIMARY KEY, at timestamptz, ints int[], name text);
SELECT opsadmin.audit('regress_shop.many') \g /dev/null
INSERT INTO regress_shop.many SELECT g, now(), ARRAY[g, 2], repeat('x', g) FROM generate_series(1, 100) AS g;
SELECT ok(bool_and(l.after = to_jsonb(m)) AND count(*) = 100, 'every row of a statement has its values, whatever their types')
FROM regress_shop.many m JOIN opsadmin.audit_log l ON l.target = 'regress_shop.many' AND l.target_pk ->> 'id' = m.id::text;
BEGIN;
INSERT INTO regress_shop.many (id) VALUES (101);
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
RESET ROLE;
INSERT INTO regress_shop.many (id) VALUES (102);
COMMIT;
SELECT is((SELECT array_agg(coalesce(actor_name, 'nobody') ORDER BY id) FROM opsadmin.audit_log WHERE target = 'regress_shop.many' AND (target_pk ->> 'id')::int > 100),
          '{nobody,Kim}', 'what precedes the context in a transaction takes nobody''s name, what follows it does');
ALTER TABLE regress_shop.value ADD added int DEFAULT 5, DROP inet;
UPDATE regress_shop.value SET added = 6 WHERE k1 = 3;
SELECT is(entries('value'), 'UPDATE {"k1": 3, "k2": "c"} {"added": 5} -> {"added": 6}', 'columns that come and go');
ALTER TABLE regress_shop.value RENAME added TO "Added on";
UPDATE regress_shop.value SET "Added on" = 7, "Odd ""name""" = 'x' WHERE k1 = 3;
SELECT is(entries('value'), 'UPDATE {"k1": 3, "k2": "c"} {"Added on": 6, "Odd \"name\"": "odd"} -> {"Added on": 7, "Odd \"name\"": "x"}', 'and are renamed');
ALTER TABLE regress_shop.value RENAME TO renamed;
UPDATE regress_shop.renamed SET "Added on" = 8 WHERE k1 = 3;
SELECT is(entries('value'), 'UPDATE {"k1": 3, "k2": "c"} {"Added on": 7} -> {"Added on": 8}', 'a table that is renamed keeps its name in the log');

-- Large values, stored out of line.
CREATE TABLE regress_shop.large (id int PRIMARY KEY, a text, b text, c jsonb);
ALTER TABLE regress_shop.large ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTENDED;
SELECT opsadmin.audit('regress_shop.large') \g /dev/null
INSERT INTO regress_shop.large SELECT 1, repeat('é', 100000), string_agg(md5(n::text), ''), jsonb_agg(md5(n::text)) FROM generate_series(1, 5000) AS n;
SELECT is((SELECT after FROM opsadmin.audit_log WHERE target = 'regress_shop.large'), to_jsonb(l), 'a row of large values') FROM regress_shop.large l;
SELECT entries('large') IS NULL \g /dev/null
UPDATE regress_shop.large SET b = b || '.';
SELECT is((SELECT concat_ws(' ', jsonb_object_agg(key, length(value::text))) FROM opsadmin.audit_log l, jsonb_each(l.after) WHERE l.target = 'regress_shop.large' AND l.op = 'UPDATE'), '{"b": 160003}', 'large values that did not change are not there');
UPDATE regress_shop.large SET a = a || '', b = repeat(b, 1);
SELECT is((SELECT count(*) FROM opsadmin.audit_log WHERE target = 'regress_shop.large'), 2::bigint, 'nor when they were written anew as they were');
INSERT INTO regress_shop.item (id, tenant_id, name) SELECT n, 1 + n % 2, 'bulk' FROM generate_series(100001, 130000) AS n;
SELECT is((SELECT concat_ws(' ', count(*), count(DISTINCT target_pk), count(DISTINCT header_id), count(DISTINCT tenant_id)) FROM opsadmin.audit_log WHERE after ->> 'name' = 'bulk'), '30000 30000 1 2', 'many rows in one statement');
DELETE FROM regress_shop.item;

-- The tenant of an entry.
CREATE TABLE regress_shop.by_uuid (id int PRIMARY KEY, shop uuid);
CREATE TABLE regress_shop.by_text (id int PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE regress_shop.of_nobody (id int PRIMARY KEY);
ALTER TABLE regress_shop.by_uuid ALTER shop SET NOT NULL;
SELECT opsadmin.protect('regress_shop.by_uuid', 'shop'), opsadmin.protect('regress_shop.by_text'), opsadmin.audit('regress_shop.by_uuid'), opsadmin.audit('regress_shop.by_text'), opsadmin.audit('regress_shop.of_nobody') \g /dev/null
INSERT INTO regress_shop.by_uuid VALUES (1, '5D7BBDD0-4E33-4F8E-9B3A-6F2B1C9F6F01'), (2, gen_random_uuid());
INSERT INTO regress_shop.by_text VALUES (1, '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01'), (2, '2'), (3, 'nobody'), (5, '2');
INSERT INTO regress_shop.of_nobody VALUES (1);
SELECT is((SELECT string_agg(tenant_id::text, ',' ORDER BY id) FROM opsadmin.audit_log WHERE target = 'regress_shop.' || name), tenants, 'tenants of ' || name)
FROM (VALUES ('by_uuid', '3,0'), ('by_text', '3,2,0,2'), ('of_nobody', '0')) AS t (name, tenants);
UPDATE regress_shop.by_text SET tenant_id = '2' WHERE id = 1;
SELECT is((SELECT string_agg(tenant_id || op, ' ' ORDER BY id) FROM opsadmin.audit_log WHERE target = 'regress_shop.by_text' AND id > (SELECT max(id) FROM opsadmin.audit_log WHERE target = 'regress_shop.of_nobody')), '3DELETE 2INSERT', 'a row that moves is gone where it was and new where it is');
ALTER TABLE regress_shop.by_text RENAME tenant_id TO shop;
SELECT is(failure('DELETE FROM regress_shop.by_text'), '42703', 'a tenant column that is not found is an error');
SELECT opsadmin.audit('regress_shop.by_text') \g /dev/null
SELECT is(failure('DELETE FROM regress_shop.by_text'), NULL, 'until the table is audited anew');

-- Who and from where.
INSERT INTO regress_shop.item (id, tenant_id, name) VALUES (1, 1, 'Tea'), (2, 2, 'Tea');
SELECT newest() AS mark \gset
CREATE ROLE regress_opsadmin_writer LOGIN;
GRANT USAGE ON SCHEMA regress_shop TO regress_opsadmin_writer;
GRANT SELECT, INSERT, UPDATE ON regress_shop.item TO regress_opsadmin_writer;
CREATE POLICY writer ON regress_shop.item TO regress_opsadmin_writer USING (true);
SET SESSION AUTHORIZATION regress_opsadmin_writer;
UPDATE regress_shop.item SET price = 1 WHERE id = 1;
RESET SESSION AUTHORIZATION;
SELECT is((SELECT concat_ws(',', db_user, coalesce(actor_name, 'nobody'), coalesce(site, 'no site'), coalesce(job_id::text, 'no job'), tenant_id) FROM opsadmin.audit_log WHERE header_id > :mark), 'regress_opsadmin_writer,nobody,no site,no job,1', 'without a context: the login that wrote');
SELECT newest() AS mark \gset
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme', 'ticket 7') \g /dev/null
UPDATE regress_shop.item SET price = 2 WHERE id = 1;
COMMIT;
SELECT is((SELECT concat_ws(',', actor_id = (SELECT id FROM opsadmin.actor WHERE email = 'kim@example.com'), actor_name, site, meta) FROM opsadmin.audit_log WHERE header_id > :mark), 't,Kim,internal,{"reason": "ticket 7"}', 'with one: the actor, the site, the reason');
SELECT opsadmin.accept_invitation(split_part(opsadmin.create_actor('kim@example.com', 'Kim'), '#', 2), 'kim''s password') \g /dev/null
SET SESSION AUTHORIZATION opsadmin_internal_login;
SELECT session_token AS kim FROM opsadmin.sign_in('kim@example.com', 'kim''s password') \gset
BEGIN;
SELECT opsadmin.begin_request(:'kim', NULL, '2001:db8::7', 'POST', '/api/v1/admin/x', 'request 1') \g /dev/null
UPDATE regress_shop.item SET price = 3;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT results_eq('SELECT tenant_id, concat_ws('','', db_user, host(ip), method, path, request_id) FROM opsadmin.audit_log WHERE header_id = newest() ORDER BY tenant_id',
                  $$VALUES (1::bigint, 'opsadmin_internal_login,2001:db8::7,POST,/api/v1/admin/x,request 1'), (2, 'opsadmin_internal_login,2001:db8::7,POST,/api/v1/admin/x,request 1')$$, 'of a request: where it came from');
SELECT opsadmin.expose('regress_shop.item'), opsadmin.define_action('cheapen', 'regress_shop.item', 'price = price - 1') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.run_action('cheapen', '{}', '{"ids":["1","2"]}') AS job \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT is((SELECT concat_ws(',', job_id = :job, action, actor_name, site, string_agg(before::text, ' ')) FROM opsadmin.audit_log WHERE job_id = :job GROUP BY job_id, action, actor_name, site), 't,cheapen,Kim,internal,{"price": 3} {"price": 3}', 'of a job: the job and who started it');
SELECT newest() AS mark \gset
BEGIN;
UPDATE regress_shop.item SET price = 7 WHERE id = 1;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
UPDATE regress_shop.item SET price = 8 WHERE id = 1;
COMMIT;
SELECT is((SELECT string_agg(concat(after ->> 'price', ' by ', coalesce(actor_name, 'nobody')), ', ' ORDER BY id) FROM opsadmin.audit_log WHERE header_id > :mark), '7 by nobody, 8 by Kim', 'a context bound after a change is that of the next one');
SET session_replication_role = replica;
UPDATE regress_shop.item SET price = 9 WHERE id = 1;
RESET session_replication_role;
SELECT is((SELECT after FROM opsadmin.audit_log WHERE header_id = newest()), '{"price": 9}', 'session_replication_role does not switch it off');

-- Nobody writes the log, and the trigger is opsadmin.audit()'s.
SELECT is(failure_as(role, statement), CASE WHEN role ~ 'internal|partner' AND statement ~ 'TRUNCATE|purge_audit' THEN 'OA001' ELSE '42501' END, role || ': ' || statement)
FROM unnest(ARRAY['opsadmin_internal', 'opsadmin_partner', 'opsadmin_worker', 'opsadmin_trusted', 'regress_opsadmin_writer']) AS role,
     unnest(ARRAY['INSERT INTO opsadmin.audit_entry SELECT 1', 'DELETE FROM opsadmin.audit_header', 'UPDATE opsadmin.audit_entry SET op = ''I''', 'TRUNCATE opsadmin.audit_entry',
                  'SELECT opsadmin_private.purge_audit()']) AS statement;
SET SESSION AUTHORIZATION regress_opsadmin_writer;
CREATE TEMP TABLE own (id int);
SELECT is(failure('CREATE TRIGGER t AFTER INSERT ON own FOR EACH STATEMENT EXECUTE FUNCTION opsadmin.audit_trigger(''1'', '''')'), '42501', 'nobody else can use the trigger''s function');
DROP TABLE own;
RESET SESSION AUTHORIZATION;
SELECT is(failure('SELECT opsadmin.audit_trigger()'), '39P01', 'it is no function to call');
CREATE TABLE regress_shop.by_hand (id int);
CREATE TRIGGER t BEFORE INSERT ON regress_shop.by_hand FOR EACH ROW EXECUTE FUNCTION opsadmin.audit_trigger('1', '');
SELECT is(failure('INSERT INTO regress_shop.by_hand VALUES (1)'), '39P01', 'nor a trigger of another kind');

-- Who reads the log.
SELECT opsadmin.grant_role('lee@example.com', 'partner_member', 'globex') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'globex') \g /dev/null
SELECT is((SELECT string_agg(DISTINCT tenant_id::text, ',') FROM opsadmin.audit_log), '2', 'a partner sees the entries of its tenant');
SELECT ok(bool_and((r #>> '{tenant,slug}') = 'globex'), 'list_audit() too') FROM jsonb_array_elements(opsadmin.list_audit()::jsonb -> 'rows') AS r;
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT is_empty('SELECT FROM opsadmin.audit_log', 'without audit:read nothing is there');
SELECT is(failure('SELECT opsadmin.list_audit()'), 'OA403', 'and list_audit() says why');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is((opsadmin.list_audit(page_size => 1)::jsonb #> '{rows,0}') - 'id' - 'created_at' - 'db_user',
          '{"tenant":{"slug":"acme","name":"Acme"},"actor_name":null,"site":null,"ip":null,"method":null,"path":null,"request_id":null,"job_id":null,"action":null,"target":"regress_shop.item","target_pk":{"id":"1"},
            "op":"UPDATE","before":{"price":"8"},"after":{"price":"9"},"meta":null}', 'an entry as list_audit() has it');
SELECT is((SELECT count(*) FROM jsonb_array_elements(opsadmin.list_audit(format('{"job":"%s"}', :job)::jsonb)::jsonb -> 'rows')), 2::bigint, 'by job');
SELECT ok(bool_and(r ->> 'target' = 'regress_shop.large'), 'by target') FROM jsonb_array_elements(opsadmin.list_audit('{"target":"regress_shop.large"}')::jsonb -> 'rows') AS r;
SELECT ok(bool_and(r ->> 'actor_name' = 'Kim'), 'by actor') FROM jsonb_array_elements(opsadmin.list_audit('{"actor":"kI"}')::jsonb -> 'rows') AS r;
SELECT is(opsadmin.list_audit(filter::jsonb)::jsonb, '{"rows":[],"next":null,"prev":null}', 'none by ' || filter) FROM unnest(ARRAY['{"target":"x"}', '{"actor":"%"}', '{"job":"999999"}', '{"actor":"'' OR true --"}']) AS filter;
SELECT is(failure($$SELECT opsadmin.list_audit('{"job":"1 OR true"}')$$), 'OA422 /filter/job', 'a job is a number');
SELECT is(failure(format('SELECT opsadmin.list_audit(%L)', filter)), 'OA422 /filter', 'not a filter: ' || filter) FROM unnest(ARRAY['{"actor":"Kim","colour":"red"}', '[]']) AS filter;
COMMIT;
CREATE FUNCTION audit_pages(filter jsonb, size int) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    page jsonb;
    place text;
    ids bigint[] := '{}';
BEGIN
    LOOP
        page := opsadmin.list_audit(filter, place, size);
        ids := ids || ARRAY(SELECT (r ->> 'id')::bigint FROM jsonb_array_elements(page -> 'rows') AS r);
        place := page ->> 'next';
        EXIT WHEN place IS NULL;
    END LOOP;
    RETURN ids;
END
$$;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(audit_pages('{"target":"regress_shop.value"}', 2), ARRAY(SELECT id FROM opsadmin.audit_log WHERE target = 'regress_shop.value' ORDER BY id DESC), 'page by page each entry once, the newest first');
COMMIT;

-- Settings, and the end of an audit.
SELECT is(failure(format('SELECT opsadmin.audit(%s)', arguments)), code, 'audit(): ' || why)
FROM (VALUES ('''regress_shop.item'', redact => ''{nothing}''', 'OA425', 'an unknown column'), ('''regress_shop.item'', ignore => ''{nothing}''', 'OA425', 'an unknown column'), ('''pg_class''', 'OA436', 'a catalog'),
             ('''opsadmin.audit_log''', 'OA436', 'a view')) AS bad (arguments, code, why);
SELECT opsadmin.audit('regress_shop.item', redact => '{id,name}', ignore => '{price}') \g /dev/null
SELECT entries() IS NULL \g /dev/null
UPDATE regress_shop.item SET name = 'Secret tea', price = 0, secret = 'plain' WHERE id = 1;
SELECT is(entries(), 'UPDATE {"id": "[redacted]"} {"name": "[redacted]", "secret": null} -> {"name": "[redacted]", "secret": "[redacted]"}', 'new settings hold from the next statement on, also for the key');
SELECT is(count(*), 1::bigint, 'the table is registered once') FROM opsadmin.audited_table a JOIN opsadmin.target t ON t.id = a.target_id WHERE t.relation = 'regress_shop.item'::regclass;
SELECT lives_ok($$SELECT opsadmin.unaudit('regress_shop.item')$$, 'unaudit()');
UPDATE regress_shop.item SET name = 'unseen';
SELECT is(entries(), NULL, 'then nothing is logged');
SELECT ok(count(*) > 100, 'what was logged stays') FROM opsadmin.audit_log WHERE target = 'regress_shop.item';
SELECT is(failure($$SELECT opsadmin.unaudit('regress_shop.item')$$), 'OA438', 'twice');
SELECT is_empty($$SELECT FROM pg_trigger WHERE tgrelid = 'regress_shop.item'::regclass AND NOT tgisinternal$$, 'no trigger is left');
CREATE TABLE regress_shop.keyless (note text, secret text);
SELECT opsadmin.audit('regress_shop.keyless', redact => '{secret}') \g /dev/null
INSERT INTO regress_shop.keyless VALUES ('a', 'b');
SELECT is(entries('keyless'), 'INSERT -> {"note": "a", "secret": "[redacted]"}', 'a table without a key has no key in the log');

DROP SCHEMA regress_shop CASCADE;
DROP ROLE regress_opsadmin_writer;
SELECT * FROM finish();
