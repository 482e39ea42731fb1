-- A suspended tenant: nothing runs for it on the partner site, staff go on, and all is as before when it ends.
SELECT plan(25);
\ir include/failure.psql
\ir include/tickets.psql

SELECT opsadmin.create_tenant('acme', 'Acme', id => 11), opsadmin.create_tenant('globex', 'Globex', id => 12), opsadmin.create_tenant('hooli', 'Hooli', id => 13) \g /dev/null
SELECT split_part(opsadmin.create_actor('lee@example.com', 'Lee'), '#', 2) AS lee_invitation, split_part(opsadmin.create_actor('both@example.com', 'Both'), '#', 2) AS both_invitation,
       split_part(opsadmin.create_actor('kim@example.com', 'Kim'), '#', 2) AS kim_invitation \gset
SELECT opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme'), opsadmin.grant_role('both@example.com', 'partner_admin', 'acme'),
       opsadmin.grant_role('both@example.com', 'partner_admin', 'globex'), opsadmin.grant_role('kim@example.com', 'ops') \g /dev/null
CREATE TABLE item (id int PRIMARY KEY, tenant_id bigint NOT NULL, touched int NOT NULL DEFAULT 0);
CREATE INDEX ON item (tenant_id);
INSERT INTO item SELECT n, 11 + n % 2 FROM generate_series(1, 6000) AS n;
SELECT opsadmin.protect('item'), opsadmin.expose('item'), opsadmin.define_action('touch', 'item', 'touched = touched + 1') \g /dev/null
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT opsadmin.accept_invitation(:'lee_invitation', 'lee''s password'), opsadmin.accept_invitation(:'both_invitation', 'both''s password') \g /dev/null
SELECT session_token AS lee FROM opsadmin.sign_in('lee@example.com', 'lee''s password', '192.0.2.1') \gset
SELECT session_token AS both FROM opsadmin.sign_in('both@example.com', 'both''s password', '192.0.2.1') \gset
BEGIN;
SELECT opsadmin.begin_request(:'both') \g /dev/null
SELECT opsadmin.choose_tenant('acme') \g /dev/null
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_internal_login;
SELECT opsadmin.accept_invitation(:'kim_invitation', 'kim''s password') \g /dev/null
SELECT session_token AS kim FROM opsadmin.sign_in('kim@example.com', 'kim''s password', '192.0.2.1') \gset
RESET SESSION AUTHORIZATION;

-- Jobs that have begun: of the tenant's own staff, by an application's ticket without a person, and of the company's staff.
SET opsadmin.job_chunk_rows = 1000;
CREATE FUNCTION started(actor text, tenant text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  job bigint;
BEGIN
  PERFORM opsadmin.begin_as(actor, tenant);
  job := opsadmin.run_action('touch', '{}', '{"filter":null}');
  RESET ROLE;
  RETURN job;
END
$$;
SELECT started('lee@example.com', 'acme') AS own \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT started(NULL, 'acme') AS system \gset
SELECT started('kim@example.com', 'acme') AS staff \gset
SELECT started('both@example.com', 'globex') AS other \gset
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(opsadmin.me() -> 'tenant' ->> 'suspended', 'false', 'me() says that a tenant is not suspended');
COMMIT;

UPDATE opsadmin.tenant SET suspended_at = now() WHERE slug = 'acme';

-- Requests.
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%L)', :'lee')), 'OA412', 'a session in the tenant');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%L, %L)', :'lee', 'acme')), 'OA412', 'a request that names it');
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%L, %L)', :'both', 'acme')), 'OA412', 'also by whoever belongs to another one');
UPDATE opsadmin.tenant SET suspended_at = now() WHERE slug = 'hooli';
SELECT is(failure_at('opsadmin_partner_login', format('SELECT opsadmin.begin_request(%L, %L)', :'lee', 'hooli')), 'OA404', 'that another one is suspended is not told');
SELECT is(failure_at('opsadmin_partner_login', $$SELECT opsadmin.begin_request('unknown', 'acme')$$), 'OA010', 'nor is it without a session');
SELECT is(answer_at('opsadmin_partner_login', $$SELECT outcome FROM opsadmin.sign_in('lee@example.com', 'lee''s password', '192.0.2.1')$$), 'ok', 'signing in works, so that one learns why');
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'both') \g /dev/null
SELECT is(failure('SELECT opsadmin.current_tenant()'), 'OA411', 'the choice of a suspended tenant does not hold');
SELECT is(opsadmin.me()::jsonb -> 'tenants', '[{"slug":"globex","name":"Globex"}]', 'me() offers the others');
SELECT is(failure($$SELECT opsadmin.choose_tenant('acme')$$), 'OA412', 'it cannot be chosen');
SELECT is(failure($$SELECT opsadmin.choose_tenant('hooli')$$), 'OA404 /tenant', 'nor another''s, which stays unknown');
SELECT is(failure($$SELECT opsadmin.choose_tenant('globex')$$), NULL, 'the other one can');
COMMIT;
BEGIN;
SELECT opsadmin.begin_request(:'both') \g /dev/null
SELECT is(opsadmin.current_tenant(), 12::bigint, 'and works');
COMMIT;
RESET SESSION AUTHORIZATION;

