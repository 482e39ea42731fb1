-- The history of one row: what the log tells of it, and the row as it was. The log is read with the caller's tenant in
-- the statement, the row under the caller's own row-level security and no further than its resource shows it.

-- What the history of a row needs to know of its table, by the name of its resource or as the log names it: its key and
-- the condition for it (alias t), the columns that the resource lists, with their types, which of them the log does
-- not hold, and the rest as SQL: in full what is compared with the log, and else as a list shows it. OA405 when it is no resource of the site, OA403 without <resource>:read and audit:read, OA422 when the key
-- does not fit.
CREATE OR REPLACE FUNCTION opsadmin_private.audited_row(target text, key jsonb, OUT name text, OUT target_id integer, OUT row_key jsonb, OUT table_name text, OUT condition text, OUT audited boolean,
  OUT listed name[], OUT types text[], OUT unknown name[], OUT shown text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_target opsadmin.target;
  found_resource text;
  rules opsadmin.audited_table;
  keys record;
BEGIN
  SELECT r.name INTO found_resource FROM opsadmin.resource r JOIN opsadmin.target t ON t.id = r.target_id
  WHERE (r.name = target OR t.name = target) AND opsadmin.current_site() = ANY (r.sites)
  ORDER BY r.name = target DESC LIMIT 1;
  SELECT t.* INTO found_target FROM opsadmin_private.require_resource(coalesce(found_resource, target), 'read') AS r JOIN opsadmin.target t ON t.id = r.target_id;
  PERFORM opsadmin_private.require_permission('audit:read');
  name := found_target.name;
  target_id := found_target.id;
  row_key := opsadmin_private.audit_key(found_target.relation, key, '/key');
  table_name := opsadmin_private.qualified_name(found_target.relation);
  SELECT * INTO keys FROM opsadmin_private.key_columns(found_target.relation);
  SELECT string_agg(format('t.%I %s %L::%s', k.name, opsadmin_private.comparison(k.type, '='), row_key ->> k.name::text, k.type), ' AND ') INTO condition FROM unnest(keys.names, keys.types) AS k (name, type);
  SELECT a.* INTO rules FROM opsadmin.audited_table a WHERE a.target_id = found_target.id;
  audited := FOUND;
  SELECT array_agg(a.attname ORDER BY a.attnum), array_agg(format_type(a.atttypid, -1) ORDER BY a.attnum),
         coalesce(array_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attname = ANY (rules.redact || rules.ignore)
           OR opsadmin_private.looks_sensitive(a.attname) AND a.attname <> ALL (coalesce(rules.keep, '{}'))), '{}') INTO listed, types, unknown
  FROM pg_attribute a JOIN opsadmin.resource_column c ON c.resource_name = coalesce(found_resource, target) AND c.column_name = a.attname
  WHERE a.attrelid = found_target.relation AND NOT a.attisdropped AND (c.listed OR a.attname = ANY (keys.names));
  SELECT coalesce(string_agg(format('%s AS %I', CASE WHEN c.type = ANY (opsadmin_private.compared_types()) THEN c.reference ELSE opsadmin_private.compile_shown(c.reference, c.type) END, c.name), ', '), '')
  INTO shown FROM (SELECT u.*, format('t.%I', u.name) AS reference FROM unnest(listed, types) AS u (name, type)) AS c WHERE c.name <> ALL (unknown);
END
$$;
COMMENT ON FUNCTION opsadmin_private.audited_row IS 'The table and key of a row whose history is asked for; OA405, OA403 or OA422';
REVOKE ALL ON FUNCTION opsadmin_private.audited_row FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.audited_row TO opsadmin_internal, opsadmin_partner;

-- The ids of the entries that changed a row, from the entry since on in one direction, up to the first one that begins or
-- ends the row under this key, at most so many; and whether the table was truncated before that one, or at all. Going
-- back, nothing before the last TRUNCATE is told. Events change nothing. Checks audit:read itself.
CREATE OR REPLACE FUNCTION opsadmin_private.row_changes(of_target integer, key jsonb, since bigint, forward boolean, most integer, OUT ids bigint[], OUT truncated boolean)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET max_parallel_workers_per_gather = 0 SET jit = off AS $$
DECLARE
  found_target opsadmin.target := (SELECT t FROM opsadmin.target t WHERE t.id = of_target);
  entries text := opsadmin_private.audit_source('audit_entry');
  truncation bigint;
  entry record;
