-- KPIs, their daily values, and what is still to be computed. A day is the tenant's own.

CREATE TABLE opsadmin.kpi (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  ordinal integer GENERATED ALWAYS AS IDENTITY,
  target_id integer REFERENCES opsadmin.target,
  time_column name,
  value text,
  filter text,
  query text,
  unit text NOT NULL CHECK (unit IN ('count', 'money')),
  label jsonb NOT NULL,
  sticky boolean NOT NULL,
  over_days text NOT NULL CHECK (over_days IN ('sum', 'avg', 'max', 'min')),
  over_tenants text NOT NULL CHECK (over_tenants IN ('sum', 'avg', 'max', 'min')),
  frozen_before date,
  CHECK (CASE WHEN query IS NULL THEN target_id IS NOT NULL AND time_column IS NOT NULL AND value IS NOT NULL
              ELSE coalesce(target_id::text, time_column, value, filter) IS NULL END)
);
COMMENT ON TABLE opsadmin.kpi IS 'Key figures: an aggregate over the rows of a tenant''s day, or a query about it';
COMMENT ON COLUMN opsadmin.kpi.sticky IS 'Values of a day stay as they were when it ended';
COMMENT ON COLUMN opsadmin.kpi.over_days IS 'What makes one value of those of several days';
COMMENT ON COLUMN opsadmin.kpi.over_tenants IS 'What makes one value of those of several tenants';
COMMENT ON COLUMN opsadmin.kpi.frozen_before IS 'Values of earlier days are not computed any more';

CREATE TABLE opsadmin.daily_kpi (
  tenant_id bigint NOT NULL REFERENCES opsadmin.tenant ON DELETE CASCADE,
  kpi text NOT NULL REFERENCES opsadmin.kpi ON DELETE CASCADE ON UPDATE CASCADE,
  day date NOT NULL,
  value numeric NOT NULL,
  computed_at timestamptz NOT NULL,
  final boolean NOT NULL,
  PRIMARY KEY (tenant_id, kpi, day)
) WITH (fillfactor = 80);
COMMENT ON TABLE opsadmin.daily_kpi IS 'Values of KPIs by tenant and day; a day without a row has no rows in the source, or no value yet';
COMMENT ON COLUMN opsadmin.daily_kpi.computed_at IS 'When the value was found last to be another than before';
COMMENT ON COLUMN opsadmin.daily_kpi.final IS 'The day had ended, and with it every transaction of that day, when the value was computed; late changes are noted and computed again';
CREATE INDEX daily_kpi_open ON opsadmin.daily_kpi (kpi, day) WHERE NOT final;
CREATE INDEX daily_kpi_kpi ON opsadmin.daily_kpi (kpi, day);

ALTER TABLE opsadmin.daily_kpi ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.daily_kpi FOR SELECT TO opsadmin_partner
  USING (tenant_id = opsadmin.current_tenant() AND opsadmin.can('kpi:read'));
CREATE POLICY internal ON opsadmin.daily_kpi FOR SELECT TO opsadmin_internal USING (opsadmin.can('kpi:read'));
GRANT SELECT ON opsadmin.daily_kpi, opsadmin.kpi TO opsadmin_internal, opsadmin_partner;

CREATE TABLE opsadmin.kpi_source (
  target_id integer PRIMARY KEY,
  members regclass[] NOT NULL DEFAULT '{}',
  refreshed_at timestamptz,
  settled_at timestamptz,
  pending_at timestamptz,
  pending_xid xid8,
  failure text
) WITH (fillfactor = 50);
COMMENT ON TABLE opsadmin.kpi_source IS 'Tables that KPIs are computed from; the row''s lock is the refresh''s. Target 0 is that of KPIs by query';
COMMENT ON COLUMN opsadmin.kpi_source.members IS 'The tables of the tree when it was refreshed last';
COMMENT ON COLUMN opsadmin.kpi_source.settled_at IS 'Every transaction that wrote before this moment has ended';
COMMENT ON COLUMN opsadmin.kpi_source.failure IS 'Why run_kpis() could not refresh it the last time';
COMMENT ON COLUMN opsadmin.kpi_source.pending_at IS 'The next such moment, once no transaction before pending_xid runs any more';

-- Written by extension/pg/kpi.cpp, which wants it without an index.
CREATE TABLE opsadmin.kpi_dirty (
  target_id integer NOT NULL,
  tenant_key text,
  at timestamptz
);
COMMENT ON TABLE opsadmin.kpi_dirty IS 'Stretches of four hours of closed days in which rows have changed since the last refresh; without a tenant: all';

CREATE TABLE opsadmin.kpi_backlog (
  target_id integer NOT NULL REFERENCES opsadmin.kpi_source ON DELETE CASCADE,
  kpi text REFERENCES opsadmin.kpi ON DELETE CASCADE ON UPDATE CASCADE,
  tenant_id bigint REFERENCES opsadmin.tenant ON DELETE CASCADE,
  first_day date NOT NULL,
  last_day date NOT NULL,
  reason text NOT NULL CHECK (reason IN ('defined', 'changed', 'tenant', 'truncated', 'partitions', 'untracked', 'missed', 'mismatch', 'thawed', 'failed')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  not_before timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE opsadmin.kpi_backlog IS 'Ranges of days that are still to be computed, the newest first; last_day moves towards first_day. Without a KPI or tenant: all';
COMMENT ON COLUMN opsadmin.kpi_backlog.not_before IS 'Not until every transaction that wrote before this moment has ended';

CREATE TABLE opsadmin.kpi_tenant (
  tenant_id bigint PRIMARY KEY REFERENCES opsadmin.tenant ON DELETE CASCADE,
  time_zone text NOT NULL,
  key text
);
COMMENT ON TABLE opsadmin.kpi_tenant IS 'Tenants as the last refresh knew them: one that has changed is computed anew';

CREATE TABLE opsadmin.kpi_failure (
  kpi text PRIMARY KEY REFERENCES opsadmin.kpi ON DELETE CASCADE ON UPDATE CASCADE,
  message text NOT NULL,
  tenant_id bigint REFERENCES opsadmin.tenant ON DELETE CASCADE,
  day date,
  failed_at timestamptz NOT NULL,
  failures integer NOT NULL
);
COMMENT ON TABLE opsadmin.kpi_failure IS 'KPIs that could not be computed, with the last error';

CREATE TABLE opsadmin.kpi_repair (
  found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  kpi text NOT NULL REFERENCES opsadmin.kpi ON DELETE CASCADE ON UPDATE CASCADE,
  tenant_id bigint NOT NULL REFERENCES opsadmin.tenant ON DELETE CASCADE,
  day date NOT NULL,
  stored numeric,
  recomputed numeric NOT NULL
);
COMMENT ON TABLE opsadmin.kpi_repair IS 'Values that verify_kpi() found to be wrong and has put right';

-- Each backend keeps the open days of the tenants that it has met, until one changes.
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON opsadmin.tenant EXECUTE FUNCTION opsadmin_private.registry_changed();
ALTER TABLE opsadmin.tenant ENABLE ALWAYS TRIGGER registry_changed;

SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_ordinal_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.daily_kpi', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_source', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_dirty', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_backlog', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_tenant', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_failure', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_repair', '');
