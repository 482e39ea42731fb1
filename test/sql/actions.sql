-- Actions: what define_action() refuses, the parameters and selections of run_action(), and bulk_update().
SELECT plan(113);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('eve@example.com', 'Eve'),
       opsadmin.define_role('reader', 'partner', '{item:read}') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'partner_manager', 'acme'), opsadmin.grant_role('eve@example.com', 'reader', 'acme') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text NOT NULL, price numeric(12, 2) NOT NULL, note text, is_public boolean NOT NULL DEFAULT false, due date);
CREATE INDEX ON regress_shop.item (tenant_id);
CREATE TABLE regress_shop.keyless (tenant_id bigint NOT NULL, note text);
CREATE TABLE regress_shop.hidden (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, note text);
SELECT opsadmin.protect('regress_shop.item'), opsadmin.expose('regress_shop.item', search_columns => '{name}'), opsadmin.protect('regress_shop.hidden') \g /dev/null

-- define_action() and what it refuses.
SELECT is(failure(format('SELECT opsadmin.define_action(%s)', arguments)), code, 'define_action(): ' || why)
FROM (VALUES
  ('''Bad'', ''regress_shop.item'', ''note = NULL''', 'OA425', 'a name in upper case'), ('NULL, ''regress_shop.item'', ''note = NULL''', 'OA425', 'no name'),
  ('''bad'', ''regress_shop.keyless'', ''note = NULL''', 'OA430', 'no primary key'), ('''bad'', ''pg_class'', ''relname = NULL''', 'OA436', 'a catalog'),
  ('''bad'', ''regress_shop.item'', ''''', 'OA425', 'empty changes'), ('''bad'', ''regress_shop.item'', NULL', 'OA425', 'no changes'), ('''bad'', ''regress_shop.item'', ''nothing = 1''', 'OA425', 'an unknown column'),
  ('''bad'', ''regress_shop.item'', ''price = name''', 'OA425', 'a value of another type'), ('''bad'', ''regress_shop.item'', ''price = ''', 'OA425', 'no value'),
  ('''bad'', ''regress_shop.item'', ''price = params.percent''', 'OA425', 'a parameter that is not defined'),
  ('''bad'', ''regress_shop.item'', ''price = params.n'', ''[{"name":"n","type":"numeric","minimum":1}]''', 'OA425', 'a member of a parameter that is not known'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', condition => ''nothing = 1''', 'OA425', 'a condition over an unknown column'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', condition => ''id''', 'OA425', 'a condition that is none'),
  ('''bad'', ''regress_shop.item'', ''note = NULL; DROP TABLE regress_shop.item''', 'OA425', 'a second statement'),
  ('''bad'', ''regress_shop.item'', ''id = id + 1''', 'OA425', 'writing the key'), ('''bad'', ''regress_shop.item'', ''note = NULL, "tenant_id" = 2''', 'OA425', 'writing the tenant'),
  ('''bad'', ''regress_shop.item'', ''(note, tenant_id) = (NULL, 2)''', 'OA425', 'writing the tenant in a list'),
  ('''bad'', ''regress_shop.item'', ''id = (id = 5)::int''', 'OA425', 'writing the key from itself'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''{}''', 'OA425', 'parameters that are no list'), ('''bad'', ''regress_shop.item'', ''note = NULL'', ''["x"]''', 'OA425', 'a parameter that is no object'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"type":"text"}]''', 'OA425', 'a parameter without a name'), ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"A B","type":"text"}]''', 'OA425', 'a bad name for one'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a"}]''', 'OA425', 'one without a type'), ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"xml"}]''', 'OA425', 'one of an unknown type'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"text; DROP TABLE x"}]''', 'OA425', 'a type that is SQL'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"text"},{"name":"a","type":"text"}]''', 'OA425', 'a parameter twice'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"integer","default":"x"}]''', 'OA425', 'a default of another type'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"integer","default":5,"max":4}]''', 'OA425', 'a default out of range'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"integer","min":"x"}]''', 'OA425', 'a least value of another type'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"integer","min":5,"max":4}]''', 'OA425', 'an empty range'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', ''[{"name":"a","type":"text","required":"no"}]''', 'OA425', '"required" as a text'),
  ('''bad'', ''regress_shop.item'', ''note = NULL'', sites => ''{}''', 'OA425', 'no site'), ('''bad'', ''regress_shop.item'', ''note = NULL'', sites => ''{public}''', 'OA425', 'an unknown site')) AS bad (arguments, code, why);
