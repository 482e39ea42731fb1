-- Bulk jobs: working the queue off, and what the page shows of them. The procedures COMMIT, so they can
-- have neither a SET clause nor SECURITY DEFINER: every name in them is qualified.

-- Works the queue off in the foreground and returns when nothing is left to do. Not inside a transaction.
CREATE OR REPLACE PROCEDURE opsadmin.run_jobs()
LANGUAGE plpgsql AS $$
DECLARE
  worked boolean;
  pause integer;
BEGIN
  -- Whatever the database's default is: a step must see what the others have committed, and write. CHAIN keeps it.
  COMMIT;
  SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
  LOOP
    worked := opsadmin_private.run_next_step(may_mark => true);
    COMMIT AND CHAIN;
    CONTINUE WHEN worked;
    pause := opsadmin_private.next_retry();
    COMMIT AND CHAIN;
    EXIT WHEN pause IS NULL;
    CALL opsadmin_private.wait_for_work(pause);
  END LOOP;
END
$$;
COMMENT ON PROCEDURE opsadmin.run_jobs IS 'Works the job queue off in the foreground: for psql, tests and servers without pg_cron';
REVOKE ALL ON PROCEDURE opsadmin.run_jobs FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE opsadmin.run_jobs TO opsadmin_worker;

-- A worker, for pg_cron: works and waits for work until just after the next minute begins, when pg_cron
-- starts it again. A second worker of the same slot returns at once.
CREATE OR REPLACE PROCEDURE opsadmin.run_worker(slot integer)
LANGUAGE plpgsql AS $$
DECLARE
  ends_at timestamptz := pg_catalog.date_trunc('minute', pg_catalog.clock_timestamp()) + pg_catalog.make_interval(secs => 60.05);
  worked boolean;
  pause integer;
BEGIN
  COMMIT;
  SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
  IF NOT opsadmin_private.lock_worker_slot(slot) THEN
    RETURN;
  END IF;
  PERFORM opsadmin_private.note_worker(slot);
  COMMIT AND CHAIN;
  WHILE pg_catalog.clock_timestamp() OPERATOR(pg_catalog.<) ends_at LOOP
    worked := opsadmin_private.run_next_step(may_mark => true);
    COMMIT AND CHAIN;
    CONTINUE WHEN worked;
    pause := pg_catalog.ceil(1000 OPERATOR(pg_catalog.*) pg_catalog.extract('epoch', ends_at OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp()));
    pause := GREATEST(1, LEAST(1000, pause, opsadmin_private.next_retry()));
    COMMIT AND CHAIN;
    CALL opsadmin_private.wait_for_work(pause);
  END LOOP;
  PERFORM opsadmin_private.unlock_worker_slot(slot);
END
$$;
COMMENT ON PROCEDURE opsadmin.run_worker IS 'A worker of the job queue, for pg_cron: returns just after the next minute begins';
REVOKE ALL ON PROCEDURE opsadmin.run_worker FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE opsadmin.run_worker TO opsadmin_worker;

-- The job as the page shows it. The caller has decided that the actor may see it. PL/pgSQL keeps the plan,
-- since the page asks each second.
CREATE OR REPLACE FUNCTION opsadmin_private.job_json(job_id bigint) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT json_build_object('id', b.id::text, 'name', b.name, 'label', j.label, 'actor_name', b.actor,
            'tenant', (SELECT json_build_object('slug', t.slug, 'name', t.name) FROM opsadmin.tenant t WHERE t.id = j.tenant_id),
            'target', b.target, 'selection_summary', b.selection, 'params', coalesce(opsadmin_private.numbers_as_text(b.params), '{}'), 'state', b.state, 'total', b.total, 'processed', b.processed,
            'changed', b.changed, 'skipped', b.skipped, 'failed', b.failed, 'error', left(b.error, 2000), 'wait_reason', b.wait_reason, 'rate', b.rate,
            'eta', date_trunc('second', b.eta), 'on_error', j.on_error, 'has_errors', EXISTS (SELECT FROM opsadmin.job_error e WHERE e.job_id = b.id),
            'can_retry', b.state = 'FAILED' OR b.state = 'DONE' AND b.failed > 0, 'created_at', b.created_at, 'started_at', b.started_at, 'finished_at', b.finished_at)
          FROM opsadmin.bulk_job b JOIN opsadmin.job j ON j.id = b.id WHERE b.id = $1);
