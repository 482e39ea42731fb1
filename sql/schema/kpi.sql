-- KPIs and their daily values. A day is the tenant's own.

CREATE TABLE opsadmin.kpi (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  ordinal integer GENERATED ALWAYS AS IDENTITY,
  target_id integer NOT NULL REFERENCES opsadmin.target,
  time_column name NOT NULL,
  value text NOT NULL,
  filter text,
  unit text NOT NULL CHECK (unit IN ('count', 'money')),
  label jsonb NOT NULL
);
COMMENT ON TABLE opsadmin.kpi IS 'Key figures: an aggregate over the rows of a tenant''s day';

CREATE TABLE opsadmin.daily_kpi (
  tenant_id bigint NOT NULL REFERENCES opsadmin.tenant ON DELETE CASCADE,
  kpi text NOT NULL REFERENCES opsadmin.kpi ON DELETE CASCADE ON UPDATE CASCADE,
  day date NOT NULL,
  value numeric NOT NULL,
  computed_at timestamptz NOT NULL,
  final boolean NOT NULL,
  PRIMARY KEY (tenant_id, kpi, day)
);
COMMENT ON TABLE opsadmin.daily_kpi IS 'Values of KPIs by tenant and day; a day without a row has no value yet';
COMMENT ON COLUMN opsadmin.daily_kpi.final IS 'The day had ended, and with it every transaction of that day, when the value was computed';
CREATE INDEX daily_kpi_open ON opsadmin.daily_kpi (kpi, day) WHERE NOT final;

ALTER TABLE opsadmin.daily_kpi ENABLE ROW LEVEL SECURITY;
CREATE POLICY partner ON opsadmin.daily_kpi FOR SELECT TO opsadmin_partner
  USING (tenant_id = opsadmin.current_tenant() AND opsadmin.can('kpi:read'));
CREATE POLICY internal ON opsadmin.daily_kpi FOR SELECT TO opsadmin_internal USING (opsadmin.can('kpi:read'));
GRANT SELECT ON opsadmin.daily_kpi, opsadmin.kpi TO opsadmin_internal, opsadmin_partner;

SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.kpi_ordinal_seq', '');
SELECT pg_catalog.pg_extension_config_dump('opsadmin.daily_kpi', '');