SELECT is(count(*), 0::bigint, 'nothing of it is kept') FROM opsadmin.action;

SELECT lives_ok($$SELECT opsadmin.define_action('discount', 'regress_shop.item', 'price = round(price * (1 - params.percent / 100), 2)',
  '[{"name":"percent","type":"numeric","min":1,"max":90,"default":10,"label":{"ko":"할인율"}}]', condition => 'price > 0')$$, 'define_action()');
SELECT lives_ok($$SELECT opsadmin.define_action('mark', 'regress_shop.item', 'note = params.note, due = params.due, is_public = coalesce(params.shown, is_public), price = coalesce(params.pieces, price)',
  '[{"name":"note","type":"text","required":false},{"name":"due","type":"date","required":false,"min":"2026-01-01"},{"name":"shown","type":"boolean","required":false},{"name":"pieces","type":"integer","required":false}]')$$,
  'with a parameter of each type');
SELECT lives_ok($$SELECT opsadmin.define_action('when_id', 'regress_shop.item', 'note = CASE WHEN id = 1 AND tenant_id = 1 THEN ''one, tenant_id = 1'' END')$$, 'reading the key and the tenant is fine');
SELECT lives_ok($$SELECT opsadmin.define_action('staff_only', 'regress_shop.item', 'note = NULL', sites => '{internal}'), opsadmin.define_action('unseen', 'regress_shop.hidden', 'note = NULL')$$, 'for one site');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(opsadmin.list_resources()::jsonb #> '{resources,0,actions}',
          '[{"name":"discount","label":{"en":"Discount","ko":"Discount"},"params":[{"name":"percent","type":"numeric","label":{"en":"Percent","ko":"할인율"},"required":true,"min":1,"max":90,"default":10}]},
            {"name":"mark","label":{"en":"Mark","ko":"Mark"},"params":[{"name":"note","type":"text","label":{"en":"Note","ko":"Note"},"required":false},
              {"name":"due","type":"date","label":{"en":"Due","ko":"Due"},"required":false,"min":"2026-01-01"},{"name":"shown","type":"boolean","label":{"en":"Shown","ko":"Shown"},"required":false},
              {"name":"pieces","type":"integer","label":{"en":"Pieces","ko":"Pieces"},"required":false}]},
            {"name":"when_id","label":{"en":"When id","ko":"When id"},"params":[]}]', 'a partner sees the actions of its site');

