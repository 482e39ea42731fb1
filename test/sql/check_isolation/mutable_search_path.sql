-- check_isolation(): definer functions that take names from their caller's search_path.
SELECT plan(14);
\ir ../include/check_isolation.psql

-- Each of these is a finding of definer_function as well, so the rule is asked by itself.
CREATE FUNCTION mutable_findings() RETURNS text LANGUAGE sql AS $$SELECT coalesce(string_agg(level || '|' || object || ': ' || remedy, E'\n' ORDER BY object), '') FROM opsadmin_private.rule_mutable_search_path()$$;
CREATE FUNCTION regress_shop."count ""them"""() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT count(*) FROM product); END';
SELECT is(mutable_findings(), 'error|regress_shop."count ""them"""(): ALTER ROUTINE regress_shop."count ""them"""() SET search_path = pg_catalog, regress_shop, pg_temp; -- and the other schemas that it names things of',
          'a function without a search_path');
-- The attack: a table of the caller's own takes the place of the company's.
CREATE SCHEMA regress_attack;
CREATE TABLE regress_attack.product ();
GRANT USAGE ON SCHEMA regress_attack TO opsadmin_partner;
GRANT SELECT ON regress_attack.product TO opsadmin_partner;
SET search_path = regress_attack, public;
SELECT regress_shop."count ""them"""() AS seen \gset
SELECT is(:seen, 0, 'it reads the table that its caller wants');
SELECT remedy FROM opsadmin_private.rule_mutable_search_path() \gexec
SELECT is(mutable_findings(), '', 'the remedy mends it');
SELECT regress_shop."count ""them"""() AS seen \gset
SELECT is(:seen, 2, 'now it reads its own');
RESET search_path;

ALTER FUNCTION regress_shop."count ""them""" SET search_path = regress_shop, pg_catalog;
SELECT is(mutable_findings(), 'error|regress_shop."count ""them"""(): ALTER ROUTINE regress_shop."count ""them"""() SET search_path = regress_shop, pg_catalog, pg_temp;', 'without pg_temp, temporary tables come first');
SELECT remedy FROM opsadmin_private.rule_mutable_search_path() \gexec
SELECT is(mutable_findings(), '', 'the remedy mends it');
ALTER FUNCTION regress_shop."count ""them""" SET search_path = pg_temp, regress_shop, pg_temp;
SELECT is(mutable_findings(), 'error|regress_shop."count ""them"""(): ALTER ROUTINE regress_shop."count ""them"""() SET search_path = regress_shop, pg_temp;', 'nor may it stand first as well');
SELECT remedy FROM opsadmin_private.rule_mutable_search_path() \gexec
SELECT is(mutable_findings(), '', 'the remedy mends it');
ALTER FUNCTION regress_shop."count ""them""" SET search_path = '';
SELECT is(mutable_findings(), '', 'an empty search_path finds nothing but what is qualified');
ALTER FUNCTION regress_shop."count ""them""" RESET ALL;
REVOKE EXECUTE ON FUNCTION regress_shop."count ""them""" FROM PUBLIC;
SELECT is(mutable_findings(), '', 'one that nobody of the sites can call');
CREATE FUNCTION regress_shop.bound() RETURNS bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM regress_shop.product; END;
SELECT is(mutable_findings(), '', 'a body in standard SQL is bound already');

-- A trigger needs nobody's right to run.
CREATE FUNCTION regress_shop.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN new; END';
SELECT is(mutable_findings(), '', 'a trigger function without a trigger');
CREATE TRIGGER stamp BEFORE INSERT ON :odd FOR EACH ROW EXECUTE FUNCTION regress_shop.stamp();
SELECT matches(mutable_findings(), '^error\|regress_shop\.stamp\(\): ', 'one that a protected table has');

SELECT * FROM finish();