END
$$;
COMMENT ON FUNCTION opsadmin_private.job_json IS 'A job as the page shows it, as json';
REVOKE ALL ON FUNCTION opsadmin_private.job_json FROM PUBLIC;

-- Raises OA407 unless the job exists, and belongs to the tenant of the context if there is one.
CREATE OR REPLACE FUNCTION opsadmin_private.require_job(job_id bigint) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own_tenant bigint := opsadmin.current_tenant();
BEGIN
  IF NOT EXISTS (SELECT FROM opsadmin.job j WHERE j.id = job_id AND (own_tenant IS NULL OR j.tenant_id = own_tenant)) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA407', MESSAGE = format('job %s does not exist', coalesce(job_id::text, 'NULL')),
      HINT = 'opsadmin.list_jobs() shows the jobs of this tenant.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_job IS 'Raises OA407 for a job that does not exist or belongs to another tenant';
REVOKE ALL ON FUNCTION opsadmin_private.require_job FROM PUBLIC;

-- One job; OA407 when it does not exist or belongs to another tenant.
CREATE OR REPLACE FUNCTION opsadmin.get_job(job_id bigint) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_job(job_id);
  RETURN opsadmin_private.job_json(job_id);
END
$$;
COMMENT ON FUNCTION opsadmin.get_job IS 'A job with its progress, as json';
REVOKE ALL ON FUNCTION opsadmin.get_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.get_job TO opsadmin_internal, opsadmin_partner;

