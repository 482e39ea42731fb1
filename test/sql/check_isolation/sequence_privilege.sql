-- check_isolation(): sequences that partners can read or move.
SELECT plan(9);
\ir ../include/check_isolation.psql

CREATE SEQUENCE regress_shop."a ""sequence""";
SELECT nextval('regress_shop."a ""sequence"""') FROM generate_series(1, 20) \g /dev/null
GRANT SELECT ON SEQUENCE regress_shop."a ""sequence""" TO opsadmin_partner;
SELECT is(findings(), 'warning|sequence_privilege|regress_shop."a ""sequence"""', 'a sequence that they can read');
\set query '(SELECT last_value FROM regress_shop."a ""sequence""")'
\ir ../include/as_partner.psql
SELECT is(:seen, 20, 'a partner sees how many rows there were');
\ir ../include/mend.psql
GRANT USAGE ON SEQUENCE regress_shop."a ""sequence""" TO PUBLIC;
SELECT is(findings(), 'warning|sequence_privilege|regress_shop."a ""sequence"""', 'one that they can draw from');
\ir ../include/mend.psql
GRANT UPDATE ON SEQUENCE regress_shop."a ""sequence""" TO opsadmin_partner_login;
SELECT is(findings(), 'error|sequence_privilege|regress_shop."a ""sequence"""', 'one that they can set');
\ir ../include/mend.psql
GRANT USAGE ON SEQUENCE regress_shop."a ""sequence""" TO opsadmin_internal;
SELECT is(findings(), '', 'staff may');

SELECT * FROM finish();
