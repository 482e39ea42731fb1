-- check_isolation(): rewrite rules of tables that use protected tables.
SELECT plan(5);
\ir ../include/check_isolation.psql

CREATE TABLE regress_shop.request (name text);
CREATE RULE "a ""rule""" AS ON INSERT TO regress_shop.request DO ALSO UPDATE regress_shop.product SET name = new.name;
SELECT is(findings(), '', 'a rule of a table that partners cannot use');
GRANT INSERT ON regress_shop.request TO opsadmin_partner;
SELECT is(findings(), 'error|rewrite_rule|regress_shop.request."a ""rule"""', 'one of a table that they can');
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
INSERT INTO regress_shop.request VALUES ('stolen');
RESET ROLE;
SELECT is(count(*), 2::bigint, 'a partner changes the other tenant''s row') FROM regress_shop.product WHERE name = 'stolen';
ROLLBACK;
\ir ../include/mend.psql

SELECT * FROM finish();
