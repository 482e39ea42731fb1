-- One chunk of a job: its rows changed, or the bad ones among them found. The rows, their audit entries, the chunk and
-- the progress are of one transaction.

-- What an SQLSTATE says of a step: 'transient' (others are in the way, or the server lacks something just now),
-- 'definition' (no row would succeed), 'unknown' (the server's own trouble), or 'data' (some row does not fit).
CREATE OR REPLACE FUNCTION opsadmin_private.error_kind(state text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN $1 IN ('55P03', '55006') OR left($1, 2) IN ('08', '40', '53', '57', '58') THEN 'transient'
              WHEN left($1, 2) IN ('0A', '0L', '0P', '25', '26', '28', '2B', '34', '3B', '3D', '3F', '42', '55', 'OA') THEN 'definition'
              WHEN left($1, 2) IN ('F0', 'HV', 'XX') THEN 'unknown'
              ELSE 'data' END
$$;
COMMENT ON FUNCTION opsadmin_private.error_kind IS 'What an SQLSTATE says of a step of a job: transient, definition, unknown or data';
REVOKE ALL ON FUNCTION opsadmin_private.error_kind FROM PUBLIC;

-- Applies a job to the rows that a condition leaves, and returns how many it changed. What a security-restricted
-- operation refuses is allowed when the DBA trusts every trigger of the table.
CREATE OR REPLACE FUNCTION opsadmin_private.apply_rows(job opsadmin.job, target regclass, condition text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  trusted name[] := (SELECT t.trusted_triggers FROM opsadmin.target t WHERE t.id = job.target_id);
BEGIN
  RETURN opsadmin_private.execute_as(quote_ident(job.run_as)::regrole,
    opsadmin_private.job_statement(job.kind, target, job.changes, job.params_item, condition || ' AND (' || job.condition || E'\n)'),
    trusted = '{}' OR EXISTS (SELECT FROM opsadmin_private.user_triggers(target) AS u WHERE NOT u.trigger_name = ANY (trusted)));
END
$$;
COMMENT ON FUNCTION opsadmin_private.apply_rows IS 'Applies a job to the rows that a condition leaves, and returns how many it changed';
REVOKE ALL ON FUNCTION opsadmin_private.apply_rows FROM PUBLIC;

-- The triggers that the company has put on a table and its children, with their functions.
CREATE OR REPLACE FUNCTION opsadmin_private.user_triggers(target regclass, OUT trigger_name name, OUT function_name text) RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT g.tgname, g.tgfoid::regprocedure::text
  FROM opsadmin_private.tree_members($1) AS m JOIN pg_trigger g ON g.tgrelid = m
  WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgfoid NOT IN ('opsadmin.audit_trigger'::regproc, 'opsadmin.kpi_trigger'::regproc)
$$;
COMMENT ON FUNCTION opsadmin_private.user_triggers IS 'The triggers that the company has put on a table and its children';
REVOKE ALL ON FUNCTION opsadmin_private.user_triggers FROM PUBLIC;

-- Lists a row that a job could not change.
CREATE OR REPLACE FUNCTION opsadmin_private.note_job_error(job opsadmin.job, names name[], key jsonb, state text, message text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO opsadmin.job_error (job_id, tenant_id, key, sqlstate, message)
  VALUES (($1).id, ($1).tenant_id, jsonb_object($2::text[], ARRAY(SELECT jsonb_array_elements_text($3))), $4, $5)
$$;
COMMENT ON FUNCTION opsadmin_private.note_job_error IS 'Lists a row that a job could not change';
REVOKE ALL ON FUNCTION opsadmin_private.note_job_error FROM PUBLIC;

-- Applies a job to the listed keys from low to high, and leaves out the rows that fail, which it finds by halving.
CREATE OR REPLACE FUNCTION opsadmin_private.apply_good_rows(job opsadmin.job, target regclass, names name[], types text[], keys jsonb, low integer, high integer,
  OUT rows_changed bigint, OUT rows_failed integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  middle integer := (low + high) / 2;
  part record;
BEGIN
  BEGIN
    rows_changed := opsadmin_private.apply_rows(job, target, opsadmin_private.keys_condition(names, types, jsonb_path_query_array(keys, '$[$low to $high]', jsonb_build_object('low', low, 'high', high))));
    rows_failed := 0;
    RETURN;
  EXCEPTION WHEN OTHERS OR assert_failure THEN
    IF opsadmin_private.error_kind(SQLSTATE) <> 'data' THEN
      RAISE;
    END IF;
    rows_changed := 0;
    IF low = high THEN
      PERFORM opsadmin_private.note_job_error(job, names, keys -> low, SQLSTATE, SQLERRM);
      rows_failed := 1;
      RETURN;
    END IF;
  END;
  SELECT * INTO part FROM opsadmin_private.apply_good_rows(job, target, names, types, keys, low, middle);
  rows_changed := part.rows_changed;
  rows_failed := part.rows_failed;
  SELECT * INTO part FROM opsadmin_private.apply_good_rows(job, target, names, types, keys, middle + 1, high);
  rows_changed := rows_changed + part.rows_changed;
  rows_failed := rows_failed + part.rows_failed;
END
$$;
COMMENT ON FUNCTION opsadmin_private.apply_good_rows IS 'Applies a job to the listed keys, and leaves out the rows that fail';
REVOKE ALL ON FUNCTION opsadmin_private.apply_good_rows FROM PUBLIC;

-- Finds the first of the keys whose row fails, and changes nothing. There is none when no single row does.
CREATE OR REPLACE FUNCTION opsadmin_private.find_bad_row(job opsadmin.job, target regclass, names name[], types text[], keys jsonb,
  OUT key jsonb, OUT state text, OUT message text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  low integer := 0;
  high integer := jsonb_array_length(keys) - 1;
  middle integer;
  undone boolean := false;
BEGIN
  BEGIN
    WHILE low <= high LOOP
      middle := (low + high) / 2;
      BEGIN
        PERFORM opsadmin_private.apply_rows(job, target, opsadmin_private.keys_condition(names, types, jsonb_path_query_array(keys, '$[$low to $high]', jsonb_build_object('low', low, 'high', middle))));
        low := middle + 1;
      EXCEPTION WHEN OTHERS OR assert_failure THEN
        IF opsadmin_private.error_kind(SQLSTATE) <> 'data' THEN
          RAISE;
        END IF;
        state := SQLSTATE;
        message := SQLERRM;
        EXIT WHEN low = high;
        high := middle;
      END;
    END LOOP;
    -- Takes back what was applied on the way.
    undone := true;
    RAISE transaction_rollback;
  EXCEPTION WHEN transaction_rollback THEN
    IF NOT undone THEN
      RAISE;
    END IF;
    IF low = high AND state IS NOT NULL THEN
      key := keys -> low;
    END IF;
  END;
END
$$;
COMMENT ON FUNCTION opsadmin_private.find_bad_row IS 'Finds the first of the keys whose row fails, and changes nothing';
REVOKE ALL ON FUNCTION opsadmin_private.find_bad_row FROM PUBLIC;

-- Does the next step of a chunk: as many rows as may be locked at a time, from its front. The context is bound. An error
-- never leaves here: what others are the reason of is tried again later, bad rows are listed, all else fails the job. OTHERS
-- are not all: an ASSERT of the company's, which plpgsql does not count among them, would end each worker in turn.
CREATE OR REPLACE FUNCTION opsadmin_private.work_chunk(job opsadmin.job, chunk opsadmin.job_chunk) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  most_attempts CONSTANT integer := 3;  -- after trouble of the server's own
  began timestamptz := clock_timestamp();
  role oid;
  relation regclass;
  names name[];
  types text[];
  row_left integer := greatest(chunk.row_count - chunk.processed, 1);
  row_step integer := opsadmin_private.chunk_rows(job.id);
  is_last boolean := row_left <= row_step * 1.5;
  next_key text[] := chunk.last_key;
  step_keys jsonb := chunk.keys;
  condition text;
  rows_changed bigint := 0;
  rows_failed integer := 0;
  state text;
  message text;
  place text;
  kind text;
  fails boolean;
  bad_key jsonb;
  bad_state text;
  bad_message text;
  longest_pause interval;
  milliseconds double precision;
BEGIN
  IF is_last THEN
    row_step := row_left;
  END IF;
  BEGIN
    -- Nobody waits long behind a chunk that waits itself; and it is the victim before a deadlock is looked for.
    PERFORM set_config('lock_timeout', '200ms', true);
    role := quote_ident(job.run_as)::regrole;
    SELECT t.relation, t.names, t.types INTO relation, names, types FROM opsadmin_private.job_target(job) AS t;
    IF step_keys IS NOT NULL THEN
      step_keys := CASE WHEN is_last THEN step_keys ELSE jsonb_path_query_array(step_keys, '$[0 to $high]', jsonb_build_object('high', row_step - 1)) END;
      condition := opsadmin_private.keys_condition(names, types, step_keys);
    ELSE
      IF NOT is_last THEN
        next_key := ARRAY(SELECT jsonb_array_elements_text(opsadmin_private.plan_keys_as(role, opsadmin_private.keys_query(job, relation, names,
          opsadmin_private.range_condition(names, types, chunk.after_key, chunk.last_key), row_step), row_step) -> 0 -> 0));
        IF next_key = '{}' THEN
          next_key := chunk.last_key;
        END IF;
        is_last := next_key = chunk.last_key;
      END IF;
      condition := opsadmin_private.range_condition(names, types, chunk.after_key, next_key);
    END IF;
    rows_changed := opsadmin_private.apply_rows(job, relation, condition);
  EXCEPTION WHEN OTHERS OR assert_failure THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, place = PG_EXCEPTION_CONTEXT;
  END;
  IF opsadmin_private.error_kind(state) = 'data' THEN
    BEGIN
      IF step_keys IS NULL THEN
        step_keys := (SELECT jsonb_agg(k -> 0 ORDER BY ordinal) FROM jsonb_array_elements(opsadmin_private.plan_keys_as(role,
          opsadmin_private.keys_query(job, relation, names, condition), 1)) WITH ORDINALITY AS e(k, ordinal));
      END IF;
      PERFORM set_config('lock_timeout', '200ms', true);
      IF step_keys IS NULL THEN
        NULL;  -- no row is left to be blamed
      ELSIF job.on_error = 'skip' THEN
        SELECT g.rows_changed, g.rows_failed INTO rows_changed, rows_failed
        FROM opsadmin_private.apply_good_rows(job, relation, names, types, step_keys, 0, jsonb_array_length(step_keys) - 1) AS g;
        state := NULL;
      ELSE
        SELECT * INTO bad_key, bad_state, bad_message FROM opsadmin_private.find_bad_row(job, relation, names, types, step_keys);
      END IF;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
      GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, place = PG_EXCEPTION_CONTEXT;
    END;
  END IF;
  kind := opsadmin_private.error_kind(state);
  fails := state IS NOT NULL AND kind <> 'transient' AND (kind <> 'unknown' OR chunk.attempts + 1 >= most_attempts);
  -- What others lock they let go of soon, and the next step is smaller.
  longest_pause := CASE WHEN state IN ('40001', '40P01', '55P03') THEN '1 second' ELSE '30 seconds' END;
  milliseconds := extract(epoch FROM clock_timestamp() - began) * 1000;
  PERFORM opsadmin_private.note_chunk(job.id, row_step, milliseconds, coalesce(kind = 'transient', false));
  PERFORM opsadmin_private.take_turn(coalesce(job.tenant_id, 0), job.target_id, milliseconds);

  IF fails AND NOT opsadmin_private.lock_job(job.id) THEN
    -- A chunk does not fail without its job. Somebody else is changing that: when they have ended, the step is done again.
    UPDATE opsadmin.job_chunk c SET begun = 0 WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
    RETURN;
  END IF;
  IF state IS NULL THEN
    UPDATE opsadmin.job_chunk c
    -- Rows may have come into the range after the plan.
    SET processed = p.processed, row_count = CASE WHEN is_last THEN p.processed ELSE greatest(c.row_count, p.processed) END,
        changed = c.changed + rows_changed, failed = c.failed + rows_failed,
        state = CASE WHEN is_last THEN 'DONE' ELSE 'READY' END, after_key = CASE WHEN c.keys IS NULL THEN next_key END,
        keys = CASE WHEN NOT is_last THEN jsonb_path_query_array(c.keys, '$[$low to last]', jsonb_build_object('low', row_step)) END,
        attempts = 0, begun = 0, retry_at = NULL, error = NULL, done_at = clock_timestamp()
    FROM (SELECT greatest(chunk.processed + row_step, chunk.changed + rows_changed) AS processed) AS p
    WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
    PERFORM opsadmin_private.note_wait(job, NULL);
  ELSIF NOT fails THEN
    UPDATE opsadmin.job_chunk c
    SET attempts = c.attempts + 1, begun = 0, error = message,
        retry_at = clock_timestamp() + least(longest_pause, interval '50 ms' * 2 ^ least(c.attempts, 10)) * (0.5 + random())
    WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
    PERFORM opsadmin_private.note_wait(job, message);
  ELSE
    -- A trigger that works in the company's own sessions may not do so here: say which one, and what helps.
    message := message || coalesce((
      SELECT format(CASE WHEN state = '42501' AND message LIKE '%security-restricted operation%' THEN ': trigger "%s" needs it, and opsadmin.trust_triggers() can allow it'
                         WHEN state IN ('42P01', '42883', '42704', '3F000') THEN ': trigger "%s" finds no names of the company''s schemas by itself, and ALTER FUNCTION … SET search_path helps it' END, u.trigger_name)
      FROM opsadmin_private.user_triggers(relation) AS u WHERE position(u.function_name IN place) > 0 LIMIT 1), '');
    UPDATE opsadmin.job_chunk c SET state = 'FAILED', attempts = c.attempts + 1, begun = 0, error = message, done_at = clock_timestamp()
    WHERE c.job_id = chunk.job_id AND c.chunk_no = chunk.chunk_no;
    IF bad_key IS NOT NULL THEN
      PERFORM opsadmin_private.note_job_error(job, names, bad_key, bad_state, bad_message);
    END IF;
    PERFORM opsadmin_private.fail_job(job.id, message);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.work_chunk IS 'Does the next step of a chunk';
REVOKE ALL ON FUNCTION opsadmin_private.work_chunk FROM PUBLIC;
