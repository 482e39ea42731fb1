-- What the gateway calls, as its logins: signing in and out, sessions, invitations, requests, the choice of a tenant.
SELECT plan(120);
\ir include/failure.psql

SELECT opsadmin.create_tenant('acme', 'Acme', 'Asia/Seoul', id => 11), opsadmin.create_tenant('globex', 'Globex', id => 12), opsadmin.create_tenant('hooli', 'Hooli', id => 13) \g /dev/null
SELECT split_part(opsadmin.create_actor('kim@example.com', 'Kim'), '#', 2) AS kim_invitation, split_part(opsadmin.create_actor('lee@example.com', 'Lee'), '#', 2) AS lee_invitation,
       split_part(opsadmin.create_actor('new@example.com', 'New'), '#', 2) AS new_invitation \gset
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme') \g /dev/null

-- Only the gateway's logins.
SELECT is(failure(statement), 'OA403', 'not even a superuser: ' || statement)
FROM unnest(ARRAY['SELECT opsadmin.begin_request(''x'')', 'SELECT opsadmin.sign_in(''a'', ''b'')']) AS statement;
SET SESSION AUTHORIZATION opsadmin_worker;
SELECT is(failure(statement), '42501', 'not the worker: ' || statement)
FROM unnest(ARRAY['SELECT opsadmin.begin_request(''x'')', 'SELECT opsadmin.sign_in(''a'', ''b'')', 'SELECT opsadmin.sign_out(''a'')', 'SELECT opsadmin.accept_invitation(''a'', ''b'')',
                  'SELECT opsadmin.touch_session(''a'')']) AS statement;
RESET SESSION AUTHORIZATION;

-- Invitations.
SELECT is(failure_at('opsadmin_partner_login', $$SELECT opsadmin.accept_invitation('unknown', 'a long password')$$), 'OA013', 'an unknown invitation');
SELECT is(failure_at('opsadmin_partner_login', $$SELECT opsadmin.accept_invitation(NULL, 'a long password')$$), 'OA013', 'no invitation');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, %L)', :'lee_invitation', 'short')), 'OA014', 'a password that is too short');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, NULL)', :'lee_invitation')), 'OA014', 'no password');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, %L)', :'lee_invitation', 'lee''s password')), NULL, 'the invitation still holds after a bad password');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, %L)', :'lee_invitation', 'another password')), 'OA013', 'but only once');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, %L)', :'kim_invitation', 'kim''s password')), NULL, 'on either site');
UPDATE opsadmin.secret SET expires_at = now() - interval '1 second' WHERE purpose = 'invitation';
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, %L)', :'new_invitation', 'a long password')), 'OA013', 'an invitation that has expired');
SELECT matches(password_hash, '^\$argon2id\$', 'a password is kept as its hash') FROM opsadmin.actor WHERE email = 'lee@example.com';
SELECT is_empty(format($$SELECT FROM opsadmin.secret WHERE encode(hash, 'escape') LIKE '%%%s%%'$$, :'new_invitation'), 'and a secret as its hash');

-- Signing in.
SELECT is(s, ROW('invalid', NULL, NULL, NULL)::text, 'the same row for ' || why)
FROM (VALUES ('lee@example.com', 'wrong password', 'a wrong password'), ('nobody@example.com', 'lee''s password', 'an unknown actor'), ('kim@example.com', 'kim''s password', 'an actor of the other site'),
             ('new@example.com', 'a long password', 'an actor without a password'), (NULL, NULL, 'nothing at all'), ('lee@example.com', '', 'an empty password'),
             ('lee@example.com', repeat('x', 100000), 'a password without end')) AS attempt (email, password, why),
     LATERAL (SELECT answer_at('opsadmin_partner_login', format('SELECT opsadmin.sign_in(%L, %L, ''192.0.2.9'')::text', email, password)) AS s) AS answer;
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT outcome, session_token AS lee, expires_at > now() + interval '23 hours' AS expires, retry_after IS NULL AS no_retry FROM opsadmin.sign_in('LEE@example.com', 'lee''s password', '192.0.2.1') \gset
RESET SESSION AUTHORIZATION;
SELECT is(text :'outcome', 'ok', 'the right password, with the address in upper case');
SELECT matches(text :'lee', '^[A-Za-z0-9_-]{43}$', 'gives a token');
SELECT ok(:'expires' AND :'no_retry', 'and when it expires');
SELECT results_eq($$SELECT outcome, count(*) FROM opsadmin.sign_in_event GROUP BY 1 ORDER BY 1$$, $$VALUES ('invalid', 7::bigint), ('ok', 1::bigint)$$, 'every attempt is recorded');
SELECT is_empty(format('SELECT FROM opsadmin.secret WHERE position(%L IN secret::text) > 0', :'lee'), 'the token itself is nowhere');

