-- What a transaction says of itself in the audit log, and what happened besides changes of rows.

-- Checks what an entry is to be stamped with: OA420 for an action or a meta that does not fit.
CREATE OR REPLACE FUNCTION opsadmin_private.require_stamp(action text, meta jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(octet_length(action), 0) NOT BETWEEN 1 AND 64 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the action is empty or longer than 64 bytes', COLUMN = '/action',
      HINT = 'Use a short name, such as nightly-import, and meta for the rest.';
  ELSIF jsonb_typeof(meta) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'meta is not an object', COLUMN = '/meta', HINT = 'For example {"file":"prices.csv"}.';
  ELSIF meta ?| '{reason,action}' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'meta holds a reason or an action', COLUMN = '/meta',
      HINT = 'A reason is given when the context is bound, the action beside meta.';
  ELSIF octet_length(meta::text) > 8192 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'meta is larger than 8 kB', COLUMN = '/meta', HINT = 'All annotations of a transaction count together.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_stamp IS 'Raises OA420 unless an action and a meta fit into the audit log';
REVOKE ALL ON FUNCTION opsadmin_private.require_stamp FROM PUBLIC;

-- Tells whether the session is a site's. Its statements are not the company's code: they may add to what that has said,
-- and not change it.
CREATE OR REPLACE FUNCTION opsadmin_private.is_site_session() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT session_user IN ('opsadmin_internal_login', 'opsadmin_partner_login')
$$;
COMMENT ON FUNCTION opsadmin_private.is_site_session IS 'Tells whether the session is one of a site''s login';
REVOKE ALL ON FUNCTION opsadmin_private.is_site_session FROM PUBLIC;

-- Stamps the headers that this transaction has written; with only_adds, what they say already stays. It goes to the partitions past the table on top, as the module
-- does, so that neither waits for the upkeep. Ids begin with their time, and an event's entry has the id after its header's.
CREATE OR REPLACE FUNCTION opsadmin_private.annotate_headers(new_action text, new_meta jsonb, only_adds boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  soon timestamptz := clock_timestamp() + interval '1 minute';
  is_event text;
  part name;
BEGIN
  SELECT string_agg(format('EXISTS (SELECT FROM opsadmin.%I e WHERE e.id = h.id + 1 AND e.op = ''E'')', written.name), ' OR ') INTO is_event
  FROM (SELECT p.name FROM opsadmin_private.audit_partitions('audit_entry') AS p WHERE p.ends > now() AND p.begins < soon UNION ALL SELECT 'audit_entry_overflow') AS written;
  FOR part IN SELECT p.name FROM opsadmin_private.audit_partitions('audit_header') AS p WHERE p.ends > now() AND p.begins < soon UNION ALL SELECT 'audit_header_overflow' LOOP
    EXECUTE format($query$
      UPDATE opsadmin.%I h SET (action, meta) = (
        SELECT CASE WHEN w.has_action OR $3 AND h.action IS NOT NULL THEN h.action ELSE $1 END,
               nullif(CASE WHEN $3 THEN w.said || coalesce(h.meta, '{}') ELSE coalesce(h.meta, '{}') || w.said END, '{}')
        FROM (SELECT n.has_action, $2 || CASE WHEN n.has_action THEN jsonb_build_object('action', $1) ELSE '{}' END AS said
              FROM (SELECT h.job_id IS NOT NULL OR %s AS has_action) AS n) AS w)
      WHERE h.id >= opsadmin_private.audit_id_at(date_trunc('milliseconds', now())) AND h.xact = pg_current_xact_id_if_assigned()
    $query$, part, is_event) USING new_action, new_meta, only_adds;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.annotate_headers IS 'Stamps the audit headers that this transaction has written with an action and a meta';
REVOKE ALL ON FUNCTION opsadmin_private.annotate_headers FROM PUBLIC;

-- Stamps all entries of this transaction, written and to come; a savepoint that is rolled back takes it along. The last
-- action holds, and of each member of meta the last. Entries that have an action of their own, a job's or an event's,
-- keep it, and have this one as the member "action" of meta. In a session of a site's login the first action holds, and
-- of each member the first: what the company's code has said is not for partners to change. Raises OA420.
CREATE OR REPLACE FUNCTION opsadmin.annotate_audit(action text, meta jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  only_adds boolean := opsadmin_private.is_site_session();
  before jsonb := CASE WHEN only_adds THEN opsadmin_private.said() END;
  said jsonb;
BEGIN
  PERFORM opsadmin_private.require_stamp(action, meta);
  action := coalesce(before ->> 'action', action);
  said := opsadmin_private.annotate(action, opsadmin_private.redact(coalesce(meta, '{}')) || coalesce(before - '{action,reason}'::text[], '{}'));
  PERFORM opsadmin_private.require_stamp(action, said);
  -- Without an id the transaction has written nothing.
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    PERFORM opsadmin_private.annotate_headers(action, said, only_adds);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.annotate_audit IS 'Stamps all audit entries of this transaction with an action and a meta';
REVOKE ALL ON FUNCTION opsadmin.annotate_audit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.annotate_audit TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;

-- Writes an entry for what is no change of a row, in the context's tenant. A target is an audited table, and target_pk
-- the key of a row in it. At most 1,000 a transaction in a session of a site's login. Raises OA420, and OA438 for a table
-- that is not audited.
CREATE OR REPLACE FUNCTION opsadmin.audit_event(action text, target regclass DEFAULT NULL, target_pk jsonb DEFAULT NULL, meta jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_target integer := 0;
  audited record;
  key jsonb;
  key_number bigint;
  tenant bigint;
BEGIN
  PERFORM opsadmin_private.require_stamp(action, meta);
  IF target_pk IS NOT NULL AND (target IS NULL OR jsonb_typeof(target_pk) <> 'object' OR octet_length(target_pk::text) > 8192) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'target_pk is not the key of a row', COLUMN = '/target_pk',
      HINT = 'Name the table as target and the key as the log has it, for example {"id":1}.';
  END IF;
  IF target IS NOT NULL THEN
    SELECT a.*, t.key_column INTO audited FROM opsadmin.audited_table a JOIN opsadmin.target t ON t.id = a.target_id WHERE t.relation = audit_event.target;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'OA438', MESSAGE = format('table "%s" is not audited', target), HINT = 'See opsadmin.audited_table.';
    END IF;
    found_target := audited.target_id;
    -- As the trigger redacts it, and by the integer alone where the trigger does that.
    SELECT jsonb_object_agg(m.key, CASE WHEN m.key = ANY (audited.redact) THEN '"[redacted]"' WHEN m.key = ANY (audited.keep) THEN m.value
                                        ELSE opsadmin_private.redact(jsonb_build_object(m.key, m.value)) -> m.key END) INTO key FROM jsonb_each(target_pk) AS m;
    IF key - audited.key_column::text = '{}' AND jsonb_typeof(key -> audited.key_column::text) = 'number' AND (key ->> audited.key_column::text) ~ '^-?[0-9]{1,19}$'
      AND (key ->> audited.key_column::text)::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
      key_number := (key ->> audited.key_column::text)::bigint;
    END IF;
  END IF;
  IF opsadmin_private.context_is_bound() THEN
    tenant := (opsadmin.context() ->> 'tenant_id')::bigint;
  END IF;
  PERFORM opsadmin_private.write_event(action, found_target, key_number, key, opsadmin_private.redact(meta), coalesce(tenant, 0));
  IF opsadmin_private.count_event() > 1000 AND opsadmin_private.is_site_session() THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'a transaction has more than 1,000 events', HINT = 'Write one event for all of them, with what they have in common as meta.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.audit_event IS 'Writes an audit entry for what is no change of a row';
REVOKE ALL ON FUNCTION opsadmin.audit_event FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.audit_event TO opsadmin_internal, opsadmin_partner, opsadmin_trusted;
