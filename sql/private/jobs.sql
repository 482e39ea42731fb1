-- The job engine. A job is planned into key ranges once; a chunk is claimed, applied and marked done in one
-- transaction, so progress and data cannot part. Everything here runs as the extension's owner; the
-- statements of a job run as the job's role, with its context bound.

-- Binds the context of a job to this transaction. Who may run an action may do so by what the action does: read and
-- update its table. Returns why the job may not run any more, NULL when it
-- may: its actor is disabled, has lost the permission, or has more of them than a context holds, or its tenant is suspended.
CREATE OR REPLACE FUNCTION opsadmin_private.bind_job(job opsadmin.job) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  resource text := (SELECT opsadmin_private.resource_of(t.relation) FROM opsadmin.target t WHERE t.id = job.target_id);
BEGIN
  IF job.permission IS NOT NULL AND NOT job.is_system AND NOT EXISTS (SELECT FROM opsadmin.actor a WHERE a.id = job.actor_id AND a.disabled_at IS NULL) THEN
    RETURN 'the actor does not exist any more, or is disabled';
  END IF;
  IF job.site = 'partner' AND EXISTS (SELECT FROM opsadmin.tenant t WHERE t.id = job.tenant_id AND t.suspended_at IS NOT NULL) THEN
    RETURN 'the tenant is suspended';
  END IF;
  -- An error here would stop the queue: more permissions than a context holds must not be one.
  IF job.permission IS NOT NULL AND octet_length(array_to_string(opsadmin_private.permissions(job.actor_id, job.site, job.tenant_id), ' ')) > 3900 THEN
    RETURN 'the actor has too many permissions';
  END IF;
  PERFORM opsadmin_private.bind_actor(coalesce(job.site, 'internal'), CASE WHEN job.permission IS NOT NULL THEN job.actor_id END, job.tenant_id,
    CASE WHEN job.permission IS NULL THEN ARRAY['*'] WHEN resource IS NULL THEN '{}' ELSE ARRAY[resource || ':read', resource || ':' || job.kind] END
    || CASE WHEN job.is_system THEN ARRAY[job.permission] ELSE '{}' END,
    job.ip, job.method, job.path, job.request_id, job.reason, job.id, job.name, actor_name => job.actor_name);
  IF NOT opsadmin.can(job.permission) THEN
    RETURN format('permission "%s" is required', job.permission);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION opsadmin_private.bind_job IS 'Binds the context of a job; returns why it may not run any more, NULL when it may';
REVOKE ALL ON FUNCTION opsadmin_private.bind_job FROM PUBLIC;

-- Why jobs wait, NULL when they do not.
CREATE OR REPLACE FUNCTION opsadmin_private.measure_throttle() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  most_lag interval := current_setting('opsadmin.job_max_replica_lag')::interval;
  most_wal text := current_setting('opsadmin.job_max_retained_wal');
  query text := current_setting('opsadmin.job_throttle_query');
  reason text;
BEGIN
  IF most_lag > '0' THEN
    SELECT format('replica "%s" is %s s behind', r.application_name, round(extract(epoch FROM r.replay_lag), 1)) INTO reason
    FROM pg_stat_replication r WHERE r.replay_lag > most_lag ORDER BY r.replay_lag DESC LIMIT 1;
  END IF;
  IF reason IS NULL AND most_wal <> '0' AND NOT pg_is_in_recovery() THEN
    SELECT format('replication slot "%s" retains %s of WAL', s.slot_name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn))) INTO reason
    FROM pg_replication_slots s WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn) > pg_size_bytes(most_wal) LIMIT 1;
  END IF;
  IF reason IS NULL AND query <> '' THEN
    BEGIN
      reason := opsadmin_private.query_as('opsadmin_worker'::regrole, query);
    EXCEPTION WHEN OTHERS OR assert_failure THEN
      reason := 'opsadmin.job_throttle_query fails: ' || SQLERRM;
    END;
  END IF;
  RETURN reason;
