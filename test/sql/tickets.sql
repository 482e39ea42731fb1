-- Tickets: what binds, each thing that can be wrong with one, single use, and rotation of the key.
SELECT plan(78);
\ir include/failure.psql
\ir include/tickets.psql

SELECT opsadmin.create_tenant('acme', 'Acme', id => 11), opsadmin.create_tenant('globex', 'Globex', id => 12) \g /dev/null
SELECT opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('both@example.com', 'Both'), opsadmin.create_actor('kim@example.com', 'Kim'),
       opsadmin.create_actor('gone@example.com', 'Gone'), opsadmin.create_actor('nobody@example.com', 'Nobody') \g /dev/null
SELECT opsadmin.grant_role('lee@example.com', 'partner_member', 'acme'), opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('gone@example.com', 'partner_admin', 'acme'),
       opsadmin.grant_role('both@example.com', 'partner_admin', 'acme'), opsadmin.grant_role('both@example.com', 'partner_member', 'globex') \g /dev/null
UPDATE opsadmin.actor SET disabled_at = now() WHERE email = 'gone@example.com';

-- The HMAC of this test by RFC 4231, and the key.
SELECT is(hmac(decode(repeat('0b', 20), 'hex'), 'Hi There'), '\xb0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7', 'the test''s own HMAC is right');
SELECT matches(kid, '^[0-9a-f]{16}$', 'the id of a key') FROM opsadmin.ticket_key();
SELECT is(octet_length(decoded(secret)), 32, 'the secret has 32 bytes') FROM opsadmin.ticket_key();
SELECT is(decoded(secret), opsadmin_private.sign('ticket', ''), 'made of the one key for this purpose alone') FROM opsadmin.ticket_key();
SELECT isnt(secret, encoded(pg_read_binary_file('opsadmin.key')), 'it is not the key') FROM opsadmin.ticket_key();
SELECT is((SELECT kid FROM opsadmin.ticket_key()), left(encode(opsadmin_private.sign('key-id', ''), 'hex'), 16), 'nor does the id tell anything');

-- A tenant alone.
SELECT ticket('{"name":"Zoë","ip":"2001:db8::7","method":"POST","path":"/orders","request_id":"r1","reason":"why","iss":"shop","x":{"y":[1,null,true,"\n",-1.5e400]}}') AS ticket \gset
SELECT ticket() AS second, ticket() AS third \gset
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'ticket') \g /dev/null
SELECT is(opsadmin.context() - 'action' - 'job_id',
          '{"site":"partner","actor_id":null,"actor_name":"Zoë","tenant_id":11,"permissions":["*"],"ip":"2001:db8::7","method":"POST","path":"/orders","request_id":"r1","reason":"why"}',
          'a ticket binds what it says, whatever else it says');
SELECT is(failure(format('SELECT opsadmin.begin_with_ticket(%L)', :'second')), 'OA002', 'a transaction has one context');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT is(failure_at('opsadmin_partner_login', 'SELECT opsadmin.current_tenant()'), 'OA001', 'it ends with the transaction');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_with_ticket(%L)', :'second')), 'OA002', 'nothing is bound in a subtransaction');
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'second') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'neither of them used the ticket up');
ROLLBACK;
RESET SESSION AUTHORIZATION;

-- Used once. failure() runs in a subtransaction, where nothing is bound, so it asks what begin_with_ticket() asks.
CREATE FUNCTION redeemed(ticket text, site text DEFAULT 'partner') RETURNS text LANGUAGE sql AS $$SELECT failure(format('SELECT opsadmin_private.redeem_ticket(%L, %L)', ticket, site))$$;
SELECT is(redeemed(:'ticket'), 'OA015', 'a ticket is good for once');
SELECT is(redeemed(:'second'), 'OA015', 'also when its transaction was rolled back');
SELECT is(redeemed(:'third'), NULL, 'another one is good');
SELECT is(redeemed(:'third'), 'OA015', 'and once, also when the subtransaction was not');
SELECT gen_random_uuid() AS jti \gset
SELECT is(redeemed(ticket(jsonb_build_object('jti', :'jti'))), NULL, 'a jti is used');
SELECT is(redeemed(ticket(jsonb_build_object('jti', :'jti', 'tenant', 'globex'))), 'OA015', 'another ticket with the same jti is refused');
SELECT is(redeemed(ticket(jsonb_build_object('aud', 'opsadmin:internal', 'jti', :'jti')), 'internal'), 'OA015', 'also on the other site');

