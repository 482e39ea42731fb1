-- The audit log: a header a transaction and a narrow entry a changed row, and the view that joins them.
-- The C++ trigger writes both; extension/pg/audit_log.cpp knows the order of their columns.

CREATE SEQUENCE opsadmin.audit_id_seq CACHE 100 CYCLE;

CREATE TABLE opsadmin.audit_header (
  id bigint PRIMARY KEY,
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
  xact xid8 NOT NULL
);
COMMENT ON TABLE opsadmin.audit_header IS 'Who, from where and as part of what: one row a transaction that changed audited rows';
CREATE INDEX audit_header_job ON opsadmin.audit_header (job_id, id) WHERE job_id IS NOT NULL;
CREATE INDEX audit_header_actor ON opsadmin.audit_header (actor_id, id) WHERE actor_id IS NOT NULL;

CREATE TABLE opsadmin.audit_entry (
  id bigint PRIMARY KEY,
  header_id bigint NOT NULL,
  tenant_id bigint NOT NULL,
  target_id integer NOT NULL,
  target_pk jsonb,
  op "char" NOT NULL,
  before jsonb,
  after jsonb
);
COMMENT ON TABLE opsadmin.audit_entry IS 'What changed: one row a changed row. The high bits of id are milliseconds since 1970';
CREATE INDEX audit_entry_tenant ON opsadmin.audit_entry (tenant_id, id);
CREATE INDEX audit_entry_header ON opsadmin.audit_entry (header_id, id);

ALTER TABLE opsadmin.audit_header ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.audit_header FOR SELECT TO opsadmin_partner
  USING (tenant_id = opsadmin.current_tenant() AND opsadmin.can('audit:read'));
CREATE POLICY internal ON opsadmin.audit_header FOR SELECT TO opsadmin_internal USING (opsadmin.can('audit:read'));
ALTER TABLE opsadmin.audit_entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.audit_entry FOR SELECT TO opsadmin_partner
  USING (tenant_id = opsadmin.current_tenant() AND opsadmin.can('audit:read'));
CREATE POLICY internal ON opsadmin.audit_entry FOR SELECT TO opsadmin_internal USING (opsadmin.can('audit:read'));

CREATE VIEW opsadmin.audit_log WITH (security_invoker = true, security_barrier = true) AS
SELECT e.id,
       to_timestamp((e.id >> 20) / 1000.0) AS created_at,
       e.tenant_id,
       h.actor_id, h.actor_name, h.db_user, h.site, h.ip, h.method, h.path, h.request_id, h.job_id, h.action,
       t.name AS target,
       e.target_pk,
       CASE e.op WHEN 'I' THEN 'INSERT' WHEN 'U' THEN 'UPDATE' WHEN 'D' THEN 'DELETE' ELSE 'TRUNCATE' END AS op,
       e.before, e.after, h.meta, e.header_id, h.xact
FROM opsadmin.audit_entry e
LEFT JOIN opsadmin.audit_header h ON h.id = e.header_id
LEFT JOIN opsadmin.target t ON t.id = e.target_id;
COMMENT ON VIEW opsadmin.audit_log IS 'Every committed change of an audited row, once, with who and from where; tenant_id 0: of no tenant';

GRANT SELECT ON opsadmin.audit_header, opsadmin.audit_entry, opsadmin.audit_log, opsadmin.target TO opsadmin_internal, opsadmin_partner;

SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_header', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.audit_entry', '');
