-- check_isolation(): protected tables that got a parent which is not protected.
SELECT plan(11);
\ir ../include/check_isolation.psql

CREATE TABLE regress_shop."Every ""one""" (name text);
GRANT USAGE ON SCHEMA regress_shop TO opsadmin_partner;
GRANT SELECT ON regress_shop."Every ""one""" TO opsadmin_partner;
ALTER TABLE regress_shop.product INHERIT regress_shop."Every ""one""";
ALTER TABLE :odd INHERIT regress_shop."Every ""one""";
SELECT is(findings(), E'error|unprotected_parent|regress_shop."Odd ""name"""\nerror|unprotected_parent|regress_shop.product', 'a parent without the tenant column');
\set query '(SELECT count(*) FROM regress_shop."Every ""one""")'
\ir ../include/as_partner.psql
SELECT is(:seen, 4, 'through it a partner sees the other tenant''s rows');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 0, 'and now none');

-- A second parent of a child.
CREATE TABLE regress_shop.child () INHERITS (regress_shop.product, regress_shop."Every ""one""");
CREATE INDEX ON regress_shop.child (tenant_id);
SELECT is(findings(), 'error|unprotected_parent|regress_shop.child', 'a child with another parent besides');
\ir ../include/mend.psql
SELECT is(inhparent::regclass::text, 'regress_shop.product', 'which it loses') FROM pg_inherits WHERE inhrelid = 'regress_shop.child'::regclass;

-- A partitioned table that is not protected, with the tenant column.
CREATE TABLE regress_shop.part (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE INDEX ON regress_shop.part (tenant_id);
SELECT opsadmin.protect('regress_shop.part') \g /dev/null
CREATE SCHEMA regress_other;
CREATE TABLE regress_other.whole (id bigint PRIMARY KEY, tenant_id bigint NOT NULL) PARTITION BY RANGE (id);
ALTER TABLE regress_other.whole ATTACH PARTITION regress_shop.part FOR VALUES FROM (1) TO (100);
SELECT matches(findings(), 'error\|unprotected_parent\|regress_shop.part', 'a partitioned table that is not protected');
SELECT is(remedy, 'ALTER TABLE regress_other.whole DETACH PARTITION regress_shop.part;', 'it is detached') FROM opsadmin.check_isolation() WHERE rule = 'unprotected_parent';
SELECT opsadmin.protect('regress_other.whole') \g /dev/null
SELECT is(findings(), '', 'one that is protected is no finding');
ALTER TABLE regress_other.whole RENAME tenant_id TO owner_id;
SELECT is(remedy, 'ALTER TABLE regress_other.whole DETACH PARTITION regress_shop.part;', 'by another column it is') FROM opsadmin.check_isolation() WHERE rule = 'unprotected_parent';

SELECT * FROM finish();
