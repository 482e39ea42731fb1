-- The audit log: a header a transaction and a narrow entry a changed row, and the view that joins them.
-- The C++ trigger writes both; extension/pg/audit_log.cpp knows the order of their columns.

CREATE TABLE opsadmin.audit_header (
  id bigint NOT NULL,
  tenant_id bigint NOT NULL,
  created_at timestamptz NOT NULL,
  actor_id bigint,
  actor_name text,
  db_user text NOT NULL,
  site text,
  ip inet,
  method text,
  path text,
  request_id text,
  job_id bigint,
  action text,
  meta jsonb,
  xact xid8 NOT NULL,
  application text
) PARTITION BY RANGE (id);
COMMENT ON TABLE opsadmin.audit_header IS 'Who, from where and as part of what: one row a transaction that changed audited rows, and one an event';
COMMENT ON COLUMN opsadmin.audit_header.application IS 'What the session calls itself, by application_name';

CREATE TABLE opsadmin.audit_entry (
  id bigint NOT NULL,
  header_id bigint NOT NULL,
  tenant_id bigint NOT NULL,
  row_key bigint,
  target_id integer NOT NULL,
  op "char" NOT NULL,
  target_pk jsonb,
  before jsonb,
  after jsonb
) PARTITION BY RANGE (id);
COMMENT ON TABLE opsadmin.audit_entry IS 'What changed: one row a changed row. The high bits of id are milliseconds since 1970';
COMMENT ON COLUMN opsadmin.audit_entry.row_key IS 'The primary key, if it is the one integer that target.key_column names; else a hash of target_pk; NULL without a key';

-- What finds no partition. It is in no plan but the view's, and empty unless the upkeep has not run for weeks.
CREATE TABLE opsadmin.audit_header_overflow (LIKE opsadmin.audit_header);
COMMENT ON TABLE opsadmin.audit_header_overflow IS 'Headers that found no partition; run_maintenance() moves them';
CREATE TABLE opsadmin.audit_entry_overflow (LIKE opsadmin.audit_entry);
COMMENT ON TABLE opsadmin.audit_entry_overflow IS 'Entries that found no partition; run_maintenance() moves them';

-- The C++ trigger knows the order of its columns.
CREATE TABLE opsadmin.audit_failure (
  created_at timestamptz NOT NULL,
  target_id integer NOT NULL,
  message text NOT NULL,
  actor_id bigint,
  tenant_id bigint NOT NULL,
  db_user text NOT NULL
);
COMMENT ON TABLE opsadmin.audit_failure IS 'Statements that opsadmin.audit_on_error = warn has let through without audit entries, the first thousand of each table';
COMMENT ON COLUMN opsadmin.audit_failure.tenant_id IS 'The tenant of the context, 0 without one';

DO $$
DECLARE
  part text;
