-- check_isolation(): roles of opsadmin in predefined roles. Roles are of the whole cluster: all of it is rolled back.
SELECT plan(13);
\ir ../include/check_isolation.psql

BEGIN;
GRANT pg_read_all_stats TO opsadmin_partner;
SELECT is(findings(), 'error|predefined_role|opsadmin_partner', 'a site that sees what every session runs');
\ir ../include/mend.psql
GRANT pg_monitor TO opsadmin_internal_login;
SELECT is(findings(), 'error|predefined_role|opsadmin_internal_login', 'pg_monitor');
\ir ../include/mend.psql
GRANT pg_signal_backend TO opsadmin_worker;
SELECT is(findings(), 'error|predefined_role|opsadmin_worker', 'pg_signal_backend');
\ir ../include/mend.psql
GRANT pg_read_server_files TO opsadmin_trusted;
SELECT is(findings(), 'error|predefined_role|opsadmin_trusted', 'pg_read_server_files');
\ir ../include/mend.psql
GRANT pg_read_all_data TO opsadmin_partner_login WITH ADMIN OPTION;
SELECT is(findings(), 'error|predefined_role|opsadmin_partner_login', 'pg_read_all_data');
\ir ../include/mend.psql
ROLLBACK;

-- What it opens: a table that nobody granted to partners.
CREATE TABLE regress_shop.secret AS SELECT 'theirs' AS name;
BEGIN;
GRANT pg_read_all_data TO opsadmin_partner;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT name AS seen FROM regress_shop.secret \gset
ROLLBACK;
SELECT is(:'seen'::text, 'theirs', 'it reads every table that has no policies');
\set query 'failure($$SELECT FROM regress_shop.secret$$)'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '42501', 'without it, none');

SELECT * FROM finish();
