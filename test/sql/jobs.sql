-- Bulk jobs: planning into chunks, keys of every kind, failures, lost permissions, tenants, progress.
SELECT plan(70);
\ir include/failure.psql
SET client_min_messages = error;
SET opsadmin.job_chunk_rows = 2000;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('max@example.com', 'Max') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'partner_manager', 'acme'), opsadmin.grant_role('max@example.com', 'partner_manager', 'globex') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, price numeric NOT NULL CHECK (price <> 13), touched int NOT NULL DEFAULT 0);
CREATE INDEX ON regress_shop.item (tenant_id);
INSERT INTO regress_shop.item SELECT n * 3, 1 + n % 2, 100 FROM generate_series(1, 5001) AS n;
SELECT opsadmin.protect('regress_shop.item'), opsadmin.expose('regress_shop.item'), opsadmin.define_action('touch', 'regress_shop.item', 'touched = touched + 1') \g /dev/null
CREATE FUNCTION progress(job bigint) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', state, coalesce(total::text, 'NULL'), processed, changed, skipped, failed) FROM opsadmin.bulk_job WHERE id = job
$$;

-- Planning and applying, step by step.
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched + 1') AS job \gset
SELECT is(progress(:job), 'PENDING NULL 0 0 0 0', 'a new job waits, its total is not known yet');
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(progress(:job), 'RUNNING 5001 0 0 0 0', 'the first step plans');
SELECT results_eq(format('SELECT chunk_no, after_key::text, last_key::text, row_count, state FROM opsadmin.job_chunk WHERE job_id = %s ORDER BY chunk_no', :job),
                  $$VALUES (1, NULL, '{6000}', 2000::bigint, 'READY'), (2, '{6000}', '{12000}', 2000, 'READY'), (3, '{12000}', '{15003}', 1001, 'READY')$$, 'chunks of 2,000 rows cover the keys, each once');
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(progress(:job), 'RUNNING 5001 2000 2000 0 0', 'each further step does a chunk');
SELECT is(count(*), 2000::bigint, 'and its rows') FROM regress_shop.item WHERE touched = 1;
SELECT ok(rate > 0 AND eta > clock_timestamp() - interval '1 minute', 'rate and eta are told') FROM opsadmin.bulk_job WHERE id = :job;
INSERT INTO regress_shop.item VALUES (6001, 1, 1), (20000, 1, 1);
DELETE FROM regress_shop.item WHERE id IN (6003, 6006, 6009);
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 5001 5001 4999 2 0', 'run_jobs() does the rest: rows that are gone are skipped');
SELECT is(count(*) FILTER (WHERE touched <> 1), 1::bigint, 'every row of the ranges was changed once, one behind them not') FROM regress_shop.item;
SELECT is(touched, 0, 'it came after the plan') FROM regress_shop.item WHERE id = 20000;
SELECT ok(eta IS NULL AND finished_at >= started_at AND started_at >= created_at, 'a finished job has its times') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(opsadmin_private.run_next_step(), false, 'then there is nothing to do');
SELECT is(opsadmin_private.next_retry(), NULL, 'and nothing waits');
SET opsadmin.job_chunk_rows = 20;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched + 1', 'id < 100') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
INSERT INTO regress_shop.item SELECT n, 1, 1 FROM generate_series(1, 4) AS n ON CONFLICT DO NOTHING;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 36 36 36 0 0', 'rows that came into a range are changed with it, and counted');
SET opsadmin.job_chunk_rows = 2000;

-- No rows.
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 0', 'false') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 0 0 0 0 0', 'a job without rows is done, with a total of 0');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('touch', '{}', '{"ids":["20001"]}') AS job \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 0 0 0 0 0', 'as is an action');
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT is(opsadmin.get_job(:job)::jsonb -> 'total', '0', 'get_job() says so too');
COMMIT;

-- A few selected rows are changed by one statement; when it does not change each of them, they are counted one by one.
CREATE FUNCTION regress_shop.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no chunk is wanted'; END$$;
CREATE TRIGGER refuse BEFORE INSERT ON opsadmin.job_chunk FOR EACH ROW EXECUTE FUNCTION regress_shop.refuse();
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('touch', '{}', '{"ids":["12","18"]}') AS job \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 2 2 2 0 0', 'a job of two selected rows needs no chunk');
DROP TRIGGER refuse ON opsadmin.job_chunk;
CREATE FUNCTION regress_shop.leave_out() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER leave_out BEFORE UPDATE ON regress_shop.item FOR EACH ROW WHEN (OLD.id = 18) EXECUTE FUNCTION regress_shop.leave_out();
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('touch', '{}', '{"ids":["12","18","20001"]}') AS job \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 2 2 1 1 0', 'a trigger leaves one of them out: it is skipped, and one that does not exist is not counted');
SELECT results_eq('SELECT id, touched FROM regress_shop.item WHERE id IN (12, 18) ORDER BY id', 'VALUES (12::bigint, 4), (18, 3)', 'the other one was changed once by each job');
DROP TRIGGER leave_out ON regress_shop.item;

