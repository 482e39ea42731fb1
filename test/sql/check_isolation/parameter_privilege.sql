-- check_isolation(): settings of superusers that the sites may change. They are of the whole cluster: all of it is rolled back.
SELECT plan(5);
\ir ../include/check_isolation.psql

BEGIN;
GRANT SET, ALTER SYSTEM ON PARAMETER session_replication_role TO opsadmin_partner;
SELECT is(findings(), 'error|parameter_privilege|session_replication_role', 'a setting that switches foreign keys off');
\ir ../include/mend.psql
GRANT SET ON PARAMETER opsadmin.key_file TO PUBLIC;
SELECT is(findings(), 'error|parameter_privilege|opsadmin.key_file', 'one of opsadmin');
\ir ../include/mend.psql
ROLLBACK;

SELECT * FROM finish();
