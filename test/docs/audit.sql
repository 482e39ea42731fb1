-- ## What is redacted
DELETE FROM opsadmin.audit_entry;
CREATE TABLE shop.member (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, password_hash text, token_count integer);

-- ## Special cases
DELETE FROM opsadmin.audit_entry;
CREATE TABLE shop.visit (id bigint, at date, page text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.visit_2026_11 PARTITION OF shop.visit FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
CREATE TABLE shop.visit_2026_12 PARTITION OF shop.visit FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');

-- ## set_audit_retention
CREATE TABLE shop.invoice (id bigint PRIMARY KEY);

-- ## list_audit
INSERT INTO shop.product VALUES (3, 2, 'Coffee', 9, 7);
DELETE FROM opsadmin.audit_entry;
DELETE FROM shop.product WHERE id = 3;

-- ## audit_histogram
UPDATE shop.product SET price = 12 WHERE id = 1;
SELECT opsadmin.expose('shop.product');
DELETE FROM opsadmin.audit_entry;
BEGIN;
SELECT opsadmin.begin_as('lee@example.com');
UPDATE shop.product SET price = 13 WHERE id = 1;
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('ops@example.com', 'acme', 'support request 4711');
UPDATE shop.product SET name = 'Sencha' WHERE id = 1;
COMMIT;

-- ## record_request, list_requests
SELECT split_part(opsadmin.create_actor('ops@example.com', 'Ops'), '#', 2) AS invitation \gset
SELECT opsadmin.accept_invitation(:'invitation', 'correct horse battery staple');
SET SESSION AUTHORIZATION opsadmin_internal_login;
SELECT session_token FROM opsadmin.sign_in('ops@example.com', 'correct horse battery staple') \gset
SELECT opsadmin.record_request(:'session_token', NULL, '192.0.2.7', 'POST', '/api/v1/admin/actions/discount/run', '2c813f9ce2eea60e2d08e80806764a7b', 'run_action', 422, 'OA420', 1.5);
RESET SESSION AUTHORIZATION;
