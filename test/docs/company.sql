-- What the examples of the documentation begin with: two tenants, three products, and people of both sites.
CREATE EXTENSION opsadmin;
CREATE ROLE shop_app;
CREATE ROLE reporting;
CREATE SCHEMA shop AUTHORIZATION shop_app;
SELECT opsadmin.create_tenant('acme', 'Acme', 'Europe/Berlin'), opsadmin.create_tenant('globex', 'Globex', 'Asia/Seoul');
SELECT opsadmin.create_actor('ops@example.com', 'Ops'), opsadmin.create_actor('partner@example.com', 'Partner'),
       opsadmin.create_actor('lee@example.com', 'Lee'), opsadmin.create_actor('member@example.com', 'Member');
SELECT opsadmin.grant_role('ops@example.com', 'superadmin'), opsadmin.grant_role('partner@example.com', 'partner_member', 'acme'),
       opsadmin.grant_role('lee@example.com', 'partner_admin', 'acme'), opsadmin.grant_role('member@example.com', 'partner_member', 'acme');
SET ROLE shop_app;
CREATE TABLE shop.product (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text NOT NULL, price numeric(12,2) NOT NULL, stock integer NOT NULL DEFAULT 0, updated_at timestamptz);
CREATE INDEX ON shop.product (tenant_id, id);
INSERT INTO shop.product VALUES (1, 1, 'Green tea', 12, 40), (2, 1, 'Teapot', 45, 3), (3, 2, 'Coffee', 9, 12);
RESET ROLE;
SELECT opsadmin.protect('shop.product', trusted_roles => '{shop_app}');