-- Tickets and begin_as().
CREATE SEQUENCE accepted;
GRANT USAGE ON SEQUENCE accepted TO opsadmin_partner_login;
CREATE TABLE refused AS SELECT unnest(ARRAY[ticket(), ticket('{"sub":"lee@example.com","tenant":null}'), ticket('{"sub":"both@example.com"}')]) AS ticket;
SELECT ticket('{"aud":"opsadmin:internal","sub":"kim@example.com"}') AS staff_ticket \gset
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
\o /dev/null
SELECT s FROM refused, unnest(ARRAY['SET SESSION AUTHORIZATION opsadmin_partner_login', format('SELECT opsadmin.begin_with_ticket(%L), nextval(''accepted'')', ticket), 'RESET SESSION AUTHORIZATION']) AS s \gexec
\o
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is(is_called, false, 'tickets for the tenant, or for a person whose only tenant it is or who names it, are refused') FROM accepted;
SELECT is(failure($$SELECT opsadmin.begin_as('lee@example.com')$$), 'OA412', 'begin_as() as its staff');
SELECT is(failure($$SELECT opsadmin.begin_as(tenant => 'acme')$$), 'OA412', 'or as the tenant alone');
SET SESSION AUTHORIZATION opsadmin_internal_login;
BEGIN;
SELECT opsadmin.begin_with_ticket(:'staff_ticket') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'the company''s staff go on, by ticket');
COMMIT;
BEGIN;
SELECT opsadmin.begin_request(:'kim', 'acme') \g /dev/null
SELECT is(opsadmin.me() -> 'tenant' ->> 'suspended', 'true', 'and on the page, which tells');
COMMIT;
RESET SESSION AUTHORIZATION;

-- Jobs.
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT id, state, error FROM opsadmin.bulk_job ORDER BY id',
  format($$VALUES (%s::bigint, 'FAILED', 'the tenant is suspended'), (%s, 'FAILED', 'the tenant is suspended'), (%s, 'DONE', NULL), (%s, 'DONE', NULL)$$, :own, :system, :staff, :other),
  'its jobs stop, others go on');
SELECT results_eq('SELECT tenant_id, touched, count(*) FROM item GROUP BY 1, 2 ORDER BY 1, 2', 'VALUES (11::bigint, 1, 2000::bigint), (11, 2, 1000), (12, 1, 3000)',
  'what was done until then stays, once');
SELECT is(failure(format('SELECT opsadmin.retry_job(%s)', :own)), NULL, 'a job can be tried again');
CALL opsadmin.run_jobs();
SELECT is(error, 'the tenant is suspended', 'which does not help') FROM opsadmin.bulk_job WHERE id = :own;

-- The end of it.
UPDATE opsadmin.tenant SET suspended_at = NULL WHERE slug = 'acme';
SET SESSION AUTHORIZATION opsadmin_partner_login;
BEGIN;
SELECT opsadmin.begin_request(:'lee') \g /dev/null
SELECT is(opsadmin.current_tenant(), 11::bigint, 'sessions work again');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT opsadmin.retry_job(:own), opsadmin.retry_job(:system) \g /dev/null
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT state, count(*) FROM opsadmin.bulk_job GROUP BY 1', $$VALUES ('DONE', 4::bigint)$$, 'and jobs, which are tried again, end');
SELECT results_eq('SELECT tenant_id, touched, count(*) FROM item GROUP BY 1, 2 ORDER BY 1, 2', 'VALUES (11::bigint, 3, 3000::bigint), (12, 1, 3000)', 'each row once for each job');
