-- Refreshing KPIs. What a refresh stores equals a recomputation at its snapshot: it takes the source's lock first, reads
-- the notes of the triggers, computes by a snapshot that is newer, and deletes those notes in the transaction that
-- stores the results. A change that is committed later has a note that is still there.

-- Notes that a KPI could not be computed for days (of one tenant, or of all), which are then tried again later and later.
CREATE OR REPLACE FUNCTION opsadmin_private.note_kpi_failure(kpi opsadmin.kpi, message text, tenant_id bigint, first_day date, last_day date) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  failed integer;
BEGIN
  INSERT INTO opsadmin.kpi_failure AS f (kpi, message, tenant_id, day, failed_at, failures) VALUES (kpi.name, left(message, 1000), note_kpi_failure.tenant_id, last_day, clock_timestamp(), 1)
  ON CONFLICT ON CONSTRAINT kpi_failure_pkey DO UPDATE SET message = excluded.message, tenant_id = excluded.tenant_id, day = excluded.day, failed_at = excluded.failed_at,
    failures = f.failures + CASE WHEN f.failed_at < excluded.failed_at - interval '10 seconds' THEN 1 ELSE 0 END
  RETURNING failures INTO failed;
  UPDATE opsadmin.kpi_backlog b SET first_day = least(b.first_day, note_kpi_failure.first_day), last_day = greatest(b.last_day, note_kpi_failure.last_day)
  WHERE b.kpi = note_kpi_failure.kpi.name AND b.reason = 'failed' AND b.tenant_id IS NOT DISTINCT FROM note_kpi_failure.tenant_id AND b.not_before > clock_timestamp();
  IF NOT FOUND THEN
    INSERT INTO opsadmin.kpi_backlog (target_id, kpi, tenant_id, first_day, last_day, reason, not_before)
    VALUES (coalesce(kpi.target_id, 0), kpi.name, note_kpi_failure.tenant_id, note_kpi_failure.first_day, note_kpi_failure.last_day, 'failed',
            clock_timestamp() + interval '1 minute' * least(60, 2 ^ least(failed - 1, 6)));
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.note_kpi_failure IS 'Notes that a KPI could not be computed, for health() and for another try';
REVOKE ALL ON FUNCTION opsadmin_private.note_kpi_failure FROM PUBLIC;

