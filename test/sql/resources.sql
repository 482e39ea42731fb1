-- Resources: expose(), lists page by page, filters, searches, counts; nothing of a request becomes SQL.
SELECT plan(274);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.define_role('narrow', 'internal', '{item:read}') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'narrow') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TYPE regress_shop.colour AS ENUM ('red', 'green');
CREATE TABLE regress_shop.item (
  id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, code varchar(20) NOT NULL, price numeric(12, 2), stock integer, ratio double precision, is_public boolean NOT NULL,
  made_on date, made_at timestamptz, ref uuid, attributes jsonb, tag char(4), colour regress_shop.colour, secret text DEFAULT 'hidden', place point, document json);
INSERT INTO regress_shop.item
SELECT n, 1 + (n % 4 = 0)::int, CASE WHEN n % 7 <> 0 THEN 'Item ' || n % 10 END, 'C-' || lpad((n % 13)::text, 2, '0'), CASE WHEN n % 5 <> 0 THEN n % 6 * 1.5 END, CASE WHEN n % 3 <> 0 THEN n % 4 END,
       CASE WHEN n % 9 <> 0 THEN 1.0 / n END, n % 2 = 0, CASE WHEN n % 8 <> 0 THEN date '2026-01-01' + n % 5 END, CASE WHEN n % 6 <> 0 THEN timestamptz '2026-01-01 12:00:00.123456+00' + n % 3 * interval '1 hour' END,
       CASE WHEN n % 2 = 0 THEN ('00000000-0000-4000-8000-' || lpad((n % 5)::text, 12, '0'))::uuid END, jsonb_build_object('n', n), 't' || n % 3, (ARRAY['red', 'green'])[1 + n % 2]::regress_shop.colour
FROM generate_series(1, 60) AS n;
UPDATE regress_shop.item SET price = 'NaN', ratio = 'NaN', made_at = 'infinity' WHERE id IN (17, 34);
UPDATE regress_shop.item SET price = 'NaN', ratio = '-Infinity', made_at = '-infinity', made_on = 'infinity', name = '' WHERE id IN (18, 35);
CREATE TABLE regress_shop.pair (a int, b int, tenant_id bigint NOT NULL, PRIMARY KEY (a, b));
CREATE TABLE regress_shop.bare (id int PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE TABLE regress_shop.keyless (tenant_id bigint NOT NULL);
SELECT opsadmin.protect('regress_shop.item'), opsadmin.protect('regress_shop.pair') \g /dev/null

-- expose() and what it refuses.
SELECT is(failure(format('SELECT opsadmin.expose(%s)', arguments)), code, 'expose(): ' || why)
FROM (VALUES ('''regress_shop.bare''', 'OA435', 'a table that is not protected'), ('''regress_shop.pair''', 'OA436', 'a key of several columns'), ('''regress_shop.keyless''', 'OA430', 'no key'),
             ('''pg_class''', 'OA436', 'a catalog'), ('''regress_shop.item'', ''Item''', 'OA425', 'a name in upper case'), ('''regress_shop.item'', ''audit''', 'OA425', 'a name whose permission is taken'), ('''regress_shop.item'', ''health''', 'OA425', 'another one'), ('''regress_shop.item'', list_columns => ''{id,nothing}''', 'OA425', 'an unknown column'),
             ('''regress_shop.item'', search_columns => ''{price}''', 'OA425', 'a search in numbers'), ('''regress_shop.item'', sites => ''{public}''', 'OA425', 'an unknown site'),
             ('''regress_shop.item'', sites => ''{}''', 'OA425', 'no site'), ('''regress_shop.item'', filter_columns => ''{xmin}''', 'OA425', 'a system column'), ('''regress_shop.item'', sort_columns => ''{id,place}''', 'OA425', 'a sort by points'),
             ('''regress_shop.item'', sort_columns => ''{document}''', 'OA425', 'a sort by json')) AS bad (arguments, code, why);
SELECT lives_ok($$SELECT opsadmin.expose('regress_shop.item', list_columns => '{name,price,stock,ratio,is_public,made_on,made_at,ref,attributes,code,tag,colour}', search_columns => '{name,code}',
                         filter_columns => '{id,name,code,price,stock,is_public,made_on,made_at,ref,tag,colour,place,document}', column_labels => '{"name":{"ko":"이름"}}')$$, 'expose()');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT is(opsadmin.list_resources()::jsonb #- '{resources,0,columns}', '{"resources":[{"name":"item","label":{"en":"Item","ko":"Item"},"key":"id","verbs":["read"],"target":"regress_shop.item","actions":[]}]}', 'list_resources()');
SELECT is(jsonb_path_query_array(opsadmin.list_resources()::jsonb, '$.resources[0].columns[*].name'), '["name","price","stock","ratio","is_public","made_on","made_at","ref","attributes","code","tag","colour","id","place","document"]',
          'columns in the order of list_columns, then the others that have a use');
SELECT is(jsonb_path_query_first(opsadmin.list_resources()::jsonb, '$.resources[0].columns[*] ? (@.name == "name")'),
          '{"name":"name","label":{"en":"Name","ko":"이름"},"type":"text","list":true,"filter":true,"sort":true,"search":true}', 'a column with its uses');
SELECT is(jsonb_path_query_first(opsadmin.list_resources()::jsonb, '$.resources[0].columns[*] ? (@.name == "attributes")'),
          '{"name":"attributes","label":{"en":"Attributes","ko":"Attributes"},"type":"jsonb","list":true,"filter":false,"sort":false,"search":false}', 'jsonb is not sorted by');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.list_rows('nothing')$$), 'OA405', 'an unknown resource');
