-- check_isolation(): objects that a role of opsadmin owns.
SELECT plan(12);
\ir ../include/check_isolation.psql

ALTER TABLE :odd ADD number bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE :odd OWNER TO opsadmin_partner;
SELECT is(findings(), 'error|site_role_owner|table ' || :'odd', 'a protected table');
\set query 'failure($$ALTER TABLE ' :odd ' DISABLE ROW LEVEL SECURITY$$)'
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, 'OA005', 'a partner may not turn policies off, whoever owns the table');
CREATE FUNCTION regress_shop.f(int) RETURNS int LANGUAGE sql RETURN 1;
ALTER FUNCTION regress_shop.f OWNER TO opsadmin_worker;
SELECT is(findings(), 'error|site_role_owner|function regress_shop.f(integer)', 'a function');
\ir ../include/mend.psql
CREATE SCHEMA regress_other AUTHORIZATION opsadmin_internal_login;
SELECT is(findings(), 'error|site_role_owner|schema regress_other', 'a schema');
\ir ../include/mend.psql
SELECT current_user AS me, current_database() AS here \gset
ALTER DATABASE :"here" OWNER TO opsadmin_trusted;
SELECT is(findings(), format('error|site_role_owner|database %I', current_database()), 'the database');
\ir ../include/mend.psql
SELECT is(pg_get_userbyid(datdba), :'me', 'the objects are now the DBA''s') FROM pg_database WHERE datname = current_database();
ALTER DEFAULT PRIVILEGES FOR ROLE opsadmin_partner GRANT EXECUTE ON FUNCTIONS TO opsadmin_internal;
SELECT is(findings(), '', 'default privileges are no object');
ALTER DEFAULT PRIVILEGES FOR ROLE opsadmin_partner REVOKE EXECUTE ON FUNCTIONS FROM opsadmin_internal;

SELECT * FROM finish();
