-- check_isolation(): a protected table whose policies do not bind its owner.
SELECT plan(5);
\ir ../include/check_isolation.psql

CREATE ROLE regress_opsadmin_owner;
GRANT USAGE ON SCHEMA regress_shop TO regress_opsadmin_owner;
ALTER TABLE :odd OWNER TO regress_opsadmin_owner;
ALTER TABLE :odd NO FORCE ROW LEVEL SECURITY;
SELECT is(findings(), 'error|not_forced|' || :'odd', 'the owner is not bound');
SET ROLE regress_opsadmin_owner;
SELECT count(*) AS seen FROM :odd \gset
RESET ROLE;
SELECT is(:seen, 2, 'it sees the rows of both tenants');
\ir ../include/mend.psql
SET ROLE regress_opsadmin_owner;
SELECT count(*) AS seen FROM :odd \gset
RESET ROLE;
SELECT is(:seen, 0, 'and now none');
DROP OWNED BY regress_opsadmin_owner;
DROP ROLE regress_opsadmin_owner;

SELECT * FROM finish();