SELECT is(failure($$SELECT opsadmin.list_rows(NULL)$$), 'OA405', 'no resource');
SELECT is(failure($$SELECT opsadmin.count_rows('nothing')$$), 'OA405', 'nor are its rows counted');
COMMIT;
SELECT opsadmin.define_role('narrow', 'internal', '{other:read}') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.list_rows('item')$$), 'OA403', 'without the permission');
SELECT is(failure($$SELECT opsadmin.count_rows('item')$$), 'OA403', 'nor are its rows counted');
SELECT is(opsadmin.list_resources()::jsonb, '{"resources":[]}', 'and the resource is not listed');
COMMIT;
SELECT is(failure($$SELECT opsadmin.list_rows('item')$$), 'OA001', 'without a context');

-- One row, in full.
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.list_rows('item', '{"column":"id","op":"=","value":"2"}')::jsonb,
          '{"rows":[{"id":"2","name":"Item 2","price":"3.00","stock":2,"ratio":0.5,"is_public":true,"made_on":"2026-01-03","made_at":"2026-01-01T14:00:00.123456+00:00","ref":"00000000-0000-4000-8000-000000000002",
            "attributes":{"n":2},"code":"C-02","tag":"t2  ","colour":"red"}],"next":null,"prev":null,"count":{"value":null,"kind":"none"}}', 'a row: bigint and numeric as text, no column that is not listed');