-- Keys of every kind.
CREATE TABLE regress_shop.pair (a text, b integer, tenant_id bigint NOT NULL, touched int NOT NULL DEFAULT 0, PRIMARY KEY (b, a));
INSERT INTO regress_shop.pair SELECT chr(97 + n % 26) || '''"\,{}' || n, n / 700, 1 FROM generate_series(1, 4100) AS n;
CREATE TABLE regress_shop.by_uuid (id uuid PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO regress_shop.by_uuid SELECT gen_random_uuid() FROM generate_series(1, 4100);
CREATE TABLE regress_shop.by_text (id text PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO regress_shop.by_text SELECT CASE WHEN n = 1 THEN '' ELSE md5(n::text) || repeat(' ', n % 3) || CASE n % 4 WHEN 0 THEN 'é''\' WHEN 1 THEN '"{,}' ELSE '' END END FROM generate_series(1, 4100) AS n;
CREATE TABLE regress_shop.by_char (id char(6) PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO regress_shop.by_char SELECT to_hex(n) FROM generate_series(1, 4100) AS n;
CREATE TABLE regress_shop.by_time (id timestamptz PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO regress_shop.by_time SELECT timestamptz '2026-03-08 00:00 America/New_York' + n * interval '3.000001 seconds' FROM generate_series(1, 4099) AS n UNION ALL SELECT 'infinity'::timestamptz;
CREATE TABLE regress_shop.by_float (id double precision PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO regress_shop.by_float SELECT sqrt(n) FROM generate_series(1, 4099) AS n UNION ALL SELECT 'NaN'::double precision;
CREATE TABLE regress_shop."Odd ""name""" ("the Id" int PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO regress_shop."Odd ""name""" SELECT n - 2050 FROM generate_series(1, 4100) AS n;
SELECT count(opsadmin.bulk_update(t, 'touched = target.touched + 1'))
FROM unnest(ARRAY['pair', 'by_uuid', 'by_text', 'by_char', 'by_time', 'by_float', '"Odd ""name"""']) AS name, LATERAL (SELECT ('regress_shop.' || name)::regclass) AS r (t) \g /dev/null
CALL opsadmin.run_jobs();
CREATE FUNCTION touched(target regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    EXECUTE format('SELECT concat_ws('' '', count(*), min(touched), max(touched)) FROM %s', target) INTO answer;
    RETURN answer;
END
$$;
SELECT is(progress(id) || ', ' || touched(target::regclass), 'DONE 4100 4100 4100 0 0, 4100 1 1', 'every row once: ' || target)
FROM (SELECT b.id, t.relation::text AS target FROM opsadmin.bulk_job b JOIN opsadmin.job j USING (id) JOIN opsadmin.target t ON t.id = j.target_id ORDER BY id DESC LIMIT 7) AS jobs;
SELECT is(failure($$SELECT opsadmin.bulk_update('regress_shop.pair', 'b = 1')$$), 'OA425', 'a part of a key is not written either');

-- A row that fails.
UPDATE regress_shop.item SET touched = 0, price = 100;
UPDATE regress_shop.item SET price = 14 WHERE id = 9000;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched + 1, price = price - 1') AS job \gset
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched', 'id = 3') AS next_job \gset
CALL opsadmin.run_jobs();
SELECT is(split_part(progress(:job), ' ', 1), 'FAILED', 'a row that fails fails the job');
SELECT matches(error, 'item_price_check', 'with the error') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(failed, 2000::bigint, 'the rows of its chunk have failed') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is((SELECT count(*) FROM regress_shop.item WHERE touched = 1), (SELECT sum(changed)::bigint FROM opsadmin.job_chunk WHERE job_id = :job AND state = 'DONE'), 'the chunks that were done before stay done, and no other row is changed');
SELECT is(count(*), 0::bigint, 'the failing chunk left nothing') FROM regress_shop.item i JOIN opsadmin.job_chunk c ON c.job_id = :job AND c.state = 'FAILED' AND i.id > c.after_key[1]::bigint AND i.id <= c.last_key[1]::bigint WHERE i.touched = 1;
SELECT is(progress(:next_job), 'DONE 1 1 1 0 0', 'the next job is not held up');
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 1 / (price - price)', 'id = 3') AS job \gset
ALTER TABLE regress_shop.by_uuid ADD extra int;
SELECT opsadmin.bulk_update('regress_shop.by_uuid', 'extra = 1') AS altered \gset
ALTER TABLE regress_shop.by_uuid DROP extra;
SELECT opsadmin.bulk_update('regress_shop.by_float', 'touched = 1', 'sqrt(-1 - touched * touched) > 0') AS planning \gset
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: division by zero', 'an error in the change') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(state || ': ' || error, 'FAILED: column "extra" of relation "by_uuid" does not exist', 'a column that is gone') FROM opsadmin.bulk_job WHERE id = :altered;
SELECT is(state || ': ' || error, 'FAILED: cannot take square root of a negative number', 'an error in the plan') FROM opsadmin.bulk_job WHERE id = :planning;

-- A job runs as who started it, with the rights of the moment.
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('touch', '{}', '{"filter":null}') AS job \gset
COMMIT;
UPDATE regress_shop.item SET touched = 0;
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT results_eq(format('SELECT DISTINCT tenant_id FROM opsadmin.job_chunk WHERE job_id = %s', :job), 'VALUES (1::bigint)', 'the chunks of a partner''s job carry its tenant');
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT tenant_id, min(touched), max(touched) FROM regress_shop.item GROUP BY 1 ORDER BY 1', 'VALUES (1::bigint, 1, 1), (2::bigint, 0, 0)', 'a partner''s job changes the rows of its tenant alone');
CREATE FUNCTION job_after(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    PERFORM opsadmin.begin_as('lee@example.com', 'acme');
    job := opsadmin.run_action('touch', '{}', '{"filter":null}');
    RESET ROLE;
    EXECUTE statement;
    RETURN job;
END
$$;
UPDATE regress_shop.item SET touched = 0;
SELECT job_after($$SELECT opsadmin.revoke_role('lee@example.com', 'partner_manager', 'acme')$$) AS job \gset
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: permission "touch:run" is required', 'a role that was taken away') FROM opsadmin.bulk_job WHERE id = :job;
SELECT opsadmin.grant_role('lee@example.com', 'partner_manager', 'acme') \g /dev/null
SELECT job_after('SELECT 1') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
UPDATE opsadmin.actor SET disabled_at = now() WHERE email = 'lee@example.com';
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: the actor does not exist any more, or is disabled', 'an actor that was disabled in the middle') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(count(*), 2000::bigint, 'what was done until then stays') FROM regress_shop.item WHERE touched = 1;
UPDATE opsadmin.actor SET disabled_at = NULL WHERE email = 'lee@example.com';
SELECT job_after($$SELECT opsadmin.define_role('many', 'partner', ARRAY(SELECT 'resource_' || n || ':read' FROM generate_series(1, 300) AS n)), opsadmin.grant_role('lee@example.com', 'many', 'acme')$$) AS job,
       opsadmin.bulk_update('regress_shop.item', 'touched = touched', 'id = 3') AS next_job \gset
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: the actor has too many permissions', 'more permissions than a context holds') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(progress(:next_job), 'DONE 1 1 1 0 0', 'which holds up no other job');
SELECT opsadmin.revoke_role('lee@example.com', 'many', 'acme') \g /dev/null
SELECT job_after('DELETE FROM opsadmin.actor WHERE email = ''lee@example.com''') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(state, 'FAILED', 'an actor that is gone') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(actor, 'Lee', 'its name stays with the job') FROM opsadmin.bulk_job WHERE id = :job;