-- run_action() and what it refuses.
SELECT is(failure(format('SELECT opsadmin.run_action(%L, %L, %L)', action, params, selection)), code, 'run_action(): ' || why)
FROM (VALUES
  ('nothing', '{}', '{"ids":["1"]}', 'OA406', 'an unknown action'), (NULL, '{}', '{"ids":["1"]}', 'OA406', 'no action'), ('staff_only', '{}', '{"ids":["1"]}', 'OA406', 'an action of the other site'),
  ('unseen', '{}', '{"ids":["1"]}', 'OA405', 'a table that is no resource'),
  ('discount', '[]', '{"ids":["1"]}', 'OA420 /params', 'parameters in a list'), ('discount', '{"percent":"ten"}', '{"ids":["1"]}', 'OA420 /params/percent', 'a text for a number'),
  ('discount', '{"percent":0}', '{"ids":["1"]}', 'OA420 /params/percent', 'too little'), ('discount', '{"percent":90.01}', '{"ids":["1"]}', 'OA420 /params/percent', 'too much'),
  ('discount', '{"percent":"NaN"}', '{"ids":["1"]}', 'OA420 /params/percent', 'NaN'), ('discount', '{"percent":"Infinity"}', '{"ids":["1"]}', 'OA420 /params/percent', 'infinity'),
  ('discount', '{"percent":[10]}', '{"ids":["1"]}', 'OA420 /params/percent', 'a list for a number'), ('discount', '{"percent":"10); DROP TABLE regress_shop.item; --"}', '{"ids":["1"]}', 'OA420 /params/percent', 'SQL for a number'),
  ('discount', '{"percent":10,"more":1}', '{"ids":["1"]}', 'OA420 /params/more', 'an unknown parameter'), ('discount', '{"a/b~c":1}', '{"ids":["1"]}', 'OA420 /params/a~1b~0c', 'one whose name is escaped'),
  ('mark', '{"due":"tomorrow or so"}', '{"ids":["1"]}', 'OA420 /params/due', 'no date'), ('mark', '{"due":"2025-12-31"}', '{"ids":["1"]}', 'OA420 /params/due', 'too early a date'),
  ('mark', '{"shown":"perhaps"}', '{"ids":["1"]}', 'OA420 /params/shown', 'no boolean'), ('mark', '{"pieces":1.5}', '{"ids":["1"]}', 'OA420 /params/pieces', 'a fraction for an integer'),
  ('discount', '{}', NULL, 'OA423 /selection', 'no selection'), ('discount', '{}', '{}', 'OA423 /selection', 'an empty selection'), ('discount', '{}', '[]', 'OA423 /selection', 'a list'), ('discount', '{}', '"ids"', 'OA423 /selection', 'a text'),
  ('discount', '{}', '{"ids":[]}', 'OA423 /selection/ids', 'no keys'), ('discount', '{}', '{"ids":"1"}', 'OA423 /selection/ids', 'one key for a list'), ('discount', '{}', '{"ids":["x"]}', 'OA423 /selection/ids', 'a key of another type'),
  ('discount', '{}', '{"ids":[null]}', 'OA423 /selection/ids', 'a NULL for a key'), ('discount', '{}', '{"ids":[{"id":1}]}', 'OA423 /selection/ids', 'an object for a key'),
  ('discount', '{}', '{"ids":["1"],"filter":null}', 'OA423 /selection', 'keys and a filter'), ('discount', '{}', '{"except":["1"]}', 'OA423 /selection', 'exceptions from nothing'), ('discount', '{}', '{"filter":null,"exept":["1"]}', 'OA423 /selection', 'a member that is not known'),
  ('discount', '{}', '{"search":{}}', 'OA423 /selection/search', 'a search that is no text'), ('discount', '{}', format('{"filter":{"and":[{"or":[%1$s]},{"or":[%1$s]}]}}', rtrim(repeat('{"column":"price","op":"=","value":1},', 51), ',')), 'OA422 /selection/filter', 'too many conditions'), ('discount', '{}', jsonb_build_object('search', repeat('x', 201))::text, 'OA420 /selection/search', 'a search without end'),
  ('discount', '{}', '{"filter":null,"except":[null]}', 'OA423 /selection/except', 'a NULL among the exceptions'), ('discount', '{}', '{"filter":null,"except":1}', 'OA423 /selection/except', 'exceptions that are no list'),
  ('discount', '{}', '{"filter":{"column":"nothing","op":"=","value":1}}', 'OA421 /selection/filter/column', 'a filter by an unknown column'),
  ('discount', '{}', '{"filter":{"and":[{"column":"price","op":"=","value":"x"}]}}', 'OA422 /selection/filter/and/0/value', 'a filter that does not fit')) AS bad (action, params, selection, code, why);
