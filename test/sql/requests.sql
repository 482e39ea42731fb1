-- record_request() takes nobody's word for who it was, and list_requests() tells partners nothing of staff.
-- topic: audit gateway
SELECT plan(41);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor(email, name) FROM (VALUES ('kim@example.com', 'Kim'), ('lee@example.com', 'Lee'), ('park@example.com', 'Park')) AS v (email, name) \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'superadmin'), opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme'), opsadmin.define_role('blind', 'partner', '{item:read}'),
       opsadmin.grant_role('park@example.com', 'blind', 'acme'), opsadmin.grant_role('park@example.com', 'partner_admin', 'globex') \g /dev/null
INSERT INTO opsadmin.secret (hash, purpose, actor_id, site, tenant_id, expires_at, last_seen_at)
SELECT sha256(token::bytea), 'session', (SELECT id FROM opsadmin.actor WHERE email = v.email), site, tenant_id, now() + CASE WHEN token = 'expired' THEN interval '-1 hour' ELSE '1 hour' END, now() - CASE WHEN token = 'idle' THEN interval '9 hours' ELSE '0' END
FROM (VALUES ('kim', 'kim@example.com', 'internal', NULL), ('kim in acme', 'kim@example.com', 'internal', 1), ('lee', 'lee@example.com', 'partner', NULL), ('park', 'park@example.com', 'partner', NULL),
             ('park in globex', 'park@example.com', 'partner', 2), ('expired', 'lee@example.com', 'partner', NULL), ('idle', 'lee@example.com', 'partner', NULL)) AS v (token, email, site, tenant_id);

-- Records a request as a login and tells what was recorded of it.
CREATE FUNCTION recorded(login text, token text, tenant text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM answer_at(login, format($q$SELECT opsadmin.record_request(%L, %L, '192.0.2.7', 'POST', '/x', 'r-%s', 'run_action', 403, 'OA403', 12.5)$q$, token, tenant, token));
    RETURN (SELECT concat_ws(' ', r.site, coalesce(r.actor_name, 'nobody'), r.tenant_id) FROM opsadmin.request r ORDER BY r.id DESC LIMIT 1);
END
$$;
SELECT is(recorded('opsadmin_' || site || '_login', token, tenant), who, concat_ws(' ', 'a token on the site', site, token, tenant))
FROM (VALUES ('internal', 'kim', NULL, 'internal Kim 0'), ('internal', 'kim in acme', NULL, 'internal Kim 1'), ('internal', 'kim', 'globex', 'internal Kim 0'), ('partner', 'lee', NULL, 'partner Lee 1'), ('partner', 'lee', 'acme', 'partner Lee 1'),
             ('partner', 'lee', 'globex', 'partner Lee 0'), ('partner', 'lee', 'nowhere', 'partner Lee 0'), ('partner', 'park', NULL, 'partner Park 0'), ('partner', 'park', 'acme', 'partner Park 1'), ('partner', 'park in globex', NULL, 'partner Park 2'),
             ('partner', 'kim', NULL, 'partner nobody 0'), ('internal', 'lee', NULL, 'internal nobody 0'), ('partner', 'expired', 'acme', 'partner nobody 0'), ('partner', 'idle', 'acme', 'partner nobody 0'), ('partner', 'guessed', 'acme', 'partner nobody 0'),
             ('partner', NULL, 'acme', 'partner nobody 0')) AS v (site, token, tenant, who);
SELECT results_eq($$SELECT host(ip), method, path, action, status, code, milliseconds FROM opsadmin.request WHERE request_id = 'r-park in globex'$$, $$VALUES ('192.0.2.7', 'POST', '/x', 'run_action', 403, 'OA403', 12.5)$$, 'the rest is as it was said');
SELECT is(failure_as(role, $$SELECT opsadmin.record_request('kim', NULL, NULL, 'GET', '/', 'r', 'me', 200, NULL, 1)$$), '42501', role || ' may not record')
FROM unnest(ARRAY['opsadmin_internal', 'opsadmin_partner', 'opsadmin_worker', 'opsadmin_trusted']) AS role;
SELECT is(failure_at('opsadmin_partner_login', $$INSERT INTO opsadmin.request (tenant_id) VALUES (1)$$), '42501', 'nobody writes the table itself');

-- Nobody's requests are bounded.
SELECT count(recorded('opsadmin_partner_login', 'guessed')) FROM generate_series(1, 400) \g /dev/null
SELECT is(count(*), 60::bigint, 'of those of nobody 60 a minute are kept from one address') FROM opsadmin.request WHERE actor_id IS NULL AND ip = '192.0.2.7';
SELECT count(answer_at('opsadmin_partner_login', format($$SELECT opsadmin.record_request('guessed', NULL, %L, 'POST', '/x', 'r', 'run_action', 403, 'OA403', 1)$$, ip))) FROM unnest(ARRAY['198.51.100.1', '2001:db8::1', '2001:db8::ffff:1']) AS ip \g /dev/null
SELECT is(count(*), 3::bigint, 'those from others all the same') FROM opsadmin.request WHERE actor_id IS NULL AND ip <> '192.0.2.7';
SELECT count(answer_at('opsadmin_partner_login', format($$SELECT opsadmin.record_request('guessed', NULL, '2001:db8::%s', 'POST', '/x', 'r', 'run_action', 403, 'OA403', 1)$$, n))) FROM generate_series(2, 80) AS n \g /dev/null
SELECT is(count(*), 60::bigint, 'a client that chooses its address from a network has one') FROM opsadmin.request WHERE actor_id IS NULL AND family(ip) = 6;
SELECT is(recorded('opsadmin_partner_login', 'lee'), 'partner Lee 1', 'somebody''s all the same');

SELECT count(recorded('opsadmin_partner_login', 'park in globex')) FROM generate_series(1, 620) \g /dev/null
SELECT is(count(*), 600::bigint, 'of a person''s 600') FROM opsadmin.request r JOIN opsadmin.actor a ON a.id = r.actor_id WHERE a.email = 'park@example.com' AND r.created_at > now() - interval '1 minute';

-- Who reads.
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is((SELECT string_agg(DISTINCT site || ' ' || tenant_id, ',') FROM opsadmin.request), 'partner 1', 'a partner''s SQL sees its tenant''s own requests');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', r ->> 'actor_name', coalesce(r ->> 'ip', 'nowhere'), r #>> '{tenant,slug}'), ', ' ORDER BY concat_ws(' ', r ->> 'actor_name', coalesce(r ->> 'ip', 'nowhere'), r #>> '{tenant,slug}'))
           FROM jsonb_array_elements(opsadmin.list_requests()::jsonb -> 'rows') AS r), 'Lee 192.0.2.7 acme, Park 192.0.2.7 acme, support nowhere acme', 'list_requests(): staff''s too, as support''s');
