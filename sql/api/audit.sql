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

-- list_audit(filter, cursor, page_size): entries, newest first, as {"rows":[…],"next":…}. filter may hold
-- job_id, target (schema.table) and actor (part of the name). Needs audit:read.
CREATE OR REPLACE FUNCTION opsadmin.list_audit(filter jsonb DEFAULT NULL, cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  size integer := opsadmin_private.page_size(page_size);
  own_tenant bigint := opsadmin.current_tenant();
  list text := 'audit' || coalesce(filter, '{}')::text || coalesce(own_tenant::text, '*');
  before_id bigint := (opsadmin_private.read_cursor(list, cursor) ->> 0)::bigint;
  conditions text := 'true';
  answer json;
BEGIN
  PERFORM opsadmin_private.require_permission('audit:read');
  IF jsonb_typeof(filter) <> 'object' OR filter - '{job_id,target,actor}'::text[] <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the filter holds something else than job_id, target and actor', COLUMN = '/filter',
      HINT = 'For example {"target":"shop.product","actor":"Kim"}.';
  END IF;
  IF filter ? 'job_id' AND (filter ->> 'job_id') !~ '^[0-9]{1,18}$' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'job_id is not a number', COLUMN = '/filter/job_id',
      HINT = 'Use the id of a job, as opsadmin.list_jobs() shows it.';
  END IF;
  -- The conditions that are not asked for are not in the statement, so that each finds its index.
  conditions := concat_ws(' AND ', 'l.id < $1', CASE WHEN own_tenant IS NOT NULL THEN 'l.tenant_id = $2' END,
    CASE WHEN filter ->> 'job_id' IS NOT NULL THEN 'l.job_id = $3' END, CASE WHEN filter ->> 'target' IS NOT NULL THEN 'l.target = $4' END,
    CASE WHEN filter ->> 'actor' IS NOT NULL THEN 'position(lower($5) IN lower(l.actor_name)) > 0' END);
  EXECUTE format($query$
    WITH found AS (SELECT l.* FROM opsadmin.audit_log l WHERE %s ORDER BY l.id DESC LIMIT $6 + 1), page AS (SELECT * FROM found ORDER BY id DESC LIMIT $6)
    SELECT json_build_object('rows', coalesce((SELECT json_agg(json_build_object(
      'id', p.id::text, 'created_at', p.created_at, 'tenant', (SELECT json_build_object('slug', t.slug, 'name', t.name) FROM opsadmin.tenant t WHERE t.id = p.tenant_id),
      'actor_name', p.actor_name, 'db_user', p.db_user, 'site', p.site, 'ip', host(p.ip), 'method', p.method, 'path', p.path, 'request_id', p.request_id,
      'job_id', p.job_id::text, 'action', p.action, 'target', p.target, 'target_pk', opsadmin_private.numbers_as_text(p.target_pk), 'op', p.op,
      'before', opsadmin_private.numbers_as_text(p.before), 'after', opsadmin_private.numbers_as_text(p.after), 'meta', p.meta)
      ORDER BY p.id DESC) FROM page p), '[]'),
      'next', CASE WHEN (SELECT count(*) FROM found) > $6 THEN (SELECT opsadmin_private.make_cursor($7, json_build_array(min(id)::text)::text) FROM page) END)
  $query$, conditions)
  INTO answer USING coalesce(before_id, 9223372036854775807), own_tenant, (filter ->> 'job_id')::bigint, filter ->> 'target', filter ->> 'actor', size, list;
  RETURN answer;
END
$$;
COMMENT ON FUNCTION opsadmin.list_audit IS 'Entries of the audit log that the actor may see, newest first, as json';
REVOKE ALL ON FUNCTION opsadmin.list_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_audit TO opsadmin_internal, opsadmin_partner;
