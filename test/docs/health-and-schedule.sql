ALTER ROLE opsadmin_worker CREATEDB;

-- ## schedule, unschedule
ALTER ROLE opsadmin_worker NOCREATEDB;
CREATE EXTENSION pg_cron;
