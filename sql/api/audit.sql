-- Puts tables under audit and lists what the log holds.

-- Puts a table with its partitions and the tables that inherit from it under audit, or changes the settings of one
-- that is. Columns of redact appear as "[redacted]", columns of ignore not at all; columns whose names look sensitive
-- are redacted unless they are in keep, and a NOTICE names them. replicated: also what logical replication applies.
-- Raises OA425 for columns that are unknown or in two lists, OA436 for other kinds of tables.
CREATE OR REPLACE FUNCTION opsadmin.audit(target regclass, redact name[] DEFAULT '{}', ignore name[] DEFAULT '{}', keep name[] DEFAULT '{}', replicated boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  found_target integer;
  twice name;
  sensitive text;
BEGIN
  PERFORM opsadmin_private.require_root(target);
  PERFORM opsadmin_private.require_columns(target, redact || ignore || keep);
  SELECT c INTO twice FROM unnest(redact || ignore || keep) AS c GROUP BY c HAVING count(*) > 1 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('column "%s" is named twice', twice), HINT = 'A column is redacted, ignored or kept.';
  END IF;
  SELECT string_agg(format('"%s"', a.attname), ', ' ORDER BY a.attnum) INTO sensitive FROM pg_attribute a
  WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND opsadmin_private.looks_sensitive(a.attname) AND a.attname <> ALL (redact || ignore || keep);
  IF sensitive IS NOT NULL THEN
    RAISE NOTICE USING MESSAGE = format('columns of "%s" that look sensitive are redacted: %s', target, sensitive),
      HINT = 'Name each in redact to make it so, or in keep to have its values in the audit log.';
  END IF;
  found_target := opsadmin_private.ensure_target(target);
  -- It stays when the key changes: entries of then are named by it.
  UPDATE opsadmin.target t SET key_column = (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                                             WHERE i.indrelid = target AND i.indisprimary AND i.indnkeyatts = 1
                                               AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype))
  WHERE t.id = found_target AND t.key_column IS NULL;
  INSERT INTO opsadmin.audited_table (target_id, redact, ignore, keep, replicated) VALUES (found_target, audit.redact, audit.ignore, audit.keep, audit.replicated)
  ON CONFLICT (target_id) DO UPDATE SET redact = excluded.redact, ignore = excluded.ignore, keep = excluded.keep, replicated = excluded.replicated;
  PERFORM opsadmin_private.make_audit_partitions();
  PERFORM opsadmin_private.audit_tree(target);
END
$$;
COMMENT ON FUNCTION opsadmin.audit IS 'Puts a table under audit, or changes which columns are redacted, ignored and kept';
REVOKE ALL ON FUNCTION opsadmin.audit FROM PUBLIC;

