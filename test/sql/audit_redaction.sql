-- Audit: what is redacted, what is left out, and what is kept, whatever happens to the columns.
-- topic: audit redaction
SELECT plan(39);
\ir include/failure.psql
SET client_min_messages = error;

CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.member (id int PRIMARY KEY, name text, password_hash text, "apiToken" text, note text, noise int, token_count int);
SELECT opsadmin.audit('regress_shop.member', redact => '{note}', ignore => '{noise}', keep => '{token_count}') \g /dev/null

-- The newest entry of the table.
CREATE FUNCTION entry() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', l.before, '->', l.after) FROM opsadmin.audit_log l JOIN opsadmin.target t ON t.name = l.target WHERE t.relation = 'regress_shop.member'::regclass ORDER BY l.id DESC LIMIT 1
$$;
CREATE FUNCTION rules() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', a.redact, a.ignore, a.keep) FROM opsadmin.audited_table a JOIN opsadmin.target t ON t.id = a.target_id WHERE t.relation = 'regress_shop.member'::regclass
$$;

-- By name, unless the DBA decides.
INSERT INTO regress_shop.member VALUES (1, 'Kim', 'hash', 'token', 'note', 1, 3);
SELECT is(entry(), '-> {"id": 1, "name": "Kim", "note": "[redacted]", "apiToken": "[redacted]", "token_count": 3, "password_hash": "[redacted]"}', 'what looks sensitive is redacted, but for what is kept');
UPDATE regress_shop.member SET password_hash = 'other', "apiToken" = NULL;
SELECT is(entry(), '{"apiToken": "[redacted]", "password_hash": "[redacted]"} -> {"apiToken": null, "password_hash": "[redacted]"}', 'that it changed is known, and what is NULL');
ALTER TABLE regress_shop.member ADD iban text, ADD "주민등록번호" text;
UPDATE regress_shop.member SET iban = 'DE02', "주민등록번호" = '1';
SELECT is(entry(), '{"iban": null, "주민등록번호": null} -> {"iban": "[redacted]", "주민등록번호": "[redacted]"}', 'columns that come later too');
SELECT opsadmin.audit('regress_shop.member', ignore => '{password_hash}', keep => '{iban,note}') \g /dev/null
UPDATE regress_shop.member SET iban = 'DE03', password_hash = 'third', note = 'new', token_count = 4;
SELECT is(entry(), '{"iban": "DE02", "note": "note", "token_count": "[redacted]"} -> {"iban": "DE03", "note": "new", "token_count": "[redacted]"}', 'new settings, also of what looks sensitive');
SELECT is(failure(format('SELECT opsadmin.audit(''regress_shop.member'', %s)', arguments)), 'OA425', arguments)
FROM unnest(ARRAY['keep => ''{nothing}''', 'keep => ''{iban}'', redact => ''{iban}''', 'keep => ''{iban}'', ignore => ''{iban}''', 'redact => ''{iban,iban}''']) AS arguments;

-- What audit() tells of; test/tap/audit_redaction.pl reads its NOTICE.
SELECT is(string_agg(name, ' ' ORDER BY place), 'password_hash apiToken token_count iban 주민등록번호', 'they are those that look sensitive')
FROM (SELECT a.attname AS name, a.attnum AS place FROM pg_attribute a WHERE a.attrelid = 'regress_shop.member'::regclass AND a.attnum > 0 AND opsadmin_private.looks_sensitive(a.attname)) AS c;

