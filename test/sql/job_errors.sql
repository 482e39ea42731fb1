-- What goes wrong in a job: bad rows, skipped or not, and tried again; the chunk that kills its backend; triggers that
-- jobs must not run; throttles; a clock that was set back. And which job comes next.
-- topic: jobs
SELECT plan(96);
\ir include/failure.psql
SET client_min_messages = error;
SET opsadmin.job_chunk_rows = 100;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('max@example.com', 'Max') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'ops'), opsadmin.grant_role('lee@example.com', 'partner_manager', 'acme'), opsadmin.grant_role('max@example.com', 'partner_manager', 'globex') \g /dev/null
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, price numeric NOT NULL CHECK (price <> 13), touched int NOT NULL DEFAULT 0);
CREATE INDEX ON regress_shop.item (tenant_id);
INSERT INTO regress_shop.item SELECT n, 1 + n % 2, 100 FROM generate_series(1, 1000) AS n;
SELECT opsadmin.protect('regress_shop.item'), opsadmin.expose('regress_shop.item') \g /dev/null
CREATE FUNCTION progress(job bigint) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', state, coalesce(total::text, 'NULL'), processed, changed, skipped, failed) FROM opsadmin.bulk_job WHERE id = job
$$;
-- The rows that a job lists, and how often the others were changed.
CREATE FUNCTION listed(job bigint) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat(e.key ->> 'id', ' ', e.sqlstate), ', ' ORDER BY (e.key ->> 'id')::bigint) FROM opsadmin.job_error e WHERE e.job_id = job
$$;
CREATE FUNCTION touched() RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat(touched, 'x', n), ' ' ORDER BY touched) FROM (SELECT touched, count(*) AS n FROM regress_shop.item GROUP BY touched) AS t
$$;
CREATE PROCEDURE set_up(bad bigint[]) LANGUAGE sql AS $$
  UPDATE regress_shop.item SET touched = 0, price = CASE WHEN id = ANY (bad) THEN 14 ELSE 100 END WHERE touched <> 0 OR price <> CASE WHEN id = ANY (bad) THEN 14 ELSE 100 END
$$;
\set lower 'touched = touched + 1, price = price - 1'

-- Bad rows are skipped: the first and the last of all, several in a chunk, a chunk of nothing else.
CALL set_up('{1,150,151,199,1000}'); UPDATE regress_shop.item SET price = 14 WHERE id BETWEEN 301 AND 400;
SELECT opsadmin.bulk_update('regress_shop.item', :'lower', on_error => 'skip') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 895 0 105', 'bad rows are skipped');
SELECT is(touched(), '0x105 1x895', 'every other row was changed once');
SELECT is(string_agg(key ->> 'id', ' ' ORDER BY (key ->> 'id')::bigint) FILTER (WHERE (key ->> 'id')::bigint NOT BETWEEN 301 AND 400), '1 150 151 199 1000', 'each is listed') FROM opsadmin.job_error WHERE job_id = :job;
SELECT is(count(*), 105::bigint, 'once') FROM opsadmin.job_error WHERE job_id = :job AND sqlstate = '23514' AND message LIKE '%item_price_check%';
SELECT ok(error IS NULL, 'the job has no error') FROM opsadmin.bulk_job WHERE id = :job;

-- They are tried again, alone.
UPDATE regress_shop.item SET price = 50 WHERE id IN (1, 151) OR id BETWEEN 301 AND 400;
SELECT opsadmin.retry_job(:job) \g /dev/null
SELECT is(progress(:job), 'RUNNING 1000 895 895 0 0', 'they are tried again');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 997 0 3', 'and counted anew');
SELECT is(touched(), '0x3 1x997', 'the others were not touched again');
SELECT is(listed(:job), '150 23514, 199 23514, 1000 23514', 'those that fail again are listed again');
UPDATE regress_shop.item SET price = 50 WHERE id IN (150, 199, 1000);
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 1000 0 0', 'until none is left');
SELECT is(touched(), '1x1000', 'each row was changed once');
SELECT is(failure(format('SELECT opsadmin.retry_job(%s)', :job)), 'OA444', 'then there is nothing to try again');

-- Also of a job of more rows than an integer counts.
CALL set_up('{150}');
SELECT opsadmin.bulk_update('regress_shop.item', :'lower', on_error => 'skip') AS job \gset
CALL opsadmin.run_jobs();
UPDATE opsadmin.job SET total = total + 5000000000, processed = processed + 5000000000, changed = changed + 5000000000 WHERE id = :job;
UPDATE regress_shop.item SET price = 50 WHERE id = 150;
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 5000001000 5000001000 5000001000 0 0', 'of billions of rows the failed one is tried again');

