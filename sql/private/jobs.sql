-- The job engine. A job is planned into key ranges once; a chunk is claimed, applied and marked done in one
-- transaction, so progress and data cannot part. Everything here runs as the extension's owner; the
-- statements of a job run as the job's role, with its context bound.

-- The FROM item that gives the parameters of an action their values and types, or an empty string.
CREATE OR REPLACE FUNCTION opsadmin_private.params_item(definitions jsonb, given jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(format('(SELECT %s) AS params', string_agg(format('%L::%s AS %I', $2 ->> (d ->> 'name'), d ->> 'type', d ->> 'name'), ', ')), '')
  FROM jsonb_array_elements($1) AS d
$$;
COMMENT ON FUNCTION opsadmin_private.params_item IS 'The FROM item with the parameters of an action';
REVOKE ALL ON FUNCTION opsadmin_private.params_item FROM PUBLIC;

-- The UPDATE of a job, for rows that further conditions leave. Lines of their own keep a comment at the end of
-- changes from swallowing the conditions.
CREATE OR REPLACE FUNCTION opsadmin_private.update_statement(target regclass, changes text, params_item text, conditions text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format(E'UPDATE %s AS target SET %s\n%s\nWHERE %s', opsadmin_private.qualified_name($1), $2, ' FROM ' || nullif($3, ''), $4)
$$;
COMMENT ON FUNCTION opsadmin_private.update_statement IS 'The UPDATE of a job';
REVOKE ALL ON FUNCTION opsadmin_private.update_statement FROM PUBLIC;

-- Plans an UPDATE without running it, and refuses one that writes the key or the tenant column: OA425.
CREATE OR REPLACE FUNCTION opsadmin_private.check_update(target regclass, changes text, condition text, definitions jsonb, example jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fixed_columns name[] := (opsadmin_private.key_columns(target)).names
    || (SELECT array_agg(p.tenant_column) FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target);
  fixed name;
  statement text := opsadmin_private.update_statement(target, changes, opsadmin_private.params_item(definitions, example), coalesce('(' || condition || ')', 'true'));
BEGIN
  IF coalesce(btrim(changes), '') = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'changes is empty', HINT = 'It is what stands after SET in an UPDATE.';
  END IF;
  BEGIN
    SELECT c INTO fixed FROM unnest(opsadmin_private.updated_columns(statement)) AS c WHERE c = ANY (fixed_columns) LIMIT 1;
    EXECUTE 'EXPLAIN (COSTS OFF) ' || statement;
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the update does not fit the table: ' || SQLERRM,
      HINT = 'changes is what stands after SET, with parameters as params.<name>; condition is what stands after WHERE.';
  END;
  IF fixed IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('a job may not write column "%s"', fixed),
      DETAIL = 'It names the row or its tenant.', HINT = 'Leave the column out of changes.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.check_update IS 'Plans an UPDATE without running it; OA425 when it does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.check_update FROM PUBLIC;

-- The parameters of a run, checked against their definitions and with defaults; OA420 with a pointer.
CREATE OR REPLACE FUNCTION opsadmin_private.check_params(definitions jsonb, given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition jsonb;
  wrong text;
  plain text;
  in_range boolean;
  answer jsonb := '{}'::jsonb;
BEGIN
  IF jsonb_typeof(given) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the parameters are not an object', COLUMN = '/params',
      HINT = 'For example {"percent":10}.';
  END IF;
  SELECT k INTO wrong FROM jsonb_object_keys(given) AS k WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(definitions) AS d WHERE d ->> 'name' = k) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('there is no parameter "%s"', left(wrong, 100)), COLUMN = '/params/' || replace(replace(left(wrong, 100), '~', '~0'), '/', '~1'),
      HINT = 'opsadmin.list_resources() names the parameters of an action.';
  END IF;
  FOR definition IN SELECT jsonb_array_elements(definitions) LOOP
    plain := coalesce(given ->> (definition ->> 'name'), definition ->> 'default');
    IF plain IS NULL OR plain = '' AND definition ->> 'type' <> 'text' THEN
      IF (definition -> 'required')::boolean THEN
        RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('parameter "%s" is missing', definition ->> 'name'), COLUMN = '/params/' || (definition ->> 'name'),
      HINT = 'Give it a value.';
      END IF;
      CONTINUE;
    END IF;
    BEGIN
      EXECUTE format('SELECT %1$L::%2$s >= coalesce(%3$L::%2$s, %1$L) AND %1$L::%2$s <= coalesce(%4$L::%2$s, %1$L)', plain, definition ->> 'type',
                     definition ->> 'min', definition ->> 'max') INTO in_range;
    EXCEPTION WHEN data_exception THEN
      RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('parameter "%s" is not of type %s', definition ->> 'name', definition ->> 'type'),
        COLUMN = '/params/' || (definition ->> 'name'), HINT = format('Give a value of type %s.', definition ->> 'type');
    END;
    IF NOT in_range OR (CASE definition ->> 'type' WHEN 'numeric' THEN plain::numeric IN ('NaN', 'Infinity', '-Infinity') WHEN 'date' THEN NOT isfinite(plain::date) END) THEN
      RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('parameter "%s" is out of range', definition ->> 'name'), COLUMN = '/params/' || (definition ->> 'name'),
        HINT = concat_ws(' ', 'It is', 'at least ' || (definition ->> 'min'), CASE WHEN definition ? 'min' AND definition ? 'max' THEN 'and' END, 'at most ' || (definition ->> 'max')) || '.';
    END IF;
    answer := answer || jsonb_build_object(definition ->> 'name', plain);
  END LOOP;
  RETURN answer;
END
$$;
COMMENT ON FUNCTION opsadmin_private.check_params IS 'The parameters of a run with defaults; OA420 with a JSON pointer when one does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.check_params FROM PUBLIC;

-- The key columns of a table as SQL: a row of the columns over the alias target, or one of literals.
CREATE OR REPLACE FUNCTION opsadmin_private.key_row(names name[], types text[], key_values text[] DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN cardinality($1) = 1 THEN min(item) ELSE 'ROW(' || string_agg(item, ', ' ORDER BY ordinal) || ')' END
  FROM (SELECT ordinal, CASE WHEN $3 IS NULL THEN format('target.%I', column_name) ELSE format('%L::%s', $3[ordinal], $2[ordinal]) END AS item
        FROM unnest($1) WITH ORDINALITY AS k (column_name, ordinal)) AS items
$$;
COMMENT ON FUNCTION opsadmin_private.key_row IS 'The key columns of a table, or values for them, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.key_row FROM PUBLIC;

-- Binds the context of a job to this transaction. Who may run an action may do so by what the action does: read and
-- update its table. Returns why the job may not run any more, NULL when it
-- may: its actor is disabled, has lost the permission, or has more of them than a context holds.
CREATE OR REPLACE FUNCTION opsadmin_private.bind_job(job opsadmin.job) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  resource text := (SELECT opsadmin_private.resource_of(t.relation) FROM opsadmin.target t WHERE t.id = job.target_id);
BEGIN
  IF job.permission IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.actor a WHERE a.id = job.actor_id AND a.disabled_at IS NULL) THEN
    RETURN 'the actor does not exist any more, or is disabled';
  END IF;
  -- An error here would stop the queue: more permissions than a context holds must not be one.
  IF job.permission IS NOT NULL AND octet_length(array_to_string(opsadmin_private.permissions(job.actor_id, job.site, job.tenant_id), ' ')) > 3900 THEN
    RETURN 'the actor has too many permissions';
  END IF;
  PERFORM opsadmin_private.bind_actor(coalesce(job.site, 'internal'), CASE WHEN job.permission IS NOT NULL THEN job.actor_id END, job.tenant_id,
    CASE WHEN job.permission IS NULL THEN ARRAY['*'] WHEN resource IS NULL THEN '{}' ELSE ARRAY[resource || ':read', resource || ':update'] END,
    job.ip, job.method, job.path, job.request_id, job.reason, job.id, job.name, actor_name => job.actor_name);
  IF NOT opsadmin.can(job.permission) THEN
    RETURN format('permission "%s" is required', job.permission);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION opsadmin_private.bind_job IS 'Binds the context of a job; returns why it may not run any more, NULL when it may';
REVOKE ALL ON FUNCTION opsadmin_private.bind_job FROM PUBLIC;

-- Plans a job into chunks of at most 2,000 rows: one pass over the keys of the selected rows, as the job's role.
CREATE OR REPLACE FUNCTION opsadmin_private.plan_job(job opsadmin.job) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := (SELECT t.relation FROM opsadmin.target t WHERE t.id = job.target_id);
  keys record;
  chunks jsonb;
  role oid := quote_ident(job.run_as)::regrole;
BEGIN
  SELECT * INTO keys FROM opsadmin_private.key_columns(relation);
  chunks := opsadmin_private.query_as(role, format(
    'SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(k, place - previous) ORDER BY place) FROM ('
    ' SELECT k, place, coalesce(pg_catalog.lag(place) OVER (ORDER BY place), 0) AS previous FROM ('
    '  SELECT ARRAY[%1$s] AS k, pg_catalog.row_number() OVER (ORDER BY %2$s) AS place, pg_catalog.lead(true) OVER (ORDER BY %2$s) AS has_next'
    '  FROM %3$s AS target%5$s WHERE %4$s) AS numbered WHERE place %% 2000 = 0 OR has_next IS NULL) AS ends',
    (SELECT string_agg(format('target.%I::text', n), ', ' ORDER BY o) FROM unnest(keys.names) WITH ORDINALITY AS k(n, o)),
    (SELECT string_agg(format('target.%I', n), ', ' ORDER BY o) FROM unnest(keys.names) WITH ORDINALITY AS k(n, o)),
    opsadmin_private.qualified_name(relation), job.condition, ', ' || nullif(job.params_item, '')))::jsonb;
  IF chunks IS NULL AND job.site IS NULL AND opsadmin_private.query_as(role, format('SELECT pg_catalog.row_security_active(%s::oid)::text', relation::oid)) = 'true' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA443', MESSAGE = format('row-level security hides every row from role "%s"', job.run_as),
      HINT = 'Start the job as a role that sees the rows: one of trusted_roles of opsadmin.protect(), or a superuser.';
  END IF;
  INSERT INTO opsadmin.job_chunk (job_id, chunk_no, tenant_id, after_key, last_key, row_count)
  SELECT job.id, ordinal, job.tenant_id, lag(last_key) OVER (ORDER BY ordinal), last_key, row_count
  FROM (SELECT ordinal, ARRAY(SELECT jsonb_array_elements_text(c -> 0)) AS last_key, (c ->> 1)::integer AS row_count
        FROM jsonb_array_elements(chunks) WITH ORDINALITY AS e(c, ordinal)) AS planned;
END
$$;
COMMENT ON FUNCTION opsadmin_private.plan_job IS 'Plans a job into chunks of at most 2,000 rows';
REVOKE ALL ON FUNCTION opsadmin_private.plan_job FROM PUBLIC;

-- Applies a chunk and returns the number of rows changed.
CREATE OR REPLACE FUNCTION opsadmin_private.apply_chunk(job opsadmin.job, chunk opsadmin.job_chunk) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation regclass := (SELECT t.relation FROM opsadmin.target t WHERE t.id = job.target_id);
  keys record;
  key_row text;
BEGIN
  SELECT * INTO keys FROM opsadmin_private.key_columns(relation);
  key_row := opsadmin_private.key_row(keys.names, keys.types);
  RETURN opsadmin_private.execute_as(quote_ident(job.run_as)::regrole,
    opsadmin_private.update_statement(relation, job.changes, job.params_item,
      concat_ws(' AND ', CASE WHEN chunk.after_key IS NOT NULL THEN key_row || ' > ' || opsadmin_private.key_row(keys.names, keys.types, chunk.after_key) END,
                key_row || ' <= ' || opsadmin_private.key_row(keys.names, keys.types, chunk.last_key), job.condition)));
END
$$;
COMMENT ON FUNCTION opsadmin_private.apply_chunk IS 'Applies a chunk and returns the number of rows changed';
REVOKE ALL ON FUNCTION opsadmin_private.apply_chunk FROM PUBLIC;

-- Does the next thing there is to do, in this transaction: plan a job, apply a chunk, or finish a job.
-- Returns false when there is nothing. An error of a job's statement fails the job, never the worker; a
-- lock that others hold, a deadlock or a serialization failure makes the chunk wait and try again.
CREATE OR REPLACE FUNCTION opsadmin_private.run_next_step() RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  job opsadmin.job;
  chunk opsadmin.job_chunk;
  rows_changed bigint;
  failure text;
  max_attempts CONSTANT integer := 10;
BEGIN
  -- Planning only reads: it may wait for a migration of the shop; notes about a job may wait for another worker's
  -- commit. A chunk must not make others wait behind it.
  PERFORM set_config('lock_timeout', '10s', true);
  SELECT * INTO job FROM opsadmin.job j WHERE j.state = 'PENDING' ORDER BY j.id LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    failure := opsadmin_private.bind_job(job);
    IF failure IS NULL THEN
      BEGIN
        PERFORM opsadmin_private.plan_job(job);
      EXCEPTION WHEN OTHERS THEN
        failure := SQLERRM;
      END;
    END IF;
    UPDATE opsadmin.job j
    SET state = CASE WHEN failure IS NULL THEN 'RUNNING' ELSE 'FAILED' END, error = failure, started_at = clock_timestamp(),
        finished_at = CASE WHEN failure IS NOT NULL THEN clock_timestamp() END
    WHERE j.id = job.id;
    PERFORM opsadmin_private.wake_workers();
    RETURN true;
  END IF;

  -- A chunk in another worker's hands is still READY in this snapshot, so the last one to commit finishes the job.
  SELECT * INTO job FROM opsadmin.job j
  WHERE j.state = 'RUNNING' AND NOT EXISTS (SELECT FROM opsadmin.job_chunk c WHERE c.job_id = j.id AND c.state = 'READY')
  ORDER BY j.id LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    UPDATE opsadmin.job j SET state = 'DONE', finished_at = clock_timestamp() WHERE j.id = job.id;
    RETURN true;
  END IF;

  SELECT c.* INTO chunk
  FROM opsadmin.job j JOIN opsadmin.job_chunk c ON c.job_id = j.id
  WHERE j.state = 'RUNNING' AND c.state = 'READY' AND (c.retry_at IS NULL OR c.retry_at <= clock_timestamp())
  ORDER BY j.id, c.chunk_no LIMIT 1 FOR UPDATE OF c SKIP LOCKED;
  IF FOUND THEN
    SELECT * INTO job FROM opsadmin.job j WHERE j.id = chunk.job_id;
    failure := opsadmin_private.bind_job(job);
    IF failure IS NULL THEN
      BEGIN
        PERFORM set_config('lock_timeout', '200ms', true);
        rows_changed := opsadmin_private.apply_chunk(job, chunk);
        PERFORM set_config('lock_timeout', '10s', true);
      EXCEPTION
        WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
          failure := SQLERRM;
          IF chunk.attempts + 1 < max_attempts THEN
            UPDATE opsadmin.job_chunk c
            SET attempts = c.attempts + 1, error = failure, retry_at = clock_timestamp() + interval '50 ms' * 2 ^ c.attempts
            WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
            UPDATE opsadmin.job j SET wait_reason = failure WHERE j.id = chunk.job_id AND j.state = 'RUNNING';
            RETURN true;
          END IF;
        WHEN OTHERS THEN
          failure := SQLERRM;
      END;
    END IF;
    UPDATE opsadmin.job_chunk c
    -- Rows may have come into the range after the plan.
    SET state = CASE WHEN failure IS NULL THEN 'DONE' ELSE 'FAILED' END, changed = coalesce(rows_changed, 0),
        row_count = greatest(c.row_count, coalesce(rows_changed, 0)), error = failure,
        attempts = c.attempts + 1, retry_at = NULL, done_at = clock_timestamp()
    WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
    IF failure IS NOT NULL THEN
      UPDATE opsadmin.job j SET state = 'FAILED', error = failure, wait_reason = NULL, finished_at = clock_timestamp()
      WHERE j.id = chunk.job_id AND j.state IN ('RUNNING', 'PAUSED');
    ELSIF job.wait_reason IS NOT NULL THEN
      UPDATE opsadmin.job j SET wait_reason = NULL WHERE j.id = chunk.job_id;
    END IF;
    RETURN true;
  END IF;
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.run_next_step IS 'Plans a job, applies a chunk or finishes a job; false when there is nothing to do';
REVOKE ALL ON FUNCTION opsadmin_private.run_next_step FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.run_next_step TO opsadmin_worker;

-- Milliseconds until a waiting chunk may be tried again, NULL when none waits.
CREATE OR REPLACE FUNCTION opsadmin_private.next_retry() RETURNS integer
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN min(c.retry_at) IS NOT NULL THEN greatest(1, ceil(extract(epoch FROM min(c.retry_at) - clock_timestamp()) * 1000))::integer END
  FROM opsadmin.job j JOIN opsadmin.job_chunk c ON c.job_id = j.id
  WHERE j.state = 'RUNNING' AND c.state = 'READY' AND c.retry_at IS NOT NULL
$$;
COMMENT ON FUNCTION opsadmin_private.next_retry IS 'Milliseconds until a waiting chunk may be tried again, NULL when none waits';
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
