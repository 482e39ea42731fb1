-- Values that are long, or short and long to read: a list and the audit log show their beginning, so that nobody's values
-- keep anybody from a page. Ordinary values are shown as they are.
-- topic: resources audit
SELECT plan(43);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'superadmin') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TYPE regress_shop.size AS (width numeric, unit text);
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, code char(3), price numeric, prices numeric[], stocks bigint[], tags text[], span numrange, attrs jsonb, document json,
  picture bytea, page xml, size regress_shop.size);
SELECT opsadmin.protect('regress_shop.item'), opsadmin.audit('regress_shop.item'), opsadmin.expose('regress_shop.item', search_columns => '{name}') \g /dev/null
CREATE FUNCTION value_of(id bigint, column_name text) RETURNS jsonb LANGUAGE sql AS $$SELECT opsadmin.list_rows('item', format('{"column":"id","op":"=","value":%s}', $1)::jsonb)::jsonb -> 'rows' -> 0 -> $2$$;

-- The ids of a list in pages of one row; or a cursor that is too long.
CREATE FUNCTION pages(sort text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  page json := opsadmin.list_rows('item', '{"column":"id","op":"<","value":104}', sort => sort, page_size => 1);
  ids text := page #>> '{rows,0,id}';
BEGIN
  WHILE page ->> 'next' IS NOT NULL LOOP
    IF length(page ->> 'next') > 500000 THEN
      RETURN 'a cursor of ' || length(page ->> 'next');
    END IF;
    page := opsadmin.list_rows('item', '{"column":"id","op":"<","value":104}', sort => sort, page_size => 1, cursor => page ->> 'next');
    ids := concat_ws(' ', ids, page #>> '{rows,0,id}');
  END LOOP;
  RETURN ids;
END
$$;

-- Short ones, in full.
INSERT INTO regress_shop.item VALUES (1, 1, 'Tea', 'a', 1.50, '{1.10,NaN,NULL}', '{9007199254740993}', '{a,"b c"}', '[1.0,2)', '{"b":[1.0,{"a":"é\n\"\\"}],"a":12345678901234567890.10,"e":{},"l":[],"n":null,"t":true}', '{"b":1,"a":2,"b":3}', '\x00ff', '<a>é</a>', '(1.0,cm)');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.list_rows('item')::jsonb -> 'rows' -> 0, $${"id":"1","tenant_id":"1","name":"Tea","code":"a  ","price":"1.50","prices":[1.10,"NaN",null],"stocks":[9007199254740993],"tags":["a","b c"],"span":"[1.0,2)",
  "attrs":{"b":[1.0,{"a":"é\n\"\\"}],"a":12345678901234567890.10,"e":{},"l":[],"n":null,"t":true},"document":{"a":2,"b":3},"picture":"\\x00ff","page":"<a>é</a>","size":{"width":1.0,"unit":"cm"}}$$, 'ordinary values are shown in full');
SELECT ok(position('{"b":1,"a":2,"b":3}' IN opsadmin.list_rows('item') ->> 'rows') > 0, 'json to the letter');
SELECT is(opsadmin.list_audit('{"target":"regress_shop.item"}')::jsonb #> '{rows,0,after,attrs}', (SELECT attrs FROM regress_shop.item WHERE id = 1), 'in the log, too');
COMMIT;

-- What the beginning of a document is: that of its text.
SELECT is(opsadmin_private.beginning(v), v, 'in full: ' || left(v::text, 30)) FROM unnest(ARRAY['null', 'true', '1.50', '"é"', '[]', '{}', '[[],[{}],{"a":[]}]', format('"%s"', repeat('é', 2000)), format('[1,"%s"]', repeat('x', 3993))]::jsonb[]) AS v;
SELECT is(opsadmin_private.beginning(v), to_jsonb(left(v #>> '{}', 1000) || '…'), 'cut: ' || left(v::text, 30))
FROM unnest(ARRAY[format('"%s"', repeat('é', 2001)), format('[1, "%s"]', repeat('x', 3994)), format('{"é\n\"": {"a": [1, null, false, {}, [], "%s"]}}', repeat('é', 3000)), (SELECT jsonb_agg(n) FROM generate_series(1, 5000) AS n)::text,
  (SELECT jsonb_object_agg(n, '{"a":[true]}'::jsonb) FROM generate_series(1, 5000) AS n)::text, repeat('[', 3000) || repeat(']', 3000), '[1e5000, 2]', '-1e5000', '["' || repeat('é\n', 100000) || '"]']::jsonb[]) AS v;

-- Ones without end: each alone would be some megabytes of a page, or more than a text can hold.
INSERT INTO regress_shop.item
SELECT 100 + n, 1, repeat('é', 5000000), 'abc', 1e131071, ARRAY(SELECT 1e131071 FROM generate_series(1, 500)), ARRAY(SELECT g FROM generate_series(1, 100000) AS g), ARRAY(SELECT 'tag' || g FROM generate_series(1, 100000) AS g), numrange(1e131070, 1e131071),
       (SELECT jsonb_agg(1e131071) FROM generate_series(1, 10000)), format('["%s"]', repeat('x', 5000000))::json, convert_to(repeat('x', 5000000), 'UTF8'), xmlparse(CONTENT repeat('x', 5000000)), ROW(1e131071, repeat('x', 5000000))::regress_shop.size
FROM generate_series(1, 3) AS n;
INSERT INTO regress_shop.item (id, tenant_id, prices, attrs, size) SELECT 200 + n, 1, ARRAY(SELECT 1e131071 FROM generate_series(1, 70)), (SELECT jsonb_agg(1e131071) FROM generate_series(1, 200)), ROW(1e131071, 'cm')::regress_shop.size FROM generate_series(1, 97) AS n;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT cmp_ok(octet_length(opsadmin.list_rows('item', page_size => 100)::text), '<', 2000000, 'a page of a hundred rows is less than 2 MB');
SELECT is(value_of(101, c), to_jsonb(b), 'the beginning of ' || c) FROM (VALUES ('name', repeat('é', 1000) || '…'), ('price', '1' || repeat('0', 999) || '…'), ('prices', '…'), ('stocks', '…'), ('tags', '…'), ('span', '…'), ('attrs', '[1' || repeat('0', 998) || '…'),
  ('document', '["' || repeat('x', 998) || '…'), ('picture', '…'), ('page', '…'), ('size', '…')) AS v (c, b);
SELECT is(value_of(201, 'prices'), '"…"', 'of numbers that are short in the table');
SELECT cmp_ok(octet_length(opsadmin.list_audit('{"target":"regress_shop.item"}', page_size => 100)::text), '<', 5000000, 'a page of the log is less than 5 MB');
SELECT cmp_ok(octet_length(opsadmin.row_history('item', '101')::text), '<', 100000, 'the history of a row');
SELECT cmp_ok(octet_length(opsadmin.row_as_of('item', '101', now())::text), '<', 200000, 'and the row as it was');
COMMIT;
UPDATE regress_shop.item SET attrs = (SELECT jsonb_agg(2e131071) FROM generate_series(1, 10000)) WHERE id = 101;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.row_as_of('item', '101', clock_timestamp())::jsonb #>> '{row,attrs}', '[2' || repeat('0', 998) || '…', 'after such a change');
-- Lists in the order of such values go on after them.
SELECT is(pages(sort), ids, 'pages in the order of ' || sort)
FROM (VALUES ('name', '1 101 102 103'), ('-name', '103 102 101 1'), ('price', '1 101 102 103'), ('tags', '1 101 102 103'), ('-span', '103 102 101 1')) AS v (sort, ids);
ROLLBACK;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