-- Ends the audit of a table and its children; what was logged stays. OA438 when it is not audited.
CREATE OR REPLACE FUNCTION opsadmin.unaudit(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  audit_trigger record;
BEGIN
  DELETE FROM opsadmin.audited_table a USING opsadmin.target t WHERE t.id = a.target_id AND t.relation = target;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA438', MESSAGE = format('table "%s" is not audited', target),
      HINT = 'See opsadmin.audited_table.';
  END IF;
  FOR audit_trigger IN SELECT g.tgname, opsadmin_private.qualified_name(m) AS table_name FROM opsadmin_private.tree_members(target) AS m
                       JOIN pg_trigger g ON g.tgrelid = m AND g.tgfoid = 'opsadmin.audit_trigger'::regproc AND g.tgparentid = 0 LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', audit_trigger.tgname, audit_trigger.table_name);
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.unaudit IS 'Ends the audit of a table; what was logged stays';
REVOKE ALL ON FUNCTION opsadmin.unaudit FROM PUBLIC;

-- Says how long the entries of a table are kept; with a legal hold, until it is lifted. OA425 below a day, OA436
-- when opsadmin has never known the table.
CREATE OR REPLACE FUNCTION opsadmin.set_audit_retention(target regclass, keep interval DEFAULT '90 days', legal_hold boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF keep IS NULL OR keep < interval '1 day' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'audit entries are kept for at least one day',
      HINT = 'For example keep => ''1 year''.';
  END IF;
  PERFORM opsadmin_private.require_root(target);
  INSERT INTO opsadmin.audit_retention (target_id, keep, legal_hold) VALUES (opsadmin_private.ensure_target(target), set_audit_retention.keep, coalesce(set_audit_retention.legal_hold, false))
  ON CONFLICT (target_id) DO UPDATE SET keep = excluded.keep, legal_hold = excluded.legal_hold;
END
$$;
COMMENT ON FUNCTION opsadmin.set_audit_retention IS 'Says how long the audit entries of a table are kept';
REVOKE ALL ON FUNCTION opsadmin.set_audit_retention FROM PUBLIC;

-- Entries, newest first, as {"rows":[…],"next":…,"prev":…}. filter may hold from, to, actor (part of a person's name), action
-- (part), target (schema.table), key (of a row of the target), op, job, request, id, and for staff tenant. Needs
-- audit:read. Raises OA403, OA404, OA420, OA422, OA424.
CREATE OR REPLACE FUNCTION opsadmin.list_audit(filter jsonb DEFAULT NULL, cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  page record;
BEGIN
  SELECT * INTO page FROM opsadmin_private.find_audit(filter, cursor, page_size);
  RETURN json_build_object('rows', opsadmin_private.audit_rows(page.ids), 'next', page.next, 'prev', page.prev);
END
$$;
COMMENT ON FUNCTION opsadmin.list_audit IS 'Entries of the audit log that the actor may see, newest first, as json';
REVOKE ALL ON FUNCTION opsadmin.list_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_audit TO opsadmin_internal, opsadmin_partner;

-- How many entries a filter finds, over time, as {"from":…,"to":…,"counts":[…],"total":…,"capped":false}: buckets of equal length
-- from the filter's from, or the oldest entry, to its to, or now. The newest 10,000 are counted; when there are more,
-- capped is true and from is where counting ended. Raises what list_audit() raises.
CREATE OR REPLACE FUNCTION opsadmin.audit_histogram(filter jsonb DEFAULT NULL, buckets integer DEFAULT 60) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  most constant integer := 10000;
  moments double precision[];
  first timestamptz;
  last timestamptz;
  start double precision;
  length double precision;
  capped boolean;
  counts integer[];
BEGIN
  IF buckets NOT BETWEEN 1 AND 200 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the number of buckets is not between 1 and 200', COLUMN = '/buckets',
      HINT = 'Leave it out for 60.';
  END IF;
  buckets := coalesce(buckets, 60);
  moments := ARRAY(SELECT (id >> 20) / 1000::double precision FROM opsadmin_private.newest_audit(filter, most + 1) AS id);
  capped := cardinality(moments) > most;
  moments := moments[:most];
  last := coalesce((filter ->> 'to')::timestamptz, greatest(now(), to_timestamp((SELECT max(m) FROM unnest(moments) AS m))));
  first := to_timestamp((SELECT min(m) FROM unnest(moments) AS m));
  first := least(last, CASE WHEN capped THEN first ELSE coalesce((filter ->> 'from')::timestamptz, first, last) END);
  start := extract(epoch FROM first);
  length := extract(epoch FROM last - first) / buckets;
  SELECT array_agg(coalesce(c.count, 0) ORDER BY b) INTO counts
  FROM generate_series(1, buckets) AS b
  LEFT JOIN (SELECT CASE WHEN length > 0 THEN least(buckets, 1 + floor((m - start) / length)::integer) ELSE 1 END AS bucket, count(*)
             FROM unnest(moments) AS m GROUP BY 1) AS c ON c.bucket = b;
  RETURN json_build_object('from', first, 'to', last, 'counts', counts, 'total', cardinality(moments), 'capped', capped);
END
$$;
COMMENT ON FUNCTION opsadmin.audit_histogram IS 'How many entries of the audit log a filter finds, over time, as json';
REVOKE ALL ON FUNCTION opsadmin.audit_histogram FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.audit_histogram TO opsadmin_internal, opsadmin_partner;

-- The entries of one row, newest first, as list_audit() answers them. target is a resource, or its table as the log names
-- it; key its primary key, as {"id":5} or, of one column, 5. Needs <resource>:read and audit:read. Raises OA405, OA403,
-- OA420, OA422, OA424.
CREATE OR REPLACE FUNCTION opsadmin.row_history(target text, key jsonb, cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_row record;
BEGIN
  SELECT * INTO found_row FROM opsadmin_private.audited_row(target, key);
  RETURN opsadmin.list_audit(jsonb_build_object('target', found_row.name, 'key', found_row.row_key), cursor, page_size);
END
$$;
COMMENT ON FUNCTION opsadmin.row_history IS 'The audit entries of one row, newest first, as json';
REVOKE ALL ON FUNCTION opsadmin.row_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.row_history TO opsadmin_internal, opsadmin_partner;

-- A row as it was at a moment and as it is, as {"at":…,"row":{…},"present":{…},"unknown":[…],"reason":null}: the present row with all
-- later changes undone, null when there was none. unknown names the columns that the log does not hold, and that both
-- lack. reason says why the row is not known, or in what it is not certain. Needs <resource>:read and audit:read.
-- Raises OA405, OA403, OA422.
CREATE OR REPLACE FUNCTION opsadmin.row_as_of(target text, key jsonb, at timestamptz) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_row record;
BEGIN
  -- An id tells milliseconds: what was written in the one of the moment had happened.
  SELECT * INTO found_row
  FROM opsadmin_private.row_since(target, key, opsadmin_private.audit_moment(to_jsonb(date_trunc('milliseconds', at) + interval '1 millisecond'), '/at') - 1);
  RETURN json_build_object('at', at, 'row', opsadmin_private.numbers_as_text(found_row.old_row), 'present', opsadmin_private.numbers_as_text(found_row.present),
                           'unknown', found_row.unknown, 'reason', found_row.reason);
END
$$;
COMMENT ON FUNCTION opsadmin.row_as_of IS 'A row as it was at a moment, from the audit log, and as it is, as json';
REVOKE ALL ON FUNCTION opsadmin.row_as_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.row_as_of TO opsadmin_internal, opsadmin_partner;
