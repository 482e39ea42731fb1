SELECT opsadmin.unprotect('shop.product');
CREATE TABLE shop.category (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE TABLE shop.shop (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
INSERT INTO shop.category VALUES (1, 1), (2, 2);
INSERT INTO shop.shop VALUES (1, 1), (2, 2);
ALTER TABLE shop.product ADD category_id bigint REFERENCES shop.category, ADD shop_id bigint REFERENCES shop.shop;
UPDATE shop.product SET category_id = tenant_id, shop_id = tenant_id;
SELECT opsadmin.protect(t) FROM unnest('{shop.category,shop.shop}'::regclass[]) AS t;
SELECT opsadmin.protect('shop.product', trusted_roles => '{shop_app}');
