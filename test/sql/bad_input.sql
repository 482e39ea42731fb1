-- Every function that a site role may call, as the catalog lists them, with every kind of bad value for each of its
-- parameters: the answer is one that was meant, or a clean error, and never a word of another tenant.
-- needs: operated-shop
-- topic: isolation
SELECT plan(11);

-- What must never be heard of by tenant 1: the word stands in everything that tenant 2 has.
BEGIN;
UPDATE opsadmin.tenant SET slug = 'outlander', name = 'Outlander' WHERE id = 2;
SELECT opsadmin.create_actor('outlander@example.com', 'Outlander'), opsadmin.grant_role('outlander@example.com', 'partner_admin', 'outlander') \g /dev/null
SELECT opsadmin.begin_as('outlander@example.com', 'outlander') \g /dev/null
UPDATE shop.product SET name = 'Outlander ' || id, attrs = '{"note":"outlander"}';
UPDATE shop.shop SET name = 'Outlander ' || id, slug = 'outlander-' || id;
SELECT opsadmin.run_action('publish', '{"visible":false}', '{"search":"outlander"}') AS job \gset
COMMIT;
-- A job of tenant 1, so that its number answers.
BEGIN;
SELECT opsadmin.begin_as('partner@example.com') \g /dev/null
SELECT opsadmin.run_action('publish', '{"visible":false}', '{"filter":{}}') AS job \gset
SELECT opsadmin.list_rows('product', page_size => 1) ->> 'next' AS product_cursor \gset
COMMIT;
INSERT INTO opsadmin.secret (hash, purpose, actor_id, site, expires_at)
SELECT sha256(convert_to('valid ' || e.site || ' ' || p.purpose, 'UTF8')), p.purpose, a.id, CASE WHEN p.purpose = 'session' THEN e.site END, now() + interval '1 day'
FROM (VALUES ('internal', 'ops@example.com'), ('partner', 'partner@example.com')) AS e (site, email) JOIN opsadmin.actor a USING (email),
     (VALUES ('session'), ('invitation')) AS p (purpose);

-- ---- What is called ----

CREATE TABLE parameter AS
SELECT p.oid AS function, p.proname AS function_name, p.prosecdef, a.ordinal, quote_ident(a.name) AS name, format_type(a.type, NULL) AS type,
       row_number() OVER (PARTITION BY p.oid ORDER BY a.ordinal) > p.pronargs - p.pronargdefaults AS has_default
FROM pg_proc p
LEFT JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes), p.proargnames, p.proargmodes) WITH ORDINALITY AS a (type, name, mode, ordinal)
  ON coalesce(a.mode, 'i') IN ('i', 'b', 'v')
WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace) AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND EXISTS (SELECT FROM unnest(ARRAY['opsadmin_internal', 'opsadmin_partner', 'opsadmin_internal_login', 'opsadmin_partner_login']) AS role
              WHERE has_function_privilege(role, p.oid, 'EXECUTE'));
SELECT cmp_ok(count(DISTINCT function), '>=', 37::bigint, 'the sweep sees the functions') FROM parameter;

-- An argument that is right, by the name of its parameter.
\getenv password OPSADMIN_PASSWORD
CREATE TABLE valid_value (name text PRIMARY KEY, expression text NOT NULL);
INSERT INTO valid_value VALUES
  ('permission', '''product:read'''), ('list', '''a list'''), ('payload', '''["1"]'''), ('page_size', '3'), ('members', '''{"n":1}'''), ('resource', '''product'''), ('filter', '''{}'''),
  ('search', '''a'''), ('sort', '''-id'''), ('cursor', 'NULL'), ('email', '''partner@example.com'''), ('password', quote_literal(:'password')), ('ip', '''192.0.2.1'''),
  ('session_token', '''valid partner session'''), ('token', '''valid partner invitation'''), ('tenant', '''haneul-market'''), ('reason', '''a reason'''), ('action', '''publish'''),
  ('params', '''{"visible":true}'''), ('selection', '''{"filter":{}}'''), ('job_id', :'job'), ('kpi', '''orders'''), ('first_day', '(current_date - 7)'), ('last_day', 'current_date'), ('target', '''shop.product'''), ('target_pk', '''{"id":1}'''),
  ('meta', '''{"note":"x"}'''), ('status', '200'), ('milliseconds', '1.5'),
  ('key', '''1'''), ('at', 'now()'), ('buckets', '3'), ('size', '3'), ('most', '3'), ('since', '0'), ('depth', '0'), ('pointer', '''/at'''), ('value', '''"2026-01-31T12:00:00Z"''');

