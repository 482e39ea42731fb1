-- pg_cron: scheduling the workers, the KPIs and the upkeep. pg_cron may be missing, or be installed later, so
-- its tables and functions are only named in statements that are run when it is there.

-- Tells whether pg_cron is installed in this database. Only then are the relations of schema cron its own: without
-- it, whoever may create schemas could make them, and have them used with the rights of the extension's owner.
CREATE OR REPLACE FUNCTION opsadmin_private.has_cron() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_cron')
$$;
COMMENT ON FUNCTION opsadmin_private.has_cron IS 'Tells whether pg_cron is installed in this database';
REVOKE ALL ON FUNCTION opsadmin_private.has_cron FROM PUBLIC;

-- The number of opsadmin's jobs in pg_cron, 0 without pg_cron.
CREATE OR REPLACE FUNCTION opsadmin_private.scheduled_jobs() RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  jobs integer := 0;
BEGIN
  IF opsadmin_private.has_cron() THEN
    EXECUTE 'SELECT count(*) FROM cron.job WHERE active AND jobname LIKE ''opsadmin worker %'' AND database = current_database()' INTO jobs;
  END IF;
  RETURN jobs;
END
$$;
COMMENT ON FUNCTION opsadmin_private.scheduled_jobs IS 'The number of workers that pg_cron starts, 0 without pg_cron';
REVOKE ALL ON FUNCTION opsadmin_private.scheduled_jobs FROM PUBLIC;

-- Where pg_cron looks for this server in vain: host and port are kept with each job, and a copy of the database may be in a
-- server with others. NULL when it looks in the right place.
CREATE OR REPLACE FUNCTION opsadmin_private.misdirected_jobs() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  place text;
BEGIN
  IF opsadmin_private.has_cron() THEN
    EXECUTE 'SELECT min(format(''host "%s", port %s'', nodename, nodeport)) FROM cron.job
             WHERE active AND jobname LIKE ''opsadmin %'' AND database = current_database()
               AND (nodename, nodeport::text) <> (current_setting(''cron.host''), current_setting(''port''))' INTO place;
  END IF;
  RETURN place;
END
$$;
COMMENT ON FUNCTION opsadmin_private.misdirected_jobs IS 'Where pg_cron looks for this server in vain, NULL when it looks in the right place';
REVOKE ALL ON FUNCTION opsadmin_private.misdirected_jobs FROM PUBLIC;

-- Raises OA440 when pg_cron is missing and OA441 when it runs in another database, with what to do.
CREATE OR REPLACE FUNCTION opsadmin_private.require_cron() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  cron_database text := current_setting('cron.database_name', true);
BEGIN
  -- Its settings may stand in postgresql.conf without it.
  IF NOT 'pg_cron' = ANY (regexp_split_to_array(current_setting('shared_preload_libraries'), E'[\\s,"]+')) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA440', MESSAGE = 'pg_cron is not loaded',
      HINT = 'Install the package postgresql-NN-cron, put pg_cron before opsadmin in shared_preload_libraries, restart the server, and run CREATE EXTENSION pg_cron.';
  ELSIF cron_database <> current_database() THEN
    RAISE EXCEPTION USING ERRCODE = 'OA441', MESSAGE = format('pg_cron runs in database "%s"', cron_database),
      HINT = format('ALTER SYSTEM SET cron.database_name = %L; then restart the server and run CREATE EXTENSION pg_cron here.', current_database());
  ELSIF NOT opsadmin_private.has_cron() THEN
    RAISE EXCEPTION USING ERRCODE = 'OA440', MESSAGE = 'the extension pg_cron is not installed in this database', HINT = 'CREATE EXTENSION pg_cron;';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_cron IS 'Raises OA440 or OA441 unless pg_cron runs in this database';
REVOKE ALL ON FUNCTION opsadmin_private.require_cron FROM PUBLIC;

-- schedule(workers, wait_for_worker) makes pg_cron start the workers, refresh the KPIs each minute, and run the upkeep and
-- verify the KPIs each night, replacing what was scheduled, and waits until a worker has connected (0 does not wait). Not
-- inside a transaction. OA440 and OA441 without pg_cron here, OA442 when no worker connects in time.
CREATE OR REPLACE PROCEDURE opsadmin.schedule(workers integer DEFAULT 2, wait_for_worker interval DEFAULT '75 seconds')
LANGUAGE plpgsql AS $$
DECLARE
  began timestamptz := pg_catalog.clock_timestamp();
  reminded timestamptz := began;
  job record;
  connected boolean;
