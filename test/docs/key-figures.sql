CREATE TABLE shop.sale (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, amount numeric, status text NOT NULL DEFAULT 'PAID', created_at timestamptz NOT NULL);
INSERT INTO shop.sale (id, tenant_id, amount, created_at) VALUES (1, 1, 20, '2026-11-20 10:00Z');
SELECT opsadmin.protect('shop.sale');
