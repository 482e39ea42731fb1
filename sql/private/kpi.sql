-- Recomputing KPIs from their sources.

-- What tenant columns of a type hold of a tenant; NULL when they cannot hold it, as a bigint cannot hold a text.
CREATE OR REPLACE FUNCTION opsadmin_private.key_of_type(key text, tenant_type text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN $2 = 'text' THEN $1
    WHEN $2 = 'uuid' THEN substring($1, '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
    WHEN $1 ~ '^(0|-?[1-9][0-9]{0,18})$' THEN
      CASE WHEN $1::numeric BETWEEN -(2 ^ bits.count)::numeric AND (2 ^ bits.count)::numeric - 1 THEN $1 END
    END
  FROM (SELECT CASE $2 WHEN 'integer' THEN 31 ELSE 63 END::numeric AS count) AS bits
$$;
COMMENT ON FUNCTION opsadmin_private.key_of_type IS 'What tenant columns of a type hold of a tenant; NULL when they cannot hold it';
REVOKE ALL ON FUNCTION opsadmin_private.key_of_type FROM PUBLIC;

-- The instant at which a day begins. A midnight that the end of summer time repeats is the first of the two.
CREATE OR REPLACE FUNCTION opsadmin_private.day_start(day date, time_zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN ((midnight - interval '1 hour') AT TIME ZONE $2)::date = $1 THEN midnight - interval '1 hour' ELSE midnight END
  FROM (SELECT $1::timestamp AT TIME ZONE $2 AS midnight) AS one
$$;
COMMENT ON FUNCTION opsadmin_private.day_start IS 'The instant at which a day begins in a time zone';
REVOKE ALL ON FUNCTION opsadmin_private.day_start FROM PUBLIC;

-- Plans what a KPI computes, and raises what PostgreSQL says when it does not fit the table.
CREATE OR REPLACE FUNCTION opsadmin_private.plan_kpi(source regclass, time_column name, value text, filter text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('EXPLAIN (COSTS OFF) SELECT (%s)::numeric FROM %s AS target WHERE target.%I >= now() AND (%s) HAVING true', value,
                 opsadmin_private.qualified_name(source), time_column, coalesce(filter, 'true'));
END
$$;
COMMENT ON FUNCTION opsadmin_private.plan_kpi IS 'Plans what a KPI computes; an error when it does not fit the table';
REVOKE ALL ON FUNCTION opsadmin_private.plan_kpi FROM PUBLIC;

-- Computes one KPI for a range of days of every tenant, as staff of the internal site would see it, and stores
-- what it found. A NULL range means: every day that is not final yet, and at most 90 days back. Returns the number of values stored.
CREATE OR REPLACE FUNCTION opsadmin_private.refresh_one_kpi(kpi opsadmin.kpi, first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source opsadmin.protected_table;
  relation regclass;
  settled_before timestamptz;
  buckets jsonb;
  found_values jsonb;
  stored integer;
BEGIN
  -- A table that was dropped or is not protected any more keeps its values and holds up no other KPI.
  SELECT p.* INTO source FROM opsadmin.protected_table p WHERE p.target_id = kpi.target_id;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  SELECT t.relation INTO relation FROM opsadmin.target t WHERE t.id = kpi.target_id;
  -- Every transaction that could still add to a day before this instant has ended.
  SELECT least(clock_timestamp(), min(a.xact_start), (SELECT min(x.prepared) FROM pg_prepared_xacts x)) INTO settled_before
  FROM pg_stat_activity a WHERE a.backend_type <> 'autovacuum worker' AND a.pid <> pg_backend_pid();

  SELECT jsonb_agg(jsonb_build_object('tenant_id', t.id, 'tenant_key', opsadmin_private.key_of_type(coalesce(t.key, t.id::text), source.tenant_type), 'day', d.day,
                                      'starts_at', opsadmin_private.day_start(d.day, t.time_zone), 'ends_at', opsadmin_private.day_start(d.day + 1, t.time_zone)))
  INTO buckets
  FROM opsadmin.tenant t
  CROSS JOIN LATERAL (SELECT (clock_timestamp() AT TIME ZONE t.time_zone)::date AS today) AS local
  CROSS JOIN LATERAL (
    SELECT s::date AS day FROM generate_series(coalesce(first_day, today - 90)::timestamp, least(coalesce(last_day, today), today)::timestamp, interval '1 day') AS s
  ) AS d
  WHERE first_day IS NOT NULL OR NOT EXISTS (SELECT FROM opsadmin.daily_kpi k WHERE k.tenant_id = t.id AND k.kpi = refresh_one_kpi.kpi.name AND k.day = d.day AND k.final);
  IF buckets IS NULL THEN
    RETURN 0;
  END IF;

  found_values := opsadmin_private.query_as('opsadmin_internal'::regrole, format(
    'SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(''tenant_id'', b.tenant_id, ''day'', b.day, ''ends_at'', b.ends_at, ''value'', coalesce(found.value, 0)))'
    ' FROM pg_catalog.jsonb_to_recordset(%1$L) AS b(tenant_id bigint, tenant_key %2$s, day date, starts_at timestamptz, ends_at timestamptz)'
    ' CROSS JOIN LATERAL (SELECT (%3$s)::numeric AS value FROM %4$s AS target'
    ' WHERE target.%5$I = b.tenant_key AND target.%6$I >= b.starts_at AND target.%6$I < b.ends_at AND (%7$s) HAVING true) AS found',
    buckets, source.tenant_type, kpi.value, opsadmin_private.qualified_name(relation), source.tenant_column, kpi.time_column, coalesce(kpi.filter, 'true')))::jsonb;

  INSERT INTO opsadmin.daily_kpi AS k (tenant_id, kpi, day, value, computed_at, final)
  SELECT v.tenant_id, refresh_one_kpi.kpi.name, v.day, v.value, clock_timestamp(), v.ends_at <= settled_before
  FROM jsonb_to_recordset(found_values) AS v(tenant_id bigint, day date, ends_at timestamptz, value numeric)
  ON CONFLICT ON CONSTRAINT daily_kpi_pkey DO UPDATE SET value = excluded.value, computed_at = excluded.computed_at, final = excluded.final;
  GET DIAGNOSTICS stored = ROW_COUNT;
  RETURN stored;
END
$$;
COMMENT ON FUNCTION opsadmin_private.refresh_one_kpi IS 'Computes one KPI for a range of days of every tenant and stores it';
REVOKE ALL ON FUNCTION opsadmin_private.refresh_one_kpi FROM PUBLIC;
