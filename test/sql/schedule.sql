-- schedule(): what it refuses, and what it puts into pg_cron. pg_cron's own database is made for it here where
-- it does not exist yet; what pg_cron then does is tested elsewhere.
SELECT current_database() AS here, coalesce(current_setting('cron.database_name', true), '') AS there,
       current_setting('shared_preload_libraries') ~ 'pg_cron' AND NOT EXISTS (SELECT FROM pg_database WHERE datname = current_setting('cron.database_name', true)) AS can_create \gset

-- In pg_cron's database. Results are kept in variables, since pgTAP counts within one connection.
\if :can_create
CREATE DATABASE :"there";
\c :"there"
\ir include/failure.psql
CREATE EXTENSION opsadmin;
SELECT failure('SELECT opsadmin_private.require_cron()') AS without_extension, (SELECT string_agg(rule || ': ' || remedy, ', ') FROM opsadmin.health()) AS health_without_extension \gset
CREATE EXTENSION pg_cron;
SELECT (SELECT string_agg(rule || ': ' || remedy, ', ') FROM opsadmin.health()) AS health_unscheduled \gset
ALTER ROLE opsadmin_worker CONNECTION LIMIT 0;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
CALL opsadmin.schedule(0);
\set none :LAST_ERROR_SQLSTATE
CALL opsadmin.schedule(33);
\set too_many :LAST_ERROR_SQLSTATE
CALL opsadmin.schedule(3, '300 milliseconds');
\set no_worker :LAST_ERROR_SQLSTATE
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT opsadmin_private.scheduled_jobs() AS three \gset
CALL opsadmin.schedule(2, '0');
SELECT string_agg(concat_ws('|', jobname, schedule, command, database = current_database(), username, active), E'\n' ORDER BY jobname COLLATE "C") AS jobs FROM cron.job \gset
SELECT (SELECT string_agg(rule || ': ' || problem, ', ') FROM opsadmin.health()) AS health_without_worker \gset
SELECT opsadmin_private.note_worker(1) \g /dev/null
SELECT count(*) AS health_all FROM opsadmin.health() \gset
SELECT cron.schedule('the company''s own', '0 0 1 1 *', 'SELECT 1') \g /dev/null
SELECT opsadmin.unschedule() AS removed \gset
SELECT count(*) AS left_over FROM cron.job \gset
INSERT INTO cron.job_run_details (runid, database, username, end_time)
SELECT n, CASE WHEN n = 4 THEN 'other' ELSE current_database() END, CASE WHEN n = 3 THEN 'postgres' ELSE 'opsadmin_worker' END, now() - CASE WHEN n = 2 THEN interval '6 days' ELSE '8 days' END
FROM generate_series(1000001, 1000001) AS first, generate_series(1, 4) AS n;
SELECT opsadmin.run_maintenance() AS forgotten \gset
ALTER ROLE opsadmin_worker CONNECTION LIMIT 40;
\c :"here"
DROP DATABASE :"there" WITH (FORCE);
\endif

SELECT plan(16);
\if :can_create
SELECT is(text :'without_extension', 'OA440', 'without the extension pg_cron');
SELECT is(text :'health_without_extension', 'cron: CREATE EXTENSION pg_cron;', 'as health() says');
SELECT is(text :'health_unscheduled', 'schedule: CALL opsadmin.schedule();', 'with it health() asks for schedule()');
SELECT is(text :'none', 'OA420', 'no worker at all');
SELECT is(text :'too_many', 'OA420', 'more than 32');
SELECT is(text :'no_worker', 'OA442', 'no worker connects');
SELECT is(:three, 3, 'they are scheduled all the same');
SELECT is(text :'jobs', 'opsadmin kpi|* * * * *|SELECT opsadmin.refresh_kpi()|t|opsadmin_worker|t
opsadmin maintenance|17 3 * * *|SELECT opsadmin.run_maintenance()|t|opsadmin_worker|t
opsadmin worker 1|* * * * *|CALL opsadmin.run_worker(1)|t|opsadmin_worker|t
opsadmin worker 2|* * * * *|CALL opsadmin.run_worker(2)|t|opsadmin_worker|t', 'schedule() again replaces what was there');
SELECT is(text :'health_without_worker', 'worker: no worker has connected yet', 'health() waits for a worker');
SELECT is(:health_all, 0, 'and is content with one');
SELECT is(:removed, 4, 'unschedule() takes opsadmin''s jobs back');
SELECT is(:left_over, 1, 'and leaves the company''s');
SELECT is(:forgotten, 1, 'run_maintenance() forgets old runs of opsadmin''s worker in this database');
\else
SELECT skip('pg_cron''s database exists already', 13);
\endif

-- In any other database.
\ir include/failure.psql
SELECT :'here' <> :'there' AS elsewhere \gset
\if :elsewhere
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
CALL opsadmin.schedule();
\set code :LAST_ERROR_SQLSTATE
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is(text :'code', CASE :'there' WHEN '' THEN 'OA440' ELSE 'OA441' END, 'schedule() is refused where pg_cron does not run');
SELECT is(opsadmin_private.scheduled_jobs(), 0, 'and schedules nothing');
SELECT is(opsadmin.unschedule(), 0, 'so that there is nothing to take back');
\else
SELECT skip('this is pg_cron''s database', 3);
\endif

SELECT * FROM finish();
