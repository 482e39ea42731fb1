-- KPIs: their definition and their upkeep.

-- What a definition has to be, whatever kind it is.
CREATE OR REPLACE FUNCTION opsadmin_private.require_kpi(name text, unit text, over_days text, over_tenants text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_name(name, 'a KPI');
  IF unit IS NULL OR unit NOT IN ('count', 'money') OR over_days NOT IN ('sum', 'avg', 'max', 'min') OR over_tenants NOT IN ('sum', 'avg', 'max', 'min') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the KPI does not fit', HINT = 'The unit is count or money; over_days and over_tenants are sum, avg, max or min.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_kpi IS 'Raises OA425 when the name or the unit of a KPI does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.require_kpi FROM PUBLIC;

-- Stores a definition. A new or changed one owes all days, whose old values are served until they are computed. Waits
-- for a refresh of the source, and takes the triggers from one that it has left.
CREATE OR REPLACE FUNCTION opsadmin_private.store_definition(definition opsadmin.kpi, first_day date) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  former opsadmin.kpi;
  is_new boolean;
BEGIN
  INSERT INTO opsadmin.kpi_source (target_id) VALUES (coalesce(definition.target_id, 0)) ON CONFLICT ON CONSTRAINT kpi_source_pkey DO NOTHING;
  PERFORM FROM opsadmin.kpi_source s WHERE s.target_id = coalesce(definition.target_id, 0) FOR UPDATE;
  SELECT * INTO former FROM opsadmin.kpi k WHERE k.name = definition.name FOR UPDATE;
  is_new := NOT FOUND;
  INSERT INTO opsadmin.kpi (name, target_id, time_column, value, filter, query, unit, label, sticky, over_days, over_tenants)
  VALUES (definition.name, definition.target_id, definition.time_column, definition.value, definition.filter, definition.query, definition.unit,
          opsadmin_private.label(definition.label, definition.name), definition.sticky, definition.over_days, definition.over_tenants)
  ON CONFLICT ON CONSTRAINT kpi_pkey DO UPDATE
    SET target_id = excluded.target_id, time_column = excluded.time_column, value = excluded.value, filter = excluded.filter, query = excluded.query, unit = excluded.unit,
        label = excluded.label, sticky = excluded.sticky, over_days = excluded.over_days, over_tenants = excluded.over_tenants;
  IF definition.target_id IS NOT NULL THEN
    PERFORM opsadmin_private.track_source(definition.target_id);
  END IF;
  IF is_new OR (former.target_id, former.time_column, former.value, former.filter, former.query) IS DISTINCT FROM (definition.target_id, definition.time_column, definition.value, definition.filter, definition.query) THEN
    DELETE FROM opsadmin.kpi_backlog b WHERE b.kpi = definition.name;
    DELETE FROM opsadmin.kpi_failure f WHERE f.kpi = definition.name;
    IF NOT definition.sticky THEN
      PERFORM opsadmin_private.owe_days(coalesce(definition.target_id, 0), CASE WHEN is_new THEN 'defined' ELSE 'changed' END, definition.name, first_day);
    END IF;
  END IF;
  IF NOT is_new AND former.target_id IS DISTINCT FROM definition.target_id THEN
    PERFORM opsadmin_private.untrack_source(coalesce(former.target_id, 0));
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.store_definition IS 'Stores the definition of a KPI and owes its days when it is new or has changed';
REVOKE ALL ON FUNCTION opsadmin_private.store_definition FROM PUBLIC;

-- define_kpi(name, source, time_column, value, filter, unit, label): value is an aggregate over the rows of a
-- tenant's day, such as 'count(*)', 'sum(amount)' or 'count(DISTINCT user_id)'; time_column is timestamptz. sticky: the source keeps
-- only the last state, so the values of a day stay as they were when it ended. over_days and over_tenants (sum, avg, max, min)
-- make one value of several; without them, sums and counts are added, the greatest and the least are taken, distinct
-- things are added over tenants, and the rest is averaged. Returns what is advised. Waits up to 3 s for writers of the source,
-- which gets triggers. The source must be protected (OA435). OA425 when the definition does not fit.
CREATE OR REPLACE FUNCTION opsadmin.define_kpi(name text, source regclass, time_column name, value text DEFAULT 'count(*)', filter text DEFAULT NULL,
  unit text DEFAULT 'count', label jsonb DEFAULT NULL, sticky boolean DEFAULT false, over_days text DEFAULT NULL, over_tenants text DEFAULT NULL) RETURNS SETOF opsadmin.finding
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
  call text;
BEGIN
  PERFORM opsadmin_private.require_kpi(name, unit, over_days, over_tenants);
  PERFORM opsadmin_private.require_columns(source, ARRAY[time_column]);
  IF NOT EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = source) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', source),
      HINT = format('SELECT opsadmin.protect(%L);', opsadmin_private.qualified_name(source));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = source AND a.attname = time_column AND a.atttypid = 'timestamptz'::regtype) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the KPI does not fit', HINT = 'The time column is a timestamptz.';
  END IF;
  BEGIN
    PERFORM opsadmin_private.plan_kpi(source, time_column, value, filter);
    call := opsadmin_private.single_call(value);
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the KPI does not fit: ' || SQLERRM,
      HINT = 'value is an aggregate such as count(*); filter is what stands after WHERE.';
  END;
  PERFORM opsadmin_private.store_definition(
    ROW(name, NULL, opsadmin_private.ensure_target(source), time_column, value, filter, NULL, unit, label, coalesce(sticky, false),
        coalesce(over_days, CASE WHEN call IN ('count', 'sum') THEN 'sum' WHEN call IN ('max', 'min') THEN call ELSE 'avg' END),
        coalesce(over_tenants, CASE WHEN call IN ('count', 'sum', 'count distinct', 'sum distinct') THEN 'sum' WHEN call IN ('max', 'min') THEN call ELSE 'avg' END), NULL)::opsadmin.kpi, '-infinity');
  RETURN QUERY SELECT * FROM opsadmin_private.kpi_index_findings(name);
