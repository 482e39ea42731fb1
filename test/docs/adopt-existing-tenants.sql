DELETE FROM opsadmin.tenant;
CREATE SCHEMA accounts AUTHORIZATION shop_app;
SET ROLE shop_app;
CREATE TABLE accounts.customer (id bigint PRIMARY KEY, slug text NOT NULL, name text NOT NULL, time_zone text NOT NULL DEFAULT 'UTC');
INSERT INTO accounts.customer VALUES (7, 'acme', 'Acme', 'Europe/Berlin'), (9, 'globex', 'Globex', 'Asia/Seoul');
CREATE TABLE accounts.company (uid uuid PRIMARY KEY, name text NOT NULL);
INSERT INTO accounts.company VALUES ('5f0f2bd1-3c1d-4c0b-9c39-5f3b1f2f8a10', 'Initech');
RESET ROLE;
