-- check_isolation(): roles of opsadmin that may do too much. Roles are of the whole cluster: all of it is rolled back.
SELECT plan(15);
\ir ../include/check_isolation.psql

CREATE FUNCTION harmed(harm text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE harm; RETURN findings(); END$$;
BEGIN;
SELECT is(harmed('ALTER ROLE opsadmin_partner_login BYPASSRLS'), 'error|privileged_role|opsadmin_partner_login', 'BYPASSRLS');
\ir ../include/mend.psql
SELECT is(harmed('ALTER ROLE opsadmin_partner SUPERUSER'), 'error|privileged_role|opsadmin_partner', 'SUPERUSER');
\ir ../include/mend.psql
SELECT is(harmed('ALTER ROLE opsadmin_internal CREATEROLE'), 'error|privileged_role|opsadmin_internal', 'CREATEROLE');
\ir ../include/mend.psql
SELECT is(harmed('ALTER ROLE opsadmin_internal_login CREATEDB'), 'error|privileged_role|opsadmin_internal_login', 'CREATEDB');
\ir ../include/mend.psql
SELECT is(harmed('ALTER ROLE opsadmin_worker REPLICATION'), 'error|privileged_role|opsadmin_worker', 'REPLICATION');
\ir ../include/mend.psql
SELECT is(harmed('ALTER ROLE opsadmin_trusted BYPASSRLS'), 'error|privileged_role|opsadmin_trusted', 'the trusted role');
\ir ../include/mend.psql
ROLLBACK;
BEGIN;
ALTER ROLE opsadmin_worker RENAME TO regress_opsadmin_worker;
SELECT is(findings(), 'error|privileged_role|opsadmin_worker', 'a role that is missing');
ROLLBACK;
SELECT is(findings(), '', 'nothing of it stays');

SELECT * FROM finish();
