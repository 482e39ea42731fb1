-- Finds entries of the audit log. Row-level security keeps operators that are not leakproof from the indexes, so the ids
-- are found here as the extension's owner, with the caller's tenant in the statement; the entries themselves are
-- then read under the caller's own row-level security.

-- The first id of a moment or after it: ids have milliseconds since 1970 in their high bits. OA422 with the pointer for
-- what is no moment.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_moment(value jsonb, pointer text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  moment timestamptz;
BEGIN
  BEGIN
    moment := CASE WHEN jsonb_typeof(value) = 'string' THEN value #>> '{}' END;
  EXCEPTION WHEN data_exception THEN
    NULL;  -- as any other value that is no moment
  END;
  IF moment IS NULL OR moment NOT BETWEEN '1970-01-01 00:00Z' AND '2200-01-01 00:00Z' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the value is not a moment from 1970 to 2200', COLUMN = left(pointer, 100),
      HINT = 'For example "2026-01-31T12:00:00Z".';
  END IF;
  RETURN ceil(extract(epoch FROM moment) * 1000)::bigint << 20;
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_moment IS 'The first audit id of a moment or after it; OA422 for what is no moment';
REVOKE ALL ON FUNCTION opsadmin_private.audit_moment FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.audit_moment TO opsadmin_internal, opsadmin_partner;

-- The key of a row as entries have it, from an object of the key's columns or, where the key is one column, its value;
-- texts become what the columns are, under the
-- settings that the log is written under. Of a table that was dropped only the object as it was logged is a key. OA422 otherwise.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_key(target regclass, key jsonb, pointer text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' SET lc_monetary = 'C' AS $$
DECLARE
  keys record;
  typed jsonb := '{}';
  one jsonb;
BEGIN
  IF target IS NULL AND jsonb_typeof(key) = 'object' THEN
    RETURN key;
  END IF;
  IF target IS NOT NULL THEN
    SELECT * INTO keys FROM opsadmin_private.key_columns(target);
    IF jsonb_typeof(key) IN ('string', 'number', 'boolean') AND cardinality(keys.names) = 1 THEN
      key := jsonb_build_object(keys.names[1], key);
    END IF;
    IF jsonb_typeof(key) = 'object' AND ARRAY(SELECT k FROM jsonb_object_keys(key) AS k ORDER BY 1) = ARRAY(SELECT n::text FROM unnest(keys.names) AS n ORDER BY 1) THEN
      FOR n IN 1 .. cardinality(keys.names) LOOP
        PERFORM opsadmin_private.literal(key -> keys.names[n]::text, keys.types[n], pointer);
        one := to_jsonb(key ->> keys.names[n]::text);
        IF opsadmin_private.is_server_type(keys.types[n]) THEN
          EXECUTE format('SELECT to_jsonb(%L::%s)', key ->> keys.names[n]::text, keys.types[n]) INTO one;
        END IF;
        typed := typed || jsonb_build_object(keys.names[n], one);
      END LOOP;
      RETURN typed;
    END IF;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the key does not fit the table', COLUMN = pointer,
    HINT = 'Give the columns of its primary key, as {"id":5}.';
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_key IS 'The key of a row as audit entries have it; OA422 when it does not fit the table';
REVOKE ALL ON FUNCTION opsadmin_private.audit_key FROM PUBLIC;

-- The condition that an entry (alias e) is of a row: by the integer that key_column names, or the hash that KeyOfRow() in
-- extension/pg/row_json.cpp computes, too. Both, since the type of the key may have changed; equal hashes are not yet equal keys.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_row_condition(target_id integer, key_column name, key jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number bigint;
BEGIN
  IF key - key_column::text = '{}' AND key ->> key_column::text ~ '^-?[0-9]{1,19}$' THEN
    number := CASE WHEN (key ->> key_column::text)::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN key ->> key_column::text END;
  END IF;
  RETURN format('e.target_id = %s AND e.row_key = ANY (%L) AND CASE WHEN e.target_pk IS NULL THEN e.row_key = %L ELSE e.target_pk = %L::jsonb END',
                target_id, ARRAY[number, jsonb_hash_extended(key, 0)], number, key);
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_row_condition IS 'The condition that an audit entry is of a row, as SQL over the alias e';
REVOKE ALL ON FUNCTION opsadmin_private.audit_row_condition FROM PUBLIC;

-- The condition that an event (alias e) on a row is not another tenant's: anybody can write one on a key that is none of
-- theirs. The tenants of a row are those of its changes and, where the log has none yet, that of the row itself, unless a
-- type of the company's own would have its code run here.
CREATE OR REPLACE FUNCTION opsadmin_private.own_events(target opsadmin.target, key jsonb, condition text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  tenants bigint[];
  tenant_column name := opsadmin_private.tenant_column_of(target.relation);
  keys record;
BEGIN
  EXECUTE format('SELECT array_agg(DISTINCT e.tenant_id) FROM %s AS e WHERE %s AND e.op <> ''E''', opsadmin_private.audit_source('audit_entry'), condition) INTO tenants;
  IF tenants IS NULL AND tenant_column IS NOT NULL THEN
    SELECT * INTO keys FROM opsadmin_private.key_columns(target.relation);
    IF NOT EXISTS (SELECT FROM unnest(keys.types) AS t WHERE NOT opsadmin_private.is_server_type(t)) THEN
      EXECUTE format('SELECT ARRAY(SELECT n.id FROM opsadmin.tenant n JOIN %s AS t ON coalesce(n.key, n.id::text) = t.%I::text WHERE %s)', opsadmin_private.qualified_name(target.relation), tenant_column,
                     (SELECT string_agg(format('t.%I = %L::%s', k.name, key ->> k.name::text, k.type), ' AND ') FROM unnest(keys.names, keys.types) AS k (name, type))) INTO tenants;
    END IF;
  END IF;
  RETURN format(' AND (e.op <> ''E'' OR e.tenant_id = ANY (%L))', coalesce(tenants, '{}') || 0::bigint);
END
$$;
COMMENT ON FUNCTION opsadmin_private.own_events IS 'The condition that an event on a row is of one of the tenants whose the row was, as SQL over the alias e';
REVOKE ALL ON FUNCTION opsadmin_private.own_events FROM PUBLIC;

-- What entries or headers are read from. The overflow table is in plans only while it has rows.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_source(table_name text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  overflows boolean;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM opsadmin.%I)', table_name || '_overflow') INTO overflows;
  RETURN format(CASE WHEN overflows THEN '(SELECT * FROM opsadmin.%I UNION ALL SELECT * FROM opsadmin.%I)' ELSE 'opsadmin.%I' END, table_name, table_name || '_overflow');
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_source IS 'What audit entries or headers are read from, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.audit_source FROM PUBLIC;

-- Checks the form of a filter of the log; OA422 with a pointer.
CREATE OR REPLACE FUNCTION opsadmin_private.check_audit_filter(filter jsonb) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wrong text;
BEGIN
  IF jsonb_typeof(filter) <> 'object' OR filter - '{from,to,actor,action,target,key,op,job,request,id,tenant}'::text[] <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the filter holds something else than from, to, actor, action, target, key, op, job, request, id and tenant', COLUMN = '/filter',
      HINT = 'For example {"target":"shop.product","actor":"Kim"}.';
  END IF;
  SELECT e.key INTO wrong FROM jsonb_each(filter) AS e
  WHERE e.key = ANY ('{actor,action,target,op,request,tenant}'::text[])
    AND (jsonb_typeof(e.value) <> 'string' OR length(e.value #>> '{}') NOT BETWEEN 1 AND 200)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('%s is not a text of 1 to 200 characters', wrong), COLUMN = '/filter/' || wrong,
      HINT = 'Leave out what is not to be filtered by.';
  END IF;
  SELECT e.key INTO wrong FROM jsonb_each(filter) AS e
  WHERE e.key IN ('id', 'job') AND (jsonb_typeof(e.value) NOT IN ('string', 'number') OR e.value #>> '{}' !~ '^[0-9]{1,19}$' OR (e.value #>> '{}')::numeric > 9223372036854775807)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('%s is not a number', wrong), COLUMN = '/filter/' || wrong,
      HINT = 'Use an id of an entry or a job, as it is shown.';
  END IF;
  IF filter ->> 'op' <> ALL ('{INSERT,UPDATE,DELETE,TRUNCATE,EVENT}'::text[]) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'op is none of INSERT, UPDATE, DELETE, TRUNCATE and EVENT', COLUMN = '/filter/op',
      HINT = 'For example {"op":"DELETE"}.';
  END IF;
  IF filter ? 'key' AND NOT filter ? 'target' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'a key without a target names no row', COLUMN = '/filter/key',
      HINT = 'For example {"target":"shop.product","key":{"id":5}}.';
  END IF;
  IF filter ? 'tenant' AND opsadmin.current_site() = 'partner' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'tenant is a filter for staff', COLUMN = '/filter/tenant',
      HINT = 'Partners see the entries of their own tenant.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.check_audit_filter IS 'Checks the form of a filter of the audit log; OA422 with a pointer';
REVOKE ALL ON FUNCTION opsadmin_private.check_audit_filter FROM PUBLIC;

-- The conditions on a header (alias h) that a filter's actor or action comes to, one for each person or action that has
-- the text in its name, so that each finds its index; an empty array when there are none. Where there are more actions
-- than anybody names, since whoever may write events can make them up, it is one condition on the text. bounds is the condition on ids of
-- headers that actions are looked for in.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_names(member text, part text, bounds text) RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  conditions text[];
  most_actions constant integer := 500;
  actions integer;
  partner boolean := opsadmin.current_site() = 'partner';
BEGIN
  IF member = 'actor' THEN
    SELECT array_agg(format('h.actor_id = %s', a.id) || CASE WHEN partner THEN ' AND h.site IS DISTINCT FROM ''internal''' ELSE '' END ORDER BY a.id) INTO conditions
    FROM opsadmin.actor a
    WHERE position(lower(part) IN lower(a.display_name)) > 0
      AND (NOT partner OR EXISTS (SELECT FROM opsadmin.role_binding b WHERE b.actor_id = a.id AND b.tenant_id = opsadmin.current_tenant()));
    IF partner AND position(lower(part) IN 'support') > 0 THEN
      conditions := conditions || 'h.site = ''internal'''::text;
    END IF;
  ELSE
    -- Jumps from one action to the next in their index, since there are few.
    EXECUTE format($query$
      WITH RECURSIVE name (action) AS (
        (SELECT h.action FROM %2$s AS h WHERE h.action IS NOT NULL AND %1$s ORDER BY h.action USING ~<~ LIMIT 1)
        UNION ALL
        SELECT (SELECT h.action FROM %2$s AS h WHERE h.action ~>~ n.action AND %1$s ORDER BY h.action USING ~<~ LIMIT 1) FROM name n WHERE n.action IS NOT NULL)
      SELECT array_agg(format('h.action = %%L', n.action)) FILTER (WHERE position(lower($1) IN lower(n.action)) > 0), count(*) FROM (SELECT n.action FROM name n LIMIT $2) AS n
    $query$, bounds, opsadmin_private.audit_source('audit_header')) INTO conditions, actions USING part, most_actions + 1;
    IF actions > most_actions THEN
      conditions := ARRAY[format('position(lower(%L) IN lower(h.action)) > 0', part)];
    END IF;
  END IF;
  RETURN coalesce(conditions, '{}');
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_names IS 'The conditions on headers that a part of a name comes to, one for each name that has it';
REVOKE ALL ON FUNCTION opsadmin_private.audit_names FROM PUBLIC;

-- The SQL that finds entries: rows of (id, header_id), newest first, or oldest first when descending is false. What is
-- not asked for is not in it, so that each filter finds its index. Where the filter is about headers, the entries of a
-- transaction stand together, in the order of the transactions' first changes. The orders of entries and of headers come
-- from indexes, but for the entries of one row or one header, which are sorted: OFFSET 0 keeps the planner from looking
-- for them in their order among all.
-- place is the id and header_id of the entry to go on from; ids are from low on, and below high. Nothing beyond edge is
-- looked for: the fewer partitions a statement can be about, the sooner it is planned.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_audit(filter jsonb, place bigint[], descending boolean, size integer, low bigint DEFAULT NULL, high bigint DEFAULT NULL,
  edge bigint DEFAULT NULL) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- More names than these are one condition, and the planner chooses.
  most_branches constant integer := 20;
  own_tenant bigint := opsadmin.current_tenant();
  entries text := opsadmin_private.audit_source('audit_entry');
  headers text := opsadmin_private.audit_source('audit_header');
  targets integer[] := ARRAY(SELECT t.id FROM opsadmin.target t WHERE t.name = filter ->> 'target' ORDER BY t.id DESC);
  -- A condition for each table that has had the name.
  conditions text[];
  named text;
  one_hour constant bigint := 3600000::bigint << 20;
  one_week constant bigint := 604800000::bigint << 20;
  comparison text := CASE WHEN descending THEN '<' ELSE '>' END;
  direction text := CASE WHEN descending THEN 'DESC' ELSE 'ASC' END;
  oldest bigint;
  newest bigint;
  bounds text;
  entry text;
  header text;
  branches text[];
  names text[];
BEGIN
  PERFORM opsadmin_private.check_audit_filter(filter);
  low := greatest(low, CASE WHEN filter ? 'from' THEN opsadmin_private.audit_moment(filter -> 'from', '/filter/from') END);
  high := least(high, CASE WHEN filter ? 'to' THEN opsadmin_private.audit_moment(filter -> 'to', '/filter/to') END);
  entry := concat_ws(' AND ',
    'e.tenant_id = ' || own_tenant,
    'e.tenant_id = ' || CASE WHEN filter ? 'tenant' THEN opsadmin_private.tenant_id(filter ->> 'tenant') END,
    'e.id = ' || (filter ->> 'id'), 'e.id >= ' || low, 'e.id < ' || high,
    CASE WHEN filter ? 'key' THEN NULL
    WHEN cardinality(targets) = 1 THEN 'e.target_id = ' || targets[1]
    WHEN filter ? 'target' THEN format('e.target_id = ANY (%L)', targets) END,
    'e.op = ' || quote_literal(left(filter ->> 'op', 1)));
  IF filter ? 'key' THEN
    SELECT coalesce(array_agg(c || CASE WHEN own_tenant IS NULL THEN opsadmin_private.own_events(t, k, c) ELSE '' END), '{false}') INTO conditions
    FROM opsadmin.target t CROSS JOIN LATERAL opsadmin_private.audit_key(t.relation, filter -> 'key', '/filter/key') AS k
    CROSS JOIN LATERAL opsadmin_private.audit_row_condition(t.id, t.key_column, k) AS c
    WHERE t.id = ANY (targets);
  END IF;
  IF NOT filter ?| '{actor,action,job,request}' THEN
    entry := concat_ws(' AND ', 'true', 'e.id ' || comparison || ' ' || place[1], CASE WHEN descending THEN 'e.id >= ' ELSE 'e.id < ' END || edge, nullif(entry, ''));
    RETURN format('SELECT e.id, e.header_id FROM %s AS e WHERE %s ORDER BY e.id %s LIMIT %s',
                  coalesce((SELECT '(' || string_agg(format('SELECT e.id, e.header_id FROM %s AS e WHERE %s AND %s', entries, r, entry), ' UNION ALL ') || ' OFFSET 0)' FROM unnest(conditions) AS r), entries),
                  CASE WHEN conditions IS NULL THEN entry ELSE 'true' END, direction, size);
  END IF;

  -- A header is as old as its first entry, but for a clock that is set back. What a transaction writes after more than a
  -- week is not found by its header: so its entries are looked for in a few partitions, and not in all.
  -- OFFSET 0 makes this one scan, which is sooner planned than the two for its ends.
  named := concat_ws(' AND ', 'h.job_id = ' || (filter ->> 'job'), 'h.request_id = ' || quote_literal(filter ->> 'request'));
  IF named <> '' THEN
    EXECUTE format('SELECT min(f.id), max(f.id) FROM (SELECT h.id FROM %s AS h WHERE %s OFFSET 0) AS f', headers, named) INTO oldest, newest;
  END IF;
  oldest := greatest(oldest, low - one_week, CASE WHEN descending THEN edge ELSE place[2] END);
  newest := least(newest, high + one_hour, CASE WHEN descending THEN place[2] ELSE edge END);
  entry := concat_ws(' AND ', '(' || array_to_string(conditions, ' OR ') || ')', nullif(entry, ''), 'e.id >= ' || oldest - one_hour, 'e.id <= ' || newest + one_week);
  bounds := concat_ws(' AND ', 'true', 'h.id >= ' || oldest, 'h.id <= ' || newest);
  header := concat_ws(' AND ', bounds, 'h.tenant_id = ' || CASE WHEN opsadmin.current_site() = 'partner' THEN own_tenant END, nullif(named, ''));
  FOR i IN 1 .. 2 LOOP
    CONTINUE WHEN NOT filter ? (ARRAY['actor', 'action'])[i];
    names := opsadmin_private.audit_names((ARRAY['actor', 'action'])[i], filter ->> (ARRAY['actor', 'action'])[i], bounds);
    IF branches IS NULL AND cardinality(names) BETWEEN 1 AND most_branches AND NOT filter ?| '{job,request}' THEN
      branches := names;
    ELSE
      header := concat_ws(' AND ', header, CASE WHEN names = '{}' THEN 'false' ELSE '(' || array_to_string(names, ' OR ') || ')' END);
    END IF;
  END LOOP;
  RETURN format('SELECT e.id, h.id FROM (%s) AS h CROSS JOIN LATERAL (SELECT e.id FROM (SELECT e.id FROM %s AS e WHERE %s OFFSET 0) AS e ORDER BY e.id %s LIMIT %s) AS e ORDER BY h.id %s, e.id %s LIMIT %s',
    -- Each with its own order, else the planner does not see that its index has it.
    (SELECT string_agg(format('(SELECT h.id FROM %s AS h WHERE %s ORDER BY h.id %s)', headers, concat_ws(' AND ', branch, header), direction), ' UNION ALL ')
     FROM unnest(coalesce(branches, ARRAY[NULL])) AS branch), entries,
    concat_ws(' AND ', 'e.header_id = h.id', format('e.id BETWEEN h.id - %s AND h.id + %s', one_hour, one_week), nullif(entry, ''), CASE WHEN place IS NOT NULL THEN format('(h.id %1$s %3$s OR e.id %1$s %2$s)', comparison, place[1], place[2]) END), direction, size,
    direction, direction, size);
END
$$;
COMMENT ON FUNCTION opsadmin_private.compile_audit IS 'The SQL that finds audit entries by a filter, with the tenant of the context';
REVOKE ALL ON FUNCTION opsadmin_private.compile_audit FROM PUBLIC;

-- The ids of entries and of their headers, as compile_audit() finds them: first within a day, then within ten, then all.
-- The settings keep the plan one that reads indexes in their order and stops: estimates know the average transaction,
-- not the one with a million entries.
CREATE OR REPLACE FUNCTION opsadmin_private.search_audit(filter jsonb, place bigint[], descending boolean, size integer, low bigint, high bigint, OUT ids bigint[], OUT headers bigint[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
SET enable_sort = off SET enable_bitmapscan = off SET max_parallel_workers_per_gather = 0 SET jit = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  one_day constant bigint := 86400000::bigint << 20;
  start bigint := coalesce(place[CASE WHEN filter ?| '{actor,action}' THEN 2 ELSE 1 END],
                           least(high, CASE WHEN filter ? 'to' THEN opsadmin_private.audit_moment(filter -> 'to', '/filter/to') END, (extract(epoch FROM clock_timestamp()) * 1000)::bigint << 20));
  edge bigint;
BEGIN
  -- These are not about what is new.
  FOREACH edge IN ARRAY CASE WHEN filter ?| '{id,key,job,request}' THEN ARRAY[NULL::bigint] ELSE ARRAY[one_day, one_day * 10, NULL] END LOOP
    edge := start + CASE WHEN descending THEN -edge ELSE edge END;
    EXECUTE format('SELECT array_agg(f.id), array_agg(f.header_id) FROM (%s) AS f (id, header_id)',
                   opsadmin_private.compile_audit(filter, place, descending, size, low, high, edge)) INTO ids, headers;
    EXIT WHEN cardinality(ids) = size;
  END LOOP;
  ids := coalesce(ids, '{}');
END
$$;
COMMENT ON FUNCTION opsadmin_private.search_audit IS 'The ids of audit entries and of their headers, looked for among the newest first';
REVOKE ALL ON FUNCTION opsadmin_private.search_audit FROM PUBLIC;

-- The ids of a page of entries, newest first, and the cursors to both sides. Checks audit:read itself, since site roles
-- may call it. A cursor holds the direction and the place of the entry to go on from.
CREATE OR REPLACE FUNCTION opsadmin_private.find_audit(filter jsonb, cursor text, size integer, OUT ids bigint[], OUT next text, OUT prev text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  list text := 'audit' || coalesce(filter, '{}')::text || coalesce(opsadmin.current_tenant()::text, '*');
  here jsonb := opsadmin_private.read_cursor(list, cursor);
  backward boolean := coalesce(here ->> 0 = '>', false);
  place bigint[];
  headers bigint[];
  more boolean;
BEGIN
  PERFORM opsadmin_private.require_permission('audit:read');
  size := opsadmin_private.page_size(size);
  IF here IS NOT NULL THEN
    -- Whoever has the role can sign a payload.
    IF jsonb_typeof(here) <> 'array' OR here ->> 0 NOT IN ('<', '>') OR coalesce(here ->> 1, '') !~ '^[0-9]{1,18}$|^[1-8][0-9]{18}$' OR coalesce(here ->> 2, '') !~ '^[0-9]{1,18}$|^[1-8][0-9]{18}$' THEN
      RAISE EXCEPTION USING ERRCODE = 'OA424', MESSAGE = 'the cursor does not belong to this list', COLUMN = '/cursor',
        HINT = 'Use "next" or "prev" of an answer with the same filter.';
    END IF;
    place := ARRAY[(here ->> 1)::bigint, (here ->> 2)::bigint];
  END IF;
  SELECT s.ids, s.headers INTO ids, headers FROM opsadmin_private.search_audit(coalesce(filter, '{}'), place, NOT backward, size + 1, NULL, NULL) AS s;
  more := cardinality(ids) > size;
  ids := ids[:size];
  headers := headers[:size];
  IF backward THEN
    SELECT array_agg(f.id ORDER BY f.ordinal DESC), array_agg(f.header ORDER BY f.ordinal DESC) INTO ids, headers
    FROM unnest(ids, headers) WITH ORDINALITY AS f (id, header, ordinal);
  END IF;
  IF ids <> '{}' AND (more OR backward) THEN
    next := opsadmin_private.make_cursor(list, json_build_array('<', ids[cardinality(ids)]::text, headers[cardinality(ids)]::text)::text);
  END IF;
  IF ids <> '{}' AND (backward AND more OR NOT backward AND here IS NOT NULL) THEN
    prev := opsadmin_private.make_cursor(list, json_build_array('>', ids[1]::text, headers[1]::text)::text);
  END IF;
  ids := coalesce(ids, '{}');
END
$$;
COMMENT ON FUNCTION opsadmin_private.find_audit IS 'The ids of a page of audit entries, newest first, and the cursors to both sides';
REVOKE ALL ON FUNCTION opsadmin_private.find_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.find_audit TO opsadmin_internal, opsadmin_partner;

-- The ids of the newest entries that a filter finds from low on and below high, at most so many. Checks audit:read itself.
CREATE OR REPLACE FUNCTION opsadmin_private.newest_audit(filter jsonb, most integer, low bigint DEFAULT NULL, high bigint DEFAULT NULL) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.require_permission('audit:read');
  RETURN QUERY SELECT unnest(s.ids) FROM opsadmin_private.search_audit(coalesce(filter, '{}'), NULL, true, greatest(1, least(most, 10001)), low, high) AS s;
END
$$;
COMMENT ON FUNCTION opsadmin_private.newest_audit IS 'The ids of the newest audit entries that a filter finds';
REVOKE ALL ON FUNCTION opsadmin_private.newest_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.newest_audit TO opsadmin_internal, opsadmin_partner;

-- Entries as the page shows them, in the order of their ids given, under the caller's row-level security. Without jit,
-- which would compile the view's many partitions for a page of rows.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_rows(ids bigint[]) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp SET jit = off AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_object(
      'id', l.id::text, 'created_at', l.created_at, 'tenant', (SELECT json_build_object('slug', t.slug, 'name', t.name) FROM opsadmin.tenant t WHERE t.id = l.tenant_id),
      'actor_name', l.actor_name, 'db_user', l.db_user, 'site', l.site, 'ip', host(l.ip), 'method', l.method, 'path', l.path, 'request_id', l.request_id,
      'job_id', l.job_id::text, 'action', l.action, 'target', l.target, 'target_pk', opsadmin_private.numbers_as_text(l.target_pk), 'op', l.op,
      'before', opsadmin_private.numbers_as_text(l.before), 'after', opsadmin_private.numbers_as_text(l.after), 'meta', l.meta)
      ORDER BY array_position($1, l.id)), '[]')
    FROM opsadmin.audit_log l WHERE l.id = ANY ($1));
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_rows IS 'Audit entries that the caller may see, as json';
REVOKE ALL ON FUNCTION opsadmin_private.audit_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.audit_rows TO opsadmin_internal, opsadmin_partner;