-- A request.
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%s)', token)), 'OA010', 'begin_request() with ' || why)
FROM (VALUES ('NULL', 'no token'), ('''''', 'an empty token'), ('''unknown''', 'an unknown token')) AS bad (token, why);
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'lee', NULL, '192.0.2.1', 'GET', '/api/v1/partner/me', 'request 1') \g /dev/null
SELECT is(opsadmin.context() - 'actor_id',
          '{"actor_name":"Lee","site":"partner","tenant_id":11,"ip":"192.0.2.1","method":"GET","path":"/api/v1/partner/me","request_id":"request 1","reason":null,"job_id":null,"action":null,
            "permissions":["*:create","*:delete","*:read","*:run","*:update","members:manage"]}', 'the context holds the request');
SELECT is((opsadmin.me()::jsonb #- '{actor,id}') - 'expires_at',
          '{"actor":{"email":"lee@example.com","display_name":"Lee"},"site":"partner","tenant":{"id":"11","slug":"acme","name":"Acme","time_zone":"Asia/Seoul","suspended":false},
            "tenants":[{"slug":"acme","name":"Acme"}],"permissions":["*:create","*:delete","*:read","*:run","*:update","members:manage"]}', 'me()');
SELECT is(jsonb_typeof(opsadmin.me()::jsonb #> '{actor,id}'), 'string', 'ids are strings');
SELECT ok((opsadmin.me() ->> 'expires_at')::timestamptz > now(), 'me() says when the session expires');
SELECT is(failure(format('SELECT opsadmin.begin_request(%L)', :'lee')), 'OA002', 'a transaction has one request');
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN READ ONLY;
SELECT opsadmin.begin_request(:'lee', 'acme') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'a request may be read only, and name its tenant');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%L, %L)', :'lee', slug)), 'OA404', 'the same answer for ' || why)
FROM (VALUES ('globex', 'another''s tenant'), ('nowhere', 'no tenant'), ('', 'an empty name'), ('Acme', 'a slug in upper case')) AS bad (slug, why);
SELECT is(failure_at('opsadmin_internal_login', format('SELECT opsadmin.begin_request(%L)', :'lee')), 'OA010', 'a session of the other site');
SELECT is(answer_at('opsadmin_internal_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'lee''s password', '192.0.2.1')$$), 'invalid', 'a partner cannot sign in on the internal site');
SET SESSION AUTHORIZATION opsadmin_internal_login;
SELECT outcome, session_token AS kim FROM opsadmin.sign_in('kim@example.com', 'kim''s password', '192.0.2.2') \gset
RESET SESSION AUTHORIZATION;

-- What a login can do without a request.
SELECT is(failure_at('opsadmin_partner_login', statement), code, statement)
FROM (VALUES ('SELECT opsadmin.me()', 'OA001'), ('SELECT opsadmin.list_resources()', 'OA001'), ('SELECT opsadmin.list_jobs()', 'OA001'), ('SELECT opsadmin.choose_tenant(''acme'')', 'OA001'),
             ('SELECT opsadmin.begin_as(tenant => ''acme'')', '42501'), ('SET LOCAL ROLE opsadmin_internal', '42501'), ('SELECT * FROM opsadmin.secret', '42501'),
             ('SELECT * FROM opsadmin.tenant', 'OA001'), ('SELECT * FROM opsadmin.audit_log', 'OA001'), ('SELECT * FROM opsadmin.bulk_job', 'OA001')) AS attempt (statement, code);

-- The choice of a tenant, for staff.
SET SESSION AUTHORIZATION opsadmin_internal_login;
BEGIN;
SELECT opsadmin.begin_request(:'kim') \g /dev/null
SELECT is(opsadmin.current_tenant(), NULL, 'staff begin without a tenant');
SELECT is(opsadmin.me()::jsonb -> 'tenants', '[{"slug":"acme","name":"Acme"},{"slug":"globex","name":"Globex"},{"slug":"hooli","name":"Hooli"}]', 'and may choose any');
SELECT is(failure($$SELECT opsadmin.choose_tenant('nowhere', 'support')$$), 'OA404 /tenant', 'that exists');
SELECT is(failure($$SELECT opsadmin.choose_tenant('globex')$$), 'OA420 /reason', 'with a reason');
SELECT is(failure($$SELECT opsadmin.choose_tenant('globex', '  ')$$), 'OA420 /reason', 'that is not blank');
SELECT is(opsadmin.choose_tenant('globex', 'ticket 7') #>> '{tenant,slug}', 'globex', 'the answer is of the next request');
SELECT is(opsadmin.current_tenant(), NULL, 'this one stays as it began');
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_internal_login;
BEGIN;
SELECT opsadmin.begin_request(:'kim') \g /dev/null
SELECT is(opsadmin.current_tenant(), 12::bigint, 'the next request has the tenant');
SELECT is(opsadmin.context() ->> 'reason', 'ticket 7', 'and the reason');
SELECT is(opsadmin.choose_tenant(NULL) ->> 'tenant', NULL, 'the choice is ended');
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_internal_login;
BEGIN;
SELECT opsadmin.begin_request(:'kim') \g /dev/null
SELECT is(opsadmin.current_tenant(), NULL, 'then there is no tenant');
SELECT is(opsadmin.context() ->> 'reason', NULL, 'and no reason');
COMMIT;
RESET SESSION AUTHORIZATION;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.choose_tenant('acme', 'x')$$), 'OA010', 'there is no choice without a web session');
COMMIT;

-- The choice of a tenant, for partners of several.
SELECT opsadmin.grant_role('lee@example.com', 'partner_member', 'globex') \g /dev/null
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'lee') \g /dev/null
SELECT is(failure('SELECT opsadmin.current_tenant()'), 'OA411', 'with two tenants one has to be chosen');
SELECT is(opsadmin.me()::jsonb - 'actor' - 'expires_at', '{"site":"partner","tenant":null,"tenants":[{"slug":"acme","name":"Acme"},{"slug":"globex","name":"Globex"}],"permissions":[]}', 'me() offers both');
SELECT is(failure($$SELECT opsadmin.choose_tenant('hooli')$$), 'OA404 /tenant', 'not another''s');
SELECT is(opsadmin.choose_tenant('globex')::jsonb -> 'permissions', '["*:read"]', 'no reason is needed for one''s own');
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'lee') \g /dev/null
SELECT is(opsadmin.current_tenant(), 12::bigint, 'the session keeps the choice');
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'lee', 'acme') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'a tenant of the address goes before it');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT opsadmin.revoke_role('lee@example.com', 'partner_member', 'globex') \g /dev/null
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'lee') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'a choice that is the actor''s no more does not hold');
COMMIT;
RESET SESSION AUTHORIZATION;