-- So is a row that a trigger's ASSERT refuses, which is none of plpgsql's OTHERS; and a condition with one fails the job.
CALL set_up('{}');
CREATE FUNCTION regress_shop.checked(id bigint) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN ASSERT id <> 250, 'bad row'; RETURN true; END$$;
CREATE FUNCTION regress_shop.check_row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM regress_shop.checked(NEW.id); RETURN NEW; END$$;
CREATE TRIGGER checked BEFORE UPDATE ON regress_shop.item FOR EACH ROW EXECUTE FUNCTION regress_shop.check_row();
SELECT opsadmin.bulk_update('regress_shop.item', :'lower', on_error => 'skip') AS job, opsadmin.bulk_update('regress_shop.item', :'lower') AS stopped,
       opsadmin.bulk_update('regress_shop.item', :'lower', 'regress_shop.checked(id)') AS planned \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job) || ': ' || listed(:job), 'DONE 1000 1000 999 0 1: 250 P0004', 'a row that an ASSERT refuses is skipped');
SELECT is(state || ': ' || listed(id), 'FAILED: 250 P0004', 'or stops the job') FROM opsadmin.bulk_job WHERE id = :stopped;
SELECT is(state || ': ' || error, 'FAILED: bad row', 'an ASSERT in a condition fails the job') FROM opsadmin.bulk_job WHERE id = :planned;
DROP TRIGGER checked ON regress_shop.item;

-- The first bad row stops the job, and is listed.
CALL set_up('{250, 260}');
SELECT opsadmin.bulk_update('regress_shop.item', :'lower') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'FAILED 1000 200 200 0 100', 'a bad row stops the job');
SELECT is(listed(:job), '250 23514', 'the first one is listed');
SELECT is(touched(), '0x800 1x200', 'its chunk has left nothing');
UPDATE regress_shop.item SET price = 50 WHERE id IN (250, 260);
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 1000 0 0', 'once it is mended the job goes on');
SELECT is(touched(), '1x1000', 'with the rows that are left');
SELECT is(listed(:job), NULL, 'nothing is listed any more');

