-- check_isolation(): SECURITY DEFINER functions that the sites can call.
SELECT plan(12);
\ir ../include/check_isolation.psql

CREATE FUNCTION regress_shop."count ""rows"""(since date DEFAULT NULL) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT count(*) FROM :odd);
SELECT is(findings(), 'error|definer_function|regress_shop."count ""rows"""(date)', 'a function that everybody may call, of an owner who sees every row');
\set query 'regress_shop."count ""rows"""()'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner counts the other tenant''s row');
\ir ../include/mend.psql
\set query 'failure($$SELECT regress_shop."count ""rows"""()$$)'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '42501', 'and now none');
GRANT EXECUTE ON FUNCTION regress_shop."count ""rows""" TO opsadmin_internal_login;
GRANT USAGE ON SCHEMA regress_shop TO opsadmin_internal_login;
SELECT is(findings(), 'error|definer_function|regress_shop."count ""rows"""(date)', 'a function for one login of staff');
\ir ../include/mend.psql

-- Whose function it is decides the level.
CREATE ROLE regress_opsadmin_owner;
GRANT USAGE, CREATE ON SCHEMA regress_shop TO regress_opsadmin_owner;
GRANT EXECUTE ON FUNCTION regress_shop."count ""rows""" TO opsadmin_partner;
ALTER FUNCTION regress_shop."count ""rows""" OWNER TO regress_opsadmin_owner;
SELECT is(findings(), 'warning|definer_function|regress_shop."count ""rows"""(date)', 'of an owner who sees no row it is a warning');
SELECT opsadmin.unprotect(:'odd'), opsadmin.protect(:'odd', 'Tenant "id"', trusted_roles => '{regress_opsadmin_owner}') \g /dev/null
SELECT is(findings(), 'error|definer_function|regress_shop."count ""rows"""(date)', 'of one who is trusted, an error');
ALTER FUNCTION regress_shop."count ""rows""" SECURITY INVOKER;
SELECT is(findings(), '', 'a function with its caller''s rights is none');
CREATE PROCEDURE regress_shop.change(INOUT n int) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN END';
SELECT is(findings(), 'error|definer_function|regress_shop.change(integer)', 'a procedure is one');
\ir ../include/mend.psql
DROP FUNCTION regress_shop."count ""rows""";
DROP OWNED BY regress_opsadmin_owner;
DROP ROLE regress_opsadmin_owner;

SELECT * FROM finish();
