-- check_isolation(): policies that no index can follow.
SELECT plan(13);
\ir ../include/check_isolation.psql

CREATE POLICY slow ON :odd AS RESTRICTIVE TO opsadmin_partner USING (name = 'a' OR name = 'b');
SELECT is(findings(), 'warning|slow_policy|' || :'odd', 'an OR');
\ir ../include/mend.psql
CREATE POLICY slow ON :odd AS RESTRICTIVE TO PUBLIC USING (name IN (SELECT slug FROM opsadmin.tenant));
SELECT is(findings(), 'warning|slow_policy|' || :'odd', 'a subquery');
\ir ../include/mend.psql
CREATE POLICY slow ON :odd AS RESTRICTIVE TO opsadmin_internal USING (upper(name || '{}') = 'A');
SELECT is(findings(), 'warning|slow_policy|' || :'odd', 'a call that takes what was made of a column');
\ir ../include/mend.psql
CREATE POLICY slow ON :odd AS RESTRICTIVE TO opsadmin_partner WITH CHECK ("Tenant ""id"""::text = current_setting('a.b', true));
SELECT is(findings(), 'warning|slow_policy|' || :'odd', 'a cast of the column, in a check');
\ir ../include/mend.psql
CREATE POLICY slow ON :odd AS RESTRICTIVE TO opsadmin_partner USING (coalesce(name, '') = '');
SELECT is(findings(), 'warning|slow_policy|' || :'odd', 'a choice that takes a column');
\ir ../include/mend.psql
CREATE POLICY fast ON :odd AS RESTRICTIVE TO opsadmin_partner USING (name = lower('A{}') AND "Tenant ""id""" = ANY ('{1,2}'::int[]) AND NOT (name < current_setting('a.b', true) AND name IS NULL));
SELECT is(findings(), '', 'comparisons with what no column is needed for');
DROP POLICY fast ON :odd;
CREATE ROLE regress_opsadmin_other;
CREATE POLICY other ON :odd AS RESTRICTIVE TO regress_opsadmin_other USING (lower(name) = 'a');
SELECT is(findings(), '', 'policies for other roles are theirs');
DROP POLICY other ON :odd;
DROP ROLE regress_opsadmin_other;

SELECT * FROM finish();