-- Columns that are renamed keep their rules.
SELECT opsadmin.audit('regress_shop.member', redact => '{note}', ignore => '{noise}', keep => '{token_count}') \g /dev/null
ALTER TABLE regress_shop.member RENAME note TO remark;
UPDATE regress_shop.member SET remark = 'secret remark';
SELECT is(entry(), '{"remark": "[redacted]"} -> {"remark": "[redacted]"}', 'a redacted column that is renamed stays redacted');
SELECT is(rules(), '{remark} {noise} {token_count}', 'under its new name');
ALTER TABLE regress_shop.member ADD note text;
UPDATE regress_shop.member SET note = 'plain', remark = 'x';
SELECT is(entry(), '{"note": null, "remark": "[redacted]"} -> {"note": "plain", "remark": "[redacted]"}', 'another that takes the old name is another');
ALTER TABLE regress_shop.member RENAME noise TO "Odd "" name";
UPDATE regress_shop.member SET "Odd "" name" = 7, name = 'Lee';
SELECT is(entry(), '{"name": "Kim"} -> {"name": "Lee"}', 'an ignored column');
ALTER TABLE regress_shop.member RENAME token_count TO api_token_count;
UPDATE regress_shop.member SET api_token_count = 5;
SELECT is(entry(), '{"api_token_count": 4} -> {"api_token_count": 5}', 'a kept column');
ALTER TABLE regress_shop.member RENAME password_hash TO phrase;
UPDATE regress_shop.member SET phrase = 'still secret';
SELECT is(entry(), '{"phrase": "[redacted]"} -> {"phrase": "[redacted]"}', 'a column that does not look sensitive any more');
SELECT is(rules(), '{remark,phrase} {"Odd \" name"} {api_token_count}', 'has a rule of its own now');
ALTER TABLE regress_shop.member RENAME name TO secret_name;
UPDATE regress_shop.member SET secret_name = 'Park';
SELECT is(entry(), '{"secret_name": "[redacted]"} -> {"secret_name": "[redacted]"}', 'a column that looks sensitive since');
ALTER TABLE regress_shop.member DROP remark;
ALTER TABLE regress_shop.member RENAME phrase TO words;
SELECT is(rules(), '{words} {"Odd \" name"} {api_token_count}', 'a column that was dropped is in nobody''s way');
SELECT is(count(*), 4::bigint, 'the triggers are there once') FROM pg_trigger WHERE tgrelid = 'regress_shop.member'::regclass AND tgname LIKE 'opsadmin\_audit\_%' AND tgenabled = 'A';
BEGIN;
ALTER TABLE regress_shop.member RENAME words TO undone;
ROLLBACK;
UPDATE regress_shop.member SET words = 'secret';
SELECT is(entry(), '{"words": "[redacted]"} -> {"words": "[redacted]"}', 'a renaming that was rolled back');
-- Whoever owns the table renames, without any right on opsadmin.
CREATE ROLE regress_opsadmin_owner LOGIN;
GRANT USAGE, CREATE ON SCHEMA regress_shop TO regress_opsadmin_owner;
ALTER TABLE regress_shop.member OWNER TO regress_opsadmin_owner;
SET SESSION AUTHORIZATION regress_opsadmin_owner;
ALTER TABLE regress_shop.member RENAME words TO sayings;
RESET SESSION AUTHORIZATION;
UPDATE regress_shop.member SET sayings = 'x';
SELECT is(entry(), '{"sayings": "[redacted]"} -> {"sayings": "[redacted]"}', 'the owner of the table renames');
-- Whatever is renamed along with another.
CREATE TYPE regress_shop.kind AS (id int, code text);
CREATE TABLE regress_shop.typed OF regress_shop.kind;
SELECT opsadmin.audit('regress_shop.typed', redact => '{code}') \g /dev/null
ALTER TYPE regress_shop.kind RENAME ATTRIBUTE code TO cipher CASCADE;
INSERT INTO regress_shop.typed VALUES (1, 'x');
SELECT is((SELECT after FROM opsadmin.audit_log WHERE target = 'regress_shop.typed'), '{"id": 1, "cipher": "[redacted]"}', 'a column of a table that is of a type');
CREATE TABLE regress_shop.visit (id int, at date, code text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE regress_shop.visit_1 PARTITION OF regress_shop.visit FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
SELECT opsadmin.audit('regress_shop.visit', redact => '{code}') \g /dev/null
ALTER TABLE regress_shop.visit RENAME code TO cipher;
INSERT INTO regress_shop.visit VALUES (1, '2026-01-01', 'x');
INSERT INTO regress_shop.visit_1 VALUES (2, '2026-01-01', 'x');
SELECT results_eq($$SELECT after ->> 'cipher' FROM opsadmin.audit_log WHERE target = 'regress_shop.visit'$$, $$VALUES ('[redacted]'), ('[redacted]')$$, 'a column of a table and its partitions');
CREATE TABLE regress_shop.thing (id int PRIMARY KEY, remark text);
CREATE TABLE regress_shop.safe (pin int, remark text) INHERITS (regress_shop.thing);
CREATE TABLE regress_shop.door (pin int) INHERITS (regress_shop.thing);
SELECT opsadmin.audit('regress_shop.thing', redact => '{remark}') \g /dev/null
ALTER TABLE regress_shop.safe RENAME pin TO digits;
ALTER TABLE regress_shop.thing RENAME remark TO note;
INSERT INTO regress_shop.safe VALUES (1, 'x', 1234);
INSERT INTO regress_shop.door VALUES (2, 'x', 1234);
SELECT results_eq($$SELECT after FROM opsadmin.audit_log WHERE target = 'regress_shop.thing' ORDER BY id$$,
                  $$VALUES ('{"id":1,"note":"[redacted]","digits":"[redacted]"}'::jsonb), ('{"id":2,"note":"[redacted]","pin":"[redacted]"}')$$, 'columns of tables that inherit, their own too');
SELECT is(a.redact, '{digits,note}', 'their rules stand with those of the table on top') FROM opsadmin.audited_table a JOIN opsadmin.target t ON t.id = a.target_id WHERE t.name = 'regress_shop.thing';
SELECT is_empty($$SELECT * FROM opsadmin.health() WHERE rule = 'audit'$$, 'and are no finding');
ALTER VIEW regress_shop.member RENAME sayings TO letters;
ALTER FOREIGN TABLE regress_shop.member RENAME letters TO lines;
ALTER MATERIALIZED VIEW regress_shop.member RENAME lines TO songs;
UPDATE regress_shop.member SET songs = 'y';
SELECT is(entry(), '{"songs": "[redacted]"} -> {"songs": "[redacted]"}', 'whatever the statement takes the table for');
ALTER TABLE regress_shop.member RENAME TO person;
ALTER TABLE regress_shop.person RENAME CONSTRAINT member_pkey TO person_pkey;
CREATE VIEW regress_shop.seen AS SELECT id FROM regress_shop.person;
SELECT lives_ok('ALTER TABLE regress_shop.seen RENAME id TO ident', 'other renamings are nobody''s business');

-- Documents of annotations and events.
SELECT is(opsadmin_private.redact(given::jsonb), expected::jsonb, 'redacted: ' || given)
FROM (VALUES ('{"a":1,"password":"x"}', '{"a":1,"password":"[redacted]"}'), ('{"a":{"b":[{"apiKey":1},{"c":[2,"x"]}]}}', '{"a":{"b":[{"apiKey":"[redacted]"},{"c":[2,"x"]}]}}'),
             ('{"secret":{"deep":[1,{"x":2}]},"z":3}', '{"secret":"[redacted]","z":3}'), ('{"token":null,"pin":[],"z":[]}', '{"token":null,"pin":"[redacted]","z":[]}'), ('[]', '[]'), ('{}', '{}'),
             ('"password"', '"password"'), ('[{"ssn":1},[{"iban":false}]]', '[{"ssn":"[redacted]"},[{"iban":"[redacted]"}]]'), ('{"":1,"passwords":2}', '{"":1,"passwords":"[redacted]"}')) AS v (given, expected);
BEGIN;
CREATE TABLE regress_shop.plain (id int PRIMARY KEY);
SELECT opsadmin.audit('regress_shop.plain') \g /dev/null
SELECT opsadmin.annotate_audit('import', '{"login":{"name":"kim","password":"x"}}') \g /dev/null
INSERT INTO regress_shop.plain VALUES (1);
SELECT opsadmin.audit_event('called', 'regress_shop.plain', '{"id":1,"token":"x"}', '{"secret":"x"}') \g /dev/null
SELECT results_eq($$SELECT target_pk, meta FROM opsadmin.audit_log WHERE target = 'regress_shop.plain' ORDER BY id$$,
                  $$VALUES ('{"id":1}'::jsonb, '{"login":{"name":"kim","password":"[redacted]"}}'::jsonb), ('{"id":1,"token":"[redacted]"}', '{"login":{"name":"kim","password":"[redacted]"},"action":"import","secret":"[redacted]"}')$$,
                  'an annotation and an event');
COMMIT;
CREATE TABLE regress_shop.keyed (id int, iban text, kind text, PRIMARY KEY (id, iban, kind));
SELECT opsadmin.audit('regress_shop.keyed', redact => '{kind}', keep => '{iban}') \g /dev/null
INSERT INTO regress_shop.keyed VALUES (1, 'DE02', 'x');
SELECT opsadmin.audit_event('called', 'regress_shop.keyed', '{"id":1,"iban":"DE02","kind":"x"}') \g /dev/null
SELECT results_eq($$SELECT l.target_pk, count(DISTINCT e.row_key), count(*) FROM opsadmin.audit_log l JOIN opsadmin.audit_entry e USING (id) WHERE target = 'regress_shop.keyed' GROUP BY 1$$,
                  $$VALUES ('{"id":1,"iban":"DE02","kind":"[redacted]"}'::jsonb, 1::bigint, 2::bigint)$$, 'a key as its change has it');

DROP SCHEMA regress_shop CASCADE;
DROP ROLE regress_opsadmin_owner;
SELECT * FROM finish();
