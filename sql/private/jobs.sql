-- The job engine. A job is planned into key ranges once; a chunk is claimed, applied and marked done in one
-- transaction, so progress and data cannot part. Everything here runs as the extension's owner; the
-- statements of a job run as the job's role, with its context bound.

-- The FROM item that gives the parameters of an action their values and types, or an empty string.
CREATE OR REPLACE FUNCTION opsadmin_private.params_item(definitions jsonb, given jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT coalesce(format('(SELECT %s) AS params', string_agg(format('%L::%s AS %I', $2 ->> (d ->> 'name'), d ->> 'type', d ->> 'name'), ', ')), '')
            FROM jsonb_array_elements($1) AS d);
END
$$;
COMMENT ON FUNCTION opsadmin_private.params_item IS 'The FROM item with the parameters of an action';
REVOKE ALL ON FUNCTION opsadmin_private.params_item FROM PUBLIC;

-- The UPDATE or DELETE of a job, for rows that further conditions leave. Lines of their own keep a comment at the end
-- of changes from swallowing the conditions.
CREATE OR REPLACE FUNCTION opsadmin_private.job_statement(kind text, target regclass, changes text, params_item text, conditions text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE $1 WHEN 'delete' THEN format(E'DELETE FROM %s AS target\n%s\nWHERE %s', opsadmin_private.qualified_name($2), ' USING ' || nullif($4, ''), $5)
                   ELSE format(E'UPDATE %s AS target SET %s\n%s\nWHERE %s', opsadmin_private.qualified_name($2), $3, ' FROM ' || nullif($4, ''), $5) END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.job_statement IS 'The UPDATE or DELETE of a job';
REVOKE ALL ON FUNCTION opsadmin_private.job_statement FROM PUBLIC;

-- Plans an UPDATE without running it, and refuses one that writes the key or the tenant column: OA425.
CREATE OR REPLACE FUNCTION opsadmin_private.check_update(target regclass, changes text, condition text, definitions jsonb, example jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fixed_columns name[] := (opsadmin_private.key_columns(target)).names
    || (SELECT array_agg(p.tenant_column) FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target);
  fixed name;
  statement text := opsadmin_private.job_statement('update', target, changes, opsadmin_private.params_item(definitions, example), coalesce('(' || condition || ')', 'true'));
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
        HINT = CASE WHEN definition ?| '{min,max}' THEN
                 concat_ws(' ', 'It is', 'at least ' || (definition ->> 'min'), CASE WHEN definition ? 'min' AND definition ? 'max' THEN 'and' END, 'at most ' || (definition ->> 'max')) || '.'
               ELSE format('Give a finite %s.', definition ->> 'type') END;
    END IF;
    answer := answer || jsonb_build_object(definition ->> 'name', plain);
  END LOOP;
  RETURN answer;
END
$$;
COMMENT ON FUNCTION opsadmin_private.check_params IS 'The parameters of a run with defaults; OA420 with a JSON pointer when one does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.check_params FROM PUBLIC;

-- Raises OA420 unless on_error is one of its values.
CREATE OR REPLACE FUNCTION opsadmin_private.require_on_error(on_error text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF on_error IS NULL OR on_error NOT IN ('stop', 'skip') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('"%s" is not known as on_error', left(coalesce(on_error, 'NULL'), 100)), COLUMN = '/on_error',
      HINT = 'A row that fails either stops the job (stop), or is listed in job_error (skip).';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_on_error IS 'Raises OA420 unless on_error is stop or skip';
REVOKE ALL ON FUNCTION opsadmin_private.require_on_error FROM PUBLIC;

-- The key columns of a table as SQL: a row of the columns over the alias target, or one of literals.
CREATE OR REPLACE FUNCTION opsadmin_private.key_row(names name[], types text[], key_values text[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE WHEN cardinality($1) = 1 THEN min(item) ELSE 'ROW(' || string_agg(item, ', ' ORDER BY ordinal) || ')' END
            FROM (SELECT ordinal, CASE WHEN $3 IS NULL THEN format('target.%I', column_name) ELSE format('%L::%s', $3[ordinal], $2[ordinal]) END AS item
                  FROM unnest($1) WITH ORDINALITY AS k (column_name, ordinal)) AS items);
END
$$;
COMMENT ON FUNCTION opsadmin_private.key_row IS 'The key columns of a table, or values for them, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.key_row FROM PUBLIC;

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

-- Rows above one key, up to another, as SQL over the alias target; NULL stands for no limit.
CREATE OR REPLACE FUNCTION opsadmin_private.range_condition(names name[], types text[], after_key text[], last_key text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT concat_ws(' AND ', 'true', CASE WHEN $3 IS NOT NULL THEN opsadmin_private.key_row($1, $2) || ' > ' || opsadmin_private.key_row($1, $2, $3) END,
                             CASE WHEN $4 IS NOT NULL THEN opsadmin_private.key_row($1, $2) || ' <= ' || opsadmin_private.key_row($1, $2, $4) END));
END
$$;
COMMENT ON FUNCTION opsadmin_private.range_condition IS 'Rows above one key, up to another, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.range_condition FROM PUBLIC;

-- Rows with the listed keys, each a list of texts, as SQL over the alias target.
CREATE OR REPLACE FUNCTION opsadmin_private.keys_condition(names name[], types text[], keys jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE WHEN cardinality($1) = 1
              THEN format('target.%I = ANY (%L::%s[])', $1[1], ARRAY(SELECT k ->> 0 FROM jsonb_array_elements($3) AS k)::text, $2[1])
              ELSE format('%s IN (VALUES %s)', opsadmin_private.key_row($1, $2),
                (SELECT string_agg('(' || (SELECT string_agg(format('%L::%s', value, $2[ordinal]), ', ' ORDER BY ordinal) FROM jsonb_array_elements_text(k) WITH ORDINALITY AS e(value, ordinal)) || ')', ', ')
                 FROM jsonb_array_elements($3) AS k)) END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.keys_condition IS 'Rows with the listed keys, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.keys_condition FROM PUBLIC;

-- The query for the keys of a job's rows that a further condition leaves, in their order; descending: the highest ones.
CREATE OR REPLACE FUNCTION opsadmin_private.keys_query(job opsadmin.job, target regclass, names name[], further text, most bigint DEFAULT NULL, descending boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT format(E'SELECT %s FROM %s AS target%s\nWHERE %s AND (%s\n) ORDER BY %s%s', string_agg(format('target.%I', n), ', ' ORDER BY o), opsadmin_private.qualified_name($2),
                          ', ' || nullif(($1).params_item, ''), $4, ($1).condition, string_agg(format('target.%I', n) || CASE WHEN $6 THEN ' DESC' ELSE '' END, ', ' ORDER BY o), ' LIMIT ' || $5)
            FROM unnest($3) WITH ORDINALITY AS k(n, o));
END
$$;
COMMENT ON FUNCTION opsadmin_private.keys_query IS 'The query for the keys of a job''s rows, in their order';
REVOKE ALL ON FUNCTION opsadmin_private.keys_query FROM PUBLIC;

-- The table of a job and its keys; OA436 when it was dropped, OA430 when it has none, OA425 when they are in another order
-- than the plan has them: what is above the last one that was processed would be other rows.
CREATE OR REPLACE FUNCTION opsadmin_private.job_target(job opsadmin.job, OUT relation regclass, OUT names name[], OUT types text[], OUT key_order text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  relation := (SELECT t.relation FROM opsadmin.target t WHERE t.id = job.target_id);
  IF relation IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('table "%s" was dropped', job.target_name), HINT = 'The job cannot go on.';
  END IF;
  SELECT k.names, k.types, k.key_order INTO names, types, key_order FROM opsadmin_private.key_columns(relation) AS k;
  IF job.key_order <> key_order THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('the primary key of table "%s" was %s when the job was planned', job.target_name, job.key_order),
      HINT = 'The job can go on when it is so again.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.job_target IS 'The table of a job and its keys; OA436 when it was dropped, OA430 without keys, OA425 when they have another order';
REVOKE ALL ON FUNCTION opsadmin_private.job_target FROM PUBLIC;

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
    EXCEPTION WHEN OTHERS THEN
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
  WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgfoid <> 'opsadmin.audit_trigger'::regproc
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
  EXCEPTION WHEN OTHERS THEN
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
      EXCEPTION WHEN OTHERS THEN
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
-- never leaves here: what others are the reason of is tried again later, bad rows are listed, all else fails the job.
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
  EXCEPTION WHEN OTHERS THEN
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
    EXCEPTION WHEN OTHERS THEN
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
-- transaction.
CREATE OR REPLACE FUNCTION opsadmin_private.plan_step(job opsadmin.job, may_work boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  began timestamptz := clock_timestamp();
  failure text := opsadmin_private.bind_job(job);
  chunks integer;
  chunk opsadmin.job_chunk;
BEGIN
  IF failure IS NULL THEN
    BEGIN
      PERFORM opsadmin_private.plan_job(job);
    EXCEPTION WHEN OTHERS THEN
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