BEGIN
  PERFORM opsadmin_private.require_cron();
  IF workers IS NULL OR workers NOT BETWEEN 1 AND 32 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'workers is not between 1 and 32',
      HINT = 'Two are enough for most servers.';
  END IF;
  PERFORM opsadmin_private.unschedule_all();
  PERFORM opsadmin_private.make_audit_partitions();
  FOR job IN
    SELECT pg_catalog.format('opsadmin worker %s', slot) AS name, '* * * * *' AS timing, pg_catalog.format('CALL opsadmin.run_worker(%s)', slot) AS command
    FROM pg_catalog.generate_series(1, workers) AS slot
    UNION ALL VALUES ('opsadmin kpi', '* * * * *', 'CALL opsadmin.run_kpis()'), ('opsadmin maintenance', '17 3 * * *', 'SELECT opsadmin.run_maintenance()'),
                     ('opsadmin verification', '47 3 * * *', 'SELECT opsadmin.verify_kpi()')
  LOOP
    PERFORM cron.schedule_in_database(job.name, job.timing, job.command, pg_catalog.current_database()::text, 'opsadmin_worker');
  END LOOP;
  COMMIT;
  LOOP
    SELECT EXISTS (SELECT FROM opsadmin.worker_run w WHERE w.connected_at OPERATOR(pg_catalog.>=) began) INTO connected;
    EXIT WHEN connected OR pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) (began OPERATOR(pg_catalog.+) wait_for_worker);
    -- A pg_cron that is just starting can miss that its jobs have changed.
    IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) (reminded OPERATOR(pg_catalog.+) interval '5 seconds') THEN
      reminded := pg_catalog.clock_timestamp();
      PERFORM cron.alter_job(j.jobid, active => true) FROM cron.job j WHERE j.jobname OPERATOR(pg_catalog.=) 'opsadmin worker 1' AND j.database OPERATOR(pg_catalog.=) pg_catalog.current_database();
    END IF;
    COMMIT;
    PERFORM pg_catalog.pg_sleep(0.2);
  END LOOP;
  IF NOT connected AND wait_for_worker OPERATOR(pg_catalog.>) interval '0' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA442', MESSAGE = 'no worker has connected',
      DETAIL = pg_catalog.format('pg_cron connects to host "%s" as opsadmin_worker.', pg_catalog.current_setting('cron.host')),
      HINT = pg_catalog.format('Set cron.host to the socket directory, add to pg_hba.conf: "local %s opsadmin_worker peer map=opsadmin", and to pg_ident.conf: "opsadmin postgres opsadmin_worker"; then look at cron.job_run_details.', pg_catalog.current_database());
  END IF;
END
$$;
COMMENT ON PROCEDURE opsadmin.schedule IS 'Makes pg_cron start the workers, refresh the KPIs and run the upkeep';
REVOKE ALL ON PROCEDURE opsadmin.schedule FROM PUBLIC;

-- Takes opsadmin's jobs of this database out of pg_cron and returns how many there were.
CREATE OR REPLACE FUNCTION opsadmin_private.unschedule_all() RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  removed integer := 0;
BEGIN
  IF opsadmin_private.has_cron() THEN
    EXECUTE 'SELECT count(cron.unschedule(j.jobid)) FROM cron.job j WHERE j.jobname LIKE ''opsadmin %'' AND j.database = current_database()' INTO removed;
  END IF;
  RETURN removed;
END
$$;
COMMENT ON FUNCTION opsadmin_private.unschedule_all IS 'Takes opsadmin''s jobs of this database out of pg_cron';
REVOKE ALL ON FUNCTION opsadmin_private.unschedule_all FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin.unschedule() RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.unschedule_all()
$$;
COMMENT ON FUNCTION opsadmin.unschedule IS 'Takes opsadmin''s jobs out of pg_cron and returns how many there were';
REVOKE ALL ON FUNCTION opsadmin.unschedule FROM PUBLIC;

-- The upkeep: makes the audit log's partitions of the next weeks; forgets expired secrets, attempts to sign in and requests
-- after 90 days, pg_cron's records of opsadmin's runs after 7 days and audit entries after their retention. A step that
-- fails undoes no other: it is a WARNING, and a finding of health() until it succeeds. What somebody has in a transaction is
-- left to the next upkeep. Returns the number of rows removed.
CREATE OR REPLACE FUNCTION opsadmin.run_maintenance() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
  part text;
  removed bigint;
  total bigint := 0;
BEGIN
  FOREACH part IN ARRAY '{partitions,secrets,sign-ins,requests,jobs,cron,audit}'::text[] LOOP
    BEGIN
      CASE part
        WHEN 'partitions' THEN
          PERFORM opsadmin_private.make_audit_partitions();
        WHEN 'secrets' THEN
          DELETE FROM opsadmin.secret s
          WHERE s.hash IN (SELECT o.hash FROM opsadmin.secret o WHERE o.expires_at < now() OR o.purpose = 'session' AND o.last_seen_at < now() - interval '8 hours' FOR UPDATE SKIP LOCKED);
        WHEN 'sign-ins' THEN
          DELETE FROM opsadmin.sign_in_event e WHERE e.created_at < now() - interval '90 days';
        WHEN 'requests' THEN
          DELETE FROM opsadmin.request r WHERE r.created_at < now() - interval '90 days';
        WHEN 'jobs' THEN
          PERFORM opsadmin_private.fold_job(j.id) FROM opsadmin.job j
          WHERE j.state = 'CANCELLED' AND j.total IS NULL AND j.finished_at < now() - interval '1 hour';
          DELETE FROM opsadmin.job j WHERE j.id IN (SELECT o.id FROM opsadmin.job o WHERE o.finished_at < now() - interval '90 days' FOR UPDATE SKIP LOCKED);
        WHEN 'cron' THEN
          CONTINUE WHEN NOT opsadmin_private.has_cron();
          EXECUTE 'DELETE FROM cron.job_run_details d WHERE d.username = ''opsadmin_worker'' AND d.database = current_database() AND d.end_time < now() - interval ''7 days''';
        ELSE
          total := total + opsadmin_private.purge_audit();
      END CASE;
      GET DIAGNOSTICS removed = ROW_COUNT;
      IF part NOT IN ('partitions', 'audit') THEN
        total := total + removed;
      END IF;
      DELETE FROM opsadmin.upkeep_failure f WHERE f.step = part;
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING USING MESSAGE = format('the upkeep of %s has failed: %s', part, SQLERRM), HINT = 'The next upkeep tries again.';
      INSERT INTO opsadmin.upkeep_failure AS f (step, message) VALUES (part, SQLERRM)
      ON CONFLICT (step) DO UPDATE SET message = excluded.message;
    END;
  END LOOP;
  RETURN total;
END
$$;
COMMENT ON FUNCTION opsadmin.run_maintenance IS 'Forgets what has expired; pg_cron calls it each night';
REVOKE ALL ON FUNCTION opsadmin.run_maintenance FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.run_maintenance TO opsadmin_worker;