-- What is accepted besides.
SELECT is(redeemed(ticket(claims, header)), NULL, name)
FROM (VALUES ('without typ', '{}'::jsonb, '{"typ":null}'::jsonb),
             ('parameters of the header that mean nothing here', '{}', '{"jku":"https://example.com/","x5c":[]}'),
             ('a jti of 128 characters', jsonb_build_object('jti', repeat('é', 128)), '{}'),
             ('a jti of 16', jsonb_build_object('jti', left(md5(random()::text), 16)), '{}'),
             ('times without a fraction', jsonb_build_object('iat', floor(extract(epoch FROM now())) + 5, 'exp', floor(extract(epoch FROM now())) + 65), '{}'),
             ('nbf that has come', jsonb_build_object('nbf', floor(extract(epoch FROM now()))), '{}'),
             ('texts longer than the context holds', jsonb_build_object('path', repeat('한', 1000)), '{}')) AS accepted (name, claims, header);
SELECT is(redeemed(token(good_header()::text, E' {\n"\\u0061ud" : "opsadmin:partner",' || ltrim(good_claims()::text, '{'))), 'OA015', 'a claim that stands twice, however it is written');
SELECT is(redeemed(token(good_header()::text, E'\t{ "x" : [ ] ,\r\n' || ltrim((good_claims() - 'aud')::text, '{') || ' ')), 'OA015', 'without aud');
SELECT is(redeemed(token(good_header()::text, E'\t{ "x" : [ ] , "\\u0061ud" : "opsadmin:partner",\r\n' || ltrim((good_claims() - 'aud')::text, '{') || ' ')), NULL, 'JSON has many forms');

-- Each thing that can be wrong.
CREATE TABLE refused (name text, ticket text);
INSERT INTO refused SELECT name, ticket(claims) FROM (VALUES
    ('aud of the other site', '{"aud":"opsadmin:internal"}'::jsonb), ('aud of another service', '{"aud":"shop"}'), ('aud as a list', '{"aud":["opsadmin:partner"]}'),
    ('no aud', '{"aud":null}'), ('another database', '{"db":"postgres"}'), ('no db', '{"db":null}'), ('db of another type', '{"db":1}'),
    ('no iat', '{"iat":null}'), ('no exp', '{"exp":null}'), ('no jti', '{"jti":null}'),
    ('iat as text', '{"iat":"1700000000"}'), ('exp as text', '{"exp":"9999999999"}'), ('a time beyond all numbers', '{"exp":1e400}'), ('a time before all', '{"iat":-1}'),
    ('issued long ago', '{"iat":1000000000}'), ('expired long ago', '{"iat":1000000000,"exp":1000000060}'), ('valid for ever', '{"exp":99999999999}'),
    ('jti of 15 characters', '{"jti":"123456789012345"}'), ('jti as a number', '{"jti":12345678901234567}'), ('jti of 129 characters', jsonb_build_object('jti', repeat('x', 129))),
    ('nbf in the future', jsonb_build_object('nbf', extract(epoch FROM now()) + 60)), ('nbf as text', '{"nbf":"now"}'),
    ('permissions beside sub', '{"sub":"lee@example.com","permissions":["*"]}'), ('permissions as text', '{"permissions":"*"}'), ('a permission that is no text', '{"permissions":["product:read",1]}'),
    ('an empty permission', '{"permissions":[""]}'), ('permissions as an object', '{"permissions":{"*":true}}'), ('permissions beyond the context', jsonb_build_object('permissions', jsonb_build_array(repeat('x', 5000)))),
    ('too many permissions', jsonb_build_object('permissions', (SELECT jsonb_agg('p' || n) FROM generate_series(1, 257) AS n))),
    ('ip that is none', '{"ip":"localhost"}'), ('ip with a mask', '{"ip":"192.0.2.0/24"}'), ('ip longer than any', jsonb_build_object('ip', repeat('1', 1000))), ('ip as a number', '{"ip":7}'),
    ('tenant as a number', '{"tenant":11}'), ('sub as a list', '{"sub":["lee@example.com"]}'), ('name as an object', '{"name":{}}'), ('reason as true', '{"reason":true}')) AS wrong (name, claims);
