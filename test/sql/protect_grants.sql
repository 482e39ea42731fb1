-- What unprotect() and close_tables() take from the site roles: rights that others have granted, too, and those on children.
-- topic: isolation
SELECT plan(11);
\ir include/failure.psql
SET client_min_messages = error;

CREATE ROLE regress_opsadmin_lender;
CREATE ROLE regress_opsadmin_second;
CREATE ROLE regress_opsadmin_reader;
CREATE SCHEMA regress_shop;
GRANT USAGE ON SCHEMA regress_shop TO regress_opsadmin_lender, regress_opsadmin_second;
CREATE TABLE regress_shop.product (id int PRIMARY KEY, tenant_id bigint NOT NULL, name text);
CREATE TABLE regress_shop.event (id int PRIMARY KEY, tenant_id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE regress_shop.event_1 PARTITION OF regress_shop.event FOR VALUES FROM (1) TO (100);
\set trusted '{regress_opsadmin_lender,regress_opsadmin_second,regress_opsadmin_reader}'

-- Rights that pass through several hands, of the table and of a column, and one of the child.
GRANT SELECT, INSERT ON regress_shop.product TO regress_opsadmin_lender WITH GRANT OPTION;
GRANT UPDATE (name) ON regress_shop.product TO regress_opsadmin_lender WITH GRANT OPTION;
GRANT SELECT ON regress_shop.event_1 TO opsadmin_partner;
SET ROLE regress_opsadmin_lender;
GRANT SELECT ON regress_shop.product TO regress_opsadmin_second WITH GRANT OPTION;
GRANT SELECT ON regress_shop.product TO opsadmin_partner WITH GRANT OPTION;
GRANT UPDATE (name) ON regress_shop.product TO opsadmin_internal;
GRANT INSERT ON regress_shop.product TO opsadmin_partner_login;
SET ROLE regress_opsadmin_second;
GRANT SELECT ON regress_shop.product TO opsadmin_partner;
GRANT SELECT ON regress_shop.product TO regress_opsadmin_reader;
RESET ROLE;

CREATE FUNCTION site_rights(of_schema text) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(string_agg(DISTINCT format('%s: %s of %s', relation, a.privilege_type, a.grantee::regrole), ', '), 'none')
  FROM (SELECT oid::regclass AS relation, relacl AS acl FROM pg_class WHERE relnamespace = of_schema::regnamespace
        UNION ALL SELECT attrelid::regclass, attacl FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = of_schema::regnamespace) AS granted
  CROSS JOIN aclexplode(acl) AS a WHERE a.grantee::regrole::text ~ '^opsadmin_(internal|partner)'
$$;
SELECT opsadmin.protect(t, trusted_roles => :'trusted', excluded_roles => '{opsadmin_partner_login}') FROM unnest('{regress_shop.product,regress_shop.event}'::regclass[]) AS t \g /dev/null
SELECT isnt(site_rights('regress_shop'), 'none', 'the sites have rights');
BEGIN;
SELECT opsadmin_private.close_tables() \g /dev/null
SELECT is(site_rights('regress_shop'), 'none', 'close_tables() takes them, whoever has granted them');
ROLLBACK;
SELECT opsadmin.unprotect('regress_shop.product'), opsadmin.unprotect('regress_shop.event') \g /dev/null
SELECT is(site_rights('regress_shop'), 'none', 'and so does unprotect()');
SELECT is(has_table_privilege('regress_opsadmin_reader', 'regress_shop.product', 'SELECT'), true, 'what others have stays');
SELECT is(has_table_privilege('regress_opsadmin_lender', 'regress_shop.product', 'SELECT WITH GRANT OPTION'), true, 'and may be passed on');
SELECT is(relrowsecurity, false, 'the table is open') FROM pg_class WHERE oid = 'regress_shop.product'::regclass;

-- A right that its grantor cannot take back: a superuser revokes in the owner's name.
SET ROLE regress_opsadmin_lender;
GRANT SELECT ON regress_shop.product TO opsadmin_partner;
RESET ROLE;
SELECT opsadmin.protect('regress_shop.product', trusted_roles => :'trusted') \g /dev/null
ALTER ROLE regress_opsadmin_lender SUPERUSER;
SELECT throws_ok($$SELECT opsadmin.unprotect('regress_shop.product')$$, 'OA452', 'roles of the sites keep rights on "regress_shop.product"', 'a right that is left is an error');
SELECT is(relrowsecurity, true, 'and the table stays closed') FROM pg_class WHERE oid = 'regress_shop.product'::regclass;
ALTER ROLE regress_opsadmin_lender NOSUPERUSER;
REVOKE USAGE ON SCHEMA regress_shop FROM regress_opsadmin_lender;
SELECT is(failure($$SELECT opsadmin.unprotect('regress_shop.product')$$), 'OA452', 'as is one of a grantor who cannot name the table');
REVOKE GRANT OPTION FOR ALL ON regress_shop.product FROM regress_opsadmin_lender CASCADE;
SELECT is(failure($$SELECT opsadmin.unprotect('regress_shop.product')$$), NULL, 'the hint helps');

-- A child that is protected by itself keeps its children covered.
CREATE TABLE regress_shop.thing (id int PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE TABLE regress_shop.book (PRIMARY KEY (id)) INHERITS (regress_shop.thing);
CREATE TABLE regress_shop.atlas (PRIMARY KEY (id)) INHERITS (regress_shop.book);
ALTER TABLE regress_shop.book NO INHERIT regress_shop.thing;
SELECT opsadmin.protect('regress_shop.book'), opsadmin.protect('regress_shop.thing') \g /dev/null
ALTER TABLE regress_shop.book INHERIT regress_shop.thing;
SELECT opsadmin.unprotect('regress_shop.thing') \g /dev/null
SELECT is(string_agg(relname, ',' ORDER BY relname), 'atlas,book', 'a child that is protected by itself stays so, with its own') FROM pg_class WHERE relnamespace = 'regress_shop'::regnamespace AND relrowsecurity;

DROP SCHEMA regress_shop CASCADE;
DROP ROLE regress_opsadmin_lender, regress_opsadmin_second, regress_opsadmin_reader;
SELECT * FROM finish();
