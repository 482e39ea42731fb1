-- The storage of the audit log, and the triggers of audited trees. A partition is a week, Monday to Sunday UTC, with
-- the name of its Monday: extension/pg/audit_storage.cpp finds it by that name and writes into it, past the table that it
-- is a partition of. So attaching and dropping partitions makes no writer wait. Partitions are made outside the
-- install script, so that they belong to the database and not to the extension: a dump holds them as they are.

-- Before each statement on the log: only superusers change it, whatever rights others have been given.
CREATE OR REPLACE FUNCTION opsadmin_private.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA453', MESSAGE = 'the audit log is append-only',
      HINT = 'opsadmin.set_audit_retention() says how long entries are kept.';
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION opsadmin_private.refuse_audit_change IS 'Raises OA453 when others than superusers change the audit log';
REVOKE ALL ON FUNCTION opsadmin_private.refuse_audit_change FROM PUBLIC;

-- Puts that trigger on a table of the log.
CREATE OR REPLACE FUNCTION opsadmin_private.make_append_only(table_name name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON opsadmin.%I EXECUTE FUNCTION opsadmin_private.refuse_audit_change()', table_name);
  EXECUTE format('ALTER TABLE opsadmin.%I ENABLE ALWAYS TRIGGER append_only', table_name);
END
$$;
COMMENT ON FUNCTION opsadmin_private.make_append_only IS 'Puts the trigger on a table of the audit log that keeps others than superusers from changing it';
REVOKE ALL ON FUNCTION opsadmin_private.make_append_only FROM PUBLIC;

-- The lowest id of a moment.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_id_at(moment timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (extract(epoch FROM $1) * 1000)::bigint << 20
$$;
COMMENT ON FUNCTION opsadmin_private.audit_id_at IS 'The lowest id that an audit entry of a moment can have';
REVOKE ALL ON FUNCTION opsadmin_private.audit_id_at FROM PUBLIC;

-- The partitions of audit_header or audit_entry with the weeks that they hold, oldest first.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_partitions(table_name name) RETURNS TABLE(relation regclass, name name, begins timestamptz, ends timestamptz)
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.oid::regclass, c.relname, w.monday, w.monday + interval '7 days'
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS monday) AS w
  WHERE i.inhparent = ('opsadmin.' || $1)::regclass ORDER BY w.monday
$$;
COMMENT ON FUNCTION opsadmin_private.audit_partitions IS 'The partitions of a table of the audit log with their weeks, oldest first';
REVOKE ALL ON FUNCTION opsadmin_private.audit_partitions FROM PUBLIC;

-- Makes the partition of a week. It is complete before it is attached, which waits for no reader and no writer: ATTACH
-- conflicts with neither SELECT nor INSERT. Indexes are the partitions' own, since a dump could not restore others.
CREATE OR REPLACE FUNCTION opsadmin_private.make_audit_partition(table_name name, monday date) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  partition_name name := table_name || to_char(monday, '_YYYYMMDD');
  begins timestamptz := monday::timestamp AT TIME ZONE 'UTC';
  spec record;
BEGIN
  EXECUTE format('CREATE TABLE opsadmin.%I (LIKE opsadmin.%I)', partition_name, table_name);
  FOR spec IN SELECT * FROM (VALUES
      ('audit_entry', 'id', '(id) WITH (fillfactor = 100)'), ('audit_entry', 'header', '(header_id) WITH (fillfactor = 100)'),
      ('audit_entry', 'tenant', '(tenant_id, id)'), ('audit_entry', 'row', '(target_id, row_key)'),
      ('audit_header', 'id', '(id) WITH (fillfactor = 100)'), ('audit_header', 'actor', '(actor_id, id) WHERE actor_id IS NOT NULL'),
      ('audit_header', 'job', '(job_id, id) WHERE job_id IS NOT NULL'), ('audit_header', 'request', '(request_id) WHERE request_id IS NOT NULL'),
      ('audit_header', 'action', '(action text_pattern_ops, id) WHERE action IS NOT NULL'),
      -- What staff did in a tenant, for its partners.
      ('audit_header', 'staff', '(tenant_id, id) WHERE site = ''internal''')) AS v(of_table, suffix, definition)
    WHERE v.of_table = table_name LOOP
    EXECUTE format('CREATE INDEX %I ON opsadmin.%I %s', partition_name || '_' || spec.suffix, partition_name, spec.definition);
  END LOOP;
  PERFORM opsadmin_private.make_append_only(partition_name);
  EXECUTE format('ALTER TABLE opsadmin.%I ATTACH PARTITION opsadmin.%I FOR VALUES FROM (%s) TO (%s)', table_name, partition_name,
                 opsadmin_private.audit_id_at(begins), opsadmin_private.audit_id_at(begins + interval '7 days'));
END
$$;
COMMENT ON FUNCTION opsadmin_private.make_audit_partition IS 'Makes the partition of a week, complete with its indexes';
REVOKE ALL ON FUNCTION opsadmin_private.make_audit_partition FROM PUBLIC;

-- Makes the partitions of this week and the next ones that are missing, and gives the overflow tables' rows to those
-- that they belong to. Returns how many partitions were made.
CREATE OR REPLACE FUNCTION opsadmin_private.make_audit_partitions(weeks_ahead integer DEFAULT 4) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  made integer := 0;
  part record;
BEGIN
  -- One at a time: two would make the same one. Not an advisory lock, which is anybody's to take; this one conflicts with
  -- no reader and no writer, and nobody has the right for it.
  LOCK TABLE opsadmin.audit_entry_overflow IN SHARE UPDATE EXCLUSIVE MODE;
  FOR part IN
    SELECT t.table_name, (date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC'))::date + 7 * w.week AS monday
    FROM unnest('{audit_header,audit_entry}'::name[]) AS t(table_name) CROSS JOIN generate_series(0, weeks_ahead) AS w(week)
    WHERE to_regclass('opsadmin.' || t.table_name || to_char((date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC'))::date + 7 * w.week, '_YYYYMMDD')) IS NULL
    ORDER BY w.week LOOP
    PERFORM opsadmin_private.make_audit_partition(part.table_name, part.monday);
    made := made + 1;
  END LOOP;
  FOR part IN SELECT t.table_name, p.* FROM unnest('{audit_header,audit_entry}'::name[]) AS t(table_name) CROSS JOIN opsadmin_private.audit_partitions(t.table_name) AS p LOOP
    EXECUTE format('WITH moved AS (DELETE FROM opsadmin.%I o WHERE o.id >= $1 AND o.id < $2 RETURNING o.*) INSERT INTO opsadmin.%I SELECT * FROM moved', part.table_name || '_overflow', part.name)
    USING opsadmin_private.audit_id_at(part.begins), opsadmin_private.audit_id_at(part.ends);
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION opsadmin_private.make_audit_partitions IS 'Makes the partitions of the audit log that are missing for the next weeks';
REVOKE ALL ON FUNCTION opsadmin_private.make_audit_partitions FROM PUBLIC;

-- Drops a partition unless somebody uses it, or the table that it is a partition of, for longer than the lock is
-- waited for: then the next upkeep does. Tells whether it is gone.
CREATE OR REPLACE FUNCTION opsadmin_private.drop_audit_partition(relation regclass) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' SET opsadmin.guard = 'off' AS $$
BEGIN
  EXECUTE format('DROP TABLE %s', opsadmin_private.qualified_name(relation));
  RETURN true;
EXCEPTION WHEN lock_not_available THEN
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.drop_audit_partition IS 'Drops a partition of the audit log unless it is in use';
REVOKE ALL ON FUNCTION opsadmin_private.drop_audit_partition FROM PUBLIC;

-- Forgets entries that are older than their table's retention: a partition of which nothing is kept is dropped; of
-- others, which nobody writes to any more, the rows are deleted; target 0 is that of events without a table. Headers go a week after the last entry that can be
-- theirs. Returns the number of rows deleted and of partitions dropped, together.
CREATE OR REPLACE FUNCTION opsadmin_private.purge_audit() RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  part record;
  target record;
  is_kept boolean;
  removed bigint;
  total bigint := 0;
  doomed regclass[] := '{}';
  kept_since timestamptz;
BEGIN
  FOR part IN SELECT * FROM opsadmin_private.audit_partitions('audit_entry') AS p WHERE p.ends < now() LOOP
    is_kept := part.ends + interval '90 days' > now();
    FOR target IN SELECT t.id, coalesce(r.legal_hold, false) OR part.ends + coalesce(r.keep, interval '90 days') > now() AS kept
                  FROM opsadmin.target t LEFT JOIN opsadmin.audit_retention r ON r.target_id = t.id LOOP
      IF target.kept AND NOT is_kept THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM opsadmin.%I e WHERE e.target_id = $1)', part.name) INTO is_kept USING target.id;
      END IF;
    END LOOP;
    IF is_kept THEN
      FOR target IN SELECT t.id FROM (SELECT 0 AS id UNION ALL SELECT known.id FROM opsadmin.target known) AS t LEFT JOIN opsadmin.audit_retention r ON r.target_id = t.id
                    WHERE NOT coalesce(r.legal_hold, false) AND part.ends + coalesce(r.keep, interval '90 days') <= now() LOOP
        EXECUTE format('DELETE FROM opsadmin.%I e WHERE e.target_id = $1', part.name) USING target.id;
        GET DIAGNOSTICS removed = ROW_COUNT;
        total := total + removed;
      END LOOP;
      kept_since := least(kept_since, part.begins);
    ELSE
      doomed := doomed || part.relation;
    END IF;
  END LOOP;
  -- A transaction may have begun before the first entry that is kept.
  SELECT doomed || coalesce(array_agg(p.relation), '{}') INTO doomed FROM opsadmin_private.audit_partitions('audit_header') AS p
  WHERE p.ends < now() - interval '90 days' AND p.ends + interval '7 days' <= coalesce(kept_since, now());
  -- At the end, because the lock on the whole table is held until then, and readers wait for it.
  FOR part IN SELECT d AS relation FROM unnest(doomed) AS d LOOP
    total := total + opsadmin_private.drop_audit_partition(part.relation)::integer;
  END LOOP;
  RETURN total;
END
$$;
COMMENT ON FUNCTION opsadmin_private.purge_audit IS 'Forgets audit entries that are older than their table''s retention';
REVOKE ALL ON FUNCTION opsadmin_private.purge_audit FROM PUBLIC;

-- What the storage of the log lacks, for health().
CREATE OR REPLACE FUNCTION opsadmin_private.audit_findings() RETURNS SETOF opsadmin.finding
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  last_end timestamptz := (SELECT max(p.ends) FROM opsadmin_private.audit_partitions('audit_entry') AS p);
BEGIN
  IF EXISTS (SELECT FROM opsadmin.audited_table) AND (last_end IS NULL OR last_end < now() + interval '7 days') THEN
    RETURN NEXT ('warning', 'audit', 'audit_entry', coalesce('the audit log has partitions until ' || to_char(last_end AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' only',
                 'the audit log has no partitions'), 'SELECT opsadmin.run_maintenance();')::opsadmin.finding;
  END IF;
  IF EXISTS (SELECT FROM opsadmin.audit_entry_overflow) OR EXISTS (SELECT FROM opsadmin.audit_header_overflow) THEN
    RETURN NEXT ('error', 'audit', 'audit_entry_overflow', 'audit entries found no partition: reading them takes longer and longer', 'SELECT opsadmin.run_maintenance();')::opsadmin.finding;
  END IF;
  RETURN QUERY
    SELECT 'error', 'audit', t.name, format('%s statements since %s changed the table without audit entries, the last one because of: %s', count(*) || CASE WHEN count(*) >= 1000 THEN ' or more' ELSE '' END, date_trunc('second', min(f.created_at)),
                                            (array_agg(f.message ORDER BY f.created_at DESC))[1]),
           format('DELETE FROM opsadmin.audit_failure WHERE target_id = %s; -- when the cause is gone and what is missing is known', t.id)
    FROM opsadmin.audit_failure f JOIN opsadmin.target t ON t.id = f.target_id GROUP BY t.id;
  RETURN QUERY
    SELECT 'warning', 'audit', p.name::text, 'the partition is older than any retention', 'SELECT opsadmin.run_maintenance();'
    FROM opsadmin_private.audit_partitions('audit_entry') AS p
    WHERE p.ends + greatest((SELECT max(r.keep) FROM opsadmin.audit_retention r), interval '90 days') < now() - interval '2 days'
      AND NOT EXISTS (SELECT FROM opsadmin.audit_retention r WHERE r.legal_hold);
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_findings IS 'What the storage of the audit log lacks, for health()';
REVOKE ALL ON FUNCTION opsadmin_private.audit_findings FROM PUBLIC;

-- Tells whether tables inherit from a table, without being its partitions.
CREATE OR REPLACE FUNCTION opsadmin_private.is_inherited(target regclass) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE i.inhparent = $1 AND c.relkind = 'r')
$$;
COMMENT ON FUNCTION opsadmin_private.is_inherited IS 'Tells whether tables inherit from a table, without being its partitions';
REVOKE ALL ON FUNCTION opsadmin_private.is_inherited FROM PUBLIC;

-- The audited table whose tree a table belongs to, NULL without one.
CREATE OR REPLACE FUNCTION opsadmin_private.audited_root(relation regclass) RETURNS regclass
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH RECURSIVE ancestor AS (
    SELECT $1::oid AS relation, 0 AS height
    UNION SELECT i.inhparent, a.height + 1 FROM ancestor a JOIN pg_inherits i ON i.inhrelid = a.relation)
  SELECT t.relation FROM ancestor a JOIN opsadmin.target t ON t.relation = a.relation JOIN opsadmin.audited_table d ON d.target_id = t.id
  ORDER BY a.height DESC, t.id LIMIT 1
$$;
COMMENT ON FUNCTION opsadmin_private.audited_root IS 'The audited table that a table is, is a partition of or inherits from';
REVOKE ALL ON FUNCTION opsadmin_private.audited_root FROM PUBLIC;

-- Puts the triggers on all tables of an audited tree, as the registry has it. Statement triggers see what is sent to
-- their table, also to its partitions through it; what is sent to a partition needs those of the partition. Where tables
-- inherit, each has a trigger by row, which sees the table's own columns; for what logical replication applies,
-- too, since it fires no others. With all_members false, tables that have the triggers already are not even locked.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_tree(root regclass, all_members boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET opsadmin.guard = 'off' AS $$
DECLARE
  settings record;
  member record;
  spec record;
  table_name text;
  arguments text;
  existing name[];
  by_row boolean := opsadmin_private.is_inherited(root);
BEGIN
  SELECT d.*, t.key_column, coalesce(opsadmin_private.tenant_column_of(root), '') AS tenant_column
  INTO settings FROM opsadmin.audited_table d JOIN opsadmin.target t ON t.id = d.target_id WHERE t.relation = root;
  FOR member IN SELECT c.oid::regclass AS relation, c.relispartition, c.oid <> root AS is_child FROM opsadmin_private.tree_members(root) AS m JOIN pg_class c ON c.oid = m LOOP
    table_name := opsadmin_private.qualified_name(member.relation);
    existing := ARRAY(SELECT g.tgname FROM pg_trigger g WHERE g.tgrelid = member.relation AND g.tgfoid = 'opsadmin.audit_trigger'::regproc AND g.tgparentid = 0 ORDER BY g.tgname);
    CONTINUE WHEN NOT all_members AND existing = CASE
      WHEN by_row THEN '{opsadmin_audit_row,opsadmin_audit_truncate}'::name[]
      WHEN settings.replicated AND NOT member.relispartition THEN '{opsadmin_audit_delete,opsadmin_audit_insert,opsadmin_audit_row,opsadmin_audit_truncate,opsadmin_audit_update}'
      ELSE '{opsadmin_audit_delete,opsadmin_audit_insert,opsadmin_audit_truncate,opsadmin_audit_update}' END;
    SELECT concat_ws(', ', quote_literal(settings.target_id), quote_literal(settings.tenant_column), quote_literal('key:' || settings.key_column),
      -- A table that inherits has no key unless it is given one.
      (SELECT string_agg(quote_literal('root_key:' || a.attname), ', ') FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
       WHERE i.indrelid = root AND i.indisprimary AND by_row AND member.is_child),
      CASE WHEN member.is_child THEN quote_literal('child') END, CASE WHEN settings.replicated AND NOT by_row THEN quote_literal('replicated') END,
      (SELECT string_agg(quote_literal('redact:' || c), ', ') FROM unnest(settings.redact) AS c),
      (SELECT string_agg(quote_literal('ignore:' || c), ', ') FROM unnest(settings.ignore) AS c),
      (SELECT string_agg(quote_literal('keep:' || c), ', ') FROM unnest(settings.keep) AS c)) INTO arguments;
    -- One that somebody has given another name would write each change again, by the rules of then.
    FOR spec IN SELECT e AS name FROM unnest(existing) AS e WHERE e <> ALL ('{opsadmin_audit_insert,opsadmin_audit_update,opsadmin_audit_delete,opsadmin_audit_truncate,opsadmin_audit_row}') LOOP
      EXECUTE format('DROP TRIGGER %I ON %s', spec.name, table_name);
    END LOOP;
    FOR spec IN SELECT * FROM (VALUES ('insert', 'INSERT', 'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT', NOT by_row, 'ALWAYS'),
                                      ('update', 'UPDATE', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT', NOT by_row, 'ALWAYS'),
                                      ('delete', 'DELETE', 'REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT', NOT by_row, 'ALWAYS'),
                                      ('truncate', 'TRUNCATE', 'FOR EACH STATEMENT', true, 'ALWAYS'),
                                      -- A partition gets a clone of this one.
                                      ('row', 'INSERT OR UPDATE OR DELETE', 'FOR EACH ROW', by_row OR settings.replicated AND NOT member.relispartition,
                                       CASE WHEN by_row THEN 'ALWAYS' ELSE 'REPLICA' END)) AS v(suffix, events, kind, wanted, enabled) LOOP
      IF spec.wanted THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER opsadmin_audit_%s AFTER %s ON %s %s EXECUTE FUNCTION opsadmin.audit_trigger(%s)', spec.suffix, spec.events, table_name, spec.kind, arguments);
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER opsadmin_audit_%s', table_name, spec.enabled, spec.suffix);
      ELSIF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = member.relation AND g.tgname = 'opsadmin_audit_' || spec.suffix AND g.tgparentid = 0) THEN
        EXECUTE format('DROP TRIGGER opsadmin_audit_%s ON %s', spec.suffix, table_name);
      END IF;
    END LOOP;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_tree IS 'Puts the triggers on all tables of an audited tree';
REVOKE ALL ON FUNCTION opsadmin_private.audit_tree FROM PUBLIC;

-- Gives the triggers of an audited tree the tenant column that the root's protection has now.
CREATE OR REPLACE FUNCTION opsadmin_private.renew_audit(root regclass) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT opsadmin_private.audit_tree(t.relation) FROM opsadmin.target t JOIN opsadmin.audited_table d ON d.target_id = t.id WHERE t.relation = root
$$;
COMMENT ON FUNCTION opsadmin_private.renew_audit IS 'Gives the triggers of an audited tree the tenant column that the table has now';
REVOKE ALL ON FUNCTION opsadmin_private.renew_audit FROM PUBLIC;

-- Audits the children that this command has given to audited tables; called by the guard at its end.
CREATE OR REPLACE FUNCTION opsadmin_private.audit_new_children() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM opsadmin_private.audit_tree(found.root, all_members => false)
  FROM (SELECT DISTINCT opsadmin_private.audited_root(d.objid) AS root FROM pg_event_trigger_ddl_commands() AS d WHERE d.classid = 'pg_class'::regclass) AS found
  WHERE found.root IS NOT NULL;
END
$$;
COMMENT ON FUNCTION opsadmin_private.audit_new_children IS 'Audits the children that a command has given to audited tables';
REVOKE ALL ON FUNCTION opsadmin_private.audit_new_children FROM PUBLIC;
