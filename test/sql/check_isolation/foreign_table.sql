-- check_isolation(): foreign tables that partners can use.
SELECT plan(6);
\ir ../include/check_isolation.psql

CREATE EXTENSION file_fdw;
CREATE SERVER regress_opsadmin_files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE regress_shop."far ""away""" (tenant_id bigint, name text) SERVER regress_opsadmin_files OPTIONS (filename '/dev/null');
CREATE FOREIGN TABLE regress_shop.rates (currency text) SERVER regress_opsadmin_files OPTIONS (filename '/dev/null');
SELECT is(findings(), '', 'such as they cannot use');
GRANT SELECT ON regress_shop."far ""away""", regress_shop.rates TO opsadmin_partner;
SELECT is(findings(), E'error|foreign_table|regress_shop."far ""away"""\nwarning|foreign_table|regress_shop.rates', 'one with a tenant column, and one without');
\ir ../include/mend.psql
CREATE VIEW regress_shop.above AS SELECT * FROM regress_shop."far ""away""";
GRANT SELECT ON regress_shop.above TO opsadmin_partner;
SELECT is(findings(), 'error|foreign_table|regress_shop."far ""away"""', 'one behind a view');
\ir ../include/mend.psql

SELECT * FROM finish();