-- The end of a session.
CREATE FUNCTION session_fails(token text) RETURNS text LANGUAGE sql AS $$SELECT failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%L)', token))$$;
SELECT id AS session FROM opsadmin.secret WHERE hash = sha256(convert_to(:'lee', 'UTF8')) \gset
UPDATE opsadmin.secret SET last_seen_at = now() - interval '7 hours 59 minutes' WHERE id = :session;
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT opsadmin.touch_session(:'lee') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT ok(last_seen_at > now() - interval '1 minute', 'touch_session() notes that a session is in use') FROM opsadmin.secret WHERE id = :session;
UPDATE opsadmin.secret SET last_seen_at = now() - interval '8 hours 1 minute' WHERE id = :session;
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT opsadmin.touch_session(:'lee') \g /dev/null
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT opsadmin.touch_session('unknown') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is(session_fails(:'lee'), 'OA010', 'after 8 idle hours it has ended, and cannot be touched to life');
UPDATE opsadmin.secret SET last_seen_at = now(), expires_at = now() - interval '1 second' WHERE id = :session;
SELECT is(session_fails(:'lee'), 'OA010', 'after 24 hours it has ended in any case');
UPDATE opsadmin.secret SET expires_at = now() + interval '1 hour' WHERE id = :session;
UPDATE opsadmin.actor SET disabled_at = now() WHERE email = 'lee@example.com';
SELECT is(session_fails(:'lee'), 'OA010', 'a disabled actor has no session');
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'lee''s password', '192.0.2.1')$$), 'invalid', 'nor gets one');
UPDATE opsadmin.actor SET disabled_at = NULL WHERE email = 'lee@example.com';
SELECT opsadmin.revoke_role('lee@example.com', 'partner_admin', 'acme') \g /dev/null
SELECT is(session_fails(:'lee'), 'OA010', 'nor one without a role on the site');
SELECT opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme') \g /dev/null
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT session_token AS second FROM opsadmin.sign_in('lee@example.com', 'lee''s password', '192.0.2.1') \gset
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT opsadmin.sign_out(:'lee') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is(session_fails(:'lee'), 'OA010', 'sign_out() ends the session');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.sign_out(%L)', :'lee')), NULL, 'and is no error without one');
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'second') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'the actor''s other session goes on');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT split_part(opsadmin.create_actor('lee@example.com', 'Lee'), '#', 2) AS again \gset
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.sign_out(%L)', :'again')) IS NULL AND failure_at('opsadmin_partner_login', format('SELECT opsadmin.accept_invitation(%L, %L)', :'again', 'the new password')) IS NULL, true,
          'an invitation is no session; it may be given anew');