-- Arguments that are wrong, by type.
CREATE TABLE bad_value (type text, expression text, UNIQUE (type, expression));
INSERT INTO bad_value
SELECT 'text', expression FROM unnest(ARRAY['NULL', '''''', 'repeat('' '', 1000)', quote_literal('x''; DROP TABLE opsadmin.tenant; --'), '''x" OR "1"="1''', '''$$; SELECT 1; $$''', '''%s %I %L %1$s %''', '''\''',
  $$E'\x01\x02\x1b[31m\r\n\t\x7f'$$, $$E'\uFFFF\U0010FFFF\u202E\u0301'$$, '''제품 é 🙂''', '''NaN''', '''-1''', '''99999999999999999999''', '''1e400''', '''[]''', '''{}''', '''null''', '''a.b''', '''....''',
  '''../../etc/passwd''', 'repeat(''x'', 64)', 'repeat(''x'', 1048576)', 'repeat(''%'', 10000)', 'repeat(''é'', 524288)', 'repeat(''eyJhbGciOiJub25lIn0.'', 500)', 'repeat(''*:'', 3000)']) AS expression;
INSERT INTO bad_value
SELECT types.type, expression FROM (VALUES
  ('integer', ARRAY['NULL', '0', '-1', '101', '2147483647', '-2147483648', '2147483648', '''garbage''', '''''']),
  ('bigint', ARRAY['NULL', '0', '-1', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '''garbage''']),
  ('numeric', ARRAY['NULL', '0', '-1', '''NaN''', '''Infinity''', '1e1000', '1e-1000', '''garbage''']),
  ('boolean', ARRAY['NULL', '''garbage''']),
  ('date', ARRAY['NULL', '''infinity''', '''-infinity''', '''4713-01-01 BC''', '''5874897-12-31''', '''0001-01-01''', '''2026-02-30''', '''garbage''']),
  ('timestamp with time zone', ARRAY['NULL', '''infinity''', '''-infinity''', '''4713-01-01 BC''', '''294276-12-31''', '''garbage''']),
  ('interval', ARRAY['NULL', '''-1 year''', '''178000000 years''', '''garbage''']),
  ('inet', ARRAY['NULL', '''0.0.0.0/0''', '''::''', '''::ffff:192.0.2.1''', '''ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0''', '''255.255.255.255''', '''192.0.2.1/33''', '''fe80::1%eth0''', '''garbage''']),
  ('uuid', ARRAY['NULL', '''00000000-0000-0000-0000-000000000000''', '''garbage''']),
  ('name', ARRAY['NULL', '''''', '''"''', 'repeat(''x'', 1048576)']),
  ('regclass', ARRAY['NULL', '0', '4294967295', '''pg_class''', '''pg_toast.pg_toast_1255''']),
  ('bytea', ARRAY['NULL', '''''', '''\x00ff''', '''\xg''', 'convert_to(repeat(''x'', 1048576), ''UTF8'')'])) AS types (type, expressions), unnest(expressions) AS expression;
INSERT INTO bad_value
SELECT 'jsonb', expression FROM unnest(ARRAY['NULL', '''null''', '''true''', '''0''', '''"garbage"''', '''[]''', '''{}''', '''[{}]''', '''[[[]]]''', '''{"":{"":{"":null}}}''', '''{"a":1,"a":2}''', '''{"\u0000":"\u0000"}''',
  '''{"a":"\ud800"}''', '''{"a":1e131071}''', '''-1e-16000''', '''[1e400, -1e400, 99999999999999999999999999]''', '''not json''', '''''', '''[1,''', 'to_jsonb(repeat(''x'', 1048576))',
  '(repeat(''['', 5000) || repeat('']'', 5000))::jsonb', '(repeat(''{"a":'', 5000) || ''1'' || repeat(''}'', 5000))::jsonb', '(repeat(''['', 1000000))::jsonb',
  '(repeat(''{"and":['', 5000) || ''{}'' || repeat('']}'', 5000))::jsonb', '(repeat(''{"and":['', 11) || ''{}'' || repeat('']}'', 11))::jsonb',
  '(SELECT jsonb_object_agg(''k'' || n, n) FROM generate_series(1, 20000) AS n)', '(SELECT jsonb_agg(n) FROM generate_series(1, 20000) AS n)',
  '(''{"'' || repeat(''k'', 1048576) || ''":1}'')::jsonb']) AS expression;
INSERT INTO bad_value SELECT 'json', expression FROM bad_value WHERE type = 'jsonb';
INSERT INTO bad_value
SELECT t || '[]', expression FROM unnest(ARRAY['text', 'name', 'integer', 'bigint']) AS t,
       unnest(ARRAY['NULL', '''{}''', '''{NULL}''', '''{{1,2},{3,4}}''', '''[5:6]={1,2}''', '''{1''', 'array_fill(1, ARRAY[100000])::text']) AS expression;
SELECT is_empty($$SELECT DISTINCT function::regprocedure, name, type FROM parameter WHERE type NOT IN (SELECT type FROM bad_value UNION SELECT '"any"')$$, 'there are bad values for every type of a parameter');

-- The members that functions look for in JSON, each with values of the wrong kind, alone and in a list; and filters by
-- every column.
CREATE TABLE bad_member AS SELECT unnest(ARRAY['null', 'true', '-1', '1e131071', '""', '"garbage"', '"9999999999999999999"', '"NaN"', '"infinity"', '"x'' OR 1=1 --"', '"%s\\"', '{}', '[]', '[null,null]', '[[1],{}]']) AS value;
CREATE TABLE bad_json AS
SELECT format('{"%s":%s}', member, form.value) AS value
FROM (SELECT DISTINCT m[1] AS member FROM pg_proc p, regexp_matches(p.prosrc, '(?:->>?|\?) ''(\w+)''', 'g') AS m
      WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace)
      UNION SELECT unnest(ARRAY['visible', 'percent'])) AS members,
     bad_member b, LATERAL (VALUES (b.value), ('[' || b.value || ']')) AS form (value);
