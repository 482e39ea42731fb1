-- Puts tables under audit and lists what the log holds.

-- Puts a table under audit, or changes the settings of one that is. Columns of redact appear as
-- "[redacted]", columns of ignore not at all. Raises OA425 for unknown columns, OA436 for other kinds of tables.
CREATE OR REPLACE FUNCTION opsadmin.audit(target regclass, redact name[] DEFAULT '{}', ignore name[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  found_target integer;
  table_name text;
  arguments text;
  spec record;
BEGIN
  PERFORM opsadmin_private.require_plain_table(target);
  PERFORM opsadmin_private.require_columns(target, redact || ignore);
  found_target := opsadmin_private.ensure_target(target);
  table_name := opsadmin_private.qualified_name(target);
  SELECT concat_ws(', ', quote_literal(found_target),
    quote_literal(coalesce((SELECT p.tenant_column FROM opsadmin.protected_table p WHERE p.target_id = found_target),
                           (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = target AND a.attname = 'tenant_id' AND NOT a.attisdropped), '')),
    (SELECT string_agg(quote_literal('redact:' || c), ', ') FROM unnest(redact) AS c),
    (SELECT string_agg(quote_literal('ignore:' || c), ', ') FROM unnest(ignore) AS c)) INTO arguments;
  FOR spec IN SELECT * FROM (VALUES ('insert', 'REFERENCING NEW TABLE AS new_rows'), ('update', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                                    ('delete', 'REFERENCING OLD TABLE AS old_rows'), ('truncate', '')) AS v(event, referencing) LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER opsadmin_audit_%s AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION opsadmin.audit_trigger(%s)',
                   spec.event, upper(spec.event), table_name, spec.referencing, arguments);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER opsadmin_audit_%s', table_name, spec.event);
  END LOOP;
  INSERT INTO opsadmin.audited_table (target_id, redact, ignore) VALUES (found_target, audit.redact, audit.ignore)
  ON CONFLICT (target_id) DO UPDATE SET redact = excluded.redact, ignore = excluded.ignore;
END
$$;
COMMENT ON FUNCTION opsadmin.audit IS 'Puts a table under audit, or changes which columns are redacted and ignored';
REVOKE ALL ON FUNCTION opsadmin.audit FROM PUBLIC;

-- Ends the audit of a table; what was logged stays. OA438 when it is not audited.
CREATE OR REPLACE FUNCTION opsadmin.unaudit(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  event text;
BEGIN
  DELETE FROM opsadmin.audited_table a USING opsadmin.target t WHERE t.id = a.target_id AND t.relation = target;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA438', MESSAGE = format('table "%s" is not audited', target),
      HINT = 'See opsadmin.audited_table.';
  END IF;
  FOREACH event IN ARRAY '{insert,update,delete,truncate}'::text[] LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS opsadmin_audit_%s ON %s', event, opsadmin_private.qualified_name(target));
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.unaudit IS 'Ends the audit of a table; what was logged stays';
REVOKE ALL ON FUNCTION opsadmin.unaudit FROM PUBLIC;

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
