-- Values that are hard to put into the log: what jsonb cannot hold, what a session's settings would change, what is too
-- large, what has secrets inside. None of them keeps a row from being changed.
-- topic: audit redaction
SELECT plan(23);
\ir include/failure.psql
SET client_min_messages = error;
CREATE SCHEMA regress_shop;
CREATE FUNCTION entry(target text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', l.target_pk, l.before, '->', l.after) FROM opsadmin.audit_log l WHERE l.target = 'regress_shop.' || entry.target ORDER BY l.id DESC LIMIT 1
$$;

-- json that jsonb cannot hold stays what it was, as text.
CREATE DOMAIN regress_shop.document AS json;
CREATE TYPE regress_shop.pair AS (n int, doc json);
CREATE TYPE regress_shop.account AS (password text, doc json);
CREATE TABLE regress_shop.note (id int PRIMARY KEY, a json, b regress_shop.document, c json[], d regress_shop.pair, e regress_shop.account);
SELECT opsadmin.audit('regress_shop.note') \g /dev/null
INSERT INTO regress_shop.note (id, a) VALUES (1, '{"good":1e5}');
SELECT is(entry('note'), '{"id": 1} -> {"a": {"good": 100000}, "b": null, "c": null, "d": null, "e": null, "id": 1}', 'json is json');
SELECT is(failure(format('INSERT INTO regress_shop.note (id, a) VALUES (%s, %L)', n + 1, value)), NULL, 'json that jsonb cannot hold: ' || value)
FROM unnest(ARRAY['{"a":"\u0000"}', '{"a":"\ud800"}', '[1e500000]']) WITH ORDINALITY AS v (value, n);
INSERT INTO regress_shop.note (id, a, b, c, d) VALUES (10, '{"a":"\u0000"}', '"\ud800"', ARRAY['{"x":1e500000}'::json], ROW(1, '"\u0000"'));
SELECT is((SELECT after FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), (SELECT jsonb_build_object('id', 10, 'a', a::text, 'b', b::text, 'c', c::text, 'd', d::text, 'e', null) FROM regress_shop.note WHERE id = 10), 'is there as text, also in domains, arrays and composites');
INSERT INTO regress_shop.note (id, a, c, d, e) VALUES (11, '{"password":"hunter2","x":"\u0000"}', ARRAY['{"api key":["hunter2","\u0000"]}'::json], ROW(1, '{"\u0070assword":"hunter2","a":"\u0000"}'), ROW('hunter2', '"\u0000"'));
SELECT is(entry('note'), '{"id": 11} -> {"a": "[redacted]", "b": null, "c": "[redacted]", "d": "[redacted]", "e": "[redacted]", "id": 11}', 'unless a name in it looks sensitive');

-- Members whose names look sensitive.
CREATE TYPE regress_shop.login AS (name text, password text);
CREATE TABLE regress_shop.doc (id int PRIMARY KEY, a jsonb, b json, c regress_shop.login, d regress_shop.login[], kept jsonb);
SELECT opsadmin.audit('regress_shop.doc', keep => '{kept}') \g /dev/null
INSERT INTO regress_shop.doc VALUES (1, '{"user":{"password":"x"}}', '[{"apiToken":[1]}]', ROW('kim', 'x'), ARRAY[ROW('lee', 'x')::regress_shop.login], '{"password":"x"}');
SELECT is(entry('doc'), '{"id": 1} -> {"a": {"user": {"password": "[redacted]"}}, "b": [{"apiToken": "[redacted]"}], "c": {"name": "kim", "password": "[redacted]"}, "d": [{"name": "lee", "password": "[redacted]"}], "id": 1, "kept": {"password": "x"}}', 'members that look sensitive are redacted in what is not kept');
UPDATE regress_shop.doc SET a = '{"user":{"password":"y"}}';
SELECT is(entry('doc'), '{"id": 1} {"a": {"user": {"password": "[redacted]"}}} -> {"a": {"user": {"password": "[redacted]"}}}', 'that they changed is known');
INSERT INTO regress_shop.doc (id, a, b) VALUES (2, '"password"', '"password"'), (3, '[]', '{}');
SELECT is((SELECT string_agg(concat(after ->> 'a', after ->> 'b'), ' ' ORDER BY id) FROM opsadmin.audit_log WHERE target = 'regress_shop.doc' AND target_pk <> '{"id":1}'), 'passwordpassword []{}', 'values are not names');

-- Generated columns show what they are made of.
CREATE TABLE regress_shop.made (id int PRIMARY KEY, name text, password text, both_of text GENERATED ALWAYS AS (name || password) STORED, upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
    kept text GENERATED ALWAYS AS (left(password, 1)) STORED);
SELECT opsadmin.audit('regress_shop.made', keep => '{kept}') \g /dev/null
INSERT INTO regress_shop.made VALUES (1, 'kim', 'hunter2');
SELECT is(entry('made'), '{"id": 1} -> {"id": 1, "kept": "h", "name": "kim", "both_of": "[redacted]", "password": "[redacted]", "upper_name": "KIM"}', 'a column that is generated from a redacted one is redacted');

-- The settings of a session are not in the log.
CREATE TABLE regress_shop.value (id timestamptz PRIMARY KEY, a timestamptz[], b interval, c float8, d bytea, e money, f tstzrange, g daterange, h point, i float4[]);
SELECT opsadmin.audit('regress_shop.value') \g /dev/null
CREATE PROCEDURE regress_shop.change() LANGUAGE sql AS $$
    DELETE FROM regress_shop.value;
    INSERT INTO regress_shop.value SELECT m, ARRAY[m], '1 day 02:00', 0.1::float8 + 0.2, '\xdeadbeef', 12.5::numeric::money, tstzrange(m, m), daterange('2026-01-02', '2026-03-04'), point(0.1::float8 + 0.2, 1), ARRAY[1::float4 / 3] FROM (SELECT '2026-07-01 12:00Z'::timestamptz AS m) AS x;
$$;
SET timezone = 'UTC';
CALL regress_shop.change();
SELECT after AS plain, (SELECT row_key FROM opsadmin.audit_entry ORDER BY id DESC LIMIT 1) AS plain_key FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1 \gset
SELECT is(:'plain'::jsonb - 'e' - 'f', '{"id": "2026-07-01T12:00:00+00:00", "a": ["2026-07-01T12:00:00+00:00"], "b": "1 day 02:00:00", "c": 0.30000000000000004, "d": "\\xdeadbeef", "g": "[2026-01-02,2026-03-04)", "h": "(0.30000000000000004,1)", "i": [0.33333334]}', 'values as they are without settings');
SET timezone = 'Asia/Seoul'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = -5; SET bytea_output = 'escape';
CALL regress_shop.change();
SELECT is(after, :'plain'::jsonb, 'are the same with any') FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1;
SELECT is(row_key, :plain_key::bigint, 'also in the hash of the key') FROM opsadmin.audit_entry ORDER BY id DESC LIMIT 1;
SELECT is(concat_ws(', ', current_setting('timezone'), current_setting('datestyle'), current_setting('extra_float_digits')), 'Asia/Seoul, SQL, DMY, -5', 'the session keeps its own');
SELECT is(opsadmin_private.audit_key('regress_shop.value', '{"id":"2026-07-01 21:00+09"}', '/key'), '{"id": "2026-07-01T12:00:00+00:00"}', 'a key that is asked for is the same one');
RESET ALL;
SET client_min_messages = error;

-- Values that are too large for an entry.
CREATE TABLE regress_shop.huge (id int PRIMARY KEY, t text, b bytea, a bool[], j json);
ALTER TABLE regress_shop.huge ALTER t SET STORAGE external, ALTER b SET STORAGE external;
SELECT opsadmin.audit('regress_shop.huge') \g /dev/null
INSERT INTO regress_shop.huge (id, t) VALUES (1, repeat('x', 70000000));
SELECT is(entry('huge'), format('{"id": 1} -> {"a": null, "b": null, "j": null, "t": {"length": 70000000, "sha256": "%s"}, "id": 1}', encode(sha256(convert_to(repeat('x', 70000000), 'UTF8')), 'hex')), 'of a large text the log has the length and a hash');
INSERT INTO regress_shop.huge (id, b) SELECT 2, decode(repeat('00', 70000000), 'hex');
SELECT is((SELECT (after -> 'b') - 'sha256' FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), '{"length": 70000000}', 'of a large bytea too');
SELECT is(failure('INSERT INTO regress_shop.huge (id, a) SELECT 3, array_fill(true, ARRAY[40000000])'), NULL, 'an array with more items than jsonb can have');
SELECT matches(entry('huge'), '"a": {"length": [0-9]+, "sha256": "[0-9a-f]{64}"}', 'has a hash');
INSERT INTO regress_shop.huge (id, t) SELECT 4, repeat('x', 60000000);
UPDATE regress_shop.huge SET b = decode(repeat('00', 60000000), 'hex'), j = to_json(repeat('y', 60000000)) WHERE id = 4;
SELECT is(failure('DELETE FROM regress_shop.huge WHERE id = 4'), NULL, 'a row whose values together are too large');
SELECT is((SELECT jsonb_typeof(before -> 'b') || jsonb_typeof(before -> 't') FROM opsadmin.audit_log ORDER BY id DESC LIMIT 1), 'stringobject', 'has some of them');
SELECT is(failure('DELETE FROM regress_shop.huge'), NULL, 'all of them can go');
SELECT is((SELECT string_agg(op, ' ' ORDER BY id) FROM opsadmin.audit_log WHERE target = 'regress_shop.huge'), 'INSERT INSERT INSERT INSERT UPDATE DELETE DELETE DELETE DELETE', 'each with its entry');
DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