-- Jobs from SQL run as their role.
CREATE ROLE regress_opsadmin_dba SUPERUSER;
SET ROLE regress_opsadmin_dba;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 7', 'id = 3') AS job \gset
RESET ROLE;
ALTER ROLE regress_opsadmin_dba NOSUPERUSER;
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: permission denied for schema regress_shop', 'a role without the right') FROM opsadmin.bulk_job WHERE id = :job;
ALTER ROLE regress_opsadmin_dba SUPERUSER;
SET ROLE regress_opsadmin_dba;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 7', 'id = 3') AS job \gset
RESET ROLE;
ALTER ROLE regress_opsadmin_dba NOSUPERUSER;
GRANT USAGE ON SCHEMA regress_shop TO regress_opsadmin_dba;
GRANT SELECT, UPDATE ON regress_shop.item TO regress_opsadmin_dba;
CALL opsadmin.run_jobs();
SELECT matches(state || ': ' || error, 'FAILED: row-level security hides every row from role "regress_opsadmin_dba"', 'a role that sees no rows is never done') FROM opsadmin.bulk_job WHERE id = :job;
REVOKE ALL ON regress_shop.item FROM regress_opsadmin_dba;
REVOKE ALL ON SCHEMA regress_shop FROM regress_opsadmin_dba;
ALTER ROLE regress_opsadmin_dba SUPERUSER;
SET ROLE regress_opsadmin_dba;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 7') AS job \gset
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 7') AS unplanned \gset
RESET ROLE;
UPDATE opsadmin.job SET state = 'PAUSED' WHERE id = :unplanned;
SELECT opsadmin_private.run_next_step() \g /dev/null
UPDATE opsadmin.job SET state = 'PENDING' WHERE id = :unplanned;
DROP ROLE regress_opsadmin_dba;
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: role "regress_opsadmin_dba" does not exist', 'a role that is gone, ' || why) FROM opsadmin.bulk_job JOIN (VALUES (:job, 'in the middle'), (:unplanned, 'before the plan')) AS v (id, why) USING (id);
SELECT is(count(*), 0::bigint, 'has changed nothing') FROM regress_shop.item WHERE touched = 7;

