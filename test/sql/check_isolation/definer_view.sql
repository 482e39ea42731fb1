-- check_isolation(): views with their owner's rights over protected tables.
SELECT plan(12);
\ir ../include/check_isolation.psql

CREATE VIEW regress_shop."a ""view""" AS SELECT name FROM :odd;
SELECT is(findings(), '', 'a view that partners cannot read');
GRANT SELECT (name) ON regress_shop."a ""view""" TO PUBLIC;
SELECT is(findings(), 'error|definer_view|regress_shop."a ""view"""', 'one that they can read a column of');
\set query '(SELECT count(name) FROM regress_shop."a ""view""")'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');

-- Through another view: the inner one is read with the outer one's owner's rights, and so counts whoever it is granted to.
CREATE VIEW regress_shop.inside AS SELECT (SELECT max(name) FROM :odd WHERE id = outside.id) AS name FROM :odd AS outside;
CREATE VIEW regress_shop.outside AS SELECT * FROM regress_shop.inside;
GRANT SELECT ON regress_shop.outside TO opsadmin_partner;
SELECT is(findings(), 'error|definer_view|regress_shop.inside', 'a view inside a view');
\set query '(SELECT count(name) FROM regress_shop.outside)'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');
CREATE VIEW regress_shop.reset AS SELECT * FROM :odd;
ALTER VIEW regress_shop.outside SET (security_invoker = on);
CREATE OR REPLACE VIEW regress_shop.outside WITH (security_invoker = on) AS SELECT name FROM regress_shop.reset;
SELECT is(findings(), '', 'a view with its caller''s rights opens none that the caller may not read');
REVOKE USAGE ON SCHEMA regress_shop FROM opsadmin_partner;
ALTER VIEW regress_shop.outside RESET (security_invoker);
SELECT is(findings(), '', 'nor does a view in a schema that partners may not use');

SELECT * FROM finish();
