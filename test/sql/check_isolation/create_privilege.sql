-- check_isolation(): schemas in which the sites may create objects.
SELECT plan(7);
\ir ../include/check_isolation.psql

CREATE SCHEMA "regress ""shop""";
GRANT CREATE ON SCHEMA "regress ""shop""" TO PUBLIC;
SELECT is(findings(), 'error|create_privilege|SCHEMA "regress ""shop"""', 'a schema open to everybody');
\ir ../include/mend.psql
GRANT CREATE ON SCHEMA opsadmin_private TO opsadmin_internal;
SELECT is(findings(), 'error|create_privilege|SCHEMA opsadmin_private', 'opsadmin''s own schema');
\ir ../include/mend.psql
SELECT format('GRANT CREATE ON DATABASE %I TO opsadmin_worker', current_database()) \gexec
SELECT is(findings(), format('error|create_privilege|DATABASE %I', current_database()), 'the database');
\ir ../include/mend.psql

SELECT * FROM finish();