SELECT is(failure(format('SELECT opsadmin.run_action(''discount'', selection => %L)', json_build_object('ids', ARRAY(SELECT generate_series(1, n))))), code, format('%s keys', n))
FROM (VALUES (10000, NULL), (10001, 'OA423 /selection/ids')) AS lists (n, code);
ROLLBACK;
SELECT is(count(*), 0::bigint, 'no job is left of it') FROM opsadmin.job;
SELECT is(failure($$SELECT opsadmin.run_action('discount', selection => '{"ids":["1"]}')$$), 'OA001', 'without a context');
BEGIN;
SELECT opsadmin.begin_as('eve@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.run_action('discount', selection => '{"ids":["1"]}')$$), 'OA403', 'without the permission');
ROLLBACK;

-- What a job is told.
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', reason => 'spring sale') \g /dev/null
SELECT opsadmin.run_action('discount', '{"percent":"25"}', '{"filter":{"column":"price","op":">","value":"10"},"search":" tea ","except":["3","4"]}') AS job \gset
SELECT is((opsadmin.get_job(:job)::jsonb - 'id') - 'created_at',
          '{"name":"discount","label":{"en":"Discount","ko":"Discount"},"actor_name":"Lee","tenant":{"slug":"acme","name":"Acme"},"target":"regress_shop.item","selection_summary":"all matching price > \"10\", \"tea\", except 2",
            "params":{"percent":"25"},"state":"PENDING","total":null,"processed":0,"changed":0,"skipped":0,"failed":0,"on_error":"stop","can_retry":false,"has_errors":false,"error":null,"wait_reason":null,"rate":null,"eta":null,"started_at":null,"finished_at":null}',
          'get_job() of a job that waits');
SELECT is(failure(format('SELECT changes FROM opsadmin.job WHERE id = %s', :job)), '42501', 'its SQL is not for those who run it');
COMMIT;
SELECT is(concat_ws(',', run_as, permission, reason, tenant_id, site), 'opsadmin_partner,discount:run,spring sale,1,partner', 'it runs as the site''s role') FROM opsadmin.job WHERE id = :job;

-- A filter in words, as a job's summary has it.
SELECT is(opsadmin_private.filter_text(filter::jsonb), told, format('in words: %s', coalesce(told, 'no filter')))
FROM (VALUES (NULL, NULL), ('{"column":"name","op":"contains","value":"tea"}', 'name contains "tea"'), ('{"column":"price","op":"between","value":[10,"20.5"]}', 'price between [10, "20.5"]'),
  ('{"column":"due","op":"is_null","value":false}', 'due is not empty'), ('{"and":[{"column":"price","op":">","value":1}]}', 'price > 1'),
  ('{"and":[{"column":"price","op":">","value":1},{"or":[{"column":"due","op":"is_null","value":true},{"column":"is_public","op":"=","value":true}]},{"or":[{"column":"id","op":"in","value":[1,2]}]}]}',
   'price > 1 and (due is empty or is_public = true) and (id in [1, 2])')) AS f (filter, told);

-- What is selected, and what it changes.
DELETE FROM opsadmin.job;
INSERT INTO regress_shop.item SELECT n, 1 + (n > 20)::int, CASE WHEN n % 2 = 0 THEN 'Tea ' ELSE 'Coffee ' END || n, n FROM generate_series(1, 40) AS n;
CREATE TABLE original AS SELECT * FROM regress_shop.item;
CREATE FUNCTION changed() RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(i.id::text, ',' ORDER BY i.id) FROM regress_shop.item i JOIN original o USING (id) WHERE i IS DISTINCT FROM o::text::regress_shop.item
$$;
CREATE FUNCTION summary() RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', state, total, processed, changed, skipped, failed) FROM opsadmin.bulk_job ORDER BY id DESC LIMIT 1
$$;
CREATE PROCEDURE start_over() LANGUAGE sql AS $$
  UPDATE regress_shop.item i SET price = o.price, note = o.note, is_public = o.is_public, due = o.due FROM original o WHERE o.id = i.id