INSERT INTO refused SELECT name, ticket(jsonb_build_object('iat', now + iat, 'exp', now + exp))
FROM (VALUES ('just expired', 4, 0), ('just too long', 4, 64.5)) AS wrong (name, iat, exp), floor(extract(epoch FROM now())) AS now;
INSERT INTO refused SELECT name, ticket(header => header) FROM (VALUES
    ('alg none', '{"alg":"none"}'::jsonb), ('alg HS512', '{"alg":"HS512"}'), ('alg RS256', '{"alg":"RS256"}'), ('alg in lower case', '{"alg":"hs256"}'), ('no alg', '{"alg":null}'), ('alg as a list', '{"alg":["HS256"]}'),
    ('another typ', '{"typ":"at+jwt"}'), ('kid of no key', '{"kid":"0123456789abcdef"}'), ('no kid', '{"kid":null}'), ('kid as a path', '{"kid":"../../dev/null"}'), ('kid longer than any', jsonb_build_object('kid', repeat('a', 10000))),
    ('critical extensions', '{"crit":["b64"],"b64":false}')) AS wrong (name, header);
INSERT INTO refused SELECT name, token(header, payload) FROM (VALUES
    ('an empty header', '', good_claims()::text), ('a header that is a list', '[]', good_claims()::text), ('an empty payload', good_header()::text, ''), ('no object', good_header()::text, '"x"'),
    ('something behind the object', good_header()::text, good_claims()::text || '{}'), ('a missing brace', good_header()::text, rtrim(good_claims()::text, '}')), ('a comma at the end', good_header()::text, rtrim(good_claims()::text, '}') || ',}'),
    ('alg twice', '{"alg":"HS256",' || ltrim(good_header()::text, '{'), good_claims()::text), ('a zero byte in a text', good_header()::text, '{"name":"a\u0000b",' || ltrim(good_claims()::text, '{')),
    ('half of a surrogate pair', good_header()::text, '{"name":"\ud800",' || ltrim(good_claims()::text, '{')), ('a line break in a text', good_header()::text, E'{"name":"\n",' || ltrim(good_claims()::text, '{')),
    ('an escape that is none', good_header()::text, '{"name":"\x",' || ltrim(good_claims()::text, '{')), ('a number that is none', good_header()::text, '{"x":007,' || ltrim(good_claims()::text, '{')),
    ('deep nesting', good_header()::text, '{"x":' || repeat('[', 3000) || repeat(']', 3000) || ',' || ltrim(good_claims()::text, '{'))) AS wrong (name, header, payload);
