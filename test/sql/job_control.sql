-- Pausing, resuming and cancelling jobs: who may, in which states, and that no row is lost or changed twice.
SELECT plan(33);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('max@example.com', 'Max'), opsadmin.create_actor('eve@example.com', 'Eve') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'partner_manager', 'acme'), opsadmin.grant_role('max@example.com', 'partner_manager', 'globex'),
       opsadmin.grant_role('eve@example.com', 'partner_member', 'acme') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, touched int NOT NULL DEFAULT 0);
CREATE INDEX ON regress_shop.item (tenant_id);
INSERT INTO regress_shop.item SELECT n, 1 FROM generate_series(1, 5000) AS n;
SELECT opsadmin.protect('regress_shop.item'), opsadmin.expose('regress_shop.item'), opsadmin.define_action('touch', 'regress_shop.item', 'touched = touched + 1') \g /dev/null
CREATE FUNCTION progress(job bigint) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
  SELECT concat_ws(' ', state, coalesce(total::text, 'NULL'), processed, CASE WHEN finished_at IS NOT NULL THEN 'finished' END) FROM opsadmin.bulk_job WHERE id = job
$$;
CREATE FUNCTION start_touch() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM opsadmin.begin_as('lee@example.com');
    RETURN opsadmin.run_action('touch', '{}', '{"filter":null}');
END
$$;

-- A pause before the plan and one between two chunks.
SELECT start_touch() AS job \gset
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.pause_job(%s)', :job)), NULL, 'a job that waits can be paused');
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'PAUSED NULL 0', 'then run_jobs() leaves it');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.pause_job(%s)', :job)), 'OA444', 'it is not paused twice');
SELECT is(failure(format('SELECT opsadmin.resume_job(%s)', :job)), NULL, 'resume_job()');
SELECT is(progress(:job), 'PENDING NULL 0', 'begins with the plan');
SELECT is(failure(format('SELECT opsadmin.resume_job(%s)', :job)), 'OA444', 'only what is paused is resumed');
COMMIT;
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.pause_job(:job) \g /dev/null
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'PAUSED 5000 2000', 'staff pause it between two chunks');
SELECT is(count(*), 2000::bigint, 'no further row is changed') FROM regress_shop.item WHERE touched = 1;
SELECT is(failure(format('SELECT opsadmin.resume_job(%s)', :job)), NULL, 'a superuser needs no context');
SELECT is(progress(:job), 'RUNNING 5000 2000', 'the plan still holds');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 5000 5000 finished', 'and the rest is done');
SELECT is(count(*), 5000::bigint, 'each row once') FROM regress_shop.item WHERE touched = 1;
SELECT is(failure(format('SELECT opsadmin.%s(%s)', call, :job)), 'OA444', call || '() of a job that is done') FROM unnest(ARRAY['pause_job', 'resume_job', 'cancel_job']) AS call;

-- Cancelling: what was changed stays.
SELECT start_touch() AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin.cancel_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'CANCELLED 5000 2000 finished', 'a job that runs can be cancelled');
SELECT is(count(*), 2000::bigint, 'what was changed stays changed, and no more is') FROM regress_shop.item WHERE touched = 2;
SELECT is(failure(format('SELECT opsadmin.%s(%s)', call, :job)), 'OA444', call || '() of one that is cancelled') FROM unnest(ARRAY['pause_job', 'resume_job', 'cancel_job']) AS call;
SELECT start_touch() AS job \gset
SELECT opsadmin.pause_job(:job), opsadmin.cancel_job(:job) \g /dev/null
SELECT is(progress(:job), 'CANCELLED NULL 0 finished', 'a paused one too');

-- Who may not.
SELECT start_touch() AS job \gset
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 0') AS bulk \gset
BEGIN;
SELECT opsadmin.begin_as('eve@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.%s(%s)', call, :job)), 'OA403', call || '() without the permission') FROM unnest(ARRAY['pause_job', 'resume_job', 'cancel_job']) AS call;
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('max@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.%s(%s)', call, :job)), 'OA407', call || '() of another tenant''s job') FROM unnest(ARRAY['pause_job', 'resume_job', 'cancel_job']) AS call;
SELECT is(failure(format('SELECT opsadmin.cancel_job(%s)', id)), 'OA407', 'of ' || why) FROM (VALUES ('999999', 'no job'), ('NULL', 'NULL'), (:bulk::text, 'a DBA''s')) AS other (id, why);
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.cancel_job(%s)', :bulk)), 'OA403', 'a DBA''s job needs every permission');
ROLLBACK;
SET SESSION AUTHORIZATION opsadmin_partner_login;
SELECT is(failure(format('SELECT opsadmin.cancel_job(%s)', :job)), 'OA001', 'nobody without a context');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION opsadmin_worker;
SELECT is(failure(format('SELECT opsadmin.cancel_job(%s)', :job)), '42501', 'not the worker');
RESET SESSION AUTHORIZATION;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
