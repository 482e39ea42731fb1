SET ROLE shop_app;
CREATE TABLE shop."order" (id bigint NOT NULL, tenant_id bigint, amount integer);
INSERT INTO shop."order" VALUES (1, 1, 10), (2, 2, 20);
GRANT SELECT ON shop."order" TO reporting;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop."order" TO shop_app;
RESET ROLE;

-- ## OA436: the kind of table
CREATE TABLE shop.visit (id bigint, at date, tenant_id bigint NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.visit_2025 PARTITION OF shop.visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- ## OA450: rows that refer to another tenant's
CREATE TABLE shop.review (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, product_id bigint REFERENCES shop.product);
INSERT INTO shop.review VALUES (7, 1, 3);

-- ## OA451: foreign keys that cannot be kept
CREATE TABLE shop.photo (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, product_id bigint REFERENCES shop.product ON UPDATE SET NULL);

-- ## OA437: larger than 1 GB
SELECT opsadmin.unprotect('shop.order');