INSERT INTO refused SELECT name, concat_ws('.', encoded(convert_to(good_header()::text, 'UTF8')), part) FROM (VALUES ('no signature'), ('no payload')) AS wrong (name), encoded(convert_to(good_claims()::text, 'UTF8')) AS part;
INSERT INTO refused SELECT 'bytes that are no UTF-8', signed || '.' || encoded(hmac(decoded(secret), convert_to(signed, 'UTF8')))
FROM opsadmin.ticket_key(), concat_ws('.', encoded(convert_to(good_header()::text, 'UTF8')), encoded('\x7b226e616d65223a22ff227d'::bytea)) AS signed;
INSERT INTO refused SELECT 'signed by another key', token(good_header()::text, good_claims()::text, sha256('another'));
INSERT INTO refused SELECT 'signed by the key itself', token(good_header()::text, good_claims()::text, pg_read_binary_file('opsadmin.key'));
INSERT INTO refused SELECT 'signed by the secret as text', token(good_header()::text, good_claims()::text, convert_to(secret, 'UTF8')) FROM opsadmin.ticket_key();
INSERT INTO refused SELECT 'one bit of the signature', regexp_replace(t, '[^.]*$', encoded(set_bit(s, bit, 1 - get_bit(s, bit)))) FROM ticket() AS t, decoded(split_part(t, '.', 3)) AS s, generate_series(0, 255, 17) AS bit;
INSERT INTO refused SELECT name, changed FROM ticket() AS t, split_part(t, '.', 3) AS s, LATERAL (VALUES
    ('the signature cut', left(t, -1)), ('by a byte', left(t, -2)), ('the signature extended', t || 'A'), ('by four digits', t || 'AAAA'), ('padded', t || '='), ('no signature at all', left(t, -length(s))),
    ('its last digit in another form', left(t, -1) || translate(right(t, 1), 'AEIMQUYcgkosw048', 'BFJNRVZdhlptx159')), ('a fourth part', t || '.'), ('white space around', ' ' || t), ('a line break behind', t || E'\n'),
    ('a digit of base64 that is none of base64url', replace(t, '.', '+.')), ('the payload of another ticket', split_part(t, '.', 1) || '.' || split_part(ticket(), '.', 2) || '.' || s)) AS wrong (name, changed);
INSERT INTO refused VALUES ('an empty text', ''), ('dots', '..'), ('garbage', 'garbage'), ('garbage in three parts', 'a.b.c'), ('a megabyte', repeat('x', 1048576)), ('a megabyte of dots', repeat('.', 1048576)),
    ('a megabyte in three parts', repeat('e', 500000) || '.' || repeat('y', 500000) || '.J9'), ('a session token', opsadmin_private.random_token()), ('no text', NULL);
INSERT INTO refused SELECT 'a signed megabyte', ticket(jsonb_build_object('x', repeat('x', 1048576)));
SELECT is_empty($$SELECT name, redeemed(ticket) FROM refused WHERE redeemed(ticket) IS DISTINCT FROM 'OA015'$$, count(*) || ' tickets that are wrong in one way each are refused') FROM refused;
SELECT cmp_ok(count(*), '>', 100::bigint, 'those are many') FROM refused;
-- At once: its time comes.
SELECT is(redeemed(ticket(jsonb_build_object('iat', now + 7, 'exp', now + 60))), 'OA015', 'just in the future') FROM floor(extract(epoch FROM now())) AS now;

