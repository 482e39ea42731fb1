-- check_isolation(): children of protected tables without protection of their own.
SELECT plan(8);
\ir ../include/check_isolation.psql

CREATE TABLE regress_shop."a ""child""" (more text) INHERITS (regress_shop.product);
CREATE INDEX ON regress_shop."a ""child""" (tenant_id);
INSERT INTO regress_shop."a ""child""" (id, tenant_id) VALUES (3, 1), (4, 2), (5, 2);
ALTER TABLE regress_shop."a ""child""" DISABLE ROW LEVEL SECURITY;
SELECT is(findings(), 'warning|unprotected_child|regress_shop."a ""child"""', 'a child that partners cannot name');
GRANT SELECT ON regress_shop."a ""child""" TO opsadmin_partner;
SELECT is(findings(), 'error|unprotected_child|regress_shop."a ""child"""', 'a child that they can read by its name');
\set query '(SELECT count(*) FROM regress_shop.product)'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'through the parent, a partner sees its own rows');
\set query '(SELECT count(*) FROM regress_shop."a ""child""")'
\ir ../include/as_partner.psql
SELECT is(:seen, 3, 'by the child''s name it sees the other tenant''s');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');
DROP POLICY opsadmin_partner_floor ON regress_shop."a ""child""";
SELECT is(findings(), 'error|unprotected_child|regress_shop."a ""child"""', 'a child without one of the policies');

SELECT * FROM finish();