-- Errors that no single row is the reason of.
CREATE FUNCTION regress_shop.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not today'; END$$;
CALL set_up('{}');
CREATE TRIGGER refuse AFTER UPDATE ON regress_shop.item FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.refuse();
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 5', 'id <= 10', on_error => 'skip') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 10 10 0 0 10', 'a trigger that refuses everything leaves a list of every row');
DROP TRIGGER refuse ON regress_shop.item;
CALL set_up('{}');
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 1 / (touched - touched)') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: division by zero', 'an error of every row names the first') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(listed(:job), '1 22012', 'which is listed');
SELECT is(failure($$SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 1', on_error => 'ignore')$$), 'OA420 /on_error', 'on_error is stop or skip');

-- What an error says of a step.
SELECT results_eq($$SELECT state, opsadmin_private.error_kind(state) FROM unnest('{40001,40P01,55P03,53100,53200,57P01,58030,42703,42501,28000,0A000,OA403,XX000,22012,23505,P0001,X1234,44000}'::text[]) AS state$$,
  $$VALUES ('40001', 'transient'), ('40P01', 'transient'), ('55P03', 'transient'), ('53100', 'transient'), ('53200', 'transient'), ('57P01', 'transient'), ('58030', 'transient'),
    ('42703', 'definition'), ('42501', 'definition'), ('28000', 'definition'), ('0A000', 'definition'), ('OA403', 'definition'), ('XX000', 'unknown'),
    ('22012', 'data'), ('23505', 'data'), ('P0001', 'data'), ('X1234', 'data'), ('44000', 'data')$$, 'SQLSTATEs have their kinds');
CREATE FUNCTION regress_shop.trouble() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION USING ERRCODE = current_setting('regress.code'); END$$;
CREATE TRIGGER trouble BEFORE UPDATE ON regress_shop.item FOR EACH ROW WHEN (OLD.id = 7) EXECUTE FUNCTION regress_shop.trouble();
SET regress.code = '53100';
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 1', 'id <= 10') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(concat_ws(' ', state, wait_reason), 'RUNNING 53100', 'a full disk is waited for, the job says so') FROM opsadmin.bulk_job WHERE id = :job;
SELECT ok(attempts = 1 AND retry_at BETWEEN clock_timestamp() - interval '1 s' AND clock_timestamp() + interval '1 s', 'and tried again soon') FROM opsadmin.job_chunk WHERE job_id = :job;
UPDATE opsadmin.job_chunk SET attempts = 30, retry_at = NULL WHERE job_id = :job;
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT ok(retry_at BETWEEN clock_timestamp() + interval '10 s' AND clock_timestamp() + interval '50 s', 'later less often, but for ever') FROM opsadmin.job_chunk WHERE job_id = :job;
SELECT is(opsadmin_private.run_next_step(), false, 'meanwhile it waits');
SELECT is(opsadmin_private.next_retry(), 250, 'a worker looks again four times a second');
UPDATE opsadmin.job_chunk SET retry_at = clock_timestamp() + interval '1 day' WHERE job_id = :job;
DROP TRIGGER trouble ON regress_shop.item;
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 10 10 10 0 0', 'a clock that was set back keeps nobody waiting');
SELECT is(wait_reason, NULL, 'a job that is done waits for nothing') FROM opsadmin.bulk_job WHERE id = :job;
CREATE TRIGGER trouble BEFORE UPDATE ON regress_shop.item FOR EACH ROW WHEN (OLD.id = 7) EXECUTE FUNCTION regress_shop.trouble();
SET regress.code = 'XX000';
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 1', 'id <= 10') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(concat_ws(' ', b.state, c.attempts), 'FAILED 3', 'trouble of the server''s own is tried three times') FROM opsadmin.bulk_job b JOIN opsadmin.job_chunk c ON c.job_id = b.id WHERE b.id = :job;
DROP TRIGGER trouble ON regress_shop.item;

-- A chunk that ends its backend leaves a mark; three marks set it aside.
CALL set_up('{}');
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched + 1') AS job \gset
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
UPDATE opsadmin.job_chunk SET begun = 1 WHERE job_id = :job AND chunk_no = 1;
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
SELECT is(begun, 2, 'a chunk that was begun before is marked first') FROM opsadmin.job_chunk WHERE job_id = :job AND chunk_no = 1;
SELECT is(touched(), '0x1000', 'in a transaction of its own');
SELECT ok(opsadmin_private.has_chunk(:job, 1), 'this worker keeps it');
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
SELECT is(concat_ws(' ', state, begun), 'DONE 0', 'then it is worked on, and the marks are taken away') FROM opsadmin.job_chunk WHERE job_id = :job AND chunk_no = 1;
SELECT ok(NOT opsadmin_private.has_chunk(:job, 1), 'this worker has let go of it');
UPDATE opsadmin.job_chunk SET begun = 3 WHERE job_id = :job AND chunk_no = 4;
CALL opsadmin.run_jobs();
SELECT matches(concat_ws(' ', progress(:job), error), '^PAUSED 1000 300 300 0 100 chunk 4 has ended its server process 3 times', 'three marks set it aside, and the job pauses') FROM opsadmin.bulk_job WHERE id = :job;
SELECT opsadmin.resume_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT matches(concat_ws(' ', progress(:job), error), '^FAILED 1000 900 900 0 100 chunk 4', 'it can go on with the others, but is not done') FROM opsadmin.bulk_job WHERE id = :job;
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 1000 0 0', 'until the chunk is tried again');
SELECT is(touched(), '1x1000', 'each row once');
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 0') AS job \gset
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
UPDATE opsadmin.job_chunk SET begun = 1 WHERE job_id = :job AND chunk_no = 1;
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
SELECT opsadmin.pause_job(:job) \g /dev/null
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
SELECT ok(NOT opsadmin_private.has_chunk(:job, 1), 'a job that was paused meanwhile is let go of');
SELECT opsadmin.resume_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 1000 0 0', 'and taken up again later');

-- Triggers that need what a job may not do.
CREATE FUNCTION regress_shop.make_temporary() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS scratch (n int); RETURN NULL; END$$;
CREATE TRIGGER scratch AFTER UPDATE ON regress_shop.item FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.make_temporary();
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 9', 'id <= 10') AS job \gset
CALL opsadmin.run_jobs();
SELECT matches(concat_ws(' ', state, error), '^FAILED cannot create temporary table within security-restricted operation: trigger "scratch" needs it', 'a trigger that needs what a job may not do is named') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(failure($$SELECT opsadmin.trust_triggers('regress_shop.item', '{scratch,other}')$$), 'OA420', 'a trigger that there is can be trusted');
-- opsadmin's own triggers need no trust.
ALTER TABLE regress_shop.item ADD at timestamptz NOT NULL DEFAULT now();
SELECT opsadmin.define_kpi('items', 'regress_shop.item', 'at'), opsadmin.audit('regress_shop.item') \g /dev/null
SELECT opsadmin.trust_triggers('regress_shop.item', '{scratch}') \g /dev/null
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 10 10 10 0 0', 'and does its work then');
SELECT opsadmin.drop_kpi('items'), opsadmin.unaudit('regress_shop.item') \g /dev/null
CREATE FUNCTION regress_shop.become() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN SET LOCAL ROLE opsadmin_worker; RETURN NULL; END$$;
CREATE TRIGGER become AFTER UPDATE ON regress_shop.item FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.become();
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 9', 'id <= 10') AS job \gset
CALL opsadmin.run_jobs();
SELECT matches(concat_ws(' ', state, error), '^FAILED cannot ', 'one more that nobody has trusted takes the trust from both') FROM opsadmin.bulk_job WHERE id = :job;
SELECT opsadmin.trust_triggers('regress_shop.item', '{scratch,become}') \g /dev/null
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT matches(concat_ws(' ', state, error), '^FAILED cannot set parameter "role" within security-definer function', 'a trusted one cannot take on another role either') FROM opsadmin.bulk_job WHERE id = :job;
DROP TRIGGER become ON regress_shop.item;
DROP TRIGGER scratch ON regress_shop.item;
SELECT opsadmin.trust_triggers('regress_shop.item', '{}') \g /dev/null

-- A trigger that relies on the search_path of the company's sessions.
CREATE TABLE regress_shop.note (n int);
CREATE FUNCTION regress_shop.unqualified() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO note VALUES (1); RETURN NULL; END$$;
CREATE TRIGGER unqualified AFTER UPDATE ON regress_shop.item FOR EACH STATEMENT EXECUTE FUNCTION regress_shop.unqualified();
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 9', 'id <= 10') AS job \gset
CALL opsadmin.run_jobs();
SELECT matches(concat_ws(' ', state, error), '^FAILED relation "note" does not exist: trigger "unqualified" finds no names', 'a trigger that needs a search_path is named') FROM opsadmin.bulk_job WHERE id = :job;
ALTER FUNCTION regress_shop.unqualified() SET search_path = regress_shop;
SELECT opsadmin.retry_job(:job) \g /dev/null
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 10 10 10 0 0', 'and works once it has its own');
DROP TRIGGER unqualified ON regress_shop.item;

-- Deleting.
CALL set_up('{}');
SELECT opsadmin.bulk_delete('regress_shop.item', 'id > 900 AND touched = 0') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 100 100 100 0 0', 'rows are deleted');
SELECT is(max(id), 900::bigint, 'those') FROM regress_shop.item;
SELECT is(failure($$SELECT opsadmin.bulk_delete('regress_shop.item', '')$$), 'OA425', 'not every row by mistake');
SELECT is(failure($$SELECT opsadmin.bulk_delete('regress_shop.item', 'idd > 1')$$), 'OA425', 'not by a condition that does not fit');
INSERT INTO regress_shop.item SELECT n, 1 + n % 2, 100 FROM generate_series(901, 1000) AS n;

-- A plan of several steps: rows that come behind the highest key are left out, however long planning takes.
CALL set_up('{}');
SET opsadmin.job_chunk_rows = 10;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched + 1') AS job \gset
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
SELECT is(progress(:job), 'PLANNING NULL 0 0 0 0', 'a plan has several steps');
SELECT is(count(*), 40::bigint, 'of forty chunks') FROM opsadmin.job_chunk WHERE job_id = :job;
INSERT INTO regress_shop.item SELECT n, 1, 100 FROM generate_series(1001, 1100) AS n;
SELECT opsadmin.pause_job(:job), opsadmin.resume_job(:job) \g /dev/null
SELECT is(progress(:job), 'PLANNING NULL 0 0 0 0', 'it goes on where it was');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 1000 0 0', 'to the rows that there were in the beginning');
SELECT is(touched(), '0x100 1x1000', 'each of them once');
DELETE FROM regress_shop.item WHERE id > 1000;

-- A step takes a part of a chunk when a whole one would keep its locks for too long.
CALL set_up('{}');
SET opsadmin.job_chunk_rows = 200;
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = touched + 1') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(opsadmin_private.chunk_rows(:job), 200, 'the first chunk is a whole one');
SELECT opsadmin_private.note_chunk(:job, 200, 100000, false), opsadmin_private.note_chunk(:job, 100, 100, true) \g /dev/null
SELECT is(opsadmin_private.chunk_rows(:job), 50, 'fewer rows when the last ones took long, or others were waiting');
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT results_eq('SELECT after_key::text, last_key::text, row_count, processed, changed, state FROM opsadmin.job_chunk WHERE chunk_no = 1 AND job_id = ' || :job,
                  $$VALUES ('{50}', '{200}', 200::bigint, 50::bigint, 50::bigint, 'READY')$$, 'a step moves the chunk''s beginning forward');
SELECT is(touched(), '0x950 1x50', 'by the rows that it has changed');
SELECT is(progress(:job), 'RUNNING 1000 50 50 0 0', 'and they are counted');
CALL opsadmin.run_jobs();
SELECT is(progress(:job), 'DONE 1000 1000 1000 0 0', 'the rest follows');
SELECT is(touched(), '1x1000', 'each row is changed once');
SET opsadmin.job_chunk_rows = 100;

-- Which job comes next: a small one of another tenant does not wait for a big one.
SELECT opsadmin.define_action('touch', 'regress_shop.item', 'touched = touched + 1') \g /dev/null
CREATE FUNCTION start_as(actor text, ids text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    job bigint;
BEGIN
    PERFORM opsadmin.begin_as(actor || '@example.com');
    job := opsadmin.run_action('touch', '{}', coalesce('{"ids":' || ids || '}', '{"filter":null}')::jsonb);
    RESET ROLE;
    RETURN job;
END
$$;
CALL set_up('{}');
SELECT start_as('lee') AS big \gset
SELECT start_as('lee', '["2"]') AS behind \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT start_as('max', '["1","3","5"]') AS small \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(progress(:small), 'DONE 3 3 3 0 0', 'a small job of another tenant comes at once');
SELECT is(split_part(progress(:behind), ' ', 1), 'PENDING', 'jobs of a tenant on a table keep their order');
SELECT start_as('kim', '["1","2"]') AS all_tenants \gset
SELECT start_as('max', '["7"]') AS after_all \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT is(split_part(progress(:all_tenants), ' ', 1) || ' ' || split_part(progress(:after_all), ' ', 1), 'PENDING PENDING', 'a job over all tenants waits for theirs, and those that came later for it');
CALL opsadmin.run_jobs();
SELECT is(string_agg(DISTINCT state, ' '), 'DONE', 'all come to their end') FROM opsadmin.bulk_job WHERE id IN (:big, :behind, :small, :all_tenants, :after_all);
SELECT ok(a.finished_at <= b.started_at AND b.finished_at <= c.started_at, 'in their order') FROM opsadmin.bulk_job a, opsadmin.bulk_job b, opsadmin.bulk_job c WHERE a.id = :big AND b.id = :all_tenants AND c.id = :after_all;

-- Frozen selections.
SELECT is(condition || ' ' || array_length(selected_keys, 1), 'true 2', 'keys that were chosen one by one are kept as such') FROM opsadmin.job, LATERAL (SELECT 1) AS x WHERE id = :all_tenants AND site = 'internal';

-- Housekeeping.
SELECT is(count(*), 0::bigint, 'the chunks of what is done are folded') FROM opsadmin.job_chunk c JOIN opsadmin.job j ON j.id = c.job_id WHERE j.state = 'DONE';
SELECT opsadmin.bulk_update('regress_shop.item', 'touched = 0') AS cancelled \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin.cancel_job(:cancelled) \g /dev/null
UPDATE opsadmin.job SET finished_at = now() - interval '2 hours' WHERE id = :cancelled;
UPDATE opsadmin.job SET finished_at = now() - interval '91 days' WHERE id = :big;
SELECT progress(:cancelled) AS before \gset
SELECT opsadmin.run_maintenance() \g /dev/null
SELECT is(progress(:cancelled) || ' ' || (SELECT count(*) FROM opsadmin.job_chunk WHERE job_id = :cancelled), :'before' || ' 0', 'the upkeep folds what was cancelled');
SELECT is_empty('SELECT FROM opsadmin.job WHERE id = ' || :big, 'and forgets jobs after 90 days');

-- Who sees the rows that failed, and may try them again.
CALL set_up('{2, 3}');
SELECT opsadmin.define_action('lower', 'regress_shop.item', :'lower', on_error => 'skip') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT opsadmin.run_action('lower', '{}', '{"filter":null}') AS job \gset
COMMIT;
CALL opsadmin.run_jobs();
BEGIN;
SELECT opsadmin.begin_as('lee@example.com') \g /dev/null
SELECT results_eq('SELECT key, sqlstate FROM opsadmin.job_error', $$VALUES ('{"id": "2"}'::jsonb, '23514')$$, 'a partner sees the rows of its own job that failed');
SELECT is((opsadmin.list_job_errors(:job)::jsonb #- '{rows,0,created_at}')::text,
          '{"next": null, "rows": [{"key": {"id": "2"}, "message": "new row for relation \"item\" violates check constraint \"item_price_check\"", "sqlstate": "23514"}]}', 'also as json');
SELECT results_eq('SELECT j ->> ''on_error'', j ->> ''has_errors'', j ->> ''can_retry'' FROM opsadmin.get_job(' || :job || ') AS j', $$VALUES ('skip', 'true', 'true')$$, 'and the job says that it can be tried again');
SELECT is(failure('SELECT opsadmin.retry_job(' || :job || ')'), NULL, 'and may try them again');
ROLLBACK;
BEGIN;
SELECT opsadmin.begin_as('max@example.com') \g /dev/null
SELECT is_empty('SELECT FROM opsadmin.job_error', 'no other partner does');
SELECT is(failure('SELECT opsadmin.retry_job(' || :job || ')'), 'OA407', 'nor may');
SELECT is(failure('SELECT opsadmin.list_job_errors(' || :job || ')'), 'OA407', 'nor is told');
SELECT is(failure('SELECT opsadmin.list_job_errors(NULL)'), 'OA407', 'nor of a job that never was');
COMMIT;
SELECT is(failure('SELECT opsadmin.list_job_errors(' || :job || ')'), 'OA001', 'without a context nobody is');

-- The list, page by page.
CALL set_up('{1,101,201,301,401,501,601,701,801,901}');
SELECT opsadmin.bulk_update('regress_shop.item', :'lower', on_error => 'skip') AS other \gset
CALL opsadmin.run_jobs();
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
CREATE FUNCTION pg_temp.ids(page json) RETURNS text LANGUAGE sql AS $$SELECT string_agg(r #>> '{key,id}', ' ') FROM json_array_elements(page -> 'rows') AS r$$;
SELECT opsadmin.list_job_errors(:other, page_size => 4) AS page, opsadmin.list_job_errors(:other, page_size => 4) ->> 'next' AS next \gset
SELECT is(pg_temp.ids(:'page'), '1 101 201 301', 'staff see the rows that failed, page by page');
SELECT opsadmin.list_job_errors(:other, :'next', 4) AS page, opsadmin.list_job_errors(:other, :'next', 4) ->> 'next' AS following \gset
SELECT is(pg_temp.ids(:'page'), '401 501 601 701', 'the next ones by the cursor');
SELECT is(pg_temp.ids(opsadmin.list_job_errors(:other, :'following', 4)) || coalesce(opsadmin.list_job_errors(:other, :'following', 4) ->> 'next', ' -'), '801 901 -', 'to the last one');
SELECT is(failure(format('SELECT opsadmin.list_job_errors(%s, %L)', :job, :'next')), 'OA424 /cursor', 'the cursor is no other job''s');
SELECT is(failure(format('SELECT opsadmin.list_jobs(%L)', :'next')), 'OA424 /cursor', 'and no other list''s');
SELECT is(failure(format('SELECT opsadmin.list_job_errors(%s, page_size => 101)', :other)), 'OA420 /page_size', 'a page has its limit');
ROLLBACK;
UPDATE regress_shop.item SET price = 50 WHERE price = 14;
SELECT opsadmin.retry_job(:other) \g /dev/null
CALL opsadmin.run_jobs();
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(opsadmin.list_job_errors(:other)::text, '{"rows" : [], "next" : null}', 'what was mended and tried again is not listed any more');
SELECT results_eq('SELECT j ->> ''on_error'', j ->> ''has_errors'', j ->> ''can_retry'' FROM opsadmin.get_job(' || :other || ') AS j', $$VALUES ('skip', 'false', 'false')$$, 'and there is nothing to try again');
COMMIT;
UPDATE opsadmin.job_error SET message = repeat('x', 100000) WHERE job_id = :job;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(length(opsadmin.list_job_errors(:job) #>> '{rows,0,message}'), 2000, 'a long message is cut');
COMMIT;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