CREATE TABLE bad_condition AS
SELECT format('{"column":"%s","op":"%s","value":%s}', c.column_name, op, b.value) AS value
FROM (SELECT DISTINCT ON (type_name) * FROM opsadmin.resource_column WHERE resource_name = 'product' ORDER BY type_name, ordinal) c,
     unnest(ARRAY['=', '!=', '<', '>=', 'between', 'in', 'is_null', 'prefix', 'contains', '=''', '']) AS op, bad_member b
UNION ALL SELECT format('{"column":"%s","op":"%s","value":[%s,%s]}', c.column_name, op, b.value, b.value)
FROM (SELECT DISTINCT ON (type_name) * FROM opsadmin.resource_column WHERE resource_name = 'product' ORDER BY type_name, ordinal) c,
     unnest(ARRAY['between', 'in']) AS op, bad_member b;

-- A call of a function: the arguments replace right ones, parameters that have a default may be left out.
CREATE FUNCTION call_of(called oid, arguments jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT format(CASE WHEN p.prokind = 'p' THEN 'CALL %s(%s)' ELSE 'SELECT string_agg(r::text, '' '') FROM %s(%s) AS r' END, called::regproc,
    (SELECT string_agg(a.name || ' => ' || coalesce(arguments ->> a.name, v.expression || '::' || a.type, CASE WHEN a.type = 'text' THEN '''x''' ELSE 'NULL' END || '::' || a.type), ', ' ORDER BY a.ordinal)
     FROM parameter a LEFT JOIN valid_value v USING (name) WHERE a.function = called AND a.name IS NOT NULL AND (arguments ? a.name OR v.expression IS NOT NULL OR NOT a.has_default)))
  FROM pg_proc p WHERE p.oid = called
$$;
CREATE TABLE call AS
SELECT 'right' AS kind, f.function, call_of(f.function, '{}') AS statement FROM (SELECT DISTINCT function FROM parameter) f
UNION ALL
SELECT 'one', a.function, call_of(a.function, jsonb_build_object(a.name, format('%s::%s', b.expression, a.type))) FROM parameter a JOIN bad_value b USING (type)
UNION ALL
-- The nth bad value of each type for all parameters at once.
SELECT 'all', a.function, call_of(a.function, jsonb_object_agg(a.name, format('%s::%s', b.expression, a.type)))
FROM parameter a JOIN (SELECT *, row_number() OVER (PARTITION BY type ORDER BY expression) AS n, count(*) OVER (PARTITION BY type) AS of FROM bad_value) b USING (type)
  JOIN generate_series(0, 26) AS round ON b.n = 1 + round % b.of
GROUP BY a.function, round
UNION ALL
SELECT 'member', a.function, call_of(a.function, jsonb_build_object(a.name, quote_literal(b.value) || '::' || a.type)) FROM parameter a, bad_json b WHERE a.type IN ('json', 'jsonb')
UNION ALL
SELECT 'condition', a.function, call_of(a.function, jsonb_build_object(a.name, quote_literal(b.value) || '::jsonb'))
FROM parameter a, bad_condition b WHERE a.function_name IN ('list_rows', 'count_rows') AND a.name = 'filter'
UNION ALL
-- Cursors that fit their list by signature but not by what is in them: whoever has the role can make them.
SELECT 'cursor', a.function, call_of(a.function, jsonb_build_object('cursor', format('opsadmin_private.make_cursor(%s, %L)', list, b.value)))
FROM (VALUES ('list_rows', '(SELECT l.list FROM opsadmin_private.compile_list(''product'', ''{}'', ''a'', ''-id'', NULL, 3) AS l)'), ('list_audit', '''audit{}1'''), ('list_jobs', '''jobs1'''), ('list_requests', '''requests{}1''')) AS l (function_name, list)
  JOIN parameter a USING (function_name), (SELECT value FROM bad_member UNION SELECT format('[%s,%s]', value, value) FROM bad_member UNION SELECT 'not json') AS b WHERE a.name = 'cursor'
UNION ALL
-- Another type than the parameter's, which PostgreSQL itself refuses, as it does text that is not UTF-8.
SELECT 'type', a.function, call_of(a.function, jsonb_build_object(a.name, CASE a.type WHEN 'text' THEN '1' WHEN 'name' THEN '1' WHEN 'regclass' THEN 'current_date' ELSE '''x''::text' END)) FROM parameter a WHERE a.name IS NOT NULL AND a.type <> '"any"'
UNION ALL
SELECT 'encoding', a.function, call_of(a.function, jsonb_build_object(a.name, $$E'\xff\xfe'$$)) FROM parameter a WHERE a.name IS NOT NULL;

-- ---- The calls ----

-- What a login receives of a statement, which is taken back: the SQLSTATE, 00000 when it succeeds; all the texts of an
-- error; the answer.
CREATE FUNCTION attempt(login text, statement text, OUT code text, OUT error text, OUT answer text) LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
    place text;
BEGIN
    PERFORM set_config('session_authorization', login, true);
    EXECUTE statement INTO answer;
    RAISE SQLSTATE 'ZZTAP';
EXCEPTION WHEN SQLSTATE 'ZZTAP' THEN
    code := '00000';
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code := RETURNED_SQLSTATE, message := MESSAGE_TEXT, detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT, place := COLUMN_NAME;
    error := concat_ws(' | ', message, detail, hint, place);
END
$$;
CREATE TABLE outcome (login text, bound boolean, kind text, function oid, statement text, code text, error text, error_length int, leaks boolean);
-- The functions of signing in are for the logins alone; a context does not change what they do.
CREATE PROCEDURE attempt_all(login text, bound boolean, kinds text[]) LANGUAGE sql AS $$
  INSERT INTO outcome
  SELECT login, bound, c.kind, c.function, left(c.statement, 1000), a.code, left(a.error, 1000), length(a.error), concat(a.error, a.answer) ~* 'outlander'
  FROM call c, LATERAL attempt(login, c.statement) AS a
  WHERE c.kind = ANY (kinds) AND (NOT bound OR c.kind = 'right' OR has_function_privilege('opsadmin_partner', c.function, 'EXECUTE'))
$$;

CALL attempt_all('opsadmin_partner_login', false, '{right,one,all,type,encoding}');
CALL attempt_all('opsadmin_internal_login', false, '{right,all}');
BEGIN;
SELECT opsadmin.begin_as('partner@example.com') \g /dev/null
RESET ROLE;
CALL attempt_all('opsadmin_partner_login', true, '{right,one,all,member,condition,cursor,type,encoding}');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('ops@example.com') \g /dev/null
RESET ROLE;
CALL attempt_all('opsadmin_internal_login', true, '{right,one,all}');
COMMIT;

-- ---- The outcomes ----

SELECT cmp_ok(count(*), '>', 10000::bigint, 'the calls are made') FROM outcome;
SELECT is_empty($$SELECT DISTINCT ON (function, code) function::regproc, login, bound, code, left(error, 200), left(statement, 300) FROM outcome
                  WHERE kind NOT IN ('type', 'encoding') AND code !~ '^(00000|OA[0-9]{3}|22[0-9A-Z]{3}|54[0-9A-Z]{3}|42501)$'$$,
                'bad input ends in an answer, in an error of opsadmin or in one of PostgreSQL about data or limits');
SELECT is_empty($$SELECT statement, code FROM outcome WHERE kind = 'type' AND code <> '42883'$$, 'another type than the parameter''s finds no function');
SELECT is_empty($$SELECT statement, code FROM outcome WHERE kind = 'encoding' AND code <> '22021'$$, 'text that is not UTF-8 reaches none');
SELECT is_empty($$SELECT DISTINCT ON (function) function::regproc, login, left(error, 200), left(statement, 300) FROM outcome WHERE leaks AND login = 'opsadmin_partner_login'$$,
                'no answer and no error has a word of another tenant');
SELECT isnt_empty($$SELECT FROM outcome WHERE leaks AND login = 'opsadmin_internal_login'$$, 'which internal staff do hear');
SELECT is_empty($$SELECT DISTINCT ON (function) function::regproc, error_length, left(statement, 300) FROM outcome WHERE code ~ '^OA' AND error_length > 1000$$,
                'no error of opsadmin throws a megabyte back');
SELECT is_empty($$SELECT function::regproc, login, code FROM outcome o JOIN pg_proc p ON p.oid = o.function
                  WHERE o.kind = 'right' AND NOT bound AND code NOT IN ('OA001', '42501') AND proname NOT IN ('accept_invitation', 'begin_request', 'begin_with_ticket', 'metrics', 'record_request', 'sign_in', 'sign_out', 'touch_session')$$,
                'without a context there is nothing but signing in, recording that it failed, and the figures of all');
SELECT is_empty($$SELECT function::regproc, string_agg(code, ' ') FROM outcome o JOIN pg_proc p ON p.oid = o.function
                  WHERE o.kind = 'right' AND proname NOT IN ('begin_request', 'begin_with_ticket', 'choose_tenant', 'resume_job', 'retry_job')
                  GROUP BY function HAVING bool_and(code <> '00000')$$,
                'with right arguments each does its work, but for those that would need another state');

SELECT * FROM finish();
