-- The controls of a job: pause, resume, cancel; and actions whose condition uses their parameters.
-- topic: jobs
SELECT plan(52);
\ir include/failure.psql
SET client_min_messages = error;
SET opsadmin.job_chunk_rows = 2000;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor(name || '@example.com', initcap(name)) FROM unnest('{root,kim,ann,lee,mia,max}'::text[]) AS name \g /dev/null
SELECT opsadmin.grant_role('root@example.com', 'superadmin'), opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('ann@example.com', 'auditor'),
       opsadmin.grant_role('lee@example.com', 'partner_manager', 'acme'), opsadmin.grant_role('mia@example.com', 'partner_member', 'acme'),
       opsadmin.grant_role('max@example.com', 'partner_manager', 'globex') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, is_public boolean NOT NULL, touched int NOT NULL DEFAULT 0);
CREATE INDEX ON regress_shop.item (tenant_id);
INSERT INTO regress_shop.item SELECT n, 1 + n % 2, n % 5 = 0 FROM generate_series(1, 5000) AS n;
SELECT opsadmin.protect('regress_shop.item'), opsadmin.expose('regress_shop.item'), opsadmin.define_action('touch', 'regress_shop.item', 'touched = touched + 1'),
       opsadmin.define_action('publish', 'regress_shop.item', 'is_public = params.visible', params => '[{"name":"visible","type":"boolean","default":true}]',
                              condition => 'target.is_public <> params.visible') \g /dev/null
CREATE FUNCTION progress(job bigint) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', state, coalesce(total::text, 'NULL'), processed, changed, skipped, failed) FROM opsadmin.bulk_job WHERE id = job
$$;
-- Calls a function as an actor; returns its result, or the SQLSTATE of the error.
CREATE FUNCTION call_as(actor text, call text, tenant text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    PERFORM opsadmin.begin_as(actor || '@example.com', tenant);
    BEGIN
        EXECUTE 'SELECT opsadmin.' || call INTO answer;
    EXCEPTION WHEN OTHERS THEN
        answer := SQLSTATE;
    END;
    RESET ROLE;
    RETURN answer;
END
$$;
\set touch_all 'run_action(''touch'', ''{}'', ''{"filter":null}'')'

-- Before planning.
SELECT call_as('lee', :'touch_all') AS job \gset
SELECT is(call_as('lee', format('pause_job(%s)', :job)), NULL, 'a partner pauses its own job');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'PAUSED NULL 0 0 0 0', 'which is not planned then');
SELECT is(call_as('lee', format('resume_job(%s)', :job)), NULL, 'and resumes it');
SELECT is(progress(:job), 'PENDING NULL 0 0 0 0', 'it waits to be planned again');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 2500 2500 2500 0 0', 'and is carried out');
SELECT results_eq('SELECT tenant_id, min(touched), max(touched) FROM regress_shop.item GROUP BY 1 ORDER BY 1', 'VALUES (1::bigint, 1, 1), (2::bigint, 0, 0)', 'each row of the tenant once');

-- In the middle.
UPDATE regress_shop.item SET touched = 0;
SELECT call_as('kim', :'touch_all') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
UPDATE opsadmin.job SET wait_reason = 'a lock' WHERE id = :job;
SELECT is(call_as('kim', format('pause_job(%s)', :job)), NULL, 'a job is paused in the middle');
SELECT is(wait_reason, NULL, 'then it waits for nothing but its operator') FROM opsadmin.bulk_job WHERE id = :job;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'PAUSED 5000 2000 2000 0 0', 'and workers leave it alone');
SELECT is(sum(touched), 2000::bigint, 'with the rows that it has not changed yet') FROM regress_shop.item;
SELECT is(opsadmin_private.run_next_step(), false, 'there is nothing to do for them');
SELECT ok(eta IS NULL AND finished_at IS NULL, 'a paused job has neither an end nor an idea of it') FROM opsadmin.bulk_job WHERE id = :job;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched', 'id = 3') AS next_job \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:next_job), 'DONE 1 1 1 0 0', 'other jobs overtake it');
SELECT is(call_as('kim', format('resume_job(%s)', :job)), NULL, 'it is resumed');
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(progress(:job), 'RUNNING 5000 4000 4000 0 0', 'and goes on with the next chunk');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 5000 5000 5000 0 0', 'to the end');
SELECT results_eq('SELECT min(touched), max(touched) FROM regress_shop.item', 'VALUES (1, 1)', 'each row was changed once');
SELECT is(count(*), 0::bigint, 'its chunks are folded into it') FROM opsadmin.job_chunk WHERE job_id = :job;

