-- check_isolation(): a protected table whose row-level security is off.
SELECT plan(5);
\ir ../include/check_isolation.psql

ALTER TABLE :odd DISABLE ROW LEVEL SECURITY;
SELECT is(findings(), 'error|no_row_security|' || :'odd', 'row-level security is off');
\set query '(SELECT count(*) FROM ' :odd ')'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');

SELECT * FROM finish();