SELECT is(session_fails(:'second'), 'OA010', 'a new password ends every session');
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'lee''s password', '192.0.2.1')$$), 'invalid', 'the old password is gone');

-- Throttling: ten wrong passwords of one actor from one machine, fifty of one actor, fifty from one machine.
DELETE FROM opsadmin.sign_in_event;
INSERT INTO opsadmin.sign_in_event (email, site, ip, outcome) SELECT 'lee@example.com', 'partner', '203.0.113.1', 'invalid' FROM generate_series(1, 9) AS n;
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'wrong', '203.0.113.1')$$), 'invalid', 'the tenth wrong password is judged');
SELECT is(s, ROW('throttled', NULL, NULL, 60)::text, 'then not even the right one') FROM answer_at('opsadmin_partner_login', $$SELECT opsadmin.sign_in('Lee@example.com', 'the new password', '203.0.113.1')::text$$) AS s;
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '203.0.113.9')$$), 'ok', 'from another machine it is');
INSERT INTO opsadmin.sign_in_event (email, site, ip, outcome) SELECT 'lee@example.com', 'partner', ('198.51.100.' || n)::inet, 'invalid' FROM generate_series(1, 40) AS n;
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '203.0.113.9')$$), 'throttled', 'fifty wrong ones from anywhere are enough');
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('other@example.com', 'x', '203.0.113.1')$$), 'invalid', 'another actor is not concerned');
UPDATE opsadmin.sign_in_event SET created_at = now() - interval '16 minutes' WHERE outcome = 'invalid';
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '203.0.113.1')$$), 'ok', 'a quarter of an hour later it is');
DELETE FROM opsadmin.sign_in_event;
INSERT INTO opsadmin.sign_in_event (email, site, ip, outcome) SELECT n || '@example.com', 'partner', inet '203.0.113.7', 'invalid' FROM generate_series(1, 50) AS n;
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '203.0.113.7')$$), 'throttled', 'a machine that tries many actors is stopped');
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '203.0.113.8')$$), 'ok', 'others are not');
DELETE FROM opsadmin.sign_in_event;
INSERT INTO opsadmin.sign_in_event (email, site, ip, outcome) SELECT n || '@example.com', 'partner', inet '2001:db8::' + n, 'invalid' FROM generate_series(1, 50) AS n;
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '2001:db8::ffff')$$), 'throttled', 'also one that has an address for each of them');
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password', '2001:db8:0:1::1')$$), 'ok', 'the next network is');
SELECT is(opsadmin_private.neighbourhood(ip), net, 'the network of ' || ip) FROM (VALUES (inet '192.0.2.7', inet '192.0.2.7'), ('2001:db8::7', '2001:db8::/64'), ('::ffff:192.0.2.7', '::ffff:192.0.2.7')) AS v (ip, net);
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'the new password')$$), 'ok', 'and whoever comes from nowhere');