-- What a statement of a job may not do.
CREATE FUNCTION regress_shop.leave() RETURNS int LANGUAGE plpgsql AS $$BEGIN RESET ROLE; RETURN 1; END$$;
CREATE FUNCTION regress_shop.whoami() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'user %, session %', current_user, session_user; END$$;
SELECT opsadmin.define_action('leave', 'regress_shop.item', 'touched = regress_shop.leave()'), opsadmin.define_action('whoami', 'regress_shop.item', 'touched = regress_shop.whoami()') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.run_action('leave', '{}', '{"ids":["3"]}') AS leave, opsadmin.run_action('whoami', '{}', '{"ids":["3"]}') AS whoami \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT matches(state || ': ' || error, 'FAILED: cannot set parameter "role" within security-', 'take on another role') FROM opsadmin.bulk_job WHERE id = :leave;
SELECT matches(state || ': ' || error, 'FAILED: user opsadmin_internal', 'it runs as the site''s role') FROM opsadmin.bulk_job WHERE id = :whoami;
SELECT is(current_user, session_user, 'and nothing of it stays in the worker');

-- Who sees which job.
BEGIN;
SELECT opsadmin.begin_as('max@example.com') \g /dev/null
SELECT opsadmin.run_action('touch', '{}', '{"ids":["6"]}') AS job \gset
SELECT is(opsadmin.get_job(:job) ->> 'state', 'PENDING', 'a partner sees its own job');
SELECT is(jsonb_array_length(opsadmin.list_jobs()::jsonb -> 'rows'), 1, 'list_jobs() has it alone');
SELECT results_eq('SELECT id FROM opsadmin.bulk_job', format('VALUES (%s::bigint)', :job), 'as does the view');
SELECT is(failure(format('SELECT opsadmin.get_job(%s)', id)), 'OA407', 'not ' || why) FROM (VALUES (:leave::text, 'one of staff'), ('99999', 'one that does not exist'), ('NULL', 'no job')) AS other (id, why);
COMMIT;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(failure(format('SELECT opsadmin.get_job(%s)', :job)), 'OA407', 'not one of another tenant');
SELECT is(failure($$SELECT opsadmin_private.run_next_step()$$), '42501', 'nor may a partner work the queue');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.get_job(:job) #>> '{tenant,slug}', 'globex', 'staff see every job');
ROLLBACK;
CREATE FUNCTION job_pages(size int) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    page jsonb;
    place text;
    ids bigint[] := '{}';
BEGIN
    LOOP
        page := opsadmin.list_jobs(place, size);
        ids := ids || ARRAY(SELECT (r ->> 'id')::bigint FROM jsonb_array_elements(page -> 'rows') AS r);
        place := page ->> 'next';
        EXIT WHEN place IS NULL;
    END LOOP;
    RETURN ids;
END
$$;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(job_pages(3), ARRAY(SELECT id FROM opsadmin.bulk_job ORDER BY id DESC), 'list_jobs() page by page has each job once, the newest first');
SELECT is(failure('SELECT opsadmin.list_jobs(''x'')'), 'OA424 /cursor', 'a cursor is one of this list');
SELECT is(failure('SELECT opsadmin.list_jobs(page_size => 101)'), 'OA420 /page_size', 'a page has at most 100 jobs');
COMMIT;

-- Workers.
CALL opsadmin.run_jobs();
SELECT is(opsadmin_private.scheduled_jobs(), 0, 'no worker is scheduled');
SET SESSION AUTHORIZATION opsadmin_worker;
CALL opsadmin.run_jobs();
SELECT is(failure('SELECT * FROM regress_shop.item'), '42501', 'a worker has no right on the company''s tables');
SELECT is(failure('SELECT * FROM opsadmin.job'), '42501', 'nor on opsadmin''s');
SELECT is(failure('SELECT opsadmin_private.execute_as(10, ''SELECT 1'')'), '42501', 'nor may it become anybody');
RESET SESSION AUTHORIZATION;
SELECT opsadmin_private.note_worker(1), opsadmin_private.note_worker(1), opsadmin_private.note_worker(2) \g /dev/null
SELECT results_eq('SELECT slot, pid = pg_backend_pid() FROM opsadmin.worker_run ORDER BY slot', 'VALUES (1, true), (2, true)', 'a worker notes its presence');

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