END
$$;
COMMENT ON FUNCTION opsadmin_private.measure_throttle IS 'Why jobs wait: replica lag, retained WAL or the DBA''s query; NULL when they do not';
REVOKE ALL ON FUNCTION opsadmin_private.measure_throttle FROM PUBLIC;

-- The jobs whose turn it is, the first one first. A tenant's jobs on a table go one after the other, and one of all
-- tenants goes after and before theirs, so that jobs whose rows overlap keep their order. So each tenant and table has a
-- queue, whose head alone is looked at.
CREATE OR REPLACE FUNCTION opsadmin_private.queue_heads() RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    WITH RECURSIVE head AS (
      (SELECT coalesce(j.tenant_id, 0) AS tenant, j.target_id, j.id FROM opsadmin.job j
       WHERE j.state IN ('PENDING', 'PLANNING', 'RUNNING') ORDER BY coalesce(j.tenant_id, 0), j.target_id, j.id LIMIT 1)
      UNION ALL
      SELECT n.* FROM head h CROSS JOIN LATERAL (
        SELECT coalesce(j.tenant_id, 0), j.target_id, j.id FROM opsadmin.job j
        WHERE j.state IN ('PENDING', 'PLANNING', 'RUNNING') AND (coalesce(j.tenant_id, 0), j.target_id) > (h.tenant, h.target_id)
        ORDER BY coalesce(j.tenant_id, 0), j.target_id, j.id LIMIT 1) AS n)
    SELECT h.id FROM head h
    WHERE NOT EXISTS (SELECT FROM head o WHERE o.target_id = h.target_id AND o.tenant <> h.tenant AND 0 IN (o.tenant, h.tenant) AND o.id < h.id)
    ORDER BY opsadmin_private.job_turn(h.tenant, 0), opsadmin_private.job_turn(h.tenant, h.target_id), h.id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.queue_heads IS 'The jobs whose turn it is, the first one first';
REVOKE ALL ON FUNCTION opsadmin_private.queue_heads FROM PUBLIC;

