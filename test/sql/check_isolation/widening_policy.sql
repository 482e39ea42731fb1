-- check_isolation(): permissive policies of others that apply to partners.
SELECT plan(10);
\ir ../include/check_isolation.psql

CREATE POLICY "all ""of"" them" ON :odd USING (true);
SELECT is(findings(), 'warning|widening_policy|' || :'odd', 'a policy for PUBLIC, above the floor');
\set query '(SELECT count(*) FROM ' :odd ')'
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'the floor holds');
ALTER POLICY opsadmin_partner_floor ON :odd USING (true);
SELECT is(findings(), 'error|missing_policy|' || :'odd' || E'\nerror|widening_policy|' || :'odd', 'where the floor does not stand it is an error');
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');

CREATE POLICY opsadmin_trusted ON :odd TO opsadmin_partner_login USING (true);
SELECT is(findings(), 'warning|widening_policy|' || :'odd', 'the login trusted by name');
\ir ../include/mend.psql
CREATE POLICY staff ON :odd TO opsadmin_internal USING (true);
CREATE POLICY narrower ON :odd AS RESTRICTIVE TO opsadmin_partner USING (name <> 'hidden');
SELECT is(findings(), '', 'policies for staff alone, and restrictive ones, widen nothing');

SELECT * FROM finish();
