-- schedule() in a database that pg_cron does not run in: refused, with what to do. What it schedules and the
-- workers that pg_cron then starts are tested in test/tap/cron_worker.pl.
SELECT plan(6);
\ir include/failure.psql

SELECT coalesce(current_setting('cron.database_name', true) = current_database(), false) AS pg_cron_runs_here,
       CASE WHEN current_setting('shared_preload_libraries') ~ 'pg_cron' THEN 'OA441' ELSE 'OA440' END AS expected \gset
\if :pg_cron_runs_here
SELECT skip('pg_cron runs in this database', 6);
\else

-- A procedure that COMMITs cannot be called inside failure().
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
CALL opsadmin.schedule();
\set code :LAST_ERROR_SQLSTATE
CALL opsadmin.schedule(0, '0');
\set code_first :LAST_ERROR_SQLSTATE
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is(text :'code', :'expected', 'schedule() is refused');
SELECT is(text :'code_first', :'expected', 'before its arguments are looked at');
SELECT is(failure('SELECT opsadmin_private.require_cron()'), :'expected', 'as require_cron() does it');

CREATE FUNCTION hint_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint := PG_EXCEPTION_HINT;
    RETURN hint;
END
$$;
SELECT matches(hint_of('SELECT opsadmin_private.require_cron()'), CASE :'expected' WHEN 'OA441' THEN 'ALTER SYSTEM SET cron.database_name = ''' || current_database() || '''' ELSE 'shared_preload_libraries' END,
               'the hint says what to do');
SELECT is(opsadmin_private.scheduled_jobs(), 0, 'nothing is scheduled');
SELECT is(opsadmin.unschedule(), 0, 'so that there is nothing to take back');
\endif

SELECT * FROM finish();