BEGIN
  FOREACH part IN ARRAY '{audit_header,audit_header_overflow,audit_entry,audit_entry_overflow}'::text[] LOOP
    EXECUTE format('ALTER TABLE opsadmin.%I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('CREATE POLICY partner ON opsadmin.%I FOR SELECT TO opsadmin_partner
      USING (tenant_id = opsadmin.current_tenant() AND opsadmin.can(''audit:read''))', part);
    EXECUTE format('CREATE POLICY internal ON opsadmin.%I FOR SELECT TO opsadmin_internal USING (opsadmin.can(''audit:read''))', part);
    EXECUTE format('GRANT SELECT ON opsadmin.%I TO opsadmin_internal', part);
  END LOOP;
END
$$;

-- Tells whether the names and addresses of staff are shown to the caller: not to partners, nor without audit:read.
CREATE FUNCTION opsadmin_private.sees_staff() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN NOT row_security_active('opsadmin.audit_header') OR opsadmin.current_site() = 'internal' AND opsadmin.can('audit:read');
END
$$;
COMMENT ON FUNCTION opsadmin_private.sees_staff IS 'Tells whether the names and addresses of staff are shown to the caller';
REVOKE ALL ON FUNCTION opsadmin_private.sees_staff FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.sees_staff TO opsadmin_internal, opsadmin_partner;

-- The tenant whose people's names are shown to the caller: a partner's own, NULL without audit:read and of whoever sees
-- all. A parallel plan asks even where the answer is not needed, so it is no error without a context.
CREATE FUNCTION opsadmin_private.tenant_of_names() RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN CASE WHEN NOT opsadmin_private.sees_staff() AND opsadmin.can('audit:read') THEN opsadmin.current_tenant() END;
END
$$;
COMMENT ON FUNCTION opsadmin_private.tenant_of_names IS 'The tenant whose people''s names are shown to the caller; NULL without audit:read and of whoever sees all';
REVOKE ALL ON FUNCTION opsadmin_private.tenant_of_names FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.tenant_of_names TO opsadmin_internal, opsadmin_partner;

-- Reads as its owner, because partners have no right on these columns, so it has the condition of the policies itself.
-- It is no barrier, so that it joins by index: therefore each value is masked, too. The subqueries are evaluated once,
-- and not by the planner. From where it came is a partner's own only of what came through the gateway: of a DBA or the
-- company's application, who have bound the context themselves, it is theirs. A job has the address of who started it.
CREATE VIEW opsadmin_private.audit_who AS
SELECT h.id,
       CASE WHEN (SELECT opsadmin_private.sees_staff()) OR h.tenant_id = (SELECT opsadmin_private.tenant_of_names()) AND h.site IS DISTINCT FROM 'internal' THEN h.actor_id END AS actor_id,
       CASE WHEN (SELECT opsadmin_private.sees_staff()) OR h.tenant_id = (SELECT opsadmin_private.tenant_of_names()) AND h.site IS DISTINCT FROM 'internal' THEN h.actor_name
            WHEN h.tenant_id = (SELECT opsadmin_private.tenant_of_names()) THEN 'support' END AS actor_name,
       CASE WHEN (SELECT opsadmin_private.sees_staff()) OR h.tenant_id = (SELECT opsadmin_private.tenant_of_names()) AND h.site = 'partner' AND h.actor_id IS NOT NULL AND h.db_user = 'opsadmin_partner_login' THEN h.db_user END AS db_user,
       CASE WHEN (SELECT opsadmin_private.sees_staff()) OR h.tenant_id = (SELECT opsadmin_private.tenant_of_names()) AND h.site = 'partner' AND h.actor_id IS NOT NULL AND (h.db_user = 'opsadmin_partner_login' OR h.job_id IS NOT NULL) THEN h.ip END AS ip,
       CASE WHEN (SELECT opsadmin_private.sees_staff()) OR h.tenant_id = (SELECT opsadmin_private.tenant_of_names()) AND h.site = 'partner' AND h.actor_id IS NOT NULL AND h.db_user = 'opsadmin_partner_login' THEN h.application END AS application
FROM (SELECT * FROM opsadmin.audit_header UNION ALL SELECT * FROM opsadmin.audit_header_overflow) AS h
WHERE (SELECT opsadmin_private.sees_staff()) OR h.tenant_id = (SELECT opsadmin_private.tenant_of_names());
COMMENT ON VIEW opsadmin_private.audit_who IS 'Who, as the caller may see it: staff are "support" to partners';

-- No security_barrier: the policies of the tables have theirs, the view hides nothing more, and a barrier would sort all
-- entries for the newest fifty.
CREATE VIEW opsadmin.audit_log WITH (security_invoker = true) AS
SELECT e.id,
       to_timestamp((e.id >> 20) / 1000.0) AS created_at,
       e.tenant_id,
       w.actor_id, w.actor_name, w.db_user, h.site, w.ip, h.method, h.path, h.request_id, h.job_id, h.action,
       t.name AS target,
       CASE WHEN e.target_pk IS NULL AND e.row_key IS NOT NULL THEN jsonb_build_object(t.key_column, e.row_key) ELSE e.target_pk END AS target_pk,
       CASE e.op WHEN 'I' THEN 'INSERT' WHEN 'U' THEN 'UPDATE' WHEN 'D' THEN 'DELETE' WHEN 'E' THEN 'EVENT' ELSE 'TRUNCATE' END AS op,
       e.before, e.after, h.meta, e.header_id, h.xact, w.application, e.target_id, e.row_key
FROM (SELECT * FROM opsadmin.audit_entry UNION ALL SELECT * FROM opsadmin.audit_entry_overflow) AS e
LEFT JOIN (SELECT id, tenant_id, created_at, site, method, path, request_id, job_id, action, meta, xact FROM opsadmin.audit_header
           UNION ALL SELECT id, tenant_id, created_at, site, method, path, request_id, job_id, action, meta, xact FROM opsadmin.audit_header_overflow) AS h ON h.id = e.header_id
LEFT JOIN opsadmin_private.audit_who w ON w.id = h.id
LEFT JOIN opsadmin.target t ON t.id = e.target_id;
COMMENT ON VIEW opsadmin.audit_log IS 'Every committed change of an audited row, and every event, once, with who and from where; tenant_id 0: of no tenant';

GRANT SELECT ON opsadmin.audit_log, opsadmin.target, opsadmin_private.audit_who TO opsadmin_internal, opsadmin_partner;
GRANT SELECT ON opsadmin.audit_entry, opsadmin.audit_entry_overflow TO opsadmin_partner;
-- Without who it was and from where: partners see that in audit_log, as far as it is shown to them.
GRANT SELECT (id, tenant_id, created_at, site, method, path, request_id, job_id, action, meta, xact) ON opsadmin.audit_header, opsadmin.audit_header_overflow TO opsadmin_partner;

SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_header_overflow', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_entry_overflow', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_failure', '');