BEGIN
  PERFORM opsadmin_private.require_permission('audit:read');
  ids := '{}';
  truncated := false;
  IF found_target.id IS NULL OR jsonb_typeof(key) IS DISTINCT FROM 'object' THEN
    RETURN;
  END IF;
  EXECUTE format('SELECT %s(e.id) FROM %s AS e WHERE e.target_id = $1 AND e.row_key IS NULL AND e.op = ''T'' AND e.id %s $2', CASE WHEN forward THEN 'min' ELSE 'max' END, entries,
                 CASE WHEN forward THEN '>' ELSE '<=' END) INTO truncation USING found_target.id, since;
  truncated := truncation IS NOT NULL;
  FOR entry IN EXECUTE format('SELECT f.* FROM (SELECT e.id, e.op IN (''I'', ''D'') OR e.after ?| $2 AS is_end FROM %s AS e WHERE %s OFFSET 0) AS f ORDER BY f.id %s LIMIT $3', entries,
    concat_ws(' AND ', opsadmin_private.audit_row_condition(found_target.id, found_target.key_column, key), 'e.op <> ''E''', 'e.id ' || CASE WHEN forward THEN '>' ELSE '<=' END || ' $1',
              'e.tenant_id = ' || opsadmin.current_tenant()), CASE WHEN forward THEN 'ASC' ELSE 'DESC' END)
    USING since, ARRAY(SELECT jsonb_object_keys(key)), least(most, 10001) LOOP
    EXIT WHEN NOT forward AND entry.id < truncation;
    ids := ids || entry.id;
    IF entry.is_end THEN
      truncated := truncated AND (NOT forward OR truncation < entry.id);
      EXIT;
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.row_changes IS 'The ids of the audit entries that changed a row, up to the one that begins or ends it under this key';
REVOKE ALL ON FUNCTION opsadmin_private.row_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.row_changes TO opsadmin_internal, opsadmin_partner;

-- The types whose text is the same in every session, and moments.
CREATE OR REPLACE FUNCTION opsadmin_private.compared_types() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT '{smallint,integer,bigint,numeric,boolean,text,character varying,bpchar,uuid,jsonb,date,timestamp without time zone,timestamp with time zone}'::text[]
$$;
COMMENT ON FUNCTION opsadmin_private.compared_types IS 'The types by whose values differs() tells rows apart';
REVOKE ALL ON FUNCTION opsadmin_private.compared_types FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.compared_types TO opsadmin_internal, opsadmin_partner;