SELECT is(jsonb_array_length(opsadmin.list_rows('item')::jsonb -> 'rows'), 50, 'a page has 50 rows');
SAVEPOINT long_text;
UPDATE regress_shop.item SET name = CASE id WHEN 2 THEN repeat('é', 5000000) ELSE repeat('x', 4000) END WHERE id IN (2, 3);
SELECT is(opsadmin.list_rows('item', '{"column":"id","op":"=","value":"2"}')::jsonb #>> '{rows,0,name}', repeat('é', 1000) || '…', 'of a text without end a page shows the beginning');
SELECT is(length(opsadmin.list_rows('item', '{"column":"id","op":"=","value":"3"}')::jsonb #>> '{rows,0,name}'), 4000, 'of one that fits all of it');
ROLLBACK TO long_text;
SELECT is(jsonb_array_length(opsadmin.list_rows('item', page_size => 1)::jsonb -> 'rows'), 1, 'or as many as are asked for');
SELECT is(failure(format('SELECT opsadmin.list_rows(''item'', page_size => %s)', n)), 'OA420 /page_size', 'not ' || n) FROM unnest(ARRAY[0, -1, 101]) AS n;
SELECT is(opsadmin.list_rows('item', page_size => NULL) #>> '{rows,0,id}', '60', 'the newest key first');
SELECT is(opsadmin.list_rows('item', '{"column":"id","op":"<","value":0}')::jsonb, '{"rows":[],"next":null,"prev":null,"count":{"value":null,"kind":"none"}}', 'no rows');

-- Paging visits every row once, in order.
COMMIT;
CREATE FUNCTION pages(sort text, size int, filter jsonb DEFAULT NULL, search text DEFAULT NULL) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    page jsonb;
    place text;
    ids bigint[] := '{}';
BEGIN
    FOR round IN 1 .. 100 LOOP
        page := opsadmin.list_rows('item', filter, search, sort, place, size);
        ids := ids || ARRAY(SELECT (r ->> 'id')::bigint FROM jsonb_array_elements(page -> 'rows') AS r);
        place := page ->> 'next';
        EXIT WHEN place IS NULL;
    END LOOP;
    RETURN ids;
END
$$;
CREATE FUNCTION expected(sort text, tenant bigint DEFAULT NULL) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    EXECUTE format('SELECT array_agg(id ORDER BY %1$I %2$s NULLS LAST, id %2$s) FROM regress_shop.item WHERE tenant_id = coalesce($1, tenant_id)', ltrim(sort, '-'),
                   CASE WHEN left(sort, 1) = '-' THEN 'DESC' ELSE 'ASC' END) INTO ids USING tenant;
    RETURN ids;
END
$$;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(pages(sign || sort, 7), expected(sign || sort), format('all rows by %s%s', sign, sort))
FROM unnest(ARRAY['id', 'name', 'code', 'price', 'stock', 'ratio', 'is_public', 'made_on', 'made_at', 'ref', 'tag', 'colour']) AS sort, unnest(ARRAY['', '-']) AS sign;
SELECT is(pages('price', size), expected('price'), format('in pages of %s', size)) FROM unnest(ARRAY[1, 30, 59, 60, 61]) AS size;
SELECT is(pages('', 7), expected('-id'), 'an empty sort is none');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'globex') \g /dev/null
SELECT is(pages('name', 4), ARRAY(SELECT id FROM unnest(expected('name')) WITH ORDINALITY AS e (id, place) WHERE id % 4 = 0 ORDER BY place), 'staff in a tenant see its rows alone');
SELECT is(opsadmin.count_rows('item')::jsonb, '{"value":15,"kind":"exact"}', 'and count them');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(cardinality(pages('-made_at', 8)), 45, 'as do partners');
SELECT is(failure(format('SELECT opsadmin.list_rows(''item'', sort => %L)', sort)), 'OA421 /sort', 'no sort by ' || why)
FROM (VALUES ('nothing', 'an unknown column'), ('attributes', 'a column that is not sortable'), ('secret', 'one that is not registered'), ('price,name', 'two'), ('-', 'none'), ('--price', 'two signs'),
             ('price; DROP TABLE regress_shop.item', 'SQL'), ('price" DESC', 'a quote'), ('1', 'a place')) AS bad (sort, why);
ROLLBACK;

-- Cursors.
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.list_rows('item', '{"column":"price","op":">","value":1}', 'item', 'price', NULL, 5) ->> 'next' AS next \gset
SELECT is(failure(format($$SELECT opsadmin.list_rows('item', '{"column":"price","op":">","value":1}', 'item', 'price', %L)$$, :'next')), NULL, 'a cursor fits its list');
SELECT is(failure(format($$SELECT opsadmin.list_rows('item', '{"column":"price","op":">","value":1}', 'item', 'price', %L, 9)$$, :'next')), NULL, 'with any page size');
SELECT is(failure(format($$SELECT opsadmin.list_rows('item', %L, %L, %L, %L)$$, filter, search, sort, :'next')), 'OA424 /cursor', 'not with ' || why)
FROM (VALUES ('{"column":"price","op":">","value":2}', 'item', 'price', 'another filter'), (NULL, 'item', 'price', 'no filter'), ('{"column":"price","op":">","value":1}', 'items', 'price', 'another search'),
             ('{"column":"price","op":">","value":1}', 'item', '-price', 'the other direction'), ('{"column":"price","op":">","value":1}', 'item', 'name', 'another sort')) AS other (filter, search, sort, why);
SELECT is(failure(format($$SELECT opsadmin.list_rows('item', cursor => %L)$$, garbage)), 'OA424 /cursor', 'nor garbage: ' || left(garbage, 20))
FROM unnest(ARRAY['', '.', 'x', 'WzFd', 'WzFd.x', '!!!.!!!', 'gICA.gICA', repeat('A', 100000), ' ', 'WyIxIl0', '''', 'é']) AS garbage;
SELECT is(failure(format('SELECT opsadmin.list_jobs(%L)', :'next')), 'OA424 /cursor', 'nor in another list');
SELECT is(failure(format('SELECT opsadmin.list_audit(cursor => %L)', :'next')), 'OA424 /cursor', 'nor in another list');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme') \g /dev/null
SELECT is(failure(format($$SELECT opsadmin.list_rows('item', '{"column":"price","op":">","value":1}', 'item', 'price', %L)$$, :'next')), 'OA424 /cursor', 'nor in another tenant');
ROLLBACK;

-- Filters.
CREATE FUNCTION count_where(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE 'SELECT count(*) FROM regress_shop.item WHERE ' || condition INTO found;
    RETURN found;
END
$$;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.count_rows('item', filter::jsonb) ->> 'value', count_where(condition), filter)
FROM (VALUES
  ('{"column":"price","op":"=","value":1.5}', 'price = 1.5'), ('{"column":"price","op":"=","value":"1.50"}', 'price = 1.5'), ('{"column":"price","op":"!=","value":1.5}', 'price <> 1.5'),
  ('{"column":"stock","op":"<","value":2}', 'stock < 2'), ('{"column":"stock","op":"<=","value":2}', 'stock <= 2'), ('{"column":"stock","op":">","value":"2"}', 'stock > 2'),
  ('{"column":"stock","op":">=","value":2}', 'stock >= 2'), ('{"column":"stock","op":"between","value":[1,2]}', 'stock BETWEEN 1 AND 2'), ('{"column":"name","op":"in","value":["Item 1","Item 2","none"]}', 'name IN (''Item 1'', ''Item 2'')'),
  ('{"column":"name","op":"is_null","value":true}', 'name IS NULL'), ('{"column":"name","op":"is_null","value":false}', 'name IS NOT NULL'), ('{"column":"code","op":"prefix","value":"C-0"}', 'code LIKE ''C-0%'''),
  ('{"column":"name","op":"contains","value":"TEM 3"}', 'name ILIKE ''%tem 3%'''), ('{"column":"is_public","op":"=","value":true}', 'is_public'), ('{"column":"is_public","op":"=","value":"false"}', 'NOT is_public'),
  ('{"column":"made_on","op":">","value":"2026-01-02"}', 'made_on > ''2026-01-02'''), ('{"column":"made_at","op":"<","value":"2026-01-01T13:00:00Z"}', 'made_at < ''2026-01-01 13:00+00'''),
  ('{"column":"ref","op":"=","value":"00000000-0000-4000-8000-000000000002"}', 'ref = ''00000000-0000-4000-8000-000000000002'''), ('{"column":"tag","op":"=","value":"t1"}', 'tag = ''t1'''),
  ('{"column":"colour","op":"=","value":"red"}', 'colour = ''red'''), ('{"column":"colour","op":"in","value":["green"]}', 'colour = ''green'''),
  ('{"column":"place","op":"is_null","value":true}', 'place IS NULL'), ('{"column":"document","op":"is_null","value":false}', 'document IS NOT NULL'),
  ('{}', 'true'), ('null', 'true'), ('{"and":[{"column":"stock","op":">","value":0},{"column":"price","op":">","value":3}]}', 'stock > 0 AND price > 3'),
  ('{"or":[{"column":"stock","op":"=","value":0},{"column":"price","op":"=","value":0}]}', 'stock = 0 OR price = 0'),
  ('{"and":[{"column":"is_public","op":"=","value":true},{"or":[{"column":"stock","op":"=","value":2},{"and":[{"column":"price","op":"=","value":3},{"column":"id","op":">","value":"5"}]}]}]}',
   'is_public AND (stock = 2 OR price = 3 AND id > 5)')) AS filters (filter, condition);
SELECT is(failure(format('SELECT opsadmin.%s(''item'', %L)', call, filter)), code, format('%s refuses %s', call, left(filter, 60)))
FROM (VALUES
  ('[]', 'OA422 /filter'), ('1', 'OA422 /filter'), ('"x"', 'OA422 /filter'), ('{"and":[]}', 'OA422 /filter/and'), ('{"and":{}}', 'OA422 /filter/and'), ('{"or":1}', 'OA422 /filter/or'), ('{"and":[1]}', 'OA422 /filter/and/0'),
  ('{"column":"nothing","op":"=","value":1}', 'OA421 /filter/column'), ('{"op":"=","value":1}', 'OA421 /filter/column'), ('{"column":"attributes","op":"=","value":"{}"}', 'OA421 /filter/column'),
  ('{"column":"secret","op":"=","value":"hidden"}', 'OA421 /filter/column'), ('{"column":"tenant_id","op":"=","value":1}', 'OA421 /filter/column'), ('{"column":["price"],"op":"=","value":1}', 'OA421 /filter/column'),
  ('{"column":"price","value":1}', 'OA422 /filter/op'), ('{"column":"price","op":"~","value":1}', 'OA422 /filter/op'), ('{"column":"price","op":"= 1 OR true --","value":1}', 'OA422 /filter/op'),
  ('{"column":"price","op":"="}', 'OA422 /filter/value'), ('{"column":"price","op":"=","value":null}', 'OA422 /filter/value'), ('{"column":"price","op":"=","value":"dear"}', 'OA422 /filter/value'),
  ('{"column":"price","op":"=","value":[1]}', 'OA422 /filter/value'), ('{"column":"price","op":"=","value":{}}', 'OA422 /filter/value'), ('{"column":"stock","op":"=","value":1.5}', 'OA422 /filter/value'),
  ('{"column":"stock","op":"=","value":99999999999}', 'OA422 /filter/value'), ('{"column":"made_on","op":"=","value":"2026-02-30"}', 'OA422 /filter/value'), ('{"column":"ref","op":"=","value":"x"}', 'OA422 /filter/value'),
  ('{"column":"is_public","op":"=","value":"perhaps"}', 'OA422 /filter/value'), ('{"column":"colour","op":"=","value":"blue"}', 'OA422 /filter/value'),
  ('{"column":"place","op":"=","value":"(1,1)"}', 'OA422 /filter/op'), ('{"column":"document","op":"in","value":["{}"]}', 'OA422 /filter/op'),
  ('{"column":"stock","op":"between","value":[1]}', 'OA422 /filter/value'), ('{"column":"stock","op":"between","value":1}', 'OA422 /filter/value'), ('{"column":"stock","op":"between","value":[1,"x"]}', 'OA422 /filter/value/1'),
  ('{"column":"stock","op":"in","value":[]}', 'OA422 /filter/value'), ('{"column":"stock","op":"in","value":"1"}', 'OA422 /filter/value'), ('{"column":"stock","op":"in","value":[1,null]}', 'OA422 /filter/value/1'),
  ('{"column":"stock","op":"is_null"}', 'OA422 /filter/value'), ('{"column":"stock","op":"is_null","value":"true"}', 'OA422 /filter/value'), ('{"column":"stock","op":"contains","value":"1"}', 'OA422 /filter/value'),
  ('{"column":"name","op":"prefix","value":1}', 'OA422 /filter/value'), ('{"column":"name","op":"prefix"}', 'OA422 /filter/value'),
  ('{"and":[{"column":"price","op":"=","value":1},{"or":[{"column":"price","op":"=","value":"x"}]}]}', 'OA422 /filter/and/1/or/0/value')) AS bad (filter, code), unnest(ARRAY['list_rows', 'count_rows']) AS call;
SELECT is(failure(format('SELECT opsadmin.count_rows(''item'', %L)', repeat('{"and":[', depth) || '{"column":"price","op":"=","value":1}' || repeat(']}', depth))), code, format('a filter nested %s deep', depth))
FROM (VALUES (10, NULL), (12, 'OA422 /filter' || repeat('/and/0', 12)), (100, 'OA422 /filter' || repeat('/and/0', 12))) AS nested (depth, code);
SELECT is(failure(format('SELECT opsadmin.count_rows(''item'', %L)', json_build_object('column', 'stock', 'op', 'in', 'value', ARRAY(SELECT generate_series(1, n))))), code, format('a list of %s values', n))
FROM (VALUES (1000, NULL), (1001, 'OA422 /filter/value')) AS lists (n, code);
SELECT is(failure(format('SELECT opsadmin.count_rows(''item'', ''{"or":[%s]}'')', rtrim(repeat(format('{"and":[%s]},', rtrim(repeat('{"column":"name","op":"contains","value":"x"},', n / 4), ',')), 4), ','))), code, format('%s conditions in all', n))
FROM (VALUES (100, NULL), (104, 'OA422 /filter')) AS conditions (n, code);
ROLLBACK;

-- Long values: as many conditions as there may be cost a server process some megabytes for each, not some for each condition and value.
BEGIN;
UPDATE regress_shop.item SET name = repeat('é', 9990) || '녹차' || repeat('é', 5000000) || 'end' WHERE id = 2;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.count_rows('item', filter, search) ->> 'value', n, format('of a text without end, %s %s finds %s', filter, search, n))
FROM (VALUES ('{"column":"name","op":"contains","value":"녹차éé"}'::jsonb, NULL, '1'), ('{"column":"name","op":"contains","value":"end"}', NULL, '0'), (NULL, '녹차éé', '1'), (NULL, 'end', '0'), ('{"column":"name","op":"prefix","value":"ééé"}', NULL, '1')) AS v (filter, search, n);
RESET ROLE;
SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s*(\d+)')::integer AS peak \gset
SELECT opsadmin_private.compile_filter('item', jsonb_build_object('or', (SELECT jsonb_agg(jsonb_build_object('column', 'name', 'op', op, 'value', 'x' || k)) FROM generate_series(1, 50) AS k, unnest('{contains,prefix}'::text[]) AS op))) AS condition \gset
SELECT count(*) FROM regress_shop.item AS target WHERE :condition \g /dev/null
SELECT cmp_ok(substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s*(\d+)')::integer - :peak, '<', 40000, 'a hundred conditions over it take less than 40 MB');
ROLLBACK;

-- Searches, and texts that would be SQL or patterns.
UPDATE regress_shop.item SET name = CASE id WHEN 1 THEN '100% cotton' WHEN 2 THEN 'a_b' WHEN 3 THEN 'O''Reilly' WHEN 4 THEN 'back\slash' WHEN 5 THEN '녹차 Tea' WHEN 6 THEN 'last NULLS LAST, of all' WHEN 8 THEN '$$dollar$$' END
WHERE id IN (1, 2, 3, 4, 5, 6, 8);
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(pages('id', 50, NULL, search), ids, format('search for "%s"', search))
FROM (VALUES ('%', '{1}'::bigint[]), ('100%', '{1}'), ('_', '{2}'), ('a_b', '{2}'), ('''', '{3}'), ('o''r', '{3}'), ('\', '{4}'), ('녹차', '{5}'), ('  TEA ', '{5}'), ('$$', '{8}'), ('NULLS LAST,', '{6}'), ('c-05', '{5,18,31,44,57}'),
             ('''; DROP TABLE regress_shop.item; --', '{}'), ('%'' OR true --', '{}'), (E'\\'' OR true --', '{}')) AS searches (search, ids);
SELECT is(pages('price', 1, NULL, 'NULLS LAST,'), '{6}', 'whatever the order');
SELECT is(pages('code', 1, NULL, 'NULLS LAST,'), '{6}', 'whatever the order');
SELECT is(pages('id', 50, NULL, '17'), '{17}', 'a number finds the key');
SELECT is(pages('id', 50, NULL, '99999999999999999999'), '{}', 'a number without end finds nothing');
SELECT is(cardinality(pages('id', 50, NULL, '   ')), 60, 'a blank search is none');
SELECT is(failure(format('SELECT opsadmin.count_rows(''item'', NULL, %L)', repeat('%', n))), code, format('a search of %s characters', n))
FROM (VALUES (200, NULL), (201, 'OA420 /search'), (1000000, 'OA420 /search')) AS searches (n, code);
SELECT is(failure(format('SELECT opsadmin.count_rows(''item'', ''{"column":"name","op":"contains","value":"%s"}'')', repeat('x', n))), code, format('"contains" with %s characters', n))
FROM (VALUES (200, NULL), (201, 'OA422 /filter/value')) AS conditions (n, code);
SELECT is(opsadmin.count_rows('item', NULL, 'tea')::jsonb, '{"value":1,"kind":"exact"}', 'count_rows() searches too');
SELECT is(pages('id', 50, format('{"column":"name","op":"%s","value":%s}', op, to_json(value))::jsonb), ids, format('%s "%s"', op, value))
FROM (VALUES ('contains', '%', '{1}'::bigint[]), ('contains', '\', '{4}'), ('prefix', 'a_', '{2}'), ('prefix', '%', '{}'), ('=', 'O''Reilly', '{3}'), ('=', ''' OR true --', '{}'), ('=', '\'' OR true --', '{}'),
             ('contains', 'NULLS LAST,', '{6}')) AS filters (op, value, ids);
SELECT is(failure($$SELECT opsadmin.count_rows('item', '{"column":"name\" = '''' OR true --","op":"=","value":1}')$$), 'OA421 /filter/column', 'a column is a name of the registry');
SELECT is(failure($$SELECT opsadmin.count_rows('item'' OR true --')$$), 'OA405', 'as is a resource');
ROLLBACK;
SELECT is(count(*), 60::bigint, 'nothing was dropped') FROM regress_shop.item;

-- Counting stops.
CREATE TABLE regress_shop.many (id int PRIMARY KEY, tenant_id bigint NOT NULL);
INSERT INTO regress_shop.many SELECT n, 1 FROM generate_series(1, 100001) AS n;
SELECT opsadmin.protect('regress_shop.many'), opsadmin.expose('regress_shop.many') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.count_rows('many')::jsonb, '{"value":100000,"kind":"capped"}', 'above 100,000 it says so');
SELECT is(opsadmin.count_rows('many', '{"column":"id","op":"!=","value":7}')::jsonb, '{"value":100000,"kind":"exact"}', 'up to there it is exact');
ROLLBACK;

-- A wide table; a table that is exposed anew, under another name, and not at all.
DO $$
BEGIN
    EXECUTE 'CREATE TABLE regress_shop.wide (id int PRIMARY KEY, tenant_id bigint NOT NULL, ' || (SELECT string_agg(format('c%s int DEFAULT %s', n, n), ', ') FROM generate_series(1, 120) AS n) || ')';
END
$$;
INSERT INTO regress_shop.wide VALUES (1, 1);
ALTER TABLE regress_shop.wide ADD place point;
SELECT opsadmin.protect('regress_shop.wide'), opsadmin.expose('regress_shop.wide') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.list_rows('wide') #>> '{rows,0,c120}', '120', 'a table may have more columns than a function has arguments');
SELECT is(failure($$SELECT opsadmin.list_rows('wide', sort => 'place')$$), 'OA421 /sort', 'a column without an order is not sorted by');
ROLLBACK;
SELECT opsadmin.expose('regress_shop.wide', 'broad', list_columns => '{c1}', sites => '{internal}') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.list_rows('broad')::jsonb -> 'rows', '[{"id":1,"c1":1}]', 'expose() again replaces what was there');
SELECT is(failure($$SELECT opsadmin.list_rows('wide')$$), 'OA405', 'under its name as well');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(failure($$SELECT opsadmin.list_rows('broad')$$), 'OA405', 'a resource of the other site does not exist');
ROLLBACK;
SELECT lives_ok($$SELECT opsadmin.unexpose('regress_shop.wide')$$, 'unexpose()');
SELECT is(failure($$SELECT opsadmin.unexpose('regress_shop.wide')$$), 'OA405', 'twice');

DROP SCHEMA regress_shop CASCADE;
SELECT is(opsadmin_private.base64url(bytes), encoded, 'base64url of ' || bytes::text) FROM (VALUES ('\x'::bytea, ''), ('\xfb', '-w'), ('\xfbff', '-_8'), ('\xfbffbf', '-_-_')) AS b (bytes, encoded);
SELECT is(opsadmin_private.base64url(decode(repeat('00', 100), 'hex')), repeat('A', 134), 'without line breaks');

SELECT * FROM finish();