-- The same answer for all of them.
CREATE FUNCTION answer(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    message text;
    detail text;
    hint text;
    place text;
    pointer text;
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code := RETURNED_SQLSTATE, message := MESSAGE_TEXT, detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT, place := PG_EXCEPTION_CONTEXT, pointer := COLUMN_NAME;
    RETURN concat_ws('|', code, message, detail, hint, place, pointer);
END
$$;
SELECT results_eq($$SELECT DISTINCT answer(format('SELECT opsadmin_private.redeem_ticket(%L, %L)', ticket, 'partner')) FROM refused UNION SELECT answer($s$SELECT opsadmin_private.refuse_ticket('x')$s$)$$,
                  $$VALUES ('OA015|the ticket is not valid||Sign a new one for each transaction; the server''s log says what was wrong.||')$$, 'every refusal reads the same');

-- The public function, at the top level: what names the wrong people and tenants is refused there.
INSERT INTO refused SELECT 'whom it names: ' || claims::text, ticket(claims) FROM unnest(ARRAY[
    '{"tenant":"nowhere"}', '{"tenant":""}', '{"tenant":null}', '{"sub":"ghost@example.com"}', '{"sub":""}', '{"sub":"gone@example.com"}', '{"sub":"nobody@example.com"}', '{"sub":"kim@example.com"}',
    '{"sub":"lee@example.com","tenant":"globex"}', '{"sub":"lee@example.com","tenant":"nowhere"}', '{"sub":"both@example.com","tenant":null}']::jsonb[]) AS claims;
CREATE SEQUENCE accepted;
GRANT USAGE ON SEQUENCE accepted TO opsadmin_partner_login, opsadmin_internal_login;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
\o /dev/null
SELECT s FROM refused, unnest(ARRAY['SET SESSION AUTHORIZATION opsadmin_partner_login', format('SELECT opsadmin.begin_with_ticket(%L), nextval(''accepted'')', ticket), 'RESET SESSION AUTHORIZATION']) AS s \gexec
\o
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is(is_called, false, 'begin_with_ticket() refuses all of them, and whoever has no place here') FROM accepted;

-- People: their permissions come from their roles.
SELECT ticket('{"sub":"LEE@example.com","tenant":null,"name":"Not Lee"}') AS lee, ticket('{"sub":"both@example.com","tenant":"globex"}') AS both_in_globex, ticket('{"permissions":[]}') AS powerless,
       ticket('{"permissions":["product:read","discount:run"]}') AS reader, ticket('{"aud":"opsadmin:internal","tenant":null}') AS staff_work, ticket('{"aud":"opsadmin:internal","sub":"kim@example.com","tenant":null}') AS kim,
       ticket('{"aud":"opsadmin:internal","sub":"kim@example.com","reason":"support"}') AS kim_in_acme, ticket('{"aud":"opsadmin:internal","sub":"lee@example.com"}') AS lee_inside, ticket() AS partner \gset
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'lee') \g /dev/null
SELECT is(opsadmin.context() - '{actor_id,action,job_id,ip,method,path,request_id,reason}'::text[], '{"site":"partner","actor_name":"Lee","tenant_id":11,"permissions":["*:read"]}', 'an actor of one tenant, by the name that it has here');
COMMIT;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'both_in_globex') \g /dev/null
SELECT is(opsadmin.current_tenant(), 12::bigint, 'the tenant that is named');
SELECT is(opsadmin.context() -> 'permissions', '["*:read"]', 'with the permissions there');
COMMIT;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'powerless') \g /dev/null
SELECT is(opsadmin.can('product:read'), false, 'no permissions are none');
COMMIT;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'reader') \g /dev/null
SELECT is(ARRAY[opsadmin.can('product:read'), opsadmin.can('discount:run'), opsadmin.can('product:update')], '{t,t,f}', 'permissions that the ticket lists');
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_internal_login;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'staff_work') \g /dev/null
SELECT is(opsadmin.context() - '{permissions,action,job_id,ip,method,path,request_id,reason}'::text[], '{"site":"internal","actor_id":null,"actor_name":null,"tenant_id":null}', 'the internal site needs no tenant');
COMMIT;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'kim') \g /dev/null
SELECT is(opsadmin.current_tenant(), NULL, 'nor do its staff');
SELECT is(opsadmin.can('product:delete'), true, 'who have the permissions of their roles');
COMMIT;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'kim_in_acme') \g /dev/null
SELECT is(ARRAY[opsadmin.context() ->> 'tenant_id', opsadmin.context() ->> 'reason'], '{11,support}', 'and may act in one, for a reason');
COMMIT;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
SELECT opsadmin.begin_with_ticket(:'lee_inside'), nextval('accepted');
SELECT opsadmin.begin_with_ticket(:'partner'), nextval('accepted');
\set VERBOSITY default
\set ON_ERROR_STOP on
RESET SESSION AUTHORIZATION;
SELECT is(is_called, false, 'partners, and tickets for partners, are refused at the internal login') FROM accepted;
SELECT ticket() AS good \gset
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT opsadmin.begin_with_ticket(:'good'), nextval('accepted') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is(is_called, true, 'where a good one would have been noticed') FROM accepted;