-- After the last chunk.
SET opsadmin.job_chunk_rows = 1;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched', 'id IN (3, 4)') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SET opsadmin.job_chunk_rows = 2000;
SELECT opsadmin.pause_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'PAUSED 2 2 2 0 0', 'a job without anything left to do is not done while it is paused');
SELECT opsadmin.resume_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 2 2 2 0 0', 'but as soon as it is resumed');

-- Cancelling.
UPDATE regress_shop.item SET touched = 0;
SELECT call_as('kim', :'touch_all') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(call_as('kim', format('cancel_job(%s)', :job)), NULL, 'a job is cancelled in the middle');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'CANCELLED 5000 2000 2000 0 0', 'and stays where it was');
SELECT ok(finished_at >= started_at AND error IS NULL, 'it has ended without an error') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(sum(touched), 2000::bigint, 'what it has changed stays changed, the other rows stay as they were') FROM regress_shop.item;
SELECT call_as('lee', :'touch_all') AS job \gset
SELECT is(call_as('lee', format('cancel_job(%s)', :job)), NULL, 'a job can be cancelled before it is planned');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'CANCELLED NULL 0 0 0 0', 'and never begins');
SELECT is(call_as('kim', format('get_job(%s)', :job))::jsonb ->> 'state', 'CANCELLED', 'get_job() says so');

