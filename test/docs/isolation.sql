-- ## protect
SET ROLE shop_app;
CREATE TABLE shop.category (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text);
RESET ROLE;

-- ## protect_plan
CREATE TABLE shop.tag (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, parent_id bigint REFERENCES shop.tag ON DELETE SET NULL);

-- ## protect_children
CREATE TABLE shop.visit (id bigint PRIMARY KEY, tenant_id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES FROM (1) TO (100);
SELECT opsadmin.protect('shop.visit');

-- ## Foreign keys
CREATE TABLE shop.review (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, product_id bigint REFERENCES shop.product);
SELECT opsadmin.protect('shop.review');

-- ## cross_tenant_references
SELECT opsadmin.unprotect('shop.review');
INSERT INTO shop.review VALUES (7, 1, 3);

-- ## secure_foreign_key
DELETE FROM shop.review;
SELECT opsadmin.protect('shop.review');

-- ## opsadmin.protected_table
SET opsadmin.guard = off;
SELECT opsadmin.unprotect('shop.review'), opsadmin.unprotect('shop.visit');