DELETE FROM opsadmin.sign_in_event;
CREATE FUNCTION guess(times int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
BEGIN
    FOR n IN 1 .. times LOOP
        BEGIN
            outcome := answer_at('opsadmin_partner_login', $q$SELECT outcome FROM opsadmin.sign_in('guessed@example.com', 'wrong', '203.0.113.77')$q$);
            RAISE transaction_rollback;
        EXCEPTION WHEN transaction_rollback THEN
            NULL;
        END;
    END LOOP;
    RETURN outcome;
END
$$;
SELECT is(guess(50), 'invalid', 'fifty guesses that are rolled back leave no row');
SELECT is(guess(1), 'throttled', 'but are counted');
SELECT is(count(*), 0::bigint, 'in no table') FROM opsadmin.sign_in_event;

-- Passwords and signatures.
SELECT is(opsadmin_private.verify_password(password, opsadmin_private.hash_password(password)), true, 'a password of ' || octet_length(password) || ' bytes')
FROM unnest(ARRAY['1234567890', 'pässwörd 비밀번호', repeat('x', 1024)]) AS password;
SELECT is(failure(format('SELECT opsadmin_private.hash_password(%L)', password)), 'OA014', octet_length(password) || ' bytes are no password')
FROM unnest(ARRAY['', '123456789', repeat('x', 1025)]) AS password;
SELECT isnt(opsadmin_private.hash_password('the same password'), opsadmin_private.hash_password('the same password'), 'each hash has its own salt');
SELECT is(opsadmin_private.verify_password('x', hash), false, 'not for ' || hash) FROM unnest(ARRAY['', 'x', '$argon2id$', '$argon2id$v=19$m=19456,t=2,p=1$b3BzYWRtaW5vcHNhZG1pbg$AAAA']) AS hash;
SELECT is(octet_length(opsadmin_private.sign('a', 'b')), 32, 'a signature has 32 bytes');
SELECT is(opsadmin_private.sign('a', 'b'), opsadmin_private.sign('a', 'b'), 'the same for the same');
SELECT isnt(opsadmin_private.sign('a', 'bc'), opsadmin_private.sign('ab', 'c'), 'purpose and payload cannot be shifted');
SELECT is(count(DISTINCT opsadmin_private.random_token()), 1000::bigint, 'tokens differ') FROM generate_series(1, 1000);

-- Addresses of nobody leave a bounded number of rows, and the throttle of people is as it was.
DELETE FROM opsadmin.sign_in_event;
BEGIN;
SET LOCAL SESSION AUTHORIZATION opsadmin_partner_login;
SELECT count(s) FROM generate_series(1, 150) AS n CROSS JOIN LATERAL opsadmin.sign_in('nobody' || n || '@example.com', 'x', ('198.51.100.' || n)::inet) AS s \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is((SELECT count(*) FROM opsadmin.sign_in_event), 100::bigint, 'a hundred attempts a minute are noted of addresses of nobody');
SET LOCAL SESSION AUTHORIZATION opsadmin_partner_login;
SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'x', '198.51.100.1') \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is((SELECT count(*) FROM opsadmin.sign_in_event WHERE email = 'lee@example.com'), 1::bigint, 'and every wrong password of a person');
ROLLBACK;

SELECT * FROM finish();
