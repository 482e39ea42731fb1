-- check_isolation(): memberships that opsadmin has not made. Roles are of the whole cluster: all of it is rolled back.
SELECT plan(12);
\ir ../include/check_isolation.psql

BEGIN;
CREATE ROLE "regress_opsadmin ""other""";
GRANT opsadmin_partner TO "regress_opsadmin ""other""";
SELECT is(findings(), 'error|role_membership|opsadmin_partner', 'a stranger in a site');
\ir ../include/mend.psql
GRANT opsadmin_worker TO "regress_opsadmin ""other""";
SELECT is(findings(), 'error|role_membership|opsadmin_worker', 'a stranger in the worker');
\ir ../include/mend.psql
GRANT "regress_opsadmin ""other""" TO opsadmin_partner;
SELECT is(findings(), 'error|role_membership|opsadmin_partner', 'a site in a role of the company');
\ir ../include/mend.psql
GRANT opsadmin_internal TO opsadmin_partner_login;
SELECT is(findings(), E'error|role_membership|opsadmin_internal\nerror|role_membership|opsadmin_partner_login', 'a login in the other site');
-- Two findings, of which the first remedy mends both; PostgreSQL only warns at the second.
\ir ../include/mend.psql
-- A member that may grant on, and did.
CREATE ROLE regress_opsadmin_third;
-- It does not inherit: who does is held to what a partner may run.
ALTER ROLE "regress_opsadmin ""other""" NOINHERIT;
GRANT opsadmin_partner TO "regress_opsadmin ""other""" WITH ADMIN OPTION;
SET LOCAL ROLE "regress_opsadmin ""other""";
GRANT opsadmin_partner TO regress_opsadmin_third;
RESET ROLE;
SELECT is(findings(), E'error|role_membership|opsadmin_partner\nerror|role_membership|opsadmin_partner', 'a stranger, and whom it let in');
\ir ../include/mend.psql
GRANT opsadmin_trusted TO "regress_opsadmin ""other""";
SELECT is(findings(), '', 'whom to trust is the DBA''s choice');
ROLLBACK;

SELECT * FROM finish();