-- Who may call.
SELECT is(failure('SELECT opsadmin.begin_with_ticket(NULL)'), 'OA403', 'a superuser is not the gateway');
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(failure(statement), '42501', statement) FROM unnest(ARRAY['SELECT opsadmin.begin_with_ticket(NULL)', 'SELECT opsadmin.ticket_key()', 'SELECT opsadmin.rotate_key()']) AS statement;
ROLLBACK;
SELECT is(failure_at('opsadmin_partner_login', statement), CASE WHEN statement LIKE 'SHOW%' THEN '42501' ELSE 'OA001' END, 'the login: ' || statement)
FROM unnest(ARRAY['SELECT opsadmin.ticket_key()', 'SELECT opsadmin.rotate_key()', 'SELECT opsadmin_private.redeem_ticket(NULL, ''partner'')', 'SELECT opsadmin_private.refuse_ticket(''x'')', 'SELECT opsadmin_private.verify(''ticket'', '''', '''')',
                  'SHOW opsadmin.key_file']) AS statement;

-- Rotation: what the key before has signed is good until the next one.
SELECT ticket() AS before, ticket() AS spare, kid AS first_kid FROM opsadmin.ticket_key() \gset
SELECT opsadmin_private.make_cursor('list', '{"n":1}') AS cursor, opsadmin_private.sign('test', 'x') AS mac \gset
SELECT opsadmin.rotate_key() AS second_kid \gset
SELECT is(kid, :'second_kid', 'rotate_key() returns the id of the new key') FROM opsadmin.ticket_key();
SELECT isnt(:'second_kid'::text, :'first_kid', 'which is another');
SELECT is(redeemed(:'before'), NULL, 'a ticket by the old key is good');
SELECT is(redeemed(:'before'), 'OA015', 'once');
SELECT is(redeemed(ticket()), NULL, 'as is one by the new key');
SELECT is(redeemed(ticket(header => jsonb_build_object('kid', :'first_kid'))), 'OA015', 'the new key under the name of the old');
SELECT is(opsadmin_private.read_cursor('list', :'cursor'), '{"n":1}', 'a cursor by the old key is read');
SELECT is(opsadmin_private.verify('test', 'x', :'mac'), true, 'what it signed verifies');
SELECT isnt(opsadmin_private.sign('test', 'x'), :'mac', 'but the new one signs');
SELECT is(opsadmin_private.verify(purpose, payload, mac), false, name)
FROM (VALUES ('another purpose', 'other', 'x'::bytea, :'mac'::bytea), ('another payload', 'test', 'y', :'mac'), ('a MAC that is cut', 'test', 'x', substring(:'mac'::bytea, 1, 31)), ('no MAC', 'test', 'x', ''), ('a purpose moved into the payload', 'tes', 't\000x'::bytea, :'mac')) AS wrong (name, purpose, payload, mac);
SELECT is(failure(format('SELECT opsadmin_private.read_cursor(%L, %L)', 'list', cursor)), 'OA424 /cursor', 'a cursor, but ' || name)
FROM (VALUES ('with a third part', :'cursor' || '.x'), ('padded', :'cursor' || '='), ('with its last digit in another form', left(:'cursor', -1) || translate(right(:'cursor', 1), 'AEIMQUYcgkosw048', 'BFJNRVZdhlptx159')),
             ('with white space', replace(:'cursor', '.', E'\n.')), ('without its signature', split_part(:'cursor', '.', 1)), ('of nothing', '.')) AS wrong (name, cursor);
SELECT opsadmin.rotate_key() \g /dev/null
SELECT is(redeemed(:'spare'), 'OA015', 'after another rotation the first key is forgotten');
SELECT is(failure(format('SELECT opsadmin_private.read_cursor(%L, %L)', 'list', :'cursor')), 'OA424 /cursor', 'and its cursors');
SELECT is(opsadmin_private.verify('test', 'x', :'mac'), false, 'and all that it signed');
SELECT is(count(*), 2::bigint, 'there are two key files, and no other') FROM pg_ls_dir('.') AS file WHERE file LIKE 'opsadmin.key%';

SELECT * FROM finish();
