-- Reading the audit log: filters and pages, what partners see of staff, the history of a row and the row as it was, and
-- the plans behind each filter over 200,000 entries.
-- topic: audit
SELECT plan(96);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor(name || '@example.com', initcap(name)) FROM unnest(ARRAY['kim', 'lee', 'park', 'blind', 'narrow']) AS name \g /dev/null
SELECT opsadmin.define_role('blind', 'partner', '{item:read}'), opsadmin.define_role('narrow', 'partner', '{audit:read}') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'superadmin'), opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme'), opsadmin.grant_role('park@example.com', 'partner_admin', 'globex'),
       opsadmin.grant_role('blind@example.com', 'blind', 'acme'), opsadmin.grant_role('narrow@example.com', 'narrow', 'acme') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, price numeric(10,2), secret text, seen_at timestamptz);
SELECT opsadmin.protect('regress_shop.item'), opsadmin.expose('regress_shop.item'), opsadmin.audit('regress_shop.item', redact => '{secret}', ignore => '{seen_at}') \g /dev/null

-- What an expression answers, or the error; and what entries of a list are about, newest first.
CREATE FUNCTION answer(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    code text;
    pointer text;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text' INTO answer;
    RETURN coalesce(answer, '');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code := RETURNED_SQLSTATE, pointer := COLUMN_NAME;
    RETURN code || CASE WHEN pointer LIKE '/%' THEN ' ' || pointer ELSE '' END;
END
$$;
CREATE FUNCTION told_by(list json) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', r ->> 'op', r -> 'target_pk' ->> 'id', r ->> 'actor_name'), ', ' ORDER BY o), '') FROM json_array_elements(list -> 'rows') WITH ORDINALITY AS e (r, o)
$$;
CREATE FUNCTION told(filter jsonb) RETURNS text LANGUAGE sql AS $$SELECT told_by(opsadmin.list_audit(filter))$$;

-- Six transactions, a while apart: the company's application, a partner, staff in the tenant, staff in all, a job's, another tenant's.
INSERT INTO regress_shop.item VALUES (1, 1, 'Tea', 10, 's3cret', now()), (2, 2, 'Foreign', 20, NULL, now());
SELECT clock_timestamp() AS after_insert \gset
SELECT pg_sleep(0.002) \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
UPDATE regress_shop.item SET price = 11, secret = 'other' WHERE id = 1;
COMMIT;
SELECT clock_timestamp() AS after_lee \gset
SELECT pg_sleep(0.002) \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme', 'ticket 7') \g /dev/null
UPDATE regress_shop.item SET name = 'Green tea' WHERE id = 1;
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
UPDATE regress_shop.item SET name = 'Black tea' WHERE id = 1;
COMMIT;
BEGIN;
SELECT opsadmin_private.bind_actor('partner', (SELECT id FROM opsadmin.actor WHERE email = 'lee@example.com'), 1, ip => '192.0.2.7', method => 'POST', path => '/x', request_id => 'req-1', job_id => 77, action => 'item.discount') \g /dev/null
UPDATE regress_shop.item SET price = 9 WHERE id = 1;
COMMIT;
SELECT pg_sleep(0.002), clock_timestamp() AS before_delete \gset
DELETE FROM regress_shop.item WHERE id = 2;
SELECT min(id) AS first_id, max(id) AS last_id FROM opsadmin.audit_log \gset

-- ---- Filters ----
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT answer($$told('{}')$$) AS everything, answer($$told('{"op":"DELETE"}')$$) AS op, answer($$told('{"tenant":"globex"}')$$) AS tenant, answer($$told('{"actor":"iM"}')$$) AS actor,
       answer($$told('{"actor":"nobody"}')$$) AS nobody, answer($$told('{"action":"DISC"}')$$) AS action, answer($$told('{"action":"item","actor":"lee"}')$$) AS both_names, answer($$told('{"job":77}')$$) AS job,
       answer($$told('{"request":"req-1"}')$$) AS request, answer($$told('{"target":"regress_shop.item","key":{"id":"2"}}')$$) AS key, answer($$told('{"target":"regress_shop.item","key":2}')$$) AS scalar_key,
       answer($$told('{"target":"regress_shop.other"}')$$) AS target, answer(format($$told('{"id":"%s"}')$$, :'last_id')) AS id,
       answer(format($$told('{"from":"%s","to":"%s"}')$$, :'after_insert', :'after_lee')) AS time, answer(format($$told('{"to":"%s"}')$$, :'after_insert')) AS until,
       answer(format($$told('{"from":"%s","actor":"kim","target":"regress_shop.item"}')$$, :'after_lee')) AS several \gset
SELECT answer($$told('{"colour":"red"}')$$) AS unknown, answer($$told('[]')$$) AS list, answer($$told('{"actor":7}')$$) AS number, answer($$told('{"job":"x"}')$$) AS bad_job, answer($$told('{"id":"9223372036854775808"}')$$) AS bad_id,
       answer($$told('{"from":"yesteryear"}')$$) AS bad_time, answer($$told('{"to":"infinity"}')$$) AS infinite, answer($$told('{"key":1}')$$) AS lone_key, answer($$told('{"target":"regress_shop.item","key":{"name":1}}')$$) AS other_key,
       answer($$told('{"target":"regress_shop.item","key":"x"}')$$) AS bad_key, answer($$told('{"op":"SELECT"}')$$) AS bad_op, answer($$told('{"tenant":"hooli"}')$$) AS bad_tenant, answer($$told('{"action":""}')$$) AS empty \gset
COMMIT;
SELECT is(:'everything'::text, 'DELETE 2, UPDATE 1 Lee, UPDATE 1 Kim, UPDATE 1 Kim, UPDATE 1 Lee, INSERT 2, INSERT 1', 'without a filter: all, newest first');
SELECT is(:'op'::text, 'DELETE 2', 'by operation');
SELECT is(:'tenant'::text, 'DELETE 2, INSERT 2', 'by tenant');
SELECT is(:'actor'::text, 'UPDATE 1 Kim, UPDATE 1 Kim', 'by a part of the actor''s name, whatever the case');
SELECT is(:'nobody'::text, '', 'by a name that nobody has');
SELECT is(:'action'::text, 'UPDATE 1 Lee', 'by a part of the action');
SELECT is(:'both_names'::text, 'UPDATE 1 Lee', 'by actor and action');
SELECT is(:'job'::text, 'UPDATE 1 Lee', 'by job');
SELECT is(:'request'::text, 'UPDATE 1 Lee', 'by request');
SELECT is(:'key'::text, 'DELETE 2, INSERT 2', 'by key, its number as a text');
SELECT is(:'scalar_key'::text, 'DELETE 2, INSERT 2', 'by the value of the key alone');
SELECT is(:'target'::text, '', 'by a table that nothing is known of');
SELECT is(:'id'::text, 'DELETE 2', 'by id');
SELECT is(:'time'::text, 'UPDATE 1 Lee', 'by time, from and to');
SELECT is(:'until'::text, 'INSERT 2, INSERT 1', 'by time, to');
SELECT is(:'several'::text, 'UPDATE 1 Kim, UPDATE 1 Kim', 'by several at once');
SELECT is(ARRAY[:'unknown', :'list', :'number', :'bad_job', :'bad_id'], ARRAY['OA422 /filter', 'OA422 /filter', 'OA422 /filter/actor', 'OA422 /filter/job', 'OA422 /filter/id'], 'what is no filter is refused');
SELECT is(ARRAY[:'bad_time', :'infinite', :'bad_op', :'bad_tenant', :'empty'], ARRAY['OA422 /filter/from', 'OA422 /filter/to', 'OA422 /filter/op', 'OA404', 'OA422 /filter/action'], 'so are values that cannot be');
SELECT is(ARRAY[:'lone_key', :'other_key', :'bad_key'], ARRAY['OA422 /filter/key', 'OA422 /filter/key', 'OA422 /filter/key'], 'and keys that do not fit');

-- ---- What partners see ----
SELECT max(id) AS foreign_header FROM opsadmin.audit_header WHERE tenant_id <> 1 \gset
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT answer($$told('{}')$$) AS everything, answer($$told('{"actor":"support"}')$$) AS support, answer($$told('{"actor":"kim"}')$$) AS staff, answer($$told('{"actor":"lee"}')$$) AS own, answer($$told('{"job":77}')$$) AS job,
       answer($$told('{"tenant":"acme"}')$$) AS tenant, answer($$told('{"target":"regress_shop.item","key":2}')$$) AS foreign_key, answer(format($$told('{"id":"%s"}')$$, :'last_id')) AS foreign_id,
       answer($$(SELECT string_agg(concat_ws('|', coalesce(site, '-'), actor_id::text, actor_name, db_user, ip, meta ->> 'reason'), ', ' ORDER BY id DESC) FROM opsadmin.audit_log)$$) AS raw,
       answer($$opsadmin.list_audit() -> 'rows'$$) AS json,
       answer($$(SELECT count(*) FROM opsadmin.audit_header WHERE actor_name = 'Kim')$$) AS header, answer($$(SELECT count(ip) FROM opsadmin.audit_header)$$) AS header_ip, answer($$(SELECT count(*) FROM opsadmin.audit_header)$$) AS header_rows,
       answer($$(SELECT string_agg(coalesce(actor_name, '-'), ' ' ORDER BY id) FROM opsadmin_private.audit_who)$$) AS who \gset
SELECT answer(format('(SELECT count(1 / (id - %s)) FROM opsadmin_private.audit_who WHERE 1 / (id - %1$s) IS NOT NULL)', :'foreign_header')) AS told \gset
COMMIT;
SELECT is(:'told'::text, '3', 'nor does a division by what another tenant''s entry would make zero');
SELECT is(:'everything'::text, 'UPDATE 1 Lee, UPDATE 1, UPDATE 1 support, UPDATE 1 Lee, INSERT 1', 'a partner: the tenant''s own, staff who acted in it as "support"');
SELECT is(:'support'::text, 'UPDATE 1 support', 'and by that name they are found');
SELECT is(:'staff'::text, '', 'not by their own');
SELECT is(:'own'::text, 'UPDATE 1 Lee, UPDATE 1 Lee', 'the tenant''s people are');
SELECT is(:'job'::text, 'UPDATE 1 Lee', 'by job');
SELECT is(:'tenant'::text, 'OA422 /filter/tenant', 'tenant is no filter of theirs');
SELECT is(ARRAY[:'foreign_key', :'foreign_id'], ARRAY['', ''], 'neither key nor id leads to another tenant');
SELECT is(:'raw'::text, format('partner|%1$s|Lee|192.0.2.7, -, internal|support|ticket 7, partner|%1$s|Lee, -', (SELECT id FROM opsadmin.actor WHERE email = 'lee@example.com')), 'raw SQL on the view tells no more, nor who has bound the context; a job has the address of who started it');
SELECT doesnt_match(:'json'::text, 'Kim', 'nor does the list');
SELECT is(ARRAY[:'header', :'header_ip', :'header_rows'], ARRAY['42501', '42501', '3'], 'nor the table behind it');
SELECT is(:'who'::text, 'Lee support Lee', 'nor the view that masks, which has no row of other tenants');
SELECT is((SELECT string_agg(concat_ws('|', coalesce(site, '-'), actor_name, db_user, meta ->> 'reason'), ', ' ORDER BY id DESC) FROM opsadmin.audit_log WHERE tenant_id = 1),
          format('partner|Lee|%1$s, internal|Kim|%1$s, internal|Kim|%1$s|ticket 7, partner|Lee|%1$s, -|%1$s', session_user), 'superusers see all, without a context');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme', 'a reason') \g /dev/null
SELECT answer($$told('{}')$$) AS inside, answer($$told('{"tenant":"globex"}')$$) AS other, answer($$(SELECT count(*) FROM opsadmin.audit_log WHERE actor_name = 'Kim')$$) AS raw \gset
COMMIT;
SELECT is(ARRAY[:'inside', :'other', :'raw'], ARRAY['UPDATE 1 Lee, UPDATE 1 Kim, UPDATE 1 Kim, UPDATE 1 Lee, INSERT 1', '', '2'], 'staff in a tenant: its entries in lists, with names');
BEGIN;
SELECT opsadmin.begin_as('blind@example.com', 'acme') \g /dev/null
SELECT answer($$told('{}')$$) AS list, answer('opsadmin.audit_histogram()') AS histogram, answer($$opsadmin.row_history('item', '1')$$) AS history, answer($$opsadmin.row_as_of('item', '1', now())$$) AS as_of,
       answer($$(SELECT count(*) FROM opsadmin_private.newest_audit('{}', 5))$$) AS ids, answer($$opsadmin_private.find_audit('{}', NULL, 5)$$) AS page,
       answer($$(SELECT count(*) FROM opsadmin_private.audit_who)$$) AS who \gset
COMMIT;
SELECT is(:'who'::text, '0', 'without audit:read not even how many transactions there were');
SELECT is(ARRAY[:'list', :'histogram', :'history', :'as_of', :'ids', :'page'], array_fill('OA403'::text, ARRAY[6]), 'nothing without audit:read');
BEGIN;
SELECT opsadmin.begin_as('narrow@example.com', 'acme') \g /dev/null
SELECT answer($$opsadmin.row_history('item', '1')$$) AS history, answer($$opsadmin.row_as_of('item', '1', now())$$) AS as_of \gset
COMMIT;
SELECT is(ARRAY[:'history', :'as_of'], ARRAY['OA403', 'OA403'], 'no history of a row without the right to read the row');

-- ---- History, and the row as it was ----
CREATE FUNCTION as_of(key jsonb, moment timestamptz DEFAULT now()) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', coalesce(a ->> 'row', '-'), coalesce(a ->> 'present', '-'), a ->> 'reason') FROM (SELECT opsadmin.row_as_of('item', key, moment)::jsonb) AS f (a)
$$;
UPDATE regress_shop.item SET id = 3, seen_at = now() WHERE id = 1;
SELECT clock_timestamp() AS after_move \gset
SELECT pg_sleep(0.002) \g /dev/null
INSERT INTO regress_shop.item VALUES (4, 1, 'Cake', 5), (5, 1, 'Pie', 6);
SELECT clock_timestamp() AS after_cake \gset
SELECT pg_sleep(0.002) \g /dev/null
UPDATE regress_shop.item SET price = 7 WHERE id = 5;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT answer($$told_by(opsadmin.row_history('item', '{"id":1}'))$$) AS history, answer($$told_by(opsadmin.row_history('regress_shop.item', '"1"'))$$) AS by_table, answer($$told_by(opsadmin.row_history('item', '2'))$$) AS foreign_row,
       answer($$opsadmin.row_history('nothing', '1')$$) AS no_resource, answer($$opsadmin.row_history('item', '{"name":1}')$$) AS bad_key, answer($$opsadmin.row_as_of('item', '1', 'infinity')$$) AS bad_time, answer($$opsadmin.row_as_of('item', '1', NULL)$$) AS no_time \gset
SELECT answer(format($$as_of('1', %L)$$, :'after_insert')) AS inserted, answer(format($$as_of('1', %L)$$, :'after_lee')) AS lee, answer(format($$as_of('3', %L)$$, :'after_move')) AS moved, answer($$as_of('3', '2020-01-01')$$) AS long_ago,
       answer($$as_of('4', '2020-01-01')$$) AS unborn, answer(format($$as_of('5', %L)$$, :'after_cake')) AS pie, answer($$as_of('99')$$) AS never, answer($$opsadmin.row_as_of('item', '3', now()) -> 'unknown'$$) AS unknown, answer($$as_of('2', '2020-01-01')$$) AS foreign_past \gset
COMMIT;
SELECT is(:'history'::text, 'UPDATE 1, UPDATE 1 Lee, UPDATE 1, UPDATE 1 support, UPDATE 1 Lee, INSERT 1', 'the history of a row');
SELECT is(:'by_table'::text, :'history', 'by the name of its table');
SELECT is(ARRAY[:'foreign_row', :'no_resource', :'bad_key', :'bad_time', :'no_time'], ARRAY['', 'OA405', 'OA422 /key', 'OA422 /at', 'OA422 /at'], 'another tenant''s row has none; what names no row is an error');
SELECT is(:'inserted'::text, '{"id": "1", "name": "Tea", "price": "10.00", "tenant_id": "1"} | -', 'a row as it was inserted, though it has another key now');
SELECT is(:'lee'::text, '{"id": "1", "name": "Tea", "price": "11.00", "tenant_id": "1"} | -', 'and after the first change');
SELECT is(:'moved'::text, '{"id": "3", "name": "Black tea", "price": "9.00", "tenant_id": "1"} | {"id": "3", "name": "Black tea", "price": "9.00", "tenant_id": "1"} | no_earlier_entry', 'under its new key the log has nothing before');
SELECT is(:'long_ago'::text, :'moved', 'and cannot tell since when');
SELECT is(:'unborn'::text, '- | {"id": "4", "name": "Cake", "price": "5.00", "tenant_id": "1"}', 'before it was inserted there was none');
SELECT is(:'pie'::text, '{"id": "5", "name": "Pie", "price": "6.00", "tenant_id": "1"} | {"id": "5", "name": "Pie", "price": "7.00", "tenant_id": "1"}', 'later changes are undone');
SELECT is(:'never'::text, '- | - | no_earlier_entry', 'of a row that never was nothing is known');
SELECT is(:'unknown'::text, '["secret","seen_at"]', 'redacted and ignored columns are not known');
SELECT is(:'foreign_past'::text, '- | - | no_earlier_entry', 'of another tenant''s row nothing is known');

-- What the log cannot know.
CREATE FUNCTION as_of_now(key jsonb, moment timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opsadmin.begin_as('kim@example.com');
    RETURN split_part(as_of(key, moment), ' | ', 1) || ' ' || coalesce((opsadmin.row_as_of('item', key, moment))->> 'reason', '');
END
$$;
ALTER TABLE regress_shop.item DISABLE TRIGGER opsadmin_audit_update;
UPDATE regress_shop.item SET price = 70 WHERE id = 5;
ALTER TABLE regress_shop.item ENABLE ALWAYS TRIGGER opsadmin_audit_update;
SELECT is(as_of_now('5', :'after_cake'), '- gap', 'a change beside the log shows') \g
DELETE FROM regress_shop.item WHERE id = 5;
SELECT is(as_of_now('5', :'after_cake'), '- gap', 'also when the row is gone');
SELECT is(as_of_now('5', :'before_delete'), '- ', 'but not before the row was inserted');
SELECT clock_timestamp() AS before_truncate \gset
SELECT pg_sleep(0.002) \g /dev/null
TRUNCATE regress_shop.item;
SELECT is(as_of_now('4', :'before_truncate'), '- truncated', 'what a TRUNCATE took away is not in the log');
INSERT INTO regress_shop.item (id, tenant_id, name) VALUES (4, 1, 'New cake');
SELECT is(as_of_now('4', :'before_truncate'), '- truncated', 'also when there is such a row again');
SELECT is(as_of_now('4', clock_timestamp()), '{"id": "4", "name": "New cake", "price": null, "tenant_id": "1"} ', 'since then it is known');
ALTER TABLE regress_shop.item RENAME COLUMN name TO title;
SELECT opsadmin.expose('regress_shop.item'), opsadmin.audit('regress_shop.item', redact => '{secret}', ignore => '{seen_at}') \g /dev/null
UPDATE regress_shop.item SET title = 'Newer cake';
SELECT is(as_of_now('4', clock_timestamp()), '{"id": "4", "price": null, "title": "Newer cake", "tenant_id": "1"} ', 'a column that was renamed goes by its new name');
-- Changes of the key are followed however often, at a cost that does not double with each.
INSERT INTO regress_shop.item (id, tenant_id, title) VALUES (60, 1, 'sixty'), (61, 1, 'sixty-one');
SELECT clock_timestamp() AS before_swaps \gset
SELECT pg_sleep(0.002) \g /dev/null
DO $$
BEGIN
    FOR n IN 1 .. 12 LOOP
        UPDATE regress_shop.item SET id = 62 WHERE id = 60;
        UPDATE regress_shop.item SET id = 60 WHERE id = 61;
        UPDATE regress_shop.item SET id = 61 WHERE id = 62;
    END LOOP;
    UPDATE regress_shop.item SET title = 'SIXTY' WHERE title = 'sixty';
END
$$;
SELECT is(as_of_now('60', :'before_swaps'), '{"id": "60", "price": null, "title": "sixty", "tenant_id": "1"} ', 'a row that has swapped its key with another''s twelve times');
DO $$
BEGIN
    FOR n IN 1 .. 30 LOOP
        UPDATE regress_shop.item SET id = 62 WHERE id = 60;
        UPDATE regress_shop.item SET id = 60 WHERE id = 62;
    END LOOP;
END
$$;
SELECT is(as_of_now('60', :'before_swaps'), '- too_many_entries', 'but not a hundred changes of the key');

-- An event says nothing of what the row was.
SELECT opsadmin.audit_event('looked', 'regress_shop.item', '{"id":4}') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('park@example.com', 'globex') \g /dev/null
SELECT opsadmin.audit_event('looked elsewhere', 'regress_shop.item', '{"id":4}') \g /dev/null
COMMIT;
SELECT is(as_of_now('4', clock_timestamp() - interval '1 ms'), '{"id": "4", "price": null, "title": "Newer cake", "tenant_id": "1"} ', 'a row that an event names, before the event');
SELECT is(as_of_now('4', clock_timestamp()), '{"id": "4", "price": null, "title": "Newer cake", "tenant_id": "1"} ', 'and after it');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT answer($$(SELECT string_agg(coalesce(r ->> 'action', r ->> 'op'), ', ') FROM json_array_elements(opsadmin.row_history('item', '4') -> 'rows') AS r)$$) AS staff \gset
COMMIT;
SELECT is(:'staff'::text, 'looked, UPDATE, INSERT, INSERT', 'the history of a row has no events of other tenants'' people');

-- What changes while the table has no key is in no row's history.
ALTER TABLE regress_shop.item DROP CONSTRAINT item_pkey;
UPDATE regress_shop.item SET price = 99 WHERE id = 4;
ALTER TABLE regress_shop.item ADD PRIMARY KEY (id);
SELECT is(as_of_now('4', clock_timestamp()), '- gap', 'a row that is not as its last entries left it');
UPDATE regress_shop.item SET price = 1 WHERE id = 4;
SELECT is(as_of_now('4', clock_timestamp()), '{"id": "4", "price": "1.00", "title": "Newer cake", "tenant_id": "1"} ', 'until they tell of what was changed');

-- The row has what its resource lists and the log holds, and the present one no more than that.
ALTER TABLE regress_shop.item ADD access_token text DEFAULT 'visible', ADD plain text DEFAULT 'unlisted', ADD changed_at timestamptz DEFAULT '2026-01-01 00:00+00';
SELECT opsadmin.expose('regress_shop.item', list_columns => '{id,title,secret,access_token,changed_at}') \g /dev/null
SET TIME ZONE 'Asia/Seoul';
UPDATE regress_shop.item SET plain = 'x', access_token = 'y', changed_at = '2026-01-02 00:00+00' WHERE id = 4;
RESET TIME ZONE;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT answer($$opsadmin.row_as_of('item', '4', now())::jsonb - 'at'$$) AS shown \gset
COMMIT;
SELECT is(:'shown'::jsonb, '{"row":{"id":"4","title":"Newer cake","changed_at":"2026-01-02T00:00:00+00:00"},"present":{"id":"4","title":"Newer cake","changed_at":"2026-01-02T00:00:00+00:00"},"unknown":["secret","access_token"],"reason":null}',
          'neither columns that look sensitive nor those that are not listed; moments whatever the time zone');
SELECT opsadmin.unaudit('regress_shop.item') \g /dev/null
SELECT is(as_of_now('4', clock_timestamp()), '- not_audited', 'of a table that is not audited any more nothing is known');

-- Keys of other kinds are found by their hash, as the trigger writes it; a key whose type has changed both ways.
CREATE TABLE regress_shop.price (place text, n int, price int, PRIMARY KEY (place, n));
CREATE TABLE regress_shop.code (code int PRIMARY KEY, tenant_id bigint NOT NULL, name text);
SELECT opsadmin.protect('regress_shop.code'), opsadmin.expose('regress_shop.code'), opsadmin.audit('regress_shop.code'), opsadmin.audit('regress_shop.price') \g /dev/null
INSERT INTO regress_shop.price VALUES ('서울', 1, 10), ('서울', 2, 20), ('Busan', 1, 30);
INSERT INTO regress_shop.code VALUES (7, 1, 'seven'), (8, 1, 'eight');
ALTER TABLE regress_shop.code ALTER code TYPE text;
UPDATE regress_shop.code SET name = 'SEVEN' WHERE code = '7';
INSERT INTO regress_shop.code VALUES ('x', 1, 'ex');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT (SELECT string_agg(r -> 'after' ->> 'price', ' ') FROM json_array_elements(opsadmin.list_audit('{"target":"regress_shop.price","key":{"n":1,"place":"서울"}}') -> 'rows') AS r) AS two_columns,
       (SELECT string_agg(r -> 'after' ->> 'name', ' ') FROM json_array_elements(opsadmin.row_history('code', '"7"') -> 'rows') AS r) AS changed_type,
       (SELECT string_agg(r -> 'after' ->> 'name', ' ') FROM json_array_elements(opsadmin.row_history('code', '"x"') -> 'rows') AS r) AS other_type \gset
COMMIT;
SELECT is(:'two_columns'::text, '10', 'a key of two columns, in any order');
SELECT is(ARRAY[:'changed_type', :'other_type'], ARRAY['SEVEN seven', 'ex'], 'a key whose type has changed');

-- What found no partition is found, too.
INSERT INTO opsadmin.audit_header_overflow (id, tenant_id, created_at, actor_id, actor_name, db_user, site, action, xact)
SELECT 1600000000000 << 20, 1, '2020-09-13 12:26:40Z', a.id, a.display_name, 'app', 'internal', 'item.overflow', '1' FROM opsadmin.actor a WHERE a.email = 'kim@example.com';
INSERT INTO opsadmin.audit_entry_overflow (id, header_id, tenant_id, target_id, row_key, op) SELECT (1600000000000 << 20) + 1, 1600000000000 << 20, 1, t.id, 99, 'D' FROM opsadmin.target t WHERE t.name = 'regress_shop.item';
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT answer($$told('{"to":"2021-01-01"}')$$) AS latest, answer($$told('{"action":"overflow"}')$$) AS action, answer($$told('{"target":"regress_shop.item","key":99}')$$) AS row, answer($$(SELECT count(*) FROM opsadmin.audit_header_overflow WHERE actor_name = 'Kim')$$) AS header \gset
COMMIT;
SELECT is(ARRAY[:'latest', :'action', :'row'], array_fill('DELETE 99 support'::text, ARRAY[3]), 'entries that found no partition');
SELECT is(:'header'::text, '42501', 'and their headers tell partners no more than others');
DELETE FROM opsadmin.audit_entry_overflow;
DELETE FROM opsadmin.audit_header_overflow;

-- ---- Pages, counts and plans over many entries ----
-- 200,000 entries of 50,000 transactions in 100 seconds: 50 tenants, 40 actors, a job each thousand transactions.
INSERT INTO opsadmin.tenant (id, slug, name, key) SELECT 1000 + n, 'tenant-' || n, 'Tenant ' || n, n + 1000 FROM generate_series(1, 50) AS n;
INSERT INTO opsadmin.actor (email, display_name) SELECT 'actor' || n || '@example.com', 'Actor ' || n FROM generate_series(1, 40) AS n;
INSERT INTO opsadmin.target (relation, name, key_column) SELECT NULL, 'regress_shop.table_' || n, 'id' FROM generate_series(1, 10) AS n;
SELECT opsadmin_private.make_audit_partition('audit_header', '2023-11-13'), opsadmin_private.make_audit_partition('audit_entry', '2023-11-13') \g /dev/null
INSERT INTO opsadmin.audit_header (id, tenant_id, created_at, actor_id, actor_name, db_user, site, job_id, action, request_id, xact)
SELECT (1700000000000 + n * 2) << 20, 1000 + n % 50 + 1, to_timestamp(1700000000 + n * 0.002), a.id, a.display_name, 'app', 'partner', CASE WHEN n % 1000 = 0 THEN n / 1000 END,
       CASE WHEN n % 10 = 0 THEN 'action.' || n / 10 % 30 END, 'request-' || n, '1'
FROM generate_series(1, 50000) AS n LEFT JOIN opsadmin.actor a ON a.email = 'actor' || n % 45 || '@example.com';
INSERT INTO opsadmin.audit_entry (id, header_id, tenant_id, target_id, row_key, op, before, after)
SELECT ((1700000000000 + n * 2) << 20) + m, (1700000000000 + n * 2) << 20, 1000 + n % 50 + 1, t.id, (n * 4 + m) % 20000, 'U', '{"v":1}', '{"v":2}'
FROM generate_series(1, 50000) AS n, generate_series(1, 4) AS m, LATERAL (SELECT id FROM opsadmin.target WHERE name = 'regress_shop.table_' || n % 10 + 1) AS t;
ANALYZE opsadmin.audit_header, opsadmin.audit_entry;

-- All pages of a list there and back.
CREATE FUNCTION walk(filter jsonb, forth boolean, size int DEFAULT 7) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    page json := opsadmin.list_audit(filter, page_size => size);
    ids text[];
    last_page json := page;
BEGIN
    WHILE page ->> 'next' IS NOT NULL LOOP
        ids := ids || ARRAY(SELECT r ->> 'id' FROM json_array_elements(page -> 'rows') AS r);
        page := opsadmin.list_audit(filter, page ->> 'next', size);
    END LOOP;
    ids := ids || ARRAY(SELECT r ->> 'id' FROM json_array_elements(page -> 'rows') AS r);
    IF forth THEN
        RETURN ids;
    END IF;
    ids := ARRAY(SELECT r ->> 'id' FROM json_array_elements(page -> 'rows') AS r);
    WHILE page ->> 'prev' IS NOT NULL LOOP
        page := opsadmin.list_audit(filter, page ->> 'prev', size);
        ids := ARRAY(SELECT r ->> 'id' FROM json_array_elements(page -> 'rows') AS r) || ids;
    END LOOP;
    RETURN ids;
END
$$;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT walk(f.filter, true) AS job, walk(f.filter, false) AS job_back FROM (SELECT '{"job":7}'::jsonb) AS f (filter) \gset
SELECT walk(f.filter, true, 50) AS action, walk(f.filter, false, 50) AS action_back FROM (SELECT '{"action":"action.1","target":"regress_shop.table_1","to":"2023-11-14T22:13:40Z"}'::jsonb) AS f (filter) \gset
SELECT walk(f.filter, true, 100) AS few, walk(f.filter, false, 100) AS few_back FROM (SELECT '{"tenant":"tenant-3","to":"2023-11-14T22:13:25Z"}'::jsonb) AS f (filter) \gset
SELECT opsadmin.audit_histogram('{"tenant":"tenant-3"}', 4) AS histogram, opsadmin.audit_histogram('{"to":"2024-01-01"}', 3) AS capped, opsadmin.audit_histogram('{"from":"2023-11-14T22:13:20Z","to":"2023-11-14T22:14:20Z","tenant":"tenant-3"}', 3) AS framed,
       opsadmin.audit_histogram('{"job":12345}', 2) ->> 'total' AS empty, answer('opsadmin.audit_histogram(NULL, 0)') AS no_buckets, answer($$opsadmin.audit_histogram('{"from":"x"}')$$) AS bad_filter \gset
SELECT answer($$opsadmin.list_audit('{}', 'x.y')$$) AS bad_cursor, answer($$opsadmin.list_audit('{}', opsadmin_private.make_cursor('audit{}*', '["<","x","1"]'))$$) AS forged, answer($$opsadmin.list_audit('{"op":"UPDATE"}', opsadmin.list_audit('{}', page_size => 1) ->> 'next')$$) AS other_list,
       answer($$opsadmin.list_audit('{}', NULL, 101)$$) AS large \gset
COMMIT;
SELECT is(:'job'::text[], ARRAY(SELECT id::text FROM opsadmin.audit_log WHERE job_id = 7 ORDER BY id DESC), 'pages of a job');
SELECT is(:'job_back'::text, :'job', 'and back');
SELECT is(:'action'::text[], ARRAY(SELECT id::text FROM opsadmin.audit_log WHERE position('action.1' IN action) > 0 AND target = 'regress_shop.table_1' AND id < 1700000020000 << 20 ORDER BY id DESC), 'pages of several actions and a target');
SELECT cmp_ok(cardinality(:'action'::text[]), '>', 100, 'which are several pages');
SELECT is(:'action_back'::text, :'action', 'and back');
SELECT is(:'few'::text[], ARRAY(SELECT id::text FROM opsadmin.audit_log WHERE tenant_id = 1003 AND id < 1700000005000 << 20 ORDER BY id DESC), 'pages of a tenant');
SELECT is(:'few_back'::text, :'few', 'and back');
SELECT is((SELECT ARRAY[h ->> 'total', h ->> 'capped', (SELECT sum(c::int)::text FROM json_array_elements_text(h -> 'counts') AS c), (h -> 'counts' ->> 0)] FROM (SELECT :'histogram'::json) AS f (h)), ARRAY['4000', 'false', '4000', '4000'], 'entries over time');
SELECT is((SELECT ARRAY[h ->> 'total', h ->> 'capped', h ->> 'to'] FROM (SELECT :'capped'::json) AS f (h)), ARRAY['10000', 'true', '2024-01-01T00:00:00+00:00'], 'of more than 10,000 the newest are counted');
SELECT is(:'framed'::jsonb, '{"from":"2023-11-14T22:13:20+00:00","to":"2023-11-14T22:14:20+00:00","counts":[800,800,800],"total":2400,"capped":false}', 'buckets are equally long, from from to to');
SELECT is(ARRAY[:'empty', :'no_buckets', :'bad_filter'], ARRAY['0', 'OA420 /buckets', 'OA422 /filter/from'], 'nothing to count, and what cannot be counted');
SELECT is(ARRAY[:'bad_cursor', :'forged', :'other_list', :'large'], ARRAY['OA424 /cursor', 'OA424 /cursor', 'OA424 /cursor', 'OA420 /page_size'], 'cursors fit their list, and pages have a size');

-- The indexes that a plan uses, without the weeks of the partitions, whether it reads the whole of a partition that has
-- many rows, and what it sorts by. A plan is made as the owner makes it, with the context of who asks.
CREATE FUNCTION plan_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || statement INTO plan;
    RETURN (WITH RECURSIVE node AS (SELECT plan::jsonb #> '{0,Plan}' AS n UNION ALL SELECT jsonb_array_elements(n -> 'Plans') FROM node)
            SELECT string_agg(DISTINCT CASE n ->> 'Node Type'
                WHEN 'Seq Scan' THEN (SELECT 'Seq Scan ' || c.relname FROM pg_class c WHERE c.relname = n ->> 'Relation Name' AND c.reltuples > 1000)
                WHEN 'Sort' THEN 'Sort ' || regexp_replace(n #>> '{Sort Key,0}', '_\d+', '')
                ELSE regexp_replace(n ->> 'Index Name', '_\d{8}', '') END, ' ') FROM node);
END
$$;
CREATE FUNCTION plan_for(who text, tenant text, filter jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opsadmin.begin_as(who, tenant, 'a reason');
    SET LOCAL ROLE NONE;
    PERFORM set_config(split_part(s, '=', 1), split_part(s, '=', 2), true) FROM pg_proc p, unnest(p.proconfig) AS s WHERE p.oid = 'opsadmin_private.search_audit'::regproc AND s NOT LIKE 'search_path%';
    RETURN plan_of(opsadmin_private.compile_audit(filter, NULL, true, 51));
END
$$;
SELECT is(plan_for('kim@example.com', NULL, '{}'), 'audit_entry_id', 'plan: the latest');
SELECT is(plan_for('kim@example.com', 'tenant-3', '{}'), 'audit_entry_tenant', 'plan: the latest of a tenant');
SELECT is(plan_for('kim@example.com', NULL, '{"tenant":"tenant-3"}'), 'audit_entry_tenant', 'plan: by tenant');
SELECT is(plan_for('kim@example.com', NULL, '{"actor":"actor 7"}'), 'Sort e.id DESC audit_entry_header audit_header_actor', 'plan: by actor');
SELECT is(plan_for('kim@example.com', NULL, '{"actor":"actor 1"}'), 'Sort e.id DESC audit_entry_header audit_header_actor', 'plan: by several actors');
SELECT is(plan_for('lee@example.com', 'acme', '{"actor":"support"}'), 'Sort e.id DESC audit_entry_tenant audit_header_staff', 'plan: by staff, for a partner');
SELECT is(plan_for('kim@example.com', NULL, '{"action":"action.7"}'), 'Sort e.id DESC audit_entry_header audit_header_action', 'plan: by action');
SELECT is(plan_for('kim@example.com', NULL, '{"action":"action.1"}'), 'Sort e.id DESC audit_entry_header audit_header_action', 'plan: by several actions');
SELECT is(plan_for('kim@example.com', NULL, '{"job":7}'), 'Sort e.id DESC audit_entry_header audit_header_job', 'plan: by job');
SELECT matches(plan_for('kim@example.com', NULL, '{"request":"request-7"}'), '^Sort e.id DESC audit_entry_header audit_header_(id|request)$', 'plan: by request, whose headers are known then');
SELECT is(plan_of('SELECT h.id FROM opsadmin.audit_header h WHERE h.request_id = ''request-7'''), 'audit_header_request', 'plan: the headers of a request');
SELECT is(plan_for('kim@example.com', NULL, '{"id":1782579200002097153}'), 'audit_entry_id', 'plan: by id');
SELECT is(plan_for('kim@example.com', NULL, '{"from":"2023-11-14T22:13:20Z","to":"2023-11-14T22:13:25Z"}'), 'audit_entry_id', 'plan: by time');
SELECT is(plan_for('kim@example.com', NULL, '{"target":"regress_shop.table_3","key":{"id":7}}'), 'Sort e.id DESC audit_entry_row', 'plan: the history of a row');
SELECT is(plan_for('kim@example.com', 'tenant-3', '{"target":"regress_shop.table_3","key":{"id":7}}'), 'Sort e.id DESC audit_entry_row', 'plan: the history of a row in a tenant');

-- Whoever writes events can make actions up.
BEGIN;
SELECT opsadmin.begin_as('park@example.com', 'globex') \g /dev/null
SELECT count(opsadmin.audit_event('made up ' || n)) FROM generate_series(1, 600) AS n \g /dev/null
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.audit_histogram('{"action":"MADE UP 59"}') ->> 'total' AS found \gset
SET LOCAL ROLE NONE;
SELECT cardinality(opsadmin_private.audit_names('action', 'made', 'true')) AS branches \gset
COMMIT;
SELECT is(ARRAY[:'branches', :'found'], ARRAY['1', '11'], 'of very many actions the names are not enumerated, but found');

SELECT * FROM finish();
