-- Reading KPIs.

-- The tenant whose values are read: the one that is named by its slug, or else that of the context; NULL for staff who read all
-- tenants. Raises OA001, OA403, and OA404 for another tenant's.
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_tenant(tenant text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own_tenant bigint := opsadmin.current_tenant();
BEGIN
  PERFORM opsadmin_private.require_permission('kpi:read');
  IF tenant IS NULL THEN
    RETURN own_tenant;
  END IF;
  IF own_tenant IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.tenant t WHERE t.id = own_tenant AND t.slug = kpi_tenant.tenant) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA404', MESSAGE = format('tenant "%s" does not exist', left(tenant, 100)),
      HINT = 'Leave the tenant away for your own.';
  END IF;
  RETURN opsadmin_private.tenant_id(tenant);
END
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_tenant IS 'The tenant whose KPIs are read; NULL for all';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_tenant FROM PUBLIC;

-- Raises OA420 unless the days are 1 to 367, or ten years by week and month.
CREATE OR REPLACE FUNCTION opsadmin_private.require_kpi_days(first_day date, last_day date, by text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF by IS NULL OR by NOT IN ('day', 'week', 'month') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the period does not fit', COLUMN = '/by', HINT = 'Ask by day, week or month.';
  END IF;
  IF first_day IS NULL OR last_day IS NULL OR NOT isfinite(first_day) OR NOT isfinite(last_day) OR last_day - first_day NOT BETWEEN 0 AND (CASE by WHEN 'day' THEN 366 ELSE 3660 END) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the days do not fit', COLUMN = '/first_day', HINT = 'Ask for 1 to 367 days, or for ten years by week or month.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_kpi_days IS 'Raises OA420 unless a range of days fits';
REVOKE ALL ON FUNCTION opsadmin_private.require_kpi_days FROM PUBLIC;

-- A KPI by name; OA410 when it does not exist.
CREATE OR REPLACE FUNCTION opsadmin_private.find_kpi(name text) RETURNS opsadmin.kpi
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_kpi opsadmin.kpi;
BEGIN
  SELECT * INTO found_kpi FROM opsadmin.kpi k WHERE k.name = find_kpi.name;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', left(coalesce(name, 'NULL'), 100)),
      HINT = 'opsadmin.kpi_summary() shows the KPIs.';
  END IF;
  RETURN found_kpi;
END
$$;
COMMENT ON FUNCTION opsadmin_private.find_kpi IS 'A KPI by name; OA410 when it does not exist';
REVOKE ALL ON FUNCTION opsadmin_private.find_kpi FROM PUBLIC;

-- Values of a KPI by day, week or month (the first day names it; the range cuts the first and the last one), or as one value of all
-- days (by "all"): of one tenant, or of all, each by its own days. What is owed is as of when it was computed; everything else as
-- of the last refresh.
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_values(kpi opsadmin.kpi, tenant_id bigint, first_day date, last_day date, by text)
RETURNS TABLE(day date, value numeric, final boolean, as_of timestamptz)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  source opsadmin.kpi_source;
  today date;
BEGIN
  SELECT * INTO source FROM opsadmin.kpi_source s WHERE s.target_id = coalesce(kpi.target_id, 0);
  today := coalesce((SELECT opsadmin_private.local_day(source.refreshed_at, t.time_zone) FROM opsadmin.tenant t WHERE t.id = kpi_values.tenant_id),
                    (source.refreshed_at AT TIME ZONE 'UTC')::date - 1, '-infinity');
  RETURN QUERY
    WITH stored AS (
      SELECT d.* FROM opsadmin.daily_kpi d WHERE kpi_values.tenant_id IS NOT NULL AND d.tenant_id = kpi_values.tenant_id AND d.kpi = kpi.name AND d.day BETWEEN first_day AND last_day
      UNION ALL
      SELECT d.* FROM opsadmin.daily_kpi d WHERE kpi_values.tenant_id IS NULL AND d.kpi = kpi.name AND d.day BETWEEN first_day AND last_day),
    -- One tenant's NaN or infinity is its own figure, and not that of all.
    daily AS (
      SELECT s.day, CASE kpi.over_tenants WHEN 'sum' THEN sum(v.value) WHEN 'avg' THEN avg(v.value) WHEN 'max' THEN max(v.value) ELSE min(v.value) END AS value,
             bool_and(s.final) AS final, min(s.computed_at) AS computed_at
      FROM stored s CROSS JOIN LATERAL (SELECT CASE WHEN kpi_values.tenant_id IS NOT NULL OR s.value NOT IN ('NaN', 'Infinity', '-Infinity') THEN s.value END AS value) AS v
      GROUP BY s.day),
    owed AS (
      SELECT b.first_day, b.last_day FROM opsadmin.kpi_backlog b
      WHERE b.target_id = source.target_id AND coalesce(b.kpi, kpi.name) = kpi.name AND (kpi_values.tenant_id IS NULL OR coalesce(b.tenant_id, kpi_values.tenant_id) = kpi_values.tenant_id)),
    complete AS (
      SELECT g.day, d.value, coalesce(d.final, g.day < today AND NOT o.owed) AS final, CASE WHEN o.owed THEN d.computed_at ELSE source.refreshed_at END AS as_of
      FROM (SELECT s::date AS day FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS s) AS g
      LEFT JOIN daily d ON d.day = g.day
      CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM owed o WHERE g.day BETWEEN o.first_day AND o.last_day) AS owed) AS o)
    SELECT CASE by WHEN 'day' THEN c.day WHEN 'all' THEN kpi_values.first_day ELSE date_trunc(by, c.day::timestamp)::date END AS period,
           coalesce(CASE kpi.over_days WHEN 'sum' THEN sum(c.value) WHEN 'avg' THEN avg(c.value) WHEN 'max' THEN max(c.value) ELSE min(c.value) END, 0), bool_and(c.final), min(c.as_of)
    FROM complete c GROUP BY period ORDER BY period;
