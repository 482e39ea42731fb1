-- check_isolation(): rights on objects of the server and of extensions that their install scripts have not given.
SELECT plan(13);
\ir ../include/check_isolation.psql

GRANT EXECUTE ON FUNCTION pg_read_file(text) TO opsadmin_partner;
SELECT is(findings(), 'error|system_privilege|pg_read_file(text)', 'a function of the server');
\ir ../include/mend.psql
GRANT SELECT ON pg_authid TO PUBLIC;
SELECT is(findings(), 'error|system_privilege|pg_catalog.pg_authid', 'a table of the server');
\ir ../include/mend.psql
GRANT EXECUTE ON FUNCTION opsadmin_private.random_token() TO opsadmin_internal;
SELECT is(findings(), 'error|system_privilege|opsadmin_private.random_token()', 'a function of opsadmin');
\ir ../include/mend.psql
GRANT SELECT, INSERT ON opsadmin.secret TO opsadmin_partner_login;
SELECT is(findings(), 'error|system_privilege|opsadmin.secret', 'a table of opsadmin');
\ir ../include/mend.psql
GRANT UPDATE ON SEQUENCE opsadmin.target_id_seq TO opsadmin_worker;
SELECT is(findings(), 'error|system_privilege|opsadmin.target_id_seq', 'a sequence');
\ir ../include/mend.psql
REVOKE EXECUTE ON FUNCTION pg_cancel_backend FROM PUBLIC;
SELECT is(findings(), '', 'a right that was taken away');
GRANT EXECUTE ON FUNCTION pg_cancel_backend TO opsadmin_internal;
SELECT is(findings(), '', 'and given back to some of those who had it');

SELECT * FROM finish();
