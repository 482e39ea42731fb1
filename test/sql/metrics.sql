-- metrics(): totals for a monitoring system, for the gateway's internal login alone, without a context.
-- topic: jobs
SELECT plan(12);
\ir include/failure.psql
SET client_min_messages = error;
SET opsadmin.job_chunk_rows = 10;

-- The value of a sample, read as a monitoring system does.
CREATE FUNCTION sample(name text) RETURNS numeric LANGUAGE sql AS $$
  SELECT split_part(line, ' ', 2)::numeric FROM string_to_table(opsadmin.metrics(), E'\n') AS line WHERE starts_with(line, name || ' ')
$$;
SELECT is_empty($$SELECT line FROM string_to_table(rtrim(opsadmin.metrics(), E'\n'), E'\n') AS line
                  WHERE line !~ '^(# HELP opsadmin_[a-z_]+ [^\n]+|# TYPE opsadmin_[a-z_]+ gauge|opsadmin_[a-z_]+({state="[A-Z]+"})? [0-9]+(\.[0-9]+)?)$'$$, 'each line has its form');
SELECT is(right(opsadmin.metrics(), 1), E'\n', 'and an end');
SELECT is(array_agg(sample(name)), '{0,0,0,0,0,0}', 'without jobs the figures are 0')
FROM unnest(ARRAY['opsadmin_jobs{state="PENDING"}', 'opsadmin_jobs_waiting', 'opsadmin_oldest_job_seconds', 'opsadmin_job_rows_changed', 'opsadmin_job_rows_failed', 'opsadmin_workers']) AS name;

CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.secretive (id bigint PRIMARY KEY, price numeric NOT NULL CHECK (price <> 13));
INSERT INTO regress_shop.secretive SELECT n, CASE WHEN n = 15 THEN 14 ELSE 100 END FROM generate_series(1, 40) AS n;
SELECT opsadmin.bulk_update('regress_shop.secretive', 'price = price - 1', on_error => 'skip') AS job \gset
CALL opsadmin.run_jobs();
SELECT opsadmin.bulk_update('regress_shop.secretive', 'price = price + 1') AS running \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
UPDATE opsadmin.job SET wait_reason = 'a lock' WHERE id = :running;
SELECT opsadmin_private.note_worker(1) \g /dev/null
SELECT is(sample('opsadmin_jobs{state="DONE"}') || ' ' || sample('opsadmin_jobs{state="RUNNING"}'), '1 1', 'jobs are counted by state');
SELECT is(sample('opsadmin_job_rows_changed'), 49::numeric, 'rows that were changed, also by a job that has not ended');
SELECT is(sample('opsadmin_job_rows_failed'), 1::numeric, 'those that could not be');
SELECT is(sample('opsadmin_jobs_waiting'), 1::numeric, 'jobs that wait');
SELECT cmp_ok(sample('opsadmin_oldest_job_seconds'), '>', 0::numeric, 'the age of the oldest');
SELECT is(sample('opsadmin_workers'), 1::numeric, 'and workers');
SELECT unalike(opsadmin.metrics(), '%secretive%', 'nothing is named');

SELECT is(failure_at('opsadmin_internal_login', 'SELECT opsadmin.metrics()'), NULL, 'the internal login needs no context');
SELECT is(string_agg(failure_at(login, 'SELECT opsadmin.metrics()'), ' '), '42501 42501', 'nobody else may ask') FROM unnest('{opsadmin_partner_login,opsadmin_worker}'::text[]) AS login;

DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