SELECT is(jsonb_array_length(opsadmin.list_requests(format('{"actor":"%s"}', actor)::jsonb)::jsonb -> 'rows'), found, 'by actor: ' || actor) FROM (VALUES ('kim', 0), ('SUPP', 1), ('park', 1)) AS v (actor, found);
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('park@example.com', 'acme') \g /dev/null
SELECT is(failure('SELECT opsadmin.list_requests()'), 'OA403', 'without audit:read nothing');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is((opsadmin.list_requests('{"request_id":"r-kim in acme"}')::jsonb #> '{rows,0}') - 'id' - 'created_at',
          '{"tenant":{"slug":"acme","name":"Acme"},"actor_name":"Kim","site":"internal","ip":"192.0.2.7","method":"POST","path":"/x","request_id":"r-kim in acme","action":"run_action","status":403,"code":"OA403","milliseconds":12.5}',
          'staff see who it was');
SELECT is(failure($$SELECT opsadmin.list_requests('{"path":"/x"}')$$), 'OA422 /filter', 'a filter that there is not');
SELECT is(failure(format($$SELECT opsadmin.list_requests('{}', opsadmin_private.make_cursor('requests{}*', %L))$$, payload)), 'OA424 /cursor', 'a cursor that is signed, but not of a list: ' || payload) FROM unnest(ARRAY['["x"]', '[]', '{}', '[null]', '["9999999999999999999"]']) AS payload;
SELECT is(jsonb_array_length(opsadmin.list_requests('{"action":"run_action"}', opsadmin.list_requests('{"action":"run_action"}', page_size => 100) ->> 'next', 100)::jsonb -> 'rows'), 100, 'page by page');
COMMIT;
SELECT * FROM finish();
