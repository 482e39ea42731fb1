-- check_isolation(): tables without a tenant column that refer to protected ones.
SELECT plan(8);
\ir ../include/check_isolation.psql

CREATE TABLE regress_shop."a ""label""" (product bigint REFERENCES regress_shop.product, name text);
INSERT INTO regress_shop."a ""label""" VALUES (1, 'ours'), (2, 'theirs');
SELECT is(findings(), '', 'one that partners cannot read');
GRANT SELECT ON regress_shop."a ""label""" TO opsadmin_partner;
SELECT is(findings(), 'error|unprotected_reference|regress_shop."a ""label"""', 'one that they can read');
\set query '(SELECT max(name) FROM regress_shop."a ""label""")'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, 'theirs', 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
CREATE VIEW regress_shop.labels AS SELECT * FROM regress_shop."a ""label""";
GRANT SELECT ON regress_shop.labels TO opsadmin_partner;
SELECT is(findings(), 'error|unprotected_reference|regress_shop."a ""label"""', 'one behind a view');
\ir ../include/mend.psql
CREATE TABLE regress_shop.shared (code text);
GRANT SELECT ON regress_shop.shared TO opsadmin_partner;
SELECT is(findings(), '', 'what refers to nothing protected may be shared');

SELECT * FROM finish();