$$;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('discount', '{"percent":50}', '{"ids":["1",2,"25","999","2"]}') \g /dev/null
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(changed(), '1,2', 'keys: only one''s own that exist, each once');
SELECT is(summary(), 'DONE 2 2 2 0 0', 'and are counted');
SELECT is(price, 0.50, 'the change is the action''s') FROM regress_shop.item WHERE id = 1;
CALL start_over();
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', reason => 'x') \g /dev/null
SELECT opsadmin.run_action('discount', NULL, '{"filter":{"column":"price","op":"between","value":[10,30]},"search":"tea","except":["12","28"]}') \g /dev/null
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(changed(), '10,14,16,18,20,22,24,26,30', 'filter, search and exceptions together; staff without a tenant in all');
SELECT is(price, 9.00, 'with the default of a parameter') FROM regress_shop.item WHERE id = 10;
CALL start_over();
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'globex', 'x') \g /dev/null
SELECT opsadmin.run_action('discount', '{"percent":null}', '{"filter":null}') \g /dev/null
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(changed(), (SELECT string_agg(n::text, ',') FROM generate_series(21, 40) AS n), 'staff in a tenant: in that tenant');
CALL start_over();
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('mark', '{"note":"O''Reilly\\ $1 params.note","due":"2026-02-01","shown":true,"pieces":"7"}', '{"search":"coffee 3"}') \g /dev/null
COMMIT;
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT id, price, note, due, is_public FROM regress_shop.item WHERE note IS NOT NULL', $$VALUES (3::bigint, 7.00, 'O''Reilly\ $1 params.note', date '2026-02-01', true)$$, 'values of every type arrive as they are');
CALL start_over();
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('mark', '{}', '{"ids":["3"]}') \g /dev/null
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(summary(), 'DONE 1 1 1 0 0', 'parameters that are not given are NULL');

-- drop_action(): what was started goes on.
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('discount', '{"percent":50}', '{"ids":["5"]}') \g /dev/null
COMMIT;
SELECT lives_ok($$SELECT opsadmin.drop_action('discount')$$, 'drop_action()');
SELECT is(failure($$SELECT opsadmin.drop_action('discount')$$), 'OA406', 'twice');
CALL opsadmin.run_jobs();
SELECT is(changed(), '5', 'a job that was started goes on');

-- bulk_update().
SELECT is(failure(format('SELECT opsadmin.bulk_update(%s)', arguments)), code, 'bulk_update(): ' || why)
FROM (VALUES ('''regress_shop.item'', ''nothing = 1''', 'OA425', 'an unknown column'), ('''regress_shop.item'', ''note = NULL'', ''nothing''', 'OA425', 'a condition that does not fit'),
             ('''regress_shop.item'', ''id = 5''', 'OA425', 'writing the key'), ('''regress_shop.keyless'', ''note = NULL''', 'OA430', 'no primary key'), ('''pg_class'', ''relname = NULL''', 'OA436', 'a catalog'),
             ('''regress_shop.item'', NULL', 'OA425', 'no changes')) AS bad (arguments, code, why);
CALL start_over();
SELECT opsadmin.bulk_update('regress_shop.item', 'note = ''bulk''', 'target.id IN (7, 27) OR id = 8') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(changed(), '7,8,27', 'bulk_update() of a DBA: any tenant, its own condition');
SELECT is(concat_ws('|', name, actor, tenant, target, selection, params, state), 'bulk_update|' || session_user || '|regress_shop.item|target.id IN (7, 27) OR id = 8|{}|DONE', 'bulk_job tells who and what')
FROM opsadmin.bulk_job WHERE id = :job;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.bulk_update('regress_shop.item', 'note = NULL')$$), '42501', 'not for staff');
ROLLBACK;

CREATE FUNCTION pg_temp.hint_of(params jsonb, given jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  PERFORM opsadmin_private.check_params(params, given);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint := PG_EXCEPTION_HINT;
  RETURN hint;
END
$$;
SELECT is(pg_temp.hint_of('[{"name":"due","type":"date"}]', '{"due":"infinity"}'), 'Give a finite date.', 'a date without end, where there are no bounds');

-- A key of the resource that is not the table's any more may be in several rows, also of several tenants.
SELECT opsadmin.define_action('forget', 'regress_shop.item', 'note = NULL') \g /dev/null
ALTER TABLE regress_shop.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (tenant_id, id);
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.run_action(''forget'', selection => %L)', selection)), 'OA436', 'a key of another kind than the resource''s: ' || selection)
FROM unnest('{"{\"ids\":[\"1\"]}","{\"filter\":null,\"except\":[\"1\"]}"}'::text[]) AS selection;
ROLLBACK;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