-- Jobs, newest first, as {"rows":[…],"next":…}.
CREATE OR REPLACE FUNCTION opsadmin.list_jobs(cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  size integer := opsadmin_private.page_size(page_size);
  own_tenant bigint := opsadmin.current_tenant();
  list text := 'jobs' || coalesce(own_tenant::text, '*');
  before_id bigint := coalesce((opsadmin_private.read_cursor(list, cursor) ->> 0)::bigint, 9223372036854775807);
  ids bigint[];
BEGIN
  IF own_tenant IS NULL THEN
    ids := ARRAY(SELECT j.id FROM opsadmin.job j WHERE j.id < before_id ORDER BY j.id DESC LIMIT size + 1);
  ELSE
    ids := ARRAY(SELECT j.id FROM opsadmin.job j WHERE j.tenant_id = own_tenant AND j.id < before_id ORDER BY j.id DESC LIMIT size + 1);
  END IF;
  RETURN json_build_object(
    'rows', (SELECT coalesce(json_agg(opsadmin_private.job_json(id) ORDER BY id DESC), '[]') FROM unnest(ids[:size]) AS id),
    'next', CASE WHEN cardinality(ids) > size THEN opsadmin_private.make_cursor(list, json_build_array(ids[size]::text)::text) END);
END
$$;
COMMENT ON FUNCTION opsadmin.list_jobs IS 'Jobs that the actor may see, newest first, as json';
REVOKE ALL ON FUNCTION opsadmin.list_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_jobs TO opsadmin_internal, opsadmin_partner;

-- The rows that a job could not change, in the order in which they were found, as {"rows":[…],"next":…}. OA407 as get_job().
CREATE OR REPLACE FUNCTION opsadmin.list_job_errors(job_id bigint, cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  size integer := opsadmin_private.page_size(page_size);
  list text := concat_ws(' ', 'job errors', job_id, coalesce(opsadmin.current_tenant()::text, '*'));
  after_id bigint;
  ids bigint[];
BEGIN
  PERFORM opsadmin_private.require_job(job_id);
  after_id := coalesce((opsadmin_private.read_cursor(list, cursor) ->> 0)::bigint, 0);
  ids := ARRAY(SELECT e.id FROM opsadmin.job_error e WHERE e.job_id = list_job_errors.job_id AND e.id > after_id ORDER BY e.id LIMIT size + 1);
  RETURN json_build_object(
    -- A trigger may say a lot.
    'rows', (SELECT coalesce(json_agg(json_build_object('key', e.key, 'sqlstate', e.sqlstate, 'message', left(e.message, 2000), 'created_at', e.created_at) ORDER BY e.id), '[]')
             FROM opsadmin.job_error e WHERE e.id = ANY (ids[:size])),
    'next', CASE WHEN cardinality(ids) > size THEN opsadmin_private.make_cursor(list, json_build_array(ids[size]::text)::text) END);
END
$$;
COMMENT ON FUNCTION opsadmin.list_job_errors IS 'The rows that a job could not change, and why, as json';
REVOKE ALL ON FUNCTION opsadmin.list_job_errors FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_job_errors TO opsadmin_internal, opsadmin_partner;

-- Moves a job of the actor's tenant to another state. OA407 for an unknown job, OA403 for an actor that may not
-- run it, OA444 when it is in none of the states from which this can be done, 55P03 while somebody else is changing it. A
-- superuser needs no context.
CREATE OR REPLACE FUNCTION opsadmin_private.move_job(job_id bigint, from_states text[], to_state text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  by_superuser boolean := NOT opsadmin_private.context_is_bound() AND (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user);
  own_tenant bigint := CASE WHEN NOT by_superuser THEN opsadmin.current_tenant() END;
  job opsadmin.job;
BEGIN
  BEGIN
    SELECT * INTO STRICT job FROM opsadmin.job j WHERE j.id = job_id AND (own_tenant IS NULL OR j.tenant_id = own_tenant) FOR NO KEY UPDATE;
  EXCEPTION WHEN lock_not_available THEN
    RAISE lock_not_available USING MESSAGE = format('another transaction is changing job %s', job_id), HINT = 'Try again when that has ended.';
  WHEN no_data_found THEN
    RAISE EXCEPTION USING ERRCODE = 'OA407', MESSAGE = format('job %s does not exist', coalesce(job_id::text, 'NULL')),
      HINT = 'opsadmin.list_jobs() shows the jobs of this tenant.';
  END;
  IF NOT by_superuser THEN
    PERFORM opsadmin_private.require_permission(coalesce(job.permission, '*'));
  END IF;
  IF NOT job.state = ANY (from_states) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA444', MESSAGE = format('job %s is %s', job_id, lower(job.state)),
      HINT = format('This can be done while a job is %s.', lower(array_to_string(from_states, ' or ')));
  END IF;
  UPDATE opsadmin.job j
  SET state = CASE WHEN to_state <> 'RUNNING' OR j.planned THEN to_state WHEN j.started_at IS NULL THEN 'PENDING' ELSE 'PLANNING' END, wait_reason = NULL, error = NULL,
      retry_at = NULL, finished_at = CASE WHEN to_state = 'CANCELLED' THEN clock_timestamp() END
  WHERE j.id = job_id;
  PERFORM opsadmin_private.wake_workers();
END
$$;
COMMENT ON FUNCTION opsadmin_private.move_job IS 'Moves a job of the actor''s tenant to another state; OA407, OA403 or OA444';
REVOKE ALL ON FUNCTION opsadmin_private.move_job FROM PUBLIC;

-- Stops a job after the chunks that are being worked on; resume_job() goes on where it stopped.
CREATE OR REPLACE FUNCTION opsadmin.pause_job(job_id bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.move_job($1, '{PENDING,PLANNING,RUNNING}', 'PAUSED')
$$;
COMMENT ON FUNCTION opsadmin.pause_job IS 'Stops a job after the chunks that are being worked on; resume_job() goes on';
REVOKE ALL ON FUNCTION opsadmin.pause_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.pause_job TO opsadmin_internal, opsadmin_partner;

-- Goes on with a paused job.
CREATE OR REPLACE FUNCTION opsadmin.resume_job(job_id bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.move_job($1, '{PAUSED}', 'RUNNING')
$$;
COMMENT ON FUNCTION opsadmin.resume_job IS 'Goes on with a paused job';
REVOKE ALL ON FUNCTION opsadmin.resume_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.resume_job TO opsadmin_internal, opsadmin_partner;

-- Ends a job after the chunks that are being worked on. What was changed stays changed.
CREATE OR REPLACE FUNCTION opsadmin.cancel_job(job_id bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.move_job($1, '{PENDING,PLANNING,RUNNING,PAUSED}', 'CANCELLED')
$$;
COMMENT ON FUNCTION opsadmin.cancel_job IS 'Ends a job after the chunks that are being worked on; what was changed stays changed';
REVOKE ALL ON FUNCTION opsadmin.cancel_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.cancel_job TO opsadmin_internal, opsadmin_partner;

-- Does again what failed of a job: the rest of its chunks, and the rows that job_error lists, which it forgets.
CREATE OR REPLACE FUNCTION opsadmin.retry_job(job_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  names name[];
  every integer := current_setting('opsadmin.job_chunk_rows')::integer;
BEGIN
  -- A job that is done has something to try again only when rows of it failed.
  PERFORM opsadmin_private.move_job(job_id, CASE WHEN EXISTS (SELECT FROM opsadmin.job j WHERE j.id = job_id AND j.failed > 0) THEN '{FAILED,DONE}'::text[] ELSE '{FAILED}' END, 'RUNNING');
  -- A worker may still have one of them in its hands. The rows that it lists are then seen below, each where it is counted.
  PERFORM FROM opsadmin.job_chunk c WHERE c.job_id = retry_job.job_id FOR UPDATE;
  UPDATE opsadmin.job_chunk c SET state = 'READY', attempts = 0, begun = 0, retry_at = NULL, error = NULL WHERE c.job_id = retry_job.job_id AND c.state = 'FAILED';
  SELECT (opsadmin_private.key_columns(t.relation)).names INTO names FROM opsadmin.job j JOIN opsadmin.target t ON t.id = j.target_id WHERE j.id = job_id;
  -- Rows of chunks that failed as a whole are tried with their chunks.
  WITH listed AS (DELETE FROM opsadmin.job_error e WHERE e.job_id = retry_job.job_id RETURNING e.*),
       numbered AS (SELECT e.*, row_number() OVER (ORDER BY e.id) AS ordinal FROM listed e WHERE (SELECT j.on_error FROM opsadmin.job j WHERE j.id = retry_job.job_id) = 'skip')
  INSERT INTO opsadmin.job_chunk (job_id, chunk_no, tenant_id, keys, row_count)
  SELECT n.job_id, (SELECT coalesce(max(c.chunk_no), 0) FROM opsadmin.job_chunk c WHERE c.job_id = retry_job.job_id) + 1 + (n.ordinal - 1) / every, min(n.tenant_id),
         jsonb_agg((SELECT jsonb_agg(n.key -> k.name ORDER BY k.ordinal) FROM unnest(names) WITH ORDINALITY AS k(name, ordinal)) ORDER BY n.ordinal), count(*)
  FROM numbered n GROUP BY n.job_id, (n.ordinal - 1) / every;
  -- What was folded is a chunk of its own again; the rows that failed are counted anew.
  INSERT INTO opsadmin.job_chunk (job_id, chunk_no, tenant_id, row_count, processed, changed, state, done_at)
  SELECT j.id, 0, j.tenant_id, j.total - j.failed, j.processed - j.failed, j.changed, 'DONE', clock_timestamp() FROM opsadmin.job j WHERE j.id = retry_job.job_id AND j.total IS NOT NULL;
  UPDATE opsadmin.job_chunk c SET row_count = c.row_count - c.failed, processed = c.processed - c.failed, failed = 0 WHERE c.job_id = retry_job.job_id AND c.failed > 0;
  UPDATE opsadmin.job j SET total = NULL, processed = NULL, changed = NULL, failed = NULL WHERE j.id = retry_job.job_id;
END
$$;
COMMENT ON FUNCTION opsadmin.retry_job IS 'Does again what failed of a job: its chunks, and the rows that job_error lists';
REVOKE ALL ON FUNCTION opsadmin.retry_job FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.retry_job TO opsadmin_internal, opsadmin_partner;