-- From which state what is possible; a superuser needs no context.
CREATE FUNCTION outcome(job_id bigint, from_state text, control text, planned boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    refusal text;
BEGIN
    UPDATE opsadmin.job SET state = from_state, planned = outcome.planned WHERE id = job_id;
    refusal := failure(format('SELECT opsadmin.%s_job(%s)', control, job_id));
    RETURN coalesce(refusal, (SELECT state FROM opsadmin.job WHERE id = job_id));
END
$$;
SELECT results_eq(format('SELECT state, outcome(%1$s, state, ''pause''), outcome(%1$s, state, ''resume''), outcome(%1$s, state, ''cancel'') FROM unnest(''{PENDING,PLANNING,RUNNING,PAUSED,DONE,FAILED,CANCELLED}''::text[]) AS state', :job),
  $$VALUES ('PENDING', 'PAUSED', 'OA444', 'CANCELLED'), ('PLANNING', 'PAUSED', 'OA444', 'CANCELLED'), ('RUNNING', 'PAUSED', 'OA444', 'CANCELLED'), ('PAUSED', 'OA444', 'PENDING', 'CANCELLED'),
    ('DONE', 'OA444', 'OA444', 'OA444'), ('FAILED', 'OA444', 'OA444', 'OA444'), ('CANCELLED', 'OA444', 'OA444', 'OA444')$$, 'each control has its states');
SELECT is(outcome(:job, 'PAUSED', 'resume', true), 'RUNNING', 'a job that had been planned is not planned again');
SELECT throws_ok(format('SELECT opsadmin.resume_job(%s)', :job), 'OA444', format('job %s is running', :job), 'a refusal names the state');
SELECT opsadmin.cancel_job(:job) \g /dev/null

-- Who may.
CREATE FUNCTION refusals(actor text, job text, tenant text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    PERFORM opsadmin.begin_as(actor || '@example.com', tenant, 'a test');
    SELECT string_agg(coalesce(failure(format('SELECT opsadmin.%s_job(%s)', control, job)), 'ok'), ' ' ORDER BY place) INTO answer
    FROM unnest('{pause,resume,cancel}'::text[]) WITH ORDINALITY AS c (control, place);
    RESET ROLE;
    RETURN answer;
END
$$;
SELECT call_as('lee', :'touch_all') AS job \gset
SELECT is(refusals('max', :'job'), 'OA407 OA407 OA407', 'a job of another tenant is as unknown');
SELECT is(refusals('max', '9223372036854775807'), 'OA407 OA407 OA407', 'as one that never was');
SELECT is(refusals('max', 'NULL'), 'OA407 OA407 OA407', 'or as none');
SELECT is(refusals('kim', :'job', 'globex'), 'OA407 OA407 OA407', 'also to staff who act in another tenant');
SELECT is(refusals('mia', :'job'), 'OA403 OA403 OA403', 'a partner who may not run the action may not control its jobs');
SELECT is(refusals('ann', :'job'), 'OA403 OA403 OA403', 'neither may staff who only read');
SELECT is(failure_at('opsadmin_internal_login', format('SELECT opsadmin.pause_job(%s)', :job)), 'OA001', 'without a context nobody but a superuser may');
SELECT results_eq('SELECT state FROM opsadmin.job WHERE id = ' || :job, $$VALUES ('PENDING')$$, 'all of them left the job alone');
SELECT is(refusals('kim', :'job'), 'ok ok ok', 'staff control the jobs of every tenant');
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched') AS job \gset
SELECT is(refusals('kim', :'job'), 'OA403 OA403 OA403', 'a job from SQL is not for those who run actions');
SELECT is(refusals('root', :'job'), 'ok ok ok', 'it wants every permission');

-- A condition that uses a parameter.
SET opsadmin.job_chunk_rows = 1000;
SELECT call_as('lee', 'run_action(''publish'', ''{"visible":true}'', ''{"filter":null}'')') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(progress(:job), 'RUNNING 2000 0 0 0 0', 'the plan has the rows that fit');
UPDATE regress_shop.item SET is_public = true WHERE id IN (2, 4);
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 2000 2000 1998 2 0', 'those that fit no more are skipped');
SELECT results_eq('SELECT tenant_id, count(*) FROM regress_shop.item WHERE NOT is_public GROUP BY 1', 'VALUES (2::bigint, 2000::bigint)', 'the others are changed');
SELECT call_as('lee', 'run_action(''publish'', ''{}'', ''{"filter":null}'')') AS job \gset
SELECT call_as('lee', 'run_action(''publish'', ''{"visible":false}'', ''{"ids":["1","2","4"]}'')') AS own_ids \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 0 0 0 0 0', 'nothing fits the default any more');
SELECT is(progress(:own_ids), 'DONE 2 2 2 0 0', 'another value finds rows, of the own tenant alone');

-- Who of the staff has run a job in a partner's tenant is not the partner's to know.
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'acme') \g /dev/null
SELECT opsadmin.run_action('touch', selection => '{"ids":["1"]}') AS of_staff \gset
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com', 'acme') \g /dev/null
SELECT is((SELECT actor FROM opsadmin.bulk_job WHERE id = :of_staff), 'support', 'partners see staff as "support" in bulk_job');
SELECT is(opsadmin.get_job(:of_staff) ->> 'actor_name', 'support', 'in get_job()');
SELECT is(opsadmin.list_jobs(page_size => 1) #>> '{rows,0,actor_name}', 'support', 'and in list_jobs()');
SELECT opsadmin.run_action('touch', selection => '{"ids":["1"]}') AS own \gset
SELECT is(opsadmin.get_job(:own) ->> 'actor_name', 'Lee', 'and their own people by name');
RESET ROLE;
ROLLBACK;
SELECT ok(NOT has_column_privilege('opsadmin_partner', 'opsadmin.job', c, 'SELECT'), 'nor is ' || c || ' theirs to read') FROM unnest('{actor_id,actor_name}'::text[]) AS c;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