END
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_values IS 'Values of a KPI by day, week or month, of one tenant or of all';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_values FROM PUBLIC;

-- How much a value is above another, relative to it, to four digits; NULL where that was 0, or is no number.
CREATE OR REPLACE FUNCTION opsadmin_private.relative_change(value numeric, former numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN $2 <> 0 AND $1 NOT IN ('NaN', 'Infinity', '-Infinity') AND $2 NOT IN ('NaN', 'Infinity', '-Infinity') THEN round(($1 - $2) / abs($2), 4)::text END
$$;
COMMENT ON FUNCTION opsadmin_private.relative_change IS 'How much a value is above another, relative to it';
REVOKE ALL ON FUNCTION opsadmin_private.relative_change FROM PUBLIC;

-- The values of a KPI, a row a day, week or month, 0 where there is none. tenant is a slug: internal staff without one get
-- one value for all tenants, each by its own days; partners get their own tenant. OA410, OA404, OA403, OA420.
CREATE OR REPLACE FUNCTION opsadmin.kpi_series(kpi text, first_day date, last_day date, tenant text DEFAULT NULL, by text DEFAULT 'day')
RETURNS TABLE (day date, value numeric, final boolean, as_of timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  found_kpi opsadmin.kpi;
  own_tenant bigint;
BEGIN
  PERFORM opsadmin.current_tenant();
  PERFORM opsadmin_private.require_permission('kpi:read');
  found_kpi := opsadmin_private.find_kpi(kpi);
  PERFORM opsadmin_private.require_kpi_days(first_day, last_day, by);
  own_tenant := opsadmin_private.kpi_tenant(tenant);
  RETURN QUERY SELECT * FROM opsadmin_private.kpi_values(found_kpi, own_tenant, first_day, last_day, by);
END
$$;
COMMENT ON FUNCTION opsadmin.kpi_series IS 'The values of a KPI, a row a day, week or month, 0 where there is none';
REVOKE ALL ON FUNCTION opsadmin.kpi_series FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.kpi_series TO opsadmin_internal, opsadmin_partner;

-- The jobs that stand beside the KPIs of a range of days: of those that ended in it and changed at least 100 rows, the 20 that changed the
-- most, of one tenant or of all. A job's day is that of its tenant, or UTC's.
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_jobs(tenant_id bigint, first_day date, last_day date, by text) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT coalesce(json_agg(json_build_object('id', m.id::text, 'label', m.label, 'tenant', m.tenant, 'day', m.day,
                                             'period', CASE $4 WHEN 'day' THEN m.day ELSE date_trunc($4, m.day::timestamp)::date END, 'changed', m.changed) ORDER BY m.day, m.id), '[]')
  FROM (SELECT j.id, j.label, d.day, b.changed, CASE WHEN t.id IS NOT NULL THEN json_build_object('slug', t.slug, 'name', t.name) END AS tenant
        FROM opsadmin.job j
        LEFT JOIN opsadmin.tenant t ON t.id = j.tenant_id
        CROSS JOIN LATERAL (SELECT opsadmin_private.local_day(j.finished_at, coalesce(t.time_zone, 'UTC')) AS day) AS d
        JOIN opsadmin.bulk_job b ON b.id = j.id
        -- For the index; a day anywhere has begun and ended by then.
        WHERE j.finished_at >= ($2 - 1)::timestamp AT TIME ZONE 'UTC' AND j.finished_at < ($3 + 2)::timestamp AT TIME ZONE 'UTC'
          AND d.day BETWEEN $2 AND $3 AND ($1 IS NULL OR j.tenant_id = $1) AND b.changed >= 100
        ORDER BY b.changed DESC, j.id DESC LIMIT 20) AS m);
END
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_jobs IS 'The jobs that changed the most rows in a range of days, of one tenant or of all, as json';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_jobs FROM PUBLIC;

-- All KPIs of a range of days (the last 14) beside the days before it, and the jobs that changed many rows in it, as {"today":…,"first_day":…,
-- "last_day":…,"previous":{"first_day":…,"last_day":…},"by":…,"periods":[…],"kpis":[{"kpi":…,"label":…,"unit":…,"over_days":…,"value":…,
-- "previous":…,"change":…,"today":{"value":…,"same_weekday":…,"change":…},"sparkline":[…],"sparkline_final":[…],"final":…,"as_of":…}],"jobs":[{"id":…,
-- "label":…,"tenant":…,"day":…,"period":…,"changed":…}],"as_of":…,"stale":…}; values as strings. Today is the tenant's own, in UTC for
-- staff without a tenant. Stale is what three refreshes have passed by. OA404, OA403, OA420.
CREATE OR REPLACE FUNCTION opsadmin.kpi_summary(first_day date DEFAULT NULL, last_day date DEFAULT NULL, tenant text DEFAULT NULL, by text DEFAULT 'day') RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  own_tenant bigint := opsadmin_private.kpi_tenant(tenant);
  today date := coalesce((SELECT opsadmin_private.local_day(now(), t.time_zone) FROM opsadmin.tenant t WHERE t.id = own_tenant), (now() AT TIME ZONE 'UTC')::date);
  as_of timestamptz := (SELECT min(s.refreshed_at) FROM opsadmin.kpi_source s);
  length integer;
  kpis json;
BEGIN
  last_day := coalesce(last_day, today);
  first_day := coalesce(first_day, last_day - 13);
  PERFORM opsadmin_private.require_kpi_days(first_day, last_day, by);
  length := last_day - first_day + 1;
  SELECT coalesce(json_agg(json_build_object('kpi', k.name, 'label', k.label, 'unit', k.unit, 'over_days', k.over_days, 'value', v.value::text, 'previous', p.value::text,
                    'change', opsadmin_private.relative_change(v.value, p.value),
                    'today', json_build_object('value', t.value::text, 'same_weekday', w.value::text, 'change', opsadmin_private.relative_change(t.value, w.value)),
                    'sparkline', s.line, 'sparkline_final', s.line_final, 'final', v.final, 'as_of', v.as_of) ORDER BY k.ordinal), '[]')
  INTO kpis
  FROM opsadmin.kpi k
  CROSS JOIN LATERAL opsadmin_private.kpi_values(k, own_tenant, first_day, last_day, 'all') AS v
  CROSS JOIN LATERAL opsadmin_private.kpi_values(k, own_tenant, first_day - length, last_day - length, 'all') AS p
  CROSS JOIN LATERAL opsadmin_private.kpi_values(k, own_tenant, today, today, 'all') AS t
  CROSS JOIN LATERAL opsadmin_private.kpi_values(k, own_tenant, today - 7, today - 7, 'all') AS w
  CROSS JOIN LATERAL (SELECT json_agg(x.value::text ORDER BY x.day) AS line, json_agg(x.final ORDER BY x.day) AS line_final
                      FROM opsadmin_private.kpi_values(k, own_tenant, first_day, last_day, by) AS x) AS s;
  RETURN json_build_object('today', today, 'first_day', first_day, 'last_day', last_day, 'previous', json_build_object('first_day', first_day - length, 'last_day', last_day - length), 'by', by,
    'periods', (SELECT json_agg(DISTINCT CASE by WHEN 'day' THEN d::date ELSE date_trunc(by, d)::date END) FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS d),
    'kpis', kpis, 'jobs', opsadmin_private.kpi_jobs(own_tenant, first_day, last_day, by), 'as_of', as_of, 'stale', coalesce(as_of < now() - interval '3 minutes', true));
END
$$;
COMMENT ON FUNCTION opsadmin.kpi_summary IS 'All KPIs of a range of days beside the days before it, as json';
REVOKE ALL ON FUNCTION opsadmin.kpi_summary FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.kpi_summary TO opsadmin_internal, opsadmin_partner;

-- The tenants with the highest values of a KPI in a range of days, for staff, as {"rows":[{"tenant":…,"name":…,"value":…,"previous":…,
-- "change":…}]}; when they act in one tenant, that one. OA403 for partners, OA410, OA420.
CREATE OR REPLACE FUNCTION opsadmin.kpi_ranking(kpi text, first_day date, last_day date, page_size integer DEFAULT 20) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  own_tenant bigint := opsadmin.current_tenant();
  found_kpi opsadmin.kpi;
  length integer;
BEGIN
  PERFORM opsadmin_private.require_permission('kpi:read');
  IF opsadmin.current_site() <> 'internal' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA403', MESSAGE = 'tenants are compared for internal staff', HINT = 'opsadmin.kpi_summary() has your own values.';
  END IF;
  found_kpi := opsadmin_private.find_kpi(kpi);
  PERFORM opsadmin_private.require_kpi_days(first_day, last_day, 'month');
  IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 200 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'page_size is not between 1 and 200', COLUMN = '/page_size', HINT = 'Leave it out for 20.';
  END IF;
  length := last_day - first_day + 1;
  RETURN (
    SELECT json_build_object('rows', coalesce(json_agg(json_build_object('tenant', r.slug, 'name', r.name, 'value', r.value::text, 'previous', r.previous::text,
                                                                         'change', opsadmin_private.relative_change(r.value, r.previous)) ORDER BY r.value DESC, r.slug), '[]'))
    FROM (SELECT t.slug, t.name, coalesce(v.value, 0) AS value, coalesce(v.previous, 0) AS previous
          FROM opsadmin.tenant t
          LEFT JOIN (SELECT d.tenant_id,
                            CASE found_kpi.over_days WHEN 'sum' THEN sum(d.value) FILTER (WHERE d.day >= first_day) WHEN 'avg' THEN avg(d.value) FILTER (WHERE d.day >= first_day)
                                                     WHEN 'max' THEN max(d.value) FILTER (WHERE d.day >= first_day) ELSE min(d.value) FILTER (WHERE d.day >= first_day) END AS value,
                            CASE found_kpi.over_days WHEN 'sum' THEN sum(d.value) FILTER (WHERE d.day < first_day) WHEN 'avg' THEN avg(d.value) FILTER (WHERE d.day < first_day)
                                                     WHEN 'max' THEN max(d.value) FILTER (WHERE d.day < first_day) ELSE min(d.value) FILTER (WHERE d.day < first_day) END AS previous
                     FROM opsadmin.daily_kpi d WHERE d.kpi = found_kpi.name AND d.day BETWEEN first_day - length AND last_day GROUP BY d.tenant_id) AS v ON v.tenant_id = t.id
          WHERE own_tenant IS NULL OR t.id = own_tenant
          ORDER BY value DESC, t.slug LIMIT page_size) AS r);
END
$$;
COMMENT ON FUNCTION opsadmin.kpi_ranking IS 'The tenants with the highest values of a KPI, for staff, as json';
REVOKE ALL ON FUNCTION opsadmin.kpi_ranking FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.kpi_ranking TO opsadmin_internal, opsadmin_partner;
