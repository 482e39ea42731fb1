-- KPIs: their definition, their upkeep, and reading them.

-- define_kpi(name, source, time_column, value, filter, unit, label): value is an aggregate over the rows of a
-- tenant's day, such as 'count(*)', 'sum(amount)' or 'count(DISTINCT user_id)'; time_column is timestamptz.
-- The source must be protected (OA435). OA425 when the definition does not fit.
CREATE OR REPLACE FUNCTION opsadmin.define_kpi(name text, source regclass, time_column name, value text DEFAULT 'count(*)', filter text DEFAULT NULL,
  unit text DEFAULT 'count', label jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_name(name, 'a KPI');
  PERFORM opsadmin_private.require_columns(source, ARRAY[time_column]);
  IF NOT EXISTS (SELECT FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = source) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', source),
      HINT = format('SELECT opsadmin.protect(%L);', opsadmin_private.qualified_name(source));
  END IF;
  IF unit IS NULL OR unit NOT IN ('count', 'money')
     OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = source AND a.attname = time_column AND a.atttypid = 'timestamptz'::regtype) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the KPI does not fit', HINT = 'The time column is a timestamptz; the unit is count or money.';
  END IF;
  BEGIN
    PERFORM opsadmin_private.plan_kpi(source, time_column, value, filter);
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the KPI does not fit: ' || SQLERRM,
      HINT = 'value is an aggregate such as count(*); filter is what stands after WHERE.';
  END;
  INSERT INTO opsadmin.kpi (name, target_id, time_column, value, filter, unit, label)
  VALUES (define_kpi.name, opsadmin_private.ensure_target(source), define_kpi.time_column, define_kpi.value, define_kpi.filter, define_kpi.unit,
          opsadmin_private.label(define_kpi.label, define_kpi.name))
  ON CONFLICT ON CONSTRAINT kpi_pkey DO UPDATE
    SET target_id = excluded.target_id, time_column = excluded.time_column, value = excluded.value, filter = excluded.filter, unit = excluded.unit, label = excluded.label;
  -- Values of another definition are not values of this one.
  DELETE FROM opsadmin.daily_kpi k WHERE k.kpi = define_kpi.name;
END
$$;
COMMENT ON FUNCTION opsadmin.define_kpi IS 'Defines a KPI, or changes it and forgets its values';
REVOKE ALL ON FUNCTION opsadmin.define_kpi FROM PUBLIC;

