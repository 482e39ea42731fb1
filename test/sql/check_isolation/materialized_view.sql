-- check_isolation(): materialized views over protected tables.
SELECT plan(11);
\ir ../include/check_isolation.psql

CREATE MATERIALIZED VIEW regress_shop."kept ""rows""" AS SELECT * FROM :odd;
SELECT is(findings(), '', 'one that partners cannot read');
GRANT SELECT ON regress_shop."kept ""rows""" TO opsadmin_partner, PUBLIC;
SELECT is(findings(), 'error|materialized_view|regress_shop."kept ""rows"""', 'one that they can read');
\set query '(SELECT count(*) FROM regress_shop."kept ""rows""")'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\set query 'failure($$SELECT FROM regress_shop."kept ""rows"""$$)'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '42501', 'and now none');

-- By way of views, below it and above it.
CREATE VIEW regress_shop.below AS SELECT name FROM :odd;
CREATE MATERIALIZED VIEW regress_shop.halfway AS SELECT * FROM regress_shop.below;
CREATE VIEW regress_shop.above AS SELECT * FROM regress_shop.halfway;
GRANT SELECT ON regress_shop.above TO opsadmin_partner_login;
GRANT USAGE ON SCHEMA regress_shop TO opsadmin_partner_login;
SELECT is(findings(), 'error|materialized_view|regress_shop.halfway', 'one between views');
\ir ../include/mend.psql
SELECT is(reloptions, '{security_invoker=true}', 'the view above is what was mended') FROM pg_class WHERE oid = 'regress_shop.above'::regclass;
CREATE MATERIALIZED VIEW regress_shop.harmless AS SELECT 1 AS one;
GRANT SELECT ON regress_shop.harmless TO opsadmin_partner;
SELECT is(findings(), '', 'one of nothing protected');
DROP VIEW regress_shop.above;
GRANT SELECT ON regress_shop.halfway TO opsadmin_internal;
SELECT is(findings(), '', 'staff see every row anyway');

SELECT * FROM finish();