-- Computes KPIs of one pass for buckets and stores what has changed.
CREATE OR REPLACE FUNCTION opsadmin_private.store_pass(kpis opsadmin.kpi[], tenant_ids bigint[], keys text[], days date[], starts timestamptz[], ends timestamptz[], settled_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_values jsonb := opsadmin_private.measure_kpis(kpis, tenant_ids, keys, days, starts, ends);
BEGIN
  INSERT INTO opsadmin.daily_kpi AS k (tenant_id, kpi, day, value, computed_at, final)
  SELECT b.tenant_id, p.name, b.day, coalesce((v.value ->> p.n::integer)::numeric, 0), clock_timestamp(),
         -- Five seconds, should the clock have been put back a little.
         b.ends_at <= store_pass.settled_at - interval '5 seconds'
  FROM unnest(store_pass.tenant_ids, store_pass.days, ends) WITH ORDINALITY AS b(tenant_id, day, ends_at, n)
  CROSS JOIN unnest(ARRAY(SELECT u.name FROM unnest(kpis) AS u)) WITH ORDINALITY AS p(name, n)
  LEFT JOIN jsonb_array_elements(found_values) AS v(value) ON (v.value ->> 0)::bigint = b.n
  ON CONFLICT ON CONSTRAINT daily_kpi_pkey DO UPDATE SET value = excluded.value, computed_at = excluded.computed_at, final = excluded.final
    WHERE (k.value, k.final) IS DISTINCT FROM (excluded.value, excluded.final);
END
$$;
COMMENT ON FUNCTION opsadmin_private.store_pass IS 'Computes KPIs of one pass for buckets of tenants and days and stores them';
REVOKE ALL ON FUNCTION opsadmin_private.store_pass FROM PUBLIC;

-- Does that for one KPI that fails; when its query can run at all, bucket by bucket, so that one tenant's rows do not
-- keep the others' values. Returns the number of values.
CREATE OR REPLACE FUNCTION opsadmin_private.store_failing(kpi opsadmin.kpi, tenant_ids bigint[], keys text[], days date[], starts timestamptz[], ends timestamptz[], settled_at timestamptz) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  BEGIN
    PERFORM opsadmin_private.store_pass(ARRAY[kpi], tenant_ids, keys, days, starts, ends, settled_at);
    RETURN cardinality(tenant_ids);
  EXCEPTION WHEN OTHERS OR assert_failure THEN
    IF SQLSTATE ~ '^(40|53|54|55|57|58|XX)' THEN
      RAISE;
    END IF;
    IF cardinality(tenant_ids) = 1 OR SQLSTATE NOT LIKE '2%' THEN
      RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('KPI "%s" is not refreshed: %s', kpi.name, SQLERRM), HINT = 'Define it anew with opsadmin.define_kpi().';
      -- While a definition does not fit, changes leave no notes: then all days are owed.
      PERFORM opsadmin_private.note_kpi_failure(kpi, SQLERRM, CASE WHEN SQLSTATE LIKE '2%' THEN tenant_ids[1] END, CASE WHEN SQLSTATE LIKE '2%' OR kpi.query IS NOT NULL THEN days[1] ELSE '-infinity' END,
                                                CASE WHEN SQLSTATE LIKE '2%' THEN days[1] ELSE 'infinity' END);
      RETURN 0;
    END IF;
  END;
  RETURN (SELECT sum(opsadmin_private.store_failing(kpi, tenant_ids[n:n], keys[n:n], days[n:n], starts[n:n], ends[n:n], settled_at)) FROM generate_subscripts(tenant_ids, 1) AS n);
END
$$;
COMMENT ON FUNCTION opsadmin_private.store_failing IS 'Computes a KPI that fails, bucket by bucket where that helps';
REVOKE ALL ON FUNCTION opsadmin_private.store_failing FROM PUBLIC;

-- Computes KPIs of a source for buckets, in as few passes as they fit into: those of a time column, but for expressions of
-- several aggregates with a filter, sticky KPIs and those that have failed. Days to come, days that do not exist or lie outside
-- the years 1 to 9999, frozen days and days of sticky KPIs that have ended are left out. With strict an error is raised and not noted. Returns the number of values.
CREATE OR REPLACE FUNCTION opsadmin_private.store_kpis(kpis opsadmin.kpi[], tenant_ids bigint[], days date[], moment timestamptz, settled_at timestamptz, strict boolean DEFAULT false) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  pass record;
  bucket record;
  stored integer := 0;
BEGIN
  FOR pass IN
    SELECT array_agg(k ORDER BY k.ordinal) AS kpis, k.sticky, k.frozen_before FROM unnest(store_kpis.kpis) AS k
    GROUP BY k.time_column, k.sticky, k.frozen_before, CASE WHEN k.sticky OR k.query IS NOT NULL OR EXISTS (SELECT FROM opsadmin.kpi_failure f WHERE f.kpi = k.name) THEN k.name END,
             CASE WHEN opsadmin_private.single_call(k.value) IS NULL THEN k.filter END
  LOOP
    SELECT array_agg(b.tenant_id) AS tenant_ids, array_agg(coalesce(t.key, t.id::text)) AS keys, array_agg(b.day) AS days, array_agg(e.starts_at) AS starts, array_agg(e.ends_at) AS ends INTO bucket
    FROM unnest(store_kpis.tenant_ids, store_kpis.days) AS b(tenant_id, day) JOIN opsadmin.tenant t ON t.id = b.tenant_id
    CROSS JOIN LATERAL (SELECT opsadmin_private.day_start(b.day, t.time_zone) AS starts_at, opsadmin_private.day_start(b.day + 1, t.time_zone) AS ends_at OFFSET 0) AS e
    WHERE e.starts_at > '-infinity' AND e.starts_at < e.ends_at AND e.starts_at <= moment AND (pass.frozen_before IS NULL OR b.day >= pass.frozen_before)
      AND NOT (pass.sticky AND e.ends_at <= moment AND EXISTS (SELECT FROM opsadmin.daily_kpi d WHERE d.tenant_id = b.tenant_id AND d.kpi = pass.kpis[1].name AND d.day = b.day));
    CONTINUE WHEN bucket.tenant_ids IS NULL;
    BEGIN
      PERFORM opsadmin_private.store_pass(pass.kpis, bucket.tenant_ids, bucket.keys, bucket.days, bucket.starts, bucket.ends, settled_at);
      stored := stored + cardinality(pass.kpis) * cardinality(bucket.tenant_ids);
    EXCEPTION WHEN OTHERS OR assert_failure THEN
      -- What is the server's matter (a deadlock, a time limit) takes all back, and the next refresh tries again.
      IF strict OR SQLSTATE ~ '^(40|53|54|55|57|58|XX)' THEN
        RAISE;
      END IF;
      stored := stored + (SELECT sum(opsadmin_private.store_failing(k, bucket.tenant_ids, bucket.keys, bucket.days, bucket.starts, bucket.ends, settled_at)) FROM unnest(pass.kpis) AS k);
    END;
  END LOOP;
  -- Sticky values are final when their day is over, as they were.
  UPDATE opsadmin.daily_kpi d SET final = true
  FROM unnest(store_kpis.kpis) AS k, opsadmin.tenant t
  WHERE k.sticky AND d.kpi = k.name AND NOT d.final AND t.id = d.tenant_id AND d.day < opsadmin_private.local_day(moment, t.time_zone);
  RETURN stored;
END
$$;
COMMENT ON FUNCTION opsadmin_private.store_kpis IS 'Computes KPIs of a source for buckets of tenants and days and stores them';
REVOKE ALL ON FUNCTION opsadmin_private.store_kpis FROM PUBLIC;

-- Takes a source's lock until the end of the transaction, then the time, and then learns before which moment every transaction has
-- ended, so that no more rows can come from it without a note. The source is NULL when there is none. Raises OA420 above
-- READ COMMITTED, where a snapshot is older than the lock.
CREATE OR REPLACE FUNCTION opsadmin_private.lock_source(target_id integer, OUT source opsadmin.kpi_source, OUT moment timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  snapshot pg_snapshot;
  oldest xid8;
  next xid8;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'KPIs are refreshed in READ COMMITTED transactions only',
      DETAIL = 'The snapshot of this transaction may be older than values that others have stored.', HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED;';
  END IF;
  SELECT s.* INTO source FROM opsadmin.kpi_source s WHERE s.target_id = $1 FOR UPDATE;
  moment := clock_timestamp();
  -- Who has written before this moment has a lower number.
  next := opsadmin_private.next_xid();
  SELECT pg_current_snapshot() INTO snapshot;
  SELECT min(x) INTO oldest FROM pg_snapshot_xip(snapshot) AS x;
  -- All below a snapshot's xmax that it does not list have ended; only this transaction itself may be the xmax.
  IF oldest IS NULL AND pg_current_xact_id_if_assigned() = pg_snapshot_xmax(snapshot) THEN
    oldest := (pg_snapshot_xmax(snapshot)::text::bigint + 1)::text::xid8;
  END IF;
  oldest := coalesce(oldest, pg_snapshot_xmax(snapshot));
  -- One that is higher than any yet is another cluster's.
  IF source.pending_xid <= next AND source.pending_xid <= oldest THEN
    source.settled_at := source.pending_at;
    source.pending_xid := NULL;
  END IF;
  IF source.pending_xid IS NULL OR source.pending_xid > next THEN
    source.pending_at := moment;
    source.pending_xid := next;
  END IF;
  IF source.pending_xid <= oldest THEN
    source.settled_at := source.pending_at;
  END IF;
  -- The first refresh of a source may meet transactions, and knows of no settled moment.
  source.settled_at := coalesce(source.settled_at, '-infinity');
END
$$;
COMMENT ON FUNCTION opsadmin_private.lock_source IS 'Takes the lock of a source of KPIs and learns before which moment every transaction has ended';
REVOKE ALL ON FUNCTION opsadmin_private.lock_source FROM PUBLIC;

-- Notices tenants that are new, or have another time zone or key, and owes all their days: once at once, and the last
-- days again when every transaction has ended that may have known the tenant as it was. One whose time zone the server
-- does not know has no days, and is new when it does.
CREATE OR REPLACE FUNCTION opsadmin_private.notice_tenants() RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM opsadmin.kpi_tenant k WHERE opsadmin_private.local_day(now(), k.time_zone) IS NULL;
  WITH changed AS (
    INSERT INTO opsadmin.kpi_tenant AS k (tenant_id, time_zone, key)
    SELECT t.id, t.time_zone, t.key FROM opsadmin.tenant t
    WHERE NOT EXISTS (SELECT FROM opsadmin.kpi_tenant n WHERE n.tenant_id = t.id AND n.time_zone = t.time_zone AND n.key IS NOT DISTINCT FROM t.key)
      AND opsadmin_private.local_day(now(), t.time_zone) IS NOT NULL
    ON CONFLICT ON CONSTRAINT kpi_tenant_pkey DO UPDATE SET time_zone = excluded.time_zone, key = excluded.key
      WHERE (k.time_zone, k.key) IS DISTINCT FROM (excluded.time_zone, excluded.key)
    RETURNING tenant_id)
  INSERT INTO opsadmin.kpi_backlog (target_id, tenant_id, first_day, last_day, reason, not_before)
  SELECT s.target_id, c.tenant_id, CASE WHEN s.target_id = 0 THEN current_date - 90 ELSE d.first_day END, 'infinity', 'tenant', d.not_before
  FROM changed c JOIN opsadmin.kpi_source s ON s.refreshed_at IS NOT NULL CROSS JOIN (VALUES (date '-infinity', timestamptz '-infinity'), (current_date - 4, clock_timestamp() + interval '1 minute')) AS d(first_day, not_before)
$$;
COMMENT ON FUNCTION opsadmin_private.notice_tenants IS 'Notices tenants that are new or have another time zone or key';
REVOKE ALL ON FUNCTION opsadmin_private.notice_tenants FROM PUBLIC;

-- Mends the triggers of a source, without waiting long for a lock, and owes the days whose changes may have gone unnoticed: of
-- partitions that have come, and all when one has gone. Returns the tables that the source consists of.
CREATE OR REPLACE FUNCTION opsadmin_private.notice_partitions(source opsadmin.kpi_source) RETURNS regclass[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
  members regclass[] := ARRAY(SELECT m FROM opsadmin.target t CROSS JOIN LATERAL opsadmin_private.tree_members(t.relation) AS m WHERE t.id = source.target_id ORDER BY m::oid);
  added record;
  range date[];
BEGIN
  IF opsadmin_private.track_source(source.target_id) AND source.members = members THEN
    PERFORM opsadmin_private.owe_days(source.target_id, 'untracked');
  END IF;
  IF source.members <> members AND NOT source.members <@ members THEN
    PERFORM opsadmin_private.owe_days(source.target_id, 'partitions');
  ELSIF source.members <> members AND cardinality(source.members) > 0 THEN
    FOR added IN SELECT m AS relation, k.time_column FROM unnest(members) AS m JOIN pg_class c ON c.oid = m AND c.relkind = 'r'
                 CROSS JOIN (SELECT DISTINCT k.time_column FROM opsadmin.kpi k WHERE k.target_id = source.target_id) AS k WHERE m <> ALL (source.members) LOOP
      EXECUTE format('SELECT ARRAY[(min(target.%1$I) AT TIME ZONE ''UTC'')::date - 1, (max(target.%1$I) AT TIME ZONE ''UTC'')::date + 1] FROM ONLY %2$s AS target WHERE target.%1$I >= ''0001-12-24 00:00Z BC'' AND target.%1$I < ''infinity''',
                     added.time_column, opsadmin_private.qualified_name(added.relation)) INTO range;
      IF range[1] IS NOT NULL THEN
        PERFORM opsadmin_private.owe_days(source.target_id, 'partitions', NULL, range[1], range[2]);
      END IF;
    END LOOP;
  END IF;
  RETURN members;
EXCEPTION WHEN lock_not_available THEN
  RETURN source.members;
END
$$;
COMMENT ON FUNCTION opsadmin_private.notice_partitions IS 'Mends the triggers of a source and owes the days whose changes may have gone unnoticed';
REVOKE ALL ON FUNCTION opsadmin_private.notice_partitions FROM PUBLIC;

-- Works off what is owed of a source, the newest days first, about as many buckets as the budget has. Stretches without
-- rows and without values are passed over.
CREATE OR REPLACE FUNCTION opsadmin_private.work_off_backlog(source opsadmin.kpi_source, kpis opsadmin.kpi[], budget integer, moment timestamptz) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  owed record;
  owed_kpis opsadmin.kpi[];
  columns name[] := ARRAY(SELECT a.attname FROM opsadmin.target t JOIN pg_attribute a ON a.attrelid = t.relation WHERE t.id = source.target_id AND NOT a.attisdropped);
  tenant_ids bigint[];
  lower date;
  upper date;
  oldest date;
  newest date;
  from_day date;
  spent integer;
  stored integer := 0;
BEGIN
  WHILE budget > 0 LOOP
    -- KPIs that owe the same days are computed together.
    SELECT b.tenant_id, b.first_day, b.last_day, array_agg(b.ctid) AS places, CASE WHEN bool_and(b.kpi IS NOT NULL) THEN array_agg(b.kpi) END AS names INTO owed
    FROM opsadmin.kpi_backlog b WHERE b.target_id = source.target_id AND b.not_before <= source.settled_at
    GROUP BY b.tenant_id, b.first_day, b.last_day ORDER BY b.last_day DESC, min(b.created_at) LIMIT 1;
    EXIT WHEN NOT FOUND;
    SELECT array_agg(k ORDER BY k.ordinal), min(greatest(owed.first_day, k.frozen_before)) INTO owed_kpis, lower FROM unnest(kpis) AS k WHERE k.name = ANY (owed.names) OR owed.names IS NULL;
    -- Those whose time column has gone are tried again later.
    PERFORM opsadmin_private.note_kpi_failure(k, format('column "%s" does not exist', k.time_column), NULL, owed.first_day, owed.last_day) FROM unnest(owed_kpis) AS k WHERE k.query IS NULL AND k.time_column <> ALL (columns);
    owed_kpis := ARRAY(SELECT k FROM unnest(owed_kpis) AS k WHERE k.query IS NOT NULL OR k.time_column = ANY (columns) ORDER BY k.ordinal);
    tenant_ids := ARRAY(SELECT t.id FROM opsadmin.tenant t WHERE t.id = coalesce(owed.tenant_id, t.id));
    upper := least(owed.last_day, (moment AT TIME ZONE 'UTC')::date + 1);
    IF source.target_id <> 0 AND upper >= lower AND cardinality(owed_kpis) > 0 THEN
      -- Where neither the source has rows nor the KPIs have values there is nothing to do; nor where the values are 0, or what
      -- is owed would follow the zeros that it stores, back to the oldest row.
      SELECT min(u.oldest), max(u.newest) INTO oldest, newest
      FROM (SELECT d.* FROM (SELECT DISTINCT k.time_column FROM unnest(owed_kpis) AS k) AS c CROSS JOIN LATERAL opsadmin_private.source_days(source.target_id, c.time_column, owed.tenant_id, upper) AS d
            UNION ALL
            SELECT d.* FROM unnest(owed_kpis) AS k CROSS JOIN LATERAL (SELECT min(d.day), max(d.day) FROM opsadmin.daily_kpi d WHERE d.kpi = k.name AND d.day <= upper AND d.value <> 0
                                                                       AND (owed.tenant_id IS NULL OR d.tenant_id = owed.tenant_id)) AS d) AS u;
      lower := greatest(lower, oldest);
      upper := CASE WHEN newest IS NOT NULL THEN least(upper, newest) END;
    END IF;
    IF upper >= lower AND cardinality(owed_kpis) > 0 AND cardinality(tenant_ids) > 0 THEN
      spent := greatest(1, budget / cardinality(tenant_ids));
      from_day := greatest(lower, upper - spent + 1);
      stored := stored + opsadmin_private.store_kpis(owed_kpis, ARRAY(SELECT t FROM unnest(tenant_ids) AS t, generate_series(0, upper - from_day) AS n ORDER BY n, t),
                                                     ARRAY(SELECT upper - n FROM unnest(tenant_ids) AS t, generate_series(0, upper - from_day) AS n ORDER BY n, t), moment, source.settled_at);
      budget := budget - greatest(1, upper - from_day + 1) * cardinality(tenant_ids);
    ELSE
      from_day := lower;
      budget := budget - 1;
    END IF;
    IF from_day > lower THEN
      UPDATE opsadmin.kpi_backlog b SET last_day = from_day - 1 WHERE b.ctid = ANY (owed.places);
    ELSE
      DELETE FROM opsadmin.kpi_backlog b WHERE b.ctid = ANY (owed.places);
    END IF;
  END LOOP;
  RETURN stored;
END
$$;
COMMENT ON FUNCTION opsadmin_private.work_off_backlog IS 'Works off what is owed of a source, the newest days first';
REVOKE ALL ON FUNCTION opsadmin_private.work_off_backlog FROM PUBLIC;

-- The days of a tenant that a note makes dirty; NULL when they lie outside the years 1 to 9999, or its time zone is not known.
CREATE OR REPLACE FUNCTION opsadmin_private.days_of_note(at timestamptz, time_zone text, OUT first_day date, OUT last_day date)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  -- A stretch is four hours long; clocks that are put back an hour over midnight show its end as the day before.
  SELECT coalesce(d.first, d.last), coalesce(d.last, d.first)
  FROM (SELECT opsadmin_private.local_day($1, $2) AS first, opsadmin_private.local_day($1 + interval '5 hours', $2) AS last OFFSET 0) AS d
$$;
COMMENT ON FUNCTION opsadmin_private.days_of_note IS 'The days of a tenant that a note makes dirty';
REVOKE ALL ON FUNCTION opsadmin_private.days_of_note FROM PUBLIC;

-- Refreshes a source (0: the KPIs by query): the open day of all tenants, days that are not final yet, days with notes, and a part
-- of what is owed. Returns the number of values computed, and whether there is more to do at once. Compiling its short
-- statements would cost ten times what they do.
CREATE OR REPLACE FUNCTION opsadmin_private.refresh_source(target_id integer, OUT stored integer, OUT more boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
  most constant integer := 2000;
  source opsadmin.kpi_source;
  kpis opsadmin.kpi[];
  moment timestamptz;
  seen record;
  bucket record;
BEGIN
  stored := 0;
  more := false;
  SELECT (l.source).*, l.moment INTO source.target_id, source.members, source.refreshed_at, source.settled_at, source.pending_at, source.pending_xid, source.failure, moment
  FROM opsadmin_private.lock_source(refresh_source.target_id) AS l;
  SELECT array_agg(k ORDER BY k.ordinal) INTO kpis FROM opsadmin.kpi k WHERE coalesce(k.target_id, 0) = source.target_id;
  -- A table that was dropped or is not protected any more keeps its values and holds up no other KPI.
  IF kpis IS NULL OR source.target_id <> 0 AND NOT EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id
                                                           WHERE p.target_id = source.target_id AND t.relation IS NOT NULL) THEN
    RETURN;
  END IF;
  IF source.target_id <> 0 THEN
    source.members := opsadmin_private.notice_partitions(source);
  END IF;
  IF source.refreshed_at < moment - interval '2 days' THEN
    PERFORM opsadmin_private.owe_days(source.target_id, 'missed', NULL, (source.refreshed_at AT TIME ZONE 'UTC')::date - 1, (moment AT TIME ZONE 'UTC')::date);
  END IF;

  -- The notes, by one snapshot: those that may be deleted, and the buckets that they make dirty.
  WITH noted AS MATERIALIZED (
    SELECT d.ctid AS place, t.id AS tenant_id, d.at IS NULL AS everything, g.first_day, g.last_day
    FROM opsadmin.kpi_dirty d LEFT JOIN opsadmin.tenant t ON coalesce(t.key, t.id::text) = d.tenant_key
    CROSS JOIN LATERAL opsadmin_private.days_of_note(d.at, t.time_zone) AS g
    WHERE d.target_id = source.target_id),
  dirty AS MATERIALIZED (SELECT DISTINCT n.tenant_id, n.first_day + g.n AS day FROM noted n CROSS JOIN LATERAL generate_series(0, n.last_day - n.first_day) AS g(n)),
  cut AS MATERIALIZED (SELECT coalesce((SELECT d.day FROM dirty d ORDER BY d.day DESC OFFSET most LIMIT 1), '-infinity') AS day)
  SELECT ARRAY(SELECT n.place FROM noted n, cut WHERE n.first_day IS NULL OR n.first_day >= cut.day) AS places,
         ARRAY(SELECT d.tenant_id FROM dirty d, cut WHERE d.day >= cut.day ORDER BY d.day, d.tenant_id) AS tenant_ids,
         ARRAY(SELECT d.day FROM dirty d, cut WHERE d.day >= cut.day ORDER BY d.day, d.tenant_id) AS days,
         (SELECT cut.day > '-infinity' FROM cut) AS has_more, EXISTS (SELECT FROM noted n WHERE n.everything) AS everything
  INTO seen;
  more := seen.has_more;
  IF seen.everything THEN
    DELETE FROM opsadmin.kpi_backlog b WHERE b.target_id = source.target_id AND b.reason = 'truncated';
    PERFORM opsadmin_private.owe_days(source.target_id, 'truncated');
  END IF;

  -- Days that another time zone has put into the future.
  DELETE FROM opsadmin.daily_kpi d USING opsadmin.tenant t
  WHERE NOT d.final AND d.kpi IN (SELECT k.name FROM unnest(kpis) AS k) AND t.id = d.tenant_id AND d.day > opsadmin_private.local_day(moment, t.time_zone);
  SELECT array_agg(b.tenant_id ORDER BY b.day, b.tenant_id) AS tenant_ids, array_agg(b.day ORDER BY b.day, b.tenant_id) AS days INTO bucket
  FROM (SELECT t.id AS tenant_id, local.today - g.n AS day
        FROM opsadmin.tenant t CROSS JOIN LATERAL (SELECT opsadmin_private.local_day(moment, t.time_zone) AS today, opsadmin_private.local_day(source.refreshed_at, t.time_zone) AS last_refreshed) AS local
        CROSS JOIN LATERAL generate_series(0, least(2, coalesce(local.today - local.last_refreshed, 0))) AS g(n)
        UNION
        SELECT d.tenant_id, d.day FROM opsadmin.daily_kpi d WHERE NOT d.final AND d.kpi IN (SELECT k.name FROM unnest(kpis) AS k)
        UNION
        SELECT u.* FROM unnest(seen.tenant_ids, seen.days) AS u) AS b;
  IF bucket.tenant_ids IS NOT NULL THEN
    stored := opsadmin_private.store_kpis(kpis, bucket.tenant_ids, bucket.days, moment, source.settled_at);
  END IF;
  DELETE FROM opsadmin.kpi_dirty d WHERE d.ctid = ANY (seen.places);
  stored := stored + opsadmin_private.work_off_backlog(source, kpis, most, moment);

  DELETE FROM opsadmin.kpi_failure f USING unnest(kpis) AS k
  WHERE f.kpi = k.name AND f.failed_at < moment AND NOT EXISTS (SELECT FROM opsadmin.kpi_backlog b WHERE b.kpi = f.kpi AND b.reason = 'failed');
  UPDATE opsadmin.kpi_source s SET members = source.members, refreshed_at = moment, settled_at = source.settled_at, pending_at = source.pending_at, pending_xid = source.pending_xid, failure = NULL
  WHERE s.target_id = source.target_id;
  more := more OR EXISTS (SELECT FROM opsadmin.kpi_backlog b WHERE b.target_id = source.target_id AND b.not_before <= source.settled_at);
END
$$;
COMMENT ON FUNCTION opsadmin_private.refresh_source IS 'Refreshes the KPIs of a source, with a part of what is owed';
REVOKE ALL ON FUNCTION opsadmin_private.refresh_source FROM PUBLIC;

-- Keeps why a source could not be refreshed, for health().
CREATE OR REPLACE FUNCTION opsadmin_private.note_source_failure(target_id integer, message text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  UPDATE opsadmin.kpi_source s SET failure = left($2, 1000) WHERE s.target_id = $1
$$;
COMMENT ON FUNCTION opsadmin_private.note_source_failure IS 'Keeps why a source of KPIs could not be refreshed, for health()';
REVOKE ALL ON FUNCTION opsadmin_private.note_source_failure FROM PUBLIC;

-- Binds the context of a refresh, which is the system's own: not below a savepoint.
CREATE OR REPLACE FUNCTION opsadmin_private.begin_refresh() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT opsadmin_private.context_is_bound() THEN
    PERFORM opsadmin_private.bind_actor('internal', NULL, NULL, '{*:read}', action => 'refresh_kpi');
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.begin_refresh IS 'Binds the context of a refresh of KPIs';
REVOKE ALL ON FUNCTION opsadmin_private.begin_refresh FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.begin_refresh TO opsadmin_worker;

-- The sources in the order in which their locks are taken, after a look at the tenants.
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_sources() RETURNS integer[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.notice_tenants();
  RETURN ARRAY(SELECT s.target_id FROM opsadmin.kpi_source s ORDER BY s.target_id);
END
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_sources IS 'The sources of KPIs in the order in which they are refreshed';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_sources FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.kpi_sources, opsadmin_private.refresh_source, opsadmin_private.note_source_failure TO opsadmin_worker;

-- What is wrong with the KPIs whose definitions fit their tables, for health().
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_findings() RETURNS SETOF opsadmin.finding
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT 'warning', 'kpi', f.kpi, format('could not be computed since %s%s: %s', date_trunc('second', f.failed_at), coalesce(format(' for "%s" on %s', t.slug, f.day), ''), f.message),
           format('SELECT opsadmin.define_kpi%s(%L, …); -- or change the rows; it is tried again by itself', CASE WHEN k.query IS NULL THEN '' ELSE '_query' END, f.kpi)
    FROM opsadmin.kpi_failure f JOIN opsadmin.kpi k ON k.name = f.kpi LEFT JOIN opsadmin.tenant t ON t.id = f.tenant_id
    -- Those whose tables do not fit have another finding.
    WHERE f.tenant_id IS NOT NULL OR k.query IS NOT NULL;
  RETURN QUERY
    SELECT 'error', 'kpi', r.kpi, format('%s values were wrong when they were verified, the last one on %s: something changes the source past its triggers', count(*), max(r.day)),
           format('SELECT * FROM opsadmin.kpi_repair WHERE kpi = %L; -- they are put right', r.kpi)
    FROM opsadmin.kpi_repair r WHERE r.found_at > now() - interval '7 days' GROUP BY r.kpi;
  RETURN QUERY SELECT * FROM opsadmin_private.kpi_index_findings();
  RETURN QUERY
    SELECT 'error', 'kpi', coalesce(t.name, 'KPIs by query'), 'the KPIs are not refreshed: ' || s.failure, 'CALL opsadmin.run_kpis(); -- to try again, as is done each minute'
    FROM opsadmin.kpi_source s LEFT JOIN opsadmin.target t ON t.id = s.target_id WHERE s.failure IS NOT NULL;
  RETURN QUERY
    SELECT 'error', 'kpi', t.slug, format('"%s" is not a time zone that the server knows: the tenant has no days', t.time_zone),
           format('UPDATE opsadmin.tenant SET time_zone = ''UTC'' WHERE slug = %L; -- or another of pg_timezone_names', t.slug)
    FROM opsadmin.tenant t WHERE opsadmin_private.local_day(now(), t.time_zone) IS NULL;
  IF opsadmin_private.scheduled_jobs() > 0 THEN
    RETURN QUERY
      SELECT 'error', 'kpi', coalesce(t.name, 'KPIs by query'), format('the KPIs were refreshed last at %s', date_trunc('second', s.refreshed_at)), 'SELECT opsadmin.refresh_kpi(); -- its error says why'
      FROM opsadmin.kpi_source s LEFT JOIN opsadmin.target t ON t.id = s.target_id
      WHERE s.refreshed_at < now() - interval '10 minutes' AND (s.target_id = 0 OR EXISTS (SELECT FROM opsadmin.protected_table p WHERE p.target_id = s.target_id));
  END IF;
  RETURN QUERY
    SELECT 'warning', 'kpi', coalesce(b.kpi, t.name, 'KPIs by query'), format('%s are still to be computed (%s)', CASE WHEN b.first_day = '-infinity' THEN format('days until %s', b.last_day)
             ELSE format('days from %s to %s', b.first_day, b.last_day) END, b.reason), 'CALL opsadmin.run_kpis();'
    FROM opsadmin.kpi_backlog b LEFT JOIN opsadmin.target t ON t.id = b.target_id
    WHERE b.created_at < now() - interval '15 minutes' AND b.reason <> 'failed' ORDER BY b.created_at LIMIT 20;
END
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_findings IS 'What is wrong with the KPIs whose definitions fit their tables, for health()';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_findings FROM PUBLIC;