-- Drops a KPI with its values; OA410 when it does not exist.
CREATE OR REPLACE FUNCTION opsadmin.drop_kpi(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM opsadmin.kpi k WHERE k.name = drop_kpi.name;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', name),
      HINT = 'See opsadmin.kpi.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.drop_kpi IS 'Drops a KPI with its values';
REVOKE ALL ON FUNCTION opsadmin.drop_kpi FROM PUBLIC;

-- Recomputes KPIs and returns the number of values stored. Without days: those that are not final, at most 90
-- back, which is what pg_cron calls each minute. With days: all of them, also final ones, for every tenant.
-- Two refreshes wait for each other. Compiling its short statements would cost ten times what they do. OA410 for an unknown KPI.
CREATE OR REPLACE FUNCTION opsadmin.refresh_kpi(kpi text DEFAULT NULL, first_day date DEFAULT NULL, last_day date DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  definition opsadmin.kpi;
  stored integer := 0;
BEGIN
  IF kpi IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.kpi k WHERE k.name = refresh_kpi.kpi) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', kpi),
      HINT = 'See opsadmin.kpi.';
  END IF;
  IF last_day IS NOT NULL AND first_day IS NULL OR first_day > last_day OR coalesce(last_day, current_date) - first_day > 3660 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the days do not fit', HINT = 'first_day is not after last_day, and not more than ten years before it.';
  END IF;
  -- Not an advisory lock: those are anybody's to take.
  LOCK TABLE opsadmin.kpi IN SHARE UPDATE EXCLUSIVE MODE;
  IF NOT opsadmin_private.context_is_bound() THEN
    PERFORM opsadmin_private.bind_actor('internal', NULL, NULL, '{*}', action => 'refresh_kpi');
  END IF;
  FOR definition IN SELECT * FROM opsadmin.kpi k WHERE k.name = coalesce(refresh_kpi.kpi, k.name) ORDER BY k.ordinal LOOP
    BEGIN
      stored := stored + opsadmin_private.refresh_one_kpi(definition, first_day, last_day);
    EXCEPTION WHEN OTHERS THEN
      -- One that does not fit its table any more holds up no other.
      IF kpi IS NOT NULL THEN
        RAISE;
      END IF;
      RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('KPI "%s" is not refreshed: %s', definition.name, SQLERRM), HINT = 'Define it anew with opsadmin.define_kpi().';
    END;
  END LOOP;
  RETURN stored;
END
$$;
COMMENT ON FUNCTION opsadmin.refresh_kpi IS 'Recomputes KPIs: without days those that are not final yet, with days all of them';
REVOKE ALL ON FUNCTION opsadmin.refresh_kpi FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.refresh_kpi TO opsadmin_worker;

-- The values of a KPI, a row a day, 0 where there is none. tenant is a slug: internal staff without one get
-- the sum over all tenants, each by its own days; partners get their own tenant. OA410, OA404, OA403.
CREATE OR REPLACE FUNCTION opsadmin.kpi_series(kpi text, first_day date, last_day date, tenant text DEFAULT NULL)
RETURNS TABLE (day date, value numeric, final boolean)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own_tenant bigint := opsadmin.current_tenant();
BEGIN
  PERFORM opsadmin_private.require_permission('kpi:read');
  IF NOT EXISTS (SELECT FROM opsadmin.kpi k WHERE k.name = kpi_series.kpi) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA410', MESSAGE = format('KPI "%s" does not exist', left(coalesce(kpi, 'NULL'), 100)),
      HINT = 'opsadmin.kpi_report() shows the KPIs.';
  END IF;
  IF first_day IS NULL OR last_day IS NULL OR last_day - first_day NOT BETWEEN 0 AND 366 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the days do not fit', COLUMN = '/first_day', HINT = 'Ask for 1 to 367 days.';
  END IF;
  IF tenant IS NOT NULL THEN
    IF own_tenant IS NOT NULL AND NOT EXISTS (SELECT FROM opsadmin.tenant t WHERE t.id = own_tenant AND t.slug = kpi_series.tenant) THEN
      RAISE EXCEPTION USING ERRCODE = 'OA404', MESSAGE = format('tenant "%s" does not exist', left(tenant, 100)),
      HINT = 'Leave the tenant away for your own.';
    END IF;
    own_tenant := opsadmin_private.tenant_id(tenant);
  END IF;
  RETURN QUERY
    -- One tenant's NaN or infinity is its own figure, and not that of all.
    SELECT d::date, coalesce(sum(k.value) FILTER (WHERE own_tenant IS NOT NULL OR k.value NOT IN ('NaN', 'Infinity', '-Infinity')), 0), coalesce(bool_and(k.final), false)
    FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS d
    LEFT JOIN opsadmin.daily_kpi k ON k.kpi = kpi_series.kpi AND k.day = d::date AND (own_tenant IS NULL OR k.tenant_id = own_tenant)
    GROUP BY d ORDER BY d;
END
$$;
COMMENT ON FUNCTION opsadmin.kpi_series IS 'The values of a KPI, a row a day, 0 where there is none';
REVOKE ALL ON FUNCTION opsadmin.kpi_series FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.kpi_series TO opsadmin_internal, opsadmin_partner;

-- All KPIs for the dashboard: {"today":…,"days":[…],"series":[…],"computed_at":…}. Without days: the last 14.
-- Today is the tenant's own, in UTC for staff without a tenant.
CREATE OR REPLACE FUNCTION opsadmin.kpi_report(first_day date DEFAULT NULL, last_day date DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own_tenant bigint := opsadmin.current_tenant();
  today date := (now() AT TIME ZONE coalesce((SELECT t.time_zone FROM opsadmin.tenant t WHERE t.id = own_tenant), 'UTC'))::date;
BEGIN
  PERFORM opsadmin_private.require_permission('kpi:read');
  last_day := coalesce(last_day, today);
  first_day := coalesce(first_day, last_day - 13);
  IF last_day - first_day NOT BETWEEN 0 AND 366 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the days do not fit', COLUMN = '/first_day', HINT = 'Ask for 1 to 367 days.';
  END IF;
  RETURN json_build_object('today', today,
    'days', (SELECT json_agg(d::date ORDER BY d) FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS d),
    'series', (SELECT coalesce(json_agg(json_build_object('kpi', k.name, 'label', k.label, 'unit', k.unit, 'values', s.day_values, 'final', s.day_final) ORDER BY k.ordinal), '[]')
               FROM opsadmin.kpi k
               CROSS JOIN LATERAL (SELECT json_agg(v.value::text ORDER BY v.day) AS day_values, json_agg(v.final ORDER BY v.day) AS day_final
                                   FROM opsadmin.kpi_series(k.name, first_day, last_day) AS v) AS s),
    'computed_at', (SELECT max(k.computed_at) FROM opsadmin.daily_kpi k WHERE k.day BETWEEN first_day AND last_day AND (own_tenant IS NULL OR k.tenant_id = own_tenant)));
END
$$;
COMMENT ON FUNCTION opsadmin.kpi_report IS 'All KPIs for the dashboard, as json';
REVOKE ALL ON FUNCTION opsadmin.kpi_report FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.kpi_report TO opsadmin_internal, opsadmin_partner;