-- Takes the row of a job until the transaction ends; false when somebody else is changing it, such as one who is about to
-- pause it: a worker waits for nobody.
CREATE OR REPLACE FUNCTION opsadmin_private.lock_job(job_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM opsadmin.job j WHERE j.id = $1 FOR NO KEY UPDATE SKIP LOCKED;
  RETURN FOUND;
END
$$;
COMMENT ON FUNCTION opsadmin_private.lock_job IS 'Takes the row of a job; false when somebody else has it';
REVOKE ALL ON FUNCTION opsadmin_private.lock_job FROM PUBLIC;

-- Notes what a job waits for, NULL when it goes on; the note is left out while somebody else is changing the job.
CREATE OR REPLACE FUNCTION opsadmin_private.note_wait(job opsadmin.job, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF job.wait_reason IS DISTINCT FROM reason AND opsadmin_private.lock_job(job.id) THEN
    UPDATE opsadmin.job j SET wait_reason = $2 WHERE j.id = job.id AND j.state IN ('PENDING', 'PLANNING', 'RUNNING');
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.note_wait IS 'Notes what a job waits for, unless somebody else is changing the job';
REVOKE ALL ON FUNCTION opsadmin_private.note_wait FROM PUBLIC;

-- Ends a job without success, unless somebody else is changing it: then the next step of it does.
CREATE OR REPLACE FUNCTION opsadmin_private.fail_job(job_id bigint, message text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF opsadmin_private.lock_job(job_id) THEN
    UPDATE opsadmin.job j SET state = 'FAILED', error = $2, wait_reason = NULL, retry_at = NULL, finished_at = clock_timestamp()
    WHERE j.id = $1 AND j.state IN ('PENDING', 'PLANNING', 'RUNNING', 'PAUSED');
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.fail_job IS 'Ends a job without success, unless somebody else is changing it';
REVOKE ALL ON FUNCTION opsadmin_private.fail_job FROM PUBLIC;

-- Ends a job that has nothing left to do, and folds its chunks into it. It stays as it is while others have it, or one of
-- its chunks; what a worker has in its hands is READY in this snapshot.
CREATE OR REPLACE FUNCTION opsadmin_private.finish_job(job_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Who locks the job has seen that nothing is left: otherwise the one who does the last chunk could meet the lock of one
  -- who is about to let go, and nobody would end the job.
  IF EXISTS (SELECT FROM opsadmin.job_chunk c WHERE c.job_id = finish_job.job_id AND c.state = 'READY') THEN
    RETURN false;
  END IF;
  IF NOT opsadmin_private.lock_job(job_id) THEN
    RETURN false;
  END IF;
  -- A statement of its own, which sees what whoever had the lock has done: the job may have been ended meanwhile.
  PERFORM FROM opsadmin.job j WHERE j.id = finish_job.job_id AND j.state = 'RUNNING' AND j.planned;
  IF NOT FOUND OR EXISTS (SELECT FROM opsadmin.job_chunk c WHERE c.job_id = finish_job.job_id AND c.state = 'READY') THEN
    RETURN false;
  END IF;
  PERFORM set_config('lock_timeout', '200ms', true);
  IF EXISTS (SELECT FROM opsadmin.job_chunk c WHERE c.job_id = finish_job.job_id AND c.state = 'FAILED') THEN
    PERFORM opsadmin_private.fail_job(finish_job.job_id, (SELECT c.error FROM opsadmin.job_chunk c WHERE c.job_id = finish_job.job_id AND c.state = 'FAILED' ORDER BY c.chunk_no LIMIT 1));
  ELSE
    PERFORM opsadmin_private.fold_job(finish_job.job_id, 'DONE');
  END IF;
  RETURN true;
EXCEPTION WHEN lock_not_available THEN
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.finish_job IS 'Ends a job that has nothing left to do; false when it has, or when others end it';
REVOKE ALL ON FUNCTION opsadmin_private.finish_job FROM PUBLIC;

-- Adds the chunks of a job up in it and forgets them; with a state, it ends in that.
CREATE OR REPLACE FUNCTION opsadmin_private.fold_job(job_id bigint, state text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  WITH folded AS (DELETE FROM opsadmin.job_chunk c WHERE c.job_id = $1 RETURNING c.row_count, c.processed, c.changed, c.failed)
  UPDATE opsadmin.job j
  SET total = coalesce(s.total, 0), processed = coalesce(s.processed, 0), changed = coalesce(s.changed, 0), failed = coalesce(s.failed, 0),
      state = coalesce($2, j.state), finished_at = CASE WHEN $2 IS NULL THEN j.finished_at ELSE clock_timestamp() END, wait_reason = CASE WHEN $2 IS NULL THEN j.wait_reason END
  FROM (SELECT sum(row_count) AS total, sum(processed) AS processed, sum(changed) AS changed, sum(failed) AS failed FROM folded) AS s
  WHERE j.id = $1;
END
$$;
COMMENT ON FUNCTION opsadmin_private.fold_job IS 'Adds the chunks of a job up in it and forgets them';
REVOKE ALL ON FUNCTION opsadmin_private.fold_job FROM PUBLIC;

-- The next step of a job's plan: a pass over the keys of its rows, in their order, as the job's role. A step has at most
-- forty chunks, so that it is short; rows above the highest key of the first step's time are left out.
CREATE OR REPLACE FUNCTION opsadmin_private.plan_job(job opsadmin.job) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  most_chunks CONSTANT integer := 40;
  role oid := quote_ident(job.run_as)::regrole;
  every integer := current_setting('opsadmin.job_chunk_rows')::integer;
  last_no integer := coalesce((SELECT max(c.chunk_no) FROM opsadmin.job_chunk c WHERE c.job_id = job.id), 0);
  target record;
  found_keys jsonb;
  complete boolean := true;
BEGIN
  SELECT * INTO target FROM opsadmin_private.job_target(job);
  IF job.selected_keys IS NOT NULL THEN
    found_keys := opsadmin_private.plan_keys_as(role, opsadmin_private.keys_query(job, target.relation, target.names,
      opsadmin_private.keys_condition(target.names, target.types, (SELECT jsonb_agg(jsonb_build_array(k)) FROM unnest(job.selected_keys) AS k))), 1);
  ELSE
    found_keys := opsadmin_private.plan_keys_as(role, opsadmin_private.keys_query(job, target.relation, target.names,
      opsadmin_private.range_condition(target.names, target.types, job.plan_after, job.plan_until), every::bigint * most_chunks), every);
    complete := jsonb_array_length(found_keys) < most_chunks OR (found_keys -> -1 ->> 1)::integer < every;
    IF NOT complete AND job.plan_until IS NULL THEN
      job.plan_until := ARRAY(SELECT jsonb_array_elements_text(opsadmin_private.plan_keys_as(role,
        opsadmin_private.keys_query(job, target.relation, target.names, 'true', 1, true), 1) -> 0 -> 0));
    END IF;
  END IF;
  -- Not earlier: who pauses or cancels the job does not wait for its plan.
  IF NOT opsadmin_private.lock_job(job.id) THEN
    RAISE lock_not_available USING MESSAGE = 'another transaction is changing the job';
  END IF;
  IF job.selected_keys IS NOT NULL THEN
    INSERT INTO opsadmin.job_chunk (job_id, chunk_no, tenant_id, keys, row_count)
    SELECT job.id, last_no + 1 + (ordinal - 1) / every, job.tenant_id, jsonb_agg(k -> 0 ORDER BY ordinal), count(*)
    FROM jsonb_array_elements(found_keys) WITH ORDINALITY AS e(k, ordinal) GROUP BY (ordinal - 1) / every;
  ELSE
    INSERT INTO opsadmin.job_chunk (job_id, chunk_no, tenant_id, after_key, last_key, row_count)
    SELECT job.id, last_no + ordinal, job.tenant_id, coalesce(lag(p.last_key) OVER (ORDER BY ordinal), job.plan_after), p.last_key, p.row_count
    FROM (SELECT ordinal, ARRAY(SELECT jsonb_array_elements_text(c -> 0)) AS last_key, (c ->> 1)::integer AS row_count
          FROM jsonb_array_elements(found_keys) WITH ORDINALITY AS e(c, ordinal)) AS p;
    IF jsonb_array_length(found_keys) > 0 THEN
      job.plan_after := ARRAY(SELECT jsonb_array_elements_text(found_keys -> -1 -> 0));
    END IF;
  END IF;
  IF jsonb_array_length(found_keys) = 0 AND last_no = 0 AND job.site IS NULL
     AND opsadmin_private.query_as(role, format('SELECT pg_catalog.row_security_active(%s::oid)::text', target.relation::oid)) = 'true' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA443', MESSAGE = format('row-level security hides every row from role "%s"', job.run_as),
      HINT = 'Start the job as a role that sees the rows: one of trusted_roles of opsadmin.protect(), or a superuser.';
  END IF;
  -- It may have been paused or cancelled meanwhile.
  UPDATE opsadmin.job j
  SET state = CASE WHEN j.state NOT IN ('PENDING', 'PLANNING') THEN j.state WHEN complete THEN 'RUNNING' ELSE 'PLANNING' END,
      planned = complete, key_order = target.key_order, plan_after = job.plan_after, plan_until = job.plan_until, started_at = coalesce(j.started_at, clock_timestamp()),
      retry_at = NULL, wait_reason = NULL
  WHERE j.id = job.id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.plan_job IS 'The next step of a job''s plan';
REVOKE ALL ON FUNCTION opsadmin_private.plan_job FROM PUBLIC;

-- Does a job of a few selected rows whole: one statement changes them, another one ends the job. Returns NULL, or why it
-- has changed nothing, as error_kind() does: then a plan and chunks are needed, which count rows and errors one by one.
CREATE OR REPLACE FUNCTION opsadmin_private.work_whole(job opsadmin.job) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  began timestamptz := clock_timestamp();
  row_count integer := cardinality(job.selected_keys);
  target record;
BEGIN
  PERFORM set_config('lock_timeout', '200ms', true);
  SELECT * INTO target FROM opsadmin_private.job_target(job);
  IF opsadmin_private.apply_rows(job, target.relation, format('target.%I %s ANY (%L::%s[])', target.names[1], opsadmin_private.comparison(target.types[1], '='), job.selected_keys, target.types[1])) <> row_count THEN
    RAISE data_exception;
  ELSIF NOT opsadmin_private.lock_job(job.id) THEN
    RAISE lock_not_available;
  END IF;
  UPDATE opsadmin.job j
  SET state = 'DONE', planned = true, key_order = target.key_order, total = row_count, processed = row_count, changed = row_count, failed = 0,
      started_at = began, finished_at = clock_timestamp(), retry_at = NULL, wait_reason = NULL
  WHERE j.id = job.id AND j.state IN ('PENDING', 'PLANNING');
  IF NOT FOUND THEN
    RAISE lock_not_available;
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS OR assert_failure THEN
  RETURN opsadmin_private.error_kind(SQLSTATE);
END
$$;
COMMENT ON FUNCTION opsadmin_private.work_whole IS 'Does a job of a few selected rows whole; NULL, or why it has changed nothing';
REVOKE ALL ON FUNCTION opsadmin_private.work_whole FROM PUBLIC;

-- Does the next thing there is to do, in this transaction: a step of a job's plan or of a chunk, or the end of a job.
-- Returns false when there is nothing. The queue is always read by its indexes: it is small, and full of dead rows. Plans
-- are kept: a small job has less to do than its plans would cost.
-- may_mark: the caller commits next and calls again. Then the first chunk of a backend, and any that was begun before
-- without an outcome, is marked in a transaction of its own: one that kills its backend leaves no other trace.
CREATE OR REPLACE FUNCTION opsadmin_private.run_next_step(may_mark boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  most_begun CONSTANT integer := 3;
  throttled text := opsadmin_private.throttle_reason();
  in_hand bigint := opsadmin_private.job_in_hand();
  head bigint;
  job opsadmin.job;
  chunk opsadmin.job_chunk;
  failure text;
BEGIN
  -- Reading the queue and the keys of a plan may wait for a migration. A chunk must not make others wait behind it.
  PERFORM set_config('lock_timeout', '10s', true);
  IF opsadmin_private.has_noted_pages() THEN
    BEGIN
      PERFORM opsadmin_private.reuse_pages();
    EXCEPTION WHEN OTHERS THEN
      NULL;  -- such as a full disk: then the space is left to VACUUM
    END;
  END IF;
  FOR head IN SELECT in_hand WHERE in_hand IS NOT NULL UNION ALL SELECT h FROM opsadmin_private.queue_heads() AS h WHERE in_hand IS NULL LOOP
    -- One who is pausing or cancelling the job may take as long as they like to commit: it is passed over, but for a chunk that
    -- is marked, which must come to its outcome.
    SELECT * INTO job FROM opsadmin.job j
    WHERE j.id = head AND j.state IN ('PENDING', 'PLANNING', 'RUNNING') AND (in_hand IS NOT NULL OR NOT opsadmin_private.row_is_held(j.tableoid, j.ctid));
    CONTINUE WHEN NOT FOUND;
    -- Further ahead than a pause can be: the clock was set back.
    IF NOT job.planned AND in_hand IS NULL AND (job.retry_at IS NULL OR job.retry_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 minute')
       AND opsadmin_private.try_plan(job.id) THEN
      SELECT * INTO job FROM opsadmin.job j WHERE j.id = head AND j.state IN ('PENDING', 'PLANNING', 'RUNNING');
      CONTINUE WHEN NOT FOUND;
      IF NOT job.planned THEN
        PERFORM opsadmin_private.plan_step(job, throttled IS NULL AND (opsadmin_private.worker_is_proven() OR NOT may_mark));
        RETURN true;
      END IF;
    END IF;
    IF throttled IS NOT NULL THEN
      PERFORM opsadmin_private.note_wait(job, throttled);
      CONTINUE;
    END IF;
    SELECT * INTO chunk FROM opsadmin.job_chunk c
    WHERE c.job_id = job.id AND c.state = 'READY' AND (c.retry_at IS NULL OR c.retry_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 minute')
      AND CASE WHEN in_hand IS NOT NULL THEN opsadmin_private.has_chunk(c.job_id, c.chunk_no) WHEN may_mark AND c.begun > 0 THEN opsadmin_private.chunk_is_free(c.job_id, c.chunk_no) ELSE true END
    ORDER BY c.chunk_no LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      IF may_mark AND in_hand IS NULL AND (chunk.begun > 0 OR NOT opsadmin_private.worker_is_proven()) THEN
        IF chunk.begun >= most_begun THEN
          CONTINUE WHEN NOT opsadmin_private.lock_job(job.id);
          failure := format('chunk %s has ended its server process %s times and was set aside', chunk.chunk_no, chunk.begun);
          UPDATE opsadmin.job_chunk c SET state = 'FAILED', error = failure, begun = 0, done_at = clock_timestamp() WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
          UPDATE opsadmin.job j SET state = 'PAUSED', error = failure WHERE j.id = job.id AND j.state IN ('PLANNING', 'RUNNING');
        ELSIF opsadmin_private.take_chunk(chunk.job_id, chunk.chunk_no) THEN
          UPDATE opsadmin.job_chunk c SET begun = c.begun + 1 WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
        END IF;
        RETURN true;
      END IF;
      failure := opsadmin_private.bind_job(job);
      IF failure IS NULL THEN
        PERFORM opsadmin_private.work_chunk(job, chunk);
        -- A crash takes the last steps back with their rows; the end of the job waits for the disk. So does a chunk that is marked:
        -- if only its outcome were lost, the mark would blame it for the crash.
        IF chunk.begun = 0 THEN
          PERFORM set_config('synchronous_commit', 'off', true);
        END IF;
      ELSE
        PERFORM opsadmin_private.fail_job(job.id, failure);
      END IF;
      PERFORM opsadmin_private.release_chunk(true);
      RETURN true;
    ELSIF in_hand IS NULL AND job.planned AND opsadmin_private.finish_job(job.id) THEN
      RETURN true;
    END IF;
  END LOOP;
  IF in_hand IS NOT NULL THEN
    -- It was paused or cancelled, or another worker was quicker.
    PERFORM opsadmin_private.release_chunk(false);
    RETURN true;
  END IF;
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.run_next_step IS 'Does a step of a job''s plan or of a chunk, or ends a job; false when there is nothing to do';
REVOKE ALL ON FUNCTION opsadmin_private.run_next_step FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.run_next_step TO opsadmin_worker;

-- A step of a job's plan. A job that is a single chunk is planned and, if it may be, worked on and ended in one
-- transaction; one of a few selected rows without a plan.
CREATE OR REPLACE FUNCTION opsadmin_private.plan_step(job opsadmin.job, may_work boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  began timestamptz := clock_timestamp();
  failure text := opsadmin_private.bind_job(job);
  obstacle text;
  chunks integer;
  chunk opsadmin.job_chunk;
BEGIN
  IF failure IS NULL AND may_work AND cardinality(job.selected_keys) <= opsadmin_private.chunk_rows(job.id) THEN
    obstacle := opsadmin_private.work_whole(job);
    IF obstacle IS NULL THEN
      PERFORM opsadmin_private.take_turn(coalesce(job.tenant_id, 0), job.target_id, extract(epoch FROM clock_timestamp() - began) * 1000);
      RETURN;
    END IF;
    -- What was waited for once is not waited for again.
    may_work := obstacle <> 'transient';
  END IF;
  IF failure IS NULL THEN
    BEGIN
      PERFORM opsadmin_private.plan_job(job);
    EXCEPTION WHEN OTHERS OR assert_failure THEN
      failure := SQLERRM;
      IF opsadmin_private.error_kind(SQLSTATE) = 'transient' THEN
        IF opsadmin_private.lock_job(job.id) THEN
          UPDATE opsadmin.job j SET wait_reason = failure, retry_at = clock_timestamp() + interval '1 second' * (0.5 + random())
          WHERE j.id = job.id AND j.state IN ('PENDING', 'PLANNING');
        END IF;
        RETURN;
      END IF;
    END;
  END IF;
  PERFORM opsadmin_private.take_turn(coalesce(job.tenant_id, 0), job.target_id, extract(epoch FROM clock_timestamp() - began) * 1000);
  IF failure IS NOT NULL THEN
    PERFORM opsadmin_private.fail_job(job.id, failure);
    RETURN;
  END IF;
  SELECT * INTO job FROM opsadmin.job j WHERE j.id = job.id;
  IF job.state <> 'RUNNING' THEN
    RETURN;
  END IF;
  chunks := (SELECT count(*) FROM (SELECT FROM opsadmin.job_chunk c WHERE c.job_id = job.id LIMIT 2) AS c);
  IF chunks > 1 OR chunks = 1 AND NOT may_work THEN
    PERFORM opsadmin_private.wake_workers();
    RETURN;
  END IF;
  IF chunks = 1 THEN
    SELECT * INTO chunk FROM opsadmin.job_chunk c WHERE c.job_id = job.id;
    PERFORM opsadmin_private.work_chunk(job, chunk);
  END IF;
  PERFORM opsadmin_private.finish_job(job.id);
END
$$;
COMMENT ON FUNCTION opsadmin_private.plan_step IS 'A step of a job''s plan; a job that is a single chunk is worked on at once, if it may be';
REVOKE ALL ON FUNCTION opsadmin_private.plan_step FROM PUBLIC;

-- Milliseconds until the queue should be looked at again, NULL when it is empty. Who rolls back, such as one who was about
-- to pause a job, wakes nobody.
CREATE OR REPLACE FUNCTION opsadmin_private.next_retry() RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  longest CONSTANT integer := 250;
  moment timestamptz := clock_timestamp();
  heads bigint[] := ARRAY(SELECT h FROM opsadmin_private.queue_heads() AS h);
BEGIN
  IF heads = '{}' THEN
    RETURN NULL;
  ELSIF opsadmin_private.throttle_reason() IS NOT NULL THEN
    RETURN longest;
  END IF;
  RETURN (SELECT least(longest, ceil(extract(epoch FROM min(w.retry_at) FILTER (WHERE w.retry_at > moment) - moment) * 1000))::integer
          FROM (SELECT j.retry_at FROM opsadmin.job j WHERE j.id = ANY (heads)
                UNION ALL SELECT c.retry_at FROM opsadmin.job_chunk c WHERE c.job_id = ANY (heads) AND c.state = 'READY') AS w);
END
$$;
COMMENT ON FUNCTION opsadmin_private.next_retry IS 'Milliseconds until the queue should be looked at again, NULL when it is empty';
REVOKE ALL ON FUNCTION opsadmin_private.next_retry FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.next_retry TO opsadmin_worker;

-- Notes that the worker of a slot connected.
CREATE OR REPLACE FUNCTION opsadmin_private.note_worker(slot integer) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO opsadmin.worker_run (slot, pid, connected_at) VALUES ($1, pg_backend_pid(), clock_timestamp())
  ON CONFLICT (slot) DO UPDATE SET pid = excluded.pid, connected_at = excluded.connected_at
$$;
COMMENT ON FUNCTION opsadmin_private.note_worker IS 'Notes that the worker of a slot connected';
REVOKE ALL ON FUNCTION opsadmin_private.note_worker FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.note_worker TO opsadmin_worker;
