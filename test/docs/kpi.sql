CREATE TABLE shop.sale (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, amount numeric, status text NOT NULL DEFAULT 'PAID', created_at timestamptz NOT NULL);
CREATE TABLE shop.visit (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, at timestamptz NOT NULL);
CREATE INDEX ON shop.sale (tenant_id, created_at);
CREATE INDEX ON shop.visit (tenant_id, at);
INSERT INTO shop.sale (id, tenant_id, amount, created_at) VALUES
  (1, 1, 20, '2026-11-19 10:00Z'), (2, 1, 30, '2026-11-20 23:30Z'), (3, 2, 7, '2026-11-20 16:00Z'), (4, 1, 5, '2026-11-21 09:00Z');
SELECT opsadmin.protect('shop.sale'), opsadmin.protect('shop.visit');

-- ## kpi_series
CALL opsadmin.run_kpis();
