-- check_isolation(): rights on protected tables that policies do not govern.
SELECT plan(7);
\ir ../include/check_isolation.psql

GRANT TRUNCATE, TRIGGER ON :odd TO opsadmin_partner;
SELECT is(findings(), 'error|table_privilege|' || :'odd', 'TRUNCATE and TRIGGER for a site');
SELECT is(problem, 'opsadmin_partner has TRIGGER, TRUNCATE, which no policy governs', 'the problem names them') FROM opsadmin_private.rule_table_privilege();
\ir ../include/mend.psql
GRANT REFERENCES ("Tenant ""id""") ON :odd TO PUBLIC;
SELECT is(findings(), 'error|table_privilege|' || :'odd', 'REFERENCES on a column for everybody');
\ir ../include/mend.psql
CREATE ROLE regress_opsadmin_other;
GRANT TRUNCATE ON :odd TO regress_opsadmin_other;
SELECT is(findings(), '', 'the company''s own roles may');
DROP OWNED BY regress_opsadmin_other;
DROP ROLE regress_opsadmin_other;

SELECT * FROM finish();
