-- What KPIs are computed from: the open days of tenants, the triggers of the sources, and the queries that compute
-- values.

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

-- The open day of the tenant with a key, for extension/pg/kpi.cpp; no row without such a tenant.
CREATE OR REPLACE FUNCTION opsadmin_private.open_day(key text) RETURNS TABLE(starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.day_start(d.today, t.time_zone), opsadmin_private.day_start(d.today + 1, t.time_zone)
  FROM opsadmin.tenant t CROSS JOIN LATERAL (SELECT opsadmin_private.local_day(clock_timestamp(), t.time_zone) AS today) AS d
  WHERE coalesce(t.key, t.id::text) = $1
$$;
COMMENT ON FUNCTION opsadmin_private.open_day IS 'The open day of the tenant with a key';
REVOKE ALL ON FUNCTION opsadmin_private.open_day FROM PUBLIC;

-- When the latest of all tenants' open days has begun, and until when that holds, for extension/pg/kpi.cpp.
CREATE OR REPLACE FUNCTION opsadmin_private.latest_open_day(OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT max(opsadmin_private.day_start(d.today, z.time_zone)), min(opsadmin_private.day_start(d.today + 1, z.time_zone))
  FROM (SELECT DISTINCT t.time_zone FROM opsadmin.tenant t) AS z
  CROSS JOIN LATERAL (SELECT opsadmin_private.local_day(clock_timestamp(), z.time_zone) AS today) AS d
$$;
COMMENT ON FUNCTION opsadmin_private.latest_open_day IS 'When the latest of all open days has begun, and when the first of them ends';
REVOKE ALL ON FUNCTION opsadmin_private.latest_open_day FROM PUBLIC;

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

-- Plans a KPI by query.
CREATE OR REPLACE FUNCTION opsadmin_private.plan_kpi_query(query text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format(E'EXPLAIN (COSTS OFF) SELECT (%s\n)::numeric FROM (SELECT 0::bigint, \'\'::text, current_date, now(), now()) AS bucket(tenant_id, tenant_key, day, starts_at, ends_at)', query);
END
$$;
COMMENT ON FUNCTION opsadmin_private.plan_kpi_query IS 'Plans a KPI by query; an error when it does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.plan_kpi_query FROM PUBLIC;

-- Which index finds the rows of a day: "tenant" on (tenant, time), "time" on (time), NULL without one.
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_index(source regclass, tenant_column name, time_column name) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT min(CASE WHEN i.indkey[0] = time.attnum THEN 'time' ELSE 'tenant' END)
  FROM pg_index i
  JOIN pg_attribute tenant ON tenant.attrelid = $1 AND tenant.attname = $2
  JOIN pg_attribute time ON time.attrelid = $1 AND time.attname = $3
  WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL
    AND (i.indkey[0] = time.attnum OR i.indnkeyatts > 1 AND i.indkey[0] = tenant.attnum AND i.indkey[1] = time.attnum)
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_index IS 'Which index finds the rows of a day: tenant, time, or none';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_index FROM PUBLIC;

-- The indexes that KPIs of larger tables lack; of one KPI or of all.
CREATE OR REPLACE FUNCTION opsadmin_private.kpi_index_findings(kpi text DEFAULT NULL) RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'warning', 'kpi', k.name, format('table "%s" has no index on (%s, %s): each refresh reads all of it', t.name, p.tenant_column, k.time_column),
         format('CREATE INDEX CONCURRENTLY ON %s (%I, %I);', opsadmin_private.qualified_name(t.relation), p.tenant_column, k.time_column)
  FROM opsadmin.kpi k JOIN opsadmin.target t ON t.id = k.target_id JOIN opsadmin.protected_table p ON p.target_id = t.id
  WHERE k.name = coalesce($1, k.name) AND opsadmin_private.kpi_index(t.relation, p.tenant_column, k.time_column) IS NULL
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attname = k.time_column AND NOT a.attisdropped)
    AND (SELECT sum(pg_table_size(m)) FROM opsadmin_private.tree_members(t.relation) AS m) > 8 * 1024 ^ 2
  ORDER BY k.ordinal
$$;
COMMENT ON FUNCTION opsadmin_private.kpi_index_findings IS 'The indexes that KPIs of larger tables lack';
REVOKE ALL ON FUNCTION opsadmin_private.kpi_index_findings FROM PUBLIC;

-- Puts the triggers on all tables of a source's tree that lack them or have them for other columns; tells whether there
-- were any. Statement triggers see what is sent to their table, also to its partitions through it; what is sent to a
-- partition needs those of the partition.
CREATE OR REPLACE FUNCTION opsadmin_private.track_source(target_id integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET opsadmin.guard = 'off' AS $$
DECLARE
  root regclass := (SELECT t.relation FROM opsadmin.target t WHERE t.id = $1);
  arguments text[] := ARRAY[$1::text, opsadmin_private.tenant_column_of(root)::text]
                      || ARRAY(SELECT DISTINCT k.time_column::text FROM opsadmin.kpi k WHERE k.target_id = $1 ORDER BY 1);
  stored bytea := (SELECT string_agg(convert_to(a, getdatabaseencoding()) || E'\\x00', '' ORDER BY n) FROM unnest(arguments) WITH ORDINALITY AS u(a, n));
  member regclass;
  spec record;
  changed boolean := false;
BEGIN
  FOR member IN SELECT m FROM opsadmin_private.tree_members(root) AS m LOOP
    CONTINUE WHEN (SELECT count(DISTINCT g.tgtype) FROM pg_trigger g WHERE g.tgrelid = member AND g.tgfoid = 'opsadmin.kpi_trigger'::regproc
                   AND g.tgargs = stored AND g.tgenabled = 'A' AND g.tgqual IS NULL) = 4;
    changed := true;
    FOR spec IN SELECT * FROM (VALUES ('insert', 'REFERENCING NEW TABLE AS new_rows'), ('update', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                                      ('delete', 'REFERENCING OLD TABLE AS old_rows'), ('truncate', '')) AS v(event, rows) LOOP
      EXECUTE format('CREATE OR REPLACE TRIGGER opsadmin_kpi_%s AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION opsadmin.kpi_trigger(%s)', spec.event, spec.event,
                     opsadmin_private.qualified_name(member), spec.rows, (SELECT string_agg(quote_literal(a), ', ' ORDER BY n) FROM unnest(arguments) WITH ORDINALITY AS u(a, n)));
      EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER opsadmin_kpi_%s', opsadmin_private.qualified_name(member), spec.event);
    END LOOP;
  END LOOP;
  RETURN changed;
END
$$;
COMMENT ON FUNCTION opsadmin_private.track_source IS 'Puts the triggers that note changes on all tables of a source that lack them';
REVOKE ALL ON FUNCTION opsadmin_private.track_source FROM PUBLIC;

-- Ends that, when a source has no KPI any more, and forgets what is still to be computed.
CREATE OR REPLACE FUNCTION opsadmin_private.untrack_source(target_id integer) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET opsadmin.guard = 'off' SET lock_timeout = '3s' AS $$
DECLARE
  found_trigger record;
BEGIN
  IF EXISTS (SELECT FROM opsadmin.kpi k WHERE coalesce(k.target_id, 0) = $1) THEN
    RETURN;
  END IF;
  FOR found_trigger IN SELECT g.tgname, opsadmin_private.qualified_name(m) AS table_name FROM opsadmin.target t CROSS JOIN LATERAL opsadmin_private.tree_members(t.relation) AS m
                       JOIN pg_trigger g ON g.tgrelid = m AND g.tgfoid = 'opsadmin.kpi_trigger'::regproc WHERE t.id = $1 LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', found_trigger.tgname, found_trigger.table_name);
  END LOOP;
  DELETE FROM opsadmin.kpi_source s WHERE s.target_id = $1;
  DELETE FROM opsadmin.kpi_dirty d WHERE d.target_id = $1;
END
$$;
COMMENT ON FUNCTION opsadmin_private.untrack_source IS 'Takes the triggers from a table that no KPI is computed from any more';
REVOKE ALL ON FUNCTION opsadmin_private.untrack_source FROM PUBLIC;

-- Puts the triggers on the children that this command has given to sources; called by the guard at its end.
CREATE OR REPLACE FUNCTION opsadmin_private.track_new_children() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.track_source(s.target_id)
  FROM (SELECT DISTINCT opsadmin_private.protected_root(d.objid) AS root FROM pg_event_trigger_ddl_commands() AS d WHERE d.classid = 'pg_class'::regclass) AS found
  JOIN opsadmin.target t ON t.relation = found.root JOIN opsadmin.kpi_source s ON s.target_id = t.id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.track_new_children IS 'Puts the triggers on the children that a command has given to sources of KPIs';
REVOKE ALL ON FUNCTION opsadmin_private.track_new_children FROM PUBLIC;

-- Adds days to what is still to be computed.
CREATE OR REPLACE FUNCTION opsadmin_private.owe_days(target_id integer, reason text, kpi text DEFAULT NULL, first_day date DEFAULT '-infinity', last_day date DEFAULT 'infinity') RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO opsadmin.kpi_backlog (target_id, kpi, first_day, last_day, reason) VALUES ($1, $3, $4, $5, $2)
$$;
COMMENT ON FUNCTION opsadmin_private.owe_days IS 'Adds days to what is still to be computed';
REVOKE ALL ON FUNCTION opsadmin_private.owe_days FROM PUBLIC;

-- Computes KPIs that fit into one pass, for buckets given by arrays of equal length, as staff of the internal site would
-- see the rows: [[n, value, …], …], n the number of the bucket. A bucket without rows is not in it. With an index on (tenant,
-- time) each bucket is a range of it; with one on time, each week is a ranged pass over all tenants.
CREATE OR REPLACE FUNCTION opsadmin_private.measure_kpis(kpis opsadmin.kpi[], tenant_ids bigint[], keys text[], days date[], starts timestamptz[], ends timestamptz[]) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $$
DECLARE
  source opsadmin.protected_table;
  relation regclass;
  expressions text;
  columns text;
  condition text;
  index_kind text;
  run record;
  found_values jsonb := '[]';
BEGIN
  IF kpis[1].query IS NOT NULL THEN
    RETURN coalesce(opsadmin_private.query_as('opsadmin_internal'::regrole, format(
      E'SELECT jsonb_agg(jsonb_build_array(bucket.n, (%s\n)::numeric)) FROM unnest(%L::bigint[], %L::text[], %L::date[], %L::timestamptz[], %L::timestamptz[])'
      ' WITH ORDINALITY AS bucket(tenant_id, tenant_key, day, starts_at, ends_at, n)', kpis[1].query, tenant_ids, keys, days, starts, ends))::jsonb, '[]');
  END IF;
  SELECT p.* INTO source FROM opsadmin.protected_table p WHERE p.target_id = kpis[1].target_id;
  SELECT t.relation INTO relation FROM opsadmin.target t WHERE t.id = kpis[1].target_id;
  source.tenant_column := opsadmin_private.tenant_column_of(relation);
  SELECT string_agg(format(E'(%s%s\n)::numeric AS value_%s', k.value, CASE WHEN opsadmin_private.single_call(k.value) IS NOT NULL THEN E'\nFILTER (WHERE ' || k.filter || E'\n)' END, k.n), ', ' ORDER BY k.n),
         string_agg(format('found.value_%s', k.n), ', ' ORDER BY k.n),
         coalesce(min(E' AND (' || k.filter || E'\n)') FILTER (WHERE opsadmin_private.single_call(k.value) IS NULL), '')
  INTO expressions, columns, condition
  FROM unnest(kpis) WITH ORDINALITY AS k(name, ordinal, target_id, time_column, value, filter, query, unit, label, sticky, over_days, over_tenants, frozen_before, n);
  index_kind := opsadmin_private.kpi_index(relation, source.tenant_column, kpis[1].time_column);
  FOR run IN
    SELECT array_agg(b.n) AS numbers, array_agg(k.key) AS keys, array_agg(b.starts_at) AS starts, array_agg(b.ends_at) AS ends, min(b.starts_at) AS first, max(b.ends_at) AS last
    FROM (SELECT u.*, CASE WHEN index_kind = 'time' THEN (u.day - date '2001-01-01') / 7 END AS week
          FROM unnest(measure_kpis.keys, days, measure_kpis.starts, measure_kpis.ends) WITH ORDINALITY AS u(key, day, starts_at, ends_at, n)) AS b
    CROSS JOIN LATERAL (SELECT opsadmin_private.key_of_type(b.key, source.tenant_type) AS key) AS k
    WHERE k.key IS NOT NULL GROUP BY b.week
  LOOP
    found_values := found_values || coalesce(opsadmin_private.query_as('opsadmin_internal'::regrole, format(
      CASE WHEN index_kind = 'tenant' THEN
        'SELECT jsonb_agg(jsonb_build_array(bucket.bucket_n, %1$s)) FROM unnest(%2$L::bigint[], %3$L::%4$s[], %5$L::timestamptz[], %6$L::timestamptz[])'
        ' AS bucket(bucket_n, bucket_key, bucket_starts_at, bucket_ends_at)'
        ' CROSS JOIN LATERAL (SELECT %7$s FROM %8$s AS target WHERE target.%9$I = bucket.bucket_key AND target.%10$I >= bucket.bucket_starts_at AND target.%10$I < bucket.bucket_ends_at%11$s'
        ' HAVING count(*) > 0) AS found'
      ELSE
        'SELECT jsonb_agg(jsonb_build_array(found.bucket_n, %1$s)) FROM (SELECT bucket.bucket_n, %7$s FROM unnest(%2$L::bigint[], %3$L::%4$s[], %5$L::timestamptz[], %6$L::timestamptz[])'
        ' AS bucket(bucket_n, bucket_key, bucket_starts_at, bucket_ends_at)'
        ' JOIN %8$s AS target ON target.%9$I = bucket.bucket_key AND target.%10$I >= bucket.bucket_starts_at AND target.%10$I < bucket.bucket_ends_at'
        ' WHERE target.%10$I >= %12$L AND target.%10$I < %13$L%11$s GROUP BY bucket.bucket_n) AS found'
      END, columns, run.numbers, run.keys, source.tenant_type, run.starts, run.ends, expressions, opsadmin_private.qualified_name(relation), source.tenant_column,
      kpis[1].time_column, condition, run.first, run.last))::jsonb, '[]');
  END LOOP;
  RETURN found_values;
END
$$;
COMMENT ON FUNCTION opsadmin_private.measure_kpis IS 'Computes KPIs that fit into one pass for buckets of tenants and days';
REVOKE ALL ON FUNCTION opsadmin_private.measure_kpis FROM PUBLIC;

-- The oldest day and the newest one until another on which the source has rows, give or take one: of one tenant or of
-- all. NULL without such rows. Nothing before extension/pg/kpi_day.h's first moment belongs to a day.
CREATE OR REPLACE FUNCTION opsadmin_private.source_days(target_id integer, time_column name, tenant_id bigint, until date, OUT oldest date, OUT newest date)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $$
DECLARE
  source opsadmin.protected_table;
  relation regclass;
  keys text[];
  found_days text[];
BEGIN
  SELECT p.* INTO source FROM opsadmin.protected_table p WHERE p.target_id = source_days.target_id;
  SELECT t.relation INTO relation FROM opsadmin.target t WHERE t.id = source_days.target_id;
  source.tenant_column := opsadmin_private.tenant_column_of(relation);
  keys := ARRAY(SELECT k.key FROM opsadmin.tenant t CROSS JOIN LATERAL (SELECT opsadmin_private.key_of_type(coalesce(t.key, t.id::text), source.tenant_type) AS key) AS k
                WHERE k.key IS NOT NULL AND t.id = coalesce(source_days.tenant_id, t.id));
  found_days := opsadmin_private.query_as('opsadmin_internal'::regrole, format(
    'SELECT ARRAY[(min(found.oldest) AT TIME ZONE ''UTC'')::date - 1, (max(found.newest) AT TIME ZONE ''UTC'')::date + 1] FROM '
    || CASE WHEN tenant_id IS NOT NULL OR opsadmin_private.kpi_index(relation, source.tenant_column, time_column) = 'tenant' THEN
      'unnest(%1$L::%2$s[]) AS bucket(bucket_key) CROSS JOIN LATERAL (SELECT min(target.%3$I) AS oldest, max(target.%3$I) AS newest FROM %4$s AS target'
      ' WHERE target.%5$I = bucket.bucket_key AND target.%3$I < %6$L AND target.%3$I >= ''0001-12-24 00:00Z BC'') AS found'
    ELSE
      '(SELECT min(target.%3$I) AS oldest, max(target.%3$I) AS newest FROM %4$s AS target WHERE target.%3$I < %6$L AND target.%3$I >= ''0001-12-24 00:00Z BC'') AS found'
    END, keys, source.tenant_type, time_column, opsadmin_private.qualified_name(relation), source.tenant_column, (until + 2)::timestamp AT TIME ZONE 'UTC'))::text[];
  oldest := found_days[1]::date;
  newest := found_days[2]::date;
END
$$;
COMMENT ON FUNCTION opsadmin_private.source_days IS 'The oldest and the newest day until another on which the source has rows, give or take one';
REVOKE ALL ON FUNCTION opsadmin_private.source_days FROM PUBLIC;