END
$$;
COMMENT ON FUNCTION opsadmin.define_kpi IS 'Defines a KPI over the rows of a table, or changes it';
REVOKE ALL ON FUNCTION opsadmin.define_kpi FROM PUBLIC;

-- define_kpi_query(name, query): a KPI of what has no single source. query is a SELECT of one number about
-- bucket.tenant_id, bucket.tenant_key, bucket.day, bucket.starts_at and bucket.ends_at. No trigger sees what it reads: it is
-- computed while its day is open and until that is final, and each night for the last 35 days. Days before first_day (90 days
-- ago) are not computed. Without over_days and over_tenants values are averaged and added. OA425 when the query does not fit.
CREATE OR REPLACE FUNCTION opsadmin.define_kpi_query(name text, query text, unit text DEFAULT 'count', label jsonb DEFAULT NULL, sticky boolean DEFAULT false,
  over_days text DEFAULT 'avg', over_tenants text DEFAULT 'sum', first_day date DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
  PERFORM opsadmin_private.require_kpi(name, unit, over_days, over_tenants);
  BEGIN
    PERFORM opsadmin_private.plan_kpi_query(query);
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the KPI does not fit: ' || SQLERRM,
      HINT = 'query is a SELECT of one number; it may name bucket.tenant_id, tenant_key, day, starts_at and ends_at.';
  END;
  PERFORM opsadmin_private.store_definition(ROW(name, NULL, NULL, NULL, NULL, NULL, query, unit, label, coalesce(sticky, false), coalesce(over_days, 'avg'), coalesce(over_tenants, 'sum'), NULL)::opsadmin.kpi,
                                            coalesce(first_day, current_date - 90));
END
$$;
COMMENT ON FUNCTION opsadmin.define_kpi_query IS 'Defines a KPI by a query about a tenant''s day, or changes it';
REVOKE ALL ON FUNCTION opsadmin.define_kpi_query FROM PUBLIC;

-- Drops a KPI with its values; OA410 when it does not exist.
CREATE OR REPLACE FUNCTION opsadmin.drop_kpi(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source_id integer;
BEGIN
  DELETE FROM opsadmin.kpi k WHERE k.name = drop_kpi.name RETURNING coalesce(k.target_id, 0) INTO source_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', name),
      HINT = 'See opsadmin.kpi.';
  END IF;
  PERFORM opsadmin_private.untrack_source(source_id);
END
$$;
COMMENT ON FUNCTION opsadmin.drop_kpi IS 'Drops a KPI with its values';
REVOKE ALL ON FUNCTION opsadmin.drop_kpi FROM PUBLIC;

-- Refreshes KPIs and returns the number of values computed. Without days: the source of one, or all: the open day, days that
-- are not final, days whose rows have changed, and up to 2,000 of the tenants' days that are still owed. With days: all of
-- them, for every tenant. Two refreshes of a source wait for each other. OA410 for an unknown KPI; OA420 for days that do not
-- fit, or above READ COMMITTED.
CREATE OR REPLACE FUNCTION opsadmin.refresh_kpi(kpi text DEFAULT NULL, first_day date DEFAULT NULL, last_day date DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
  source_id integer;
  locked record;
  kpis opsadmin.kpi[];
  tenant_count integer := (SELECT greatest(1, count(*)) FROM opsadmin.tenant);
  until date;
  step integer;
  stored integer := 0;
BEGIN
  IF kpi IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.kpi k WHERE k.name = refresh_kpi.kpi) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', kpi),
      HINT = 'See opsadmin.kpi.';
  END IF;
  IF last_day IS NOT NULL AND first_day IS NULL OR first_day > last_day OR coalesce(last_day, current_date) - first_day > 3660 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the days do not fit', HINT = 'first_day is not after last_day, and not more than ten years before it.';
  END IF;
  first_day := greatest(first_day, CASE WHEN first_day IS NOT NULL THEN date '0001-01-01' END);
  PERFORM opsadmin_private.begin_refresh();
  FOREACH source_id IN ARRAY opsadmin_private.kpi_sources() LOOP
    CONTINUE WHEN NOT EXISTS (SELECT FROM opsadmin.kpi k WHERE coalesce(k.target_id, 0) = source_id AND k.name = coalesce(refresh_kpi.kpi, k.name));
    IF first_day IS NULL THEN
      stored := stored + (opsadmin_private.refresh_source(source_id)).stored;
      CONTINUE;
    END IF;
    SELECT l.source AS source, l.moment INTO locked FROM opsadmin_private.lock_source(source_id) AS l;
    SELECT array_agg(k ORDER BY k.ordinal) INTO kpis FROM opsadmin.kpi k LEFT JOIN opsadmin.target t ON t.id = k.target_id
    WHERE coalesce(k.target_id, 0) = source_id AND k.name = coalesce(refresh_kpi.kpi, k.name)
      AND (source_id = 0 OR t.relation IS NOT NULL AND EXISTS (SELECT FROM opsadmin.protected_table p WHERE p.target_id = source_id));
    CONTINUE WHEN kpis IS NULL;
    until := least(last_day, (locked.moment AT TIME ZONE 'UTC')::date + 1);
    WHILE until >= first_day LOOP
      step := least(until - first_day, greatest(1, 2000 / tenant_count) - 1);
      stored := stored + opsadmin_private.store_kpis(kpis, ARRAY(SELECT t.id FROM opsadmin.tenant t, generate_series(0, step) AS n ORDER BY n, t.id),
                                                     ARRAY(SELECT until - n FROM opsadmin.tenant t, generate_series(0, step) AS n ORDER BY n, t.id),
                                                     locked.moment, (locked.source).settled_at, strict => refresh_kpi.kpi IS NOT NULL);
      until := until - step - 1;
    END LOOP;
  END LOOP;
  RETURN stored;
END
$$;
COMMENT ON FUNCTION opsadmin.refresh_kpi IS 'Refreshes KPIs: without days what has changed, with days all of them';
REVOKE ALL ON FUNCTION opsadmin.refresh_kpi FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.refresh_kpi TO opsadmin_worker;

-- Refreshes the sources one after the other, each in a transaction of its own, until nothing is owed or 50 seconds are
-- over: what pg_cron calls each minute. Not inside a transaction.
CREATE OR REPLACE PROCEDURE opsadmin.run_kpis()
LANGUAGE plpgsql AS $$
DECLARE
  began timestamptz := pg_catalog.clock_timestamp();
  sources integer[];
  source_id integer;
  step record;
  more boolean;
BEGIN
  LOOP
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    sources := opsadmin_private.kpi_sources();
    more := false;
    FOREACH source_id IN ARRAY sources LOOP
      COMMIT;
      SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
      PERFORM opsadmin_private.begin_refresh();
      BEGIN
        SELECT * INTO step FROM opsadmin_private.refresh_source(source_id);
        more := more OR step.more;
      EXCEPTION WHEN OTHERS OR assert_failure THEN
        -- One that cannot be refreshed holds up no other.
        RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = pg_catalog.format('the KPIs of target %s are not refreshed: %s', source_id, SQLERRM), HINT = 'SELECT * FROM opsadmin.health();';
        PERFORM opsadmin_private.note_source_failure(source_id, SQLERRM);
      END;
    END LOOP;
    COMMIT;
    EXIT WHEN NOT more OR pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>) (began OPERATOR(pg_catalog.+) interval '50 seconds');
  END LOOP;
END
$$;
COMMENT ON PROCEDURE opsadmin.run_kpis IS 'Refreshes all KPIs until nothing is owed; pg_cron calls it each minute';
REVOKE ALL ON PROCEDURE opsadmin.run_kpis FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE opsadmin.run_kpis TO opsadmin_worker;

-- Recomputes buckets at random, of the last days, and puts right what is wrong; then all those days are owed. Returns a
-- finding for each value that was wrong, which health() shows for a week. KPIs by query, which no trigger helps, are
-- recomputed for the last 35 days, without a finding. run_maintenance() calls it each night.
CREATE OR REPLACE FUNCTION opsadmin.verify_kpi(days integer DEFAULT 400, buckets integer DEFAULT 200) RETURNS SETOF opsadmin.finding
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
  source_id integer;
  locked record;
  kpis opsadmin.kpi[];
  chosen record;
  before jsonb;
  wrong record;
  any_wrong boolean;
BEGIN
  IF days IS NULL OR days NOT BETWEEN 1 AND 3660 OR buckets IS NULL OR buckets NOT BETWEEN 1 AND 100000 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'days and buckets do not fit', HINT = 'Name 1 to 3660 days and 1 to 100000 buckets.';
  END IF;
  PERFORM opsadmin_private.begin_refresh();
  FOREACH source_id IN ARRAY opsadmin_private.kpi_sources() LOOP
    SELECT l.source AS source, l.moment INTO locked FROM opsadmin_private.lock_source(source_id) AS l;
    SELECT array_agg(k ORDER BY k.ordinal) INTO kpis FROM opsadmin.kpi k LEFT JOIN opsadmin.target t ON t.id = k.target_id
    WHERE coalesce(k.target_id, 0) = source_id AND NOT k.sticky AND NOT EXISTS (SELECT FROM opsadmin.kpi_failure f WHERE f.kpi = k.name)
      AND (source_id = 0 OR t.relation IS NOT NULL AND EXISTS (SELECT FROM opsadmin.protected_table p WHERE p.target_id = source_id));
    CONTINUE WHEN kpis IS NULL;
    SELECT array_agg(b.tenant_id) AS tenant_ids, array_agg(b.day) AS days INTO chosen
    FROM (SELECT DISTINCT c.tenant_id, c.day FROM (
            SELECT t.id AS tenant_id, opsadmin_private.local_day(locked.moment, t.time_zone) - 1 - CASE WHEN source_id = 0 THEN g.n % 35 ELSE floor(random() * verify_kpi.days)::integer END AS day
            FROM generate_series(0, CASE WHEN source_id = 0 THEN 34 ELSE greatest(1, buckets / greatest(1, (SELECT count(*) FROM opsadmin.tenant)))::integer - 1 END) AS g(n)
            CROSS JOIN (SELECT t.id, t.time_zone FROM opsadmin.tenant t ORDER BY random() LIMIT CASE WHEN source_id <> 0 THEN buckets END) AS t) AS c) AS b;
    CONTINUE WHEN chosen.tenant_ids IS NULL;
    SELECT jsonb_object_agg(concat_ws(' ', d.tenant_id, d.kpi, d.day), d.value::text) INTO before
    FROM unnest(chosen.tenant_ids, chosen.days) AS b(tenant_id, day) JOIN opsadmin.daily_kpi d ON d.tenant_id = b.tenant_id AND d.day = b.day;
    PERFORM opsadmin_private.store_kpis(kpis, chosen.tenant_ids, chosen.days, locked.moment, (locked.source).settled_at);
    any_wrong := false;
    -- What has a note, or is owed, is not expected to be right. Notes are read after the rows: there is one for whatever was seen.
    FOR wrong IN
      SELECT d.*, before ->> concat_ws(' ', d.tenant_id, d.kpi, d.day) AS stored, t.slug
      FROM unnest(chosen.tenant_ids, chosen.days) AS b(tenant_id, day) JOIN opsadmin.daily_kpi d ON d.tenant_id = b.tenant_id AND d.day = b.day JOIN unnest(kpis) AS k ON k.name = d.kpi
      JOIN opsadmin.tenant t ON t.id = d.tenant_id
      WHERE source_id <> 0 AND d.final AND d.value IS DISTINCT FROM coalesce((before ->> concat_ws(' ', d.tenant_id, d.kpi, d.day))::numeric, 0)
        AND NOT EXISTS (SELECT FROM opsadmin.kpi_dirty n WHERE n.target_id = source_id AND (n.at IS NULL OR n.tenant_key = coalesce(t.key, t.id::text)
                          AND EXISTS (SELECT FROM opsadmin_private.days_of_note(n.at, t.time_zone) AS g WHERE d.day BETWEEN g.first_day AND g.last_day)))
        AND NOT EXISTS (SELECT FROM opsadmin.kpi_backlog o WHERE o.target_id = source_id AND coalesce(o.kpi, d.kpi) = d.kpi AND coalesce(o.tenant_id, d.tenant_id) = d.tenant_id
                          AND d.day BETWEEN o.first_day AND o.last_day)
    LOOP
      any_wrong := true;
      INSERT INTO opsadmin.kpi_repair (kpi, tenant_id, day, stored, recomputed) VALUES (wrong.kpi, wrong.tenant_id, wrong.day, wrong.stored::numeric, wrong.value);
      RETURN NEXT ('error', 'kpi', wrong.kpi, format('the value of "%s" on %s was %s instead of %s: something changes the source past its triggers', wrong.slug, wrong.day, coalesce(wrong.stored, 'missing'), wrong.value),
                   format('SELECT * FROM opsadmin.kpi_repair WHERE kpi = %L; -- it is put right, and the last %s days are computed anew', wrong.kpi, verify_kpi.days))::opsadmin.finding;
    END LOOP;
    IF any_wrong THEN
      PERFORM opsadmin_private.owe_days(source_id, 'mismatch', NULL, (locked.moment AT TIME ZONE 'UTC')::date - verify_kpi.days);
    END IF;
  END LOOP;
  DELETE FROM opsadmin.kpi_repair r WHERE r.found_at < now() - interval '90 days';
END
$$;
COMMENT ON FUNCTION opsadmin.verify_kpi IS 'Recomputes days of KPIs at random and puts right what is wrong';
REVOKE ALL ON FUNCTION opsadmin.verify_kpi FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.verify_kpi TO opsadmin_worker;

-- Keeps the values of days before one as they are, of one KPI or of all: before old rows of the source are purged. An
-- earlier day than before, or NULL, has the days between computed again. OA410 for an unknown KPI; OA420 while such days are still owed.
CREATE OR REPLACE FUNCTION opsadmin.freeze_kpi(before date, kpi text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  frozen record;
BEGIN
  IF kpi IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.kpi k WHERE k.name = freeze_kpi.kpi) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', kpi),
      HINT = 'See opsadmin.kpi.';
  END IF;
  FOR frozen IN SELECT k.name, k.frozen_before, s.target_id FROM opsadmin.kpi k JOIN opsadmin.kpi_source s ON s.target_id = coalesce(k.target_id, 0)
                WHERE k.name = coalesce(freeze_kpi.kpi, k.name) ORDER BY s.target_id FOR UPDATE OF s LOOP
    IF before > coalesce(frozen.frozen_before, '-infinity')
       AND (EXISTS (SELECT FROM opsadmin.kpi_dirty d WHERE d.target_id = frozen.target_id AND (d.at IS NULL OR d.at < (before + 1)::timestamp AT TIME ZONE 'UTC'))
            OR EXISTS (SELECT FROM opsadmin.kpi_backlog b WHERE b.target_id = frozen.target_id AND coalesce(b.kpi, frozen.name) = frozen.name AND b.first_day < before
                                                            AND b.last_day >= coalesce(frozen.frozen_before, '-infinity'))) THEN
      RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('days of KPI "%s" before %s are still to be computed', frozen.name, before),
        HINT = 'CALL opsadmin.run_kpis(); then try again.';
    END IF;
    UPDATE opsadmin.kpi k SET frozen_before = before WHERE k.name = frozen.name;
    IF coalesce(before, '-infinity') < frozen.frozen_before THEN
      PERFORM opsadmin_private.owe_days(frozen.target_id, 'thawed', frozen.name, coalesce(before, '-infinity'), frozen.frozen_before - 1);
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.freeze_kpi IS 'Keeps the values of KPIs of days before one as they are';
REVOKE ALL ON FUNCTION opsadmin.freeze_kpi FROM PUBLIC;