-- Tells whether a row lacks values that an entry gave it. Only columns of types are compared whose text is the same in
-- every session, and moments, whatever the time zone that they are told in; columns that are gone or new are not.
CREATE OR REPLACE FUNCTION opsadmin_private.differs(present jsonb, given jsonb, names name[], types text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  value record;
BEGIN
  FOR value IN SELECT present -> g.key AS present, g.value AS given, c.type FROM jsonb_each(given) AS g JOIN unnest(names, types) AS c (name, type) ON c.name = g.key
               WHERE present -> g.key <> g.value
                 -- Not what documents would be to read, which may be without end.
                 AND (jsonb_typeof(g.value) IN ('object', 'array') OR jsonb_typeof(present -> g.key) IN ('object', 'array') OR present ->> g.key IS DISTINCT FROM g.value #>> '{}')
                 AND c.type = ANY (opsadmin_private.compared_types()) LOOP
    IF value.type <> 'timestamp with time zone' OR 'null' IN (value.present, value.given) THEN
      RETURN true;
    END IF;
    BEGIN
      IF (value.present #>> '{}')::timestamptz <> (value.given #>> '{}')::timestamptz THEN
        RETURN true;
      END IF;
    EXCEPTION WHEN data_exception THEN
      RETURN true;  -- the column had another type then
    END;
  END LOOP;
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.differs IS 'Tells whether a row lacks values that an audit entry gave it';
REVOKE ALL ON FUNCTION opsadmin_private.differs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.differs TO opsadmin_internal, opsadmin_partner;

-- A row as it was right after the entry since: what ends the row, or the present one, with every later change undone.
-- reason says why that is not known; a change of the key is followed. One budget of entries holds for all keys together,
-- since rows may swap theirs as often as they like. The row has only columns that the resource lists and the log holds.
CREATE OR REPLACE FUNCTION opsadmin_private.row_since(target text, key jsonb, since bigint, OUT old_row jsonb, OUT present jsonb, OUT reason text, OUT unknown name[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  most_entries constant integer := 10000;
  most_keys constant integer := 50;
  most_earlier constant integer := 100;
  own record;
  place record;
  known name[];
  columns text;
  changes record;
  changed bigint[] := '{}';
  entry record;
  last record;
  edge bigint := since;
  seen jsonb := '{}';
BEGIN
  SELECT * INTO own FROM opsadmin_private.audited_row(target, key);
  place := own;
  unknown := own.unknown;
  known := ARRAY(SELECT l FROM unnest(own.listed) AS l WHERE l <> ALL (unknown));
  columns := format('SELECT (SELECT to_jsonb(m) FROM (SELECT %s) AS m) FROM %s AS t WHERE ', own.shown, own.table_name);
  EXECUTE columns || own.condition INTO present;
  IF NOT own.audited THEN
    reason := 'not_audited';
    RETURN;
  END IF;

  -- Forth, to what the row ended as.
  FOR hop IN 1 .. most_keys LOOP
    SELECT * INTO changes FROM opsadmin_private.row_changes(own.target_id, place.row_key, edge, true, most_entries + 1 - cardinality(changed));
    changed := changed || changes.ids;
    IF cardinality(changed) > most_entries OR hop = most_keys AND changes.ids <> '{}' THEN
      reason := 'too_many_entries';
      RETURN;
    END IF;
    SELECT l.id, l.op, l.before, l.after, l.target_pk INTO last FROM opsadmin.audit_log l WHERE l.id = changes.ids[cardinality(changes.ids)];
    IF changes.truncated THEN
      reason := 'truncated';
      RETURN;
    ELSIF last.op = 'INSERT' THEN
      EXIT;
    ELSIF last.op = 'DELETE' THEN
      old_row := (SELECT jsonb_object_agg(b.key, b.value) FROM jsonb_each(last.before) AS b WHERE b.key = ANY (known));
      EXIT;
    ELSIF last.op = 'UPDATE' AND last.after ?| ARRAY(SELECT jsonb_object_keys(last.target_pk)) THEN
      edge := last.id;
      SELECT * INTO place FROM opsadmin_private.audited_row(target, (SELECT jsonb_object_agg(k.key, coalesce(last.after -> k.key, k.value)) FROM jsonb_each(last.target_pk) AS k));
    ELSE
      EXECUTE columns || place.condition INTO old_row;
      EXIT;
    END IF;
  END LOOP;

  -- And back.
  FOR entry IN SELECT l.op, (SELECT jsonb_object_agg(b.key, b.value) FROM jsonb_each(l.before) AS b WHERE b.key = ANY (known)) AS before, l.after
               FROM opsadmin.audit_log l WHERE l.id = ANY (changed) AND l.op = 'UPDATE' ORDER BY l.id DESC LOOP
    IF old_row IS NULL OR opsadmin_private.differs(old_row, entry.after, own.listed, own.types) THEN
      reason := 'gap';
      old_row := NULL;
      RETURN;
    END IF;
    old_row := old_row || coalesce(entry.before, '{}');
  END LOOP;

  -- The entries before must fit what was found; without one the log cannot tell since when the row was so.
  SELECT * INTO changes FROM opsadmin_private.row_changes(own.target_id, own.row_key, since, false, most_earlier);
  FOR entry IN SELECT l.op, l.after, l.after ?| ARRAY(SELECT jsonb_object_keys(l.target_pk)) AND l.op = 'UPDATE' AS has_left
               FROM opsadmin.audit_log l WHERE l.id = ANY (changes.ids) ORDER BY l.id DESC LOOP
    EXIT WHEN seen <> '{}' AND (entry.has_left OR entry.op = 'DELETE');
    IF (old_row IS NULL) <> (entry.has_left OR entry.op = 'DELETE') OR opsadmin_private.differs(old_row, entry.after - ARRAY(SELECT jsonb_object_keys(seen)), own.listed, own.types) THEN
      reason := 'gap';
      old_row := NULL;
      RETURN;
    END IF;
    seen := seen || coalesce(entry.after, '{"":null}');
  END LOOP;
  IF changes.ids = '{}' AND (old_row IS NOT NULL OR changed = '{}' AND NOT changes.truncated) THEN
    reason := 'no_earlier_entry';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.row_since IS 'A row as it was right after an audit entry, or why that is not known';
REVOKE ALL ON FUNCTION opsadmin_private.row_since FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.row_since TO opsadmin_internal, opsadmin_partner;
