-- check_isolation(): default privileges that open new tables to the sites.
SELECT plan(7);
\ir ../include/check_isolation.psql

CREATE ROLE "regress_opsadmin ""owner""";
ALTER DEFAULT PRIVILEGES FOR ROLE "regress_opsadmin ""owner""" IN SCHEMA regress_shop GRANT SELECT, INSERT ON TABLES TO opsadmin_partner;
SELECT is(findings(), 'warning|default_privilege|role "regress_opsadmin ""owner""", schema regress_shop', 'tables in a schema');
GRANT USAGE, CREATE ON SCHEMA regress_shop TO "regress_opsadmin ""owner""";
SET ROLE "regress_opsadmin ""owner""";
CREATE TABLE regress_shop.new AS SELECT 'theirs' AS name;
RESET ROLE;
\set query '(SELECT name FROM regress_shop.new)'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, 'theirs', 'a partner reads a table that nobody has granted');
\ir ../include/mend.psql
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO PUBLIC;
SELECT is(findings(), format('warning|default_privilege|role %I', current_user), 'sequences in every schema');
\ir ../include/mend.psql
ALTER DEFAULT PRIVILEGES FOR ROLE "regress_opsadmin ""owner""" GRANT SELECT ON TABLES TO "regress_opsadmin ""owner""";
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO opsadmin_internal;
SELECT is(findings(), '', 'functions are open to everybody as it is');
DROP OWNED BY "regress_opsadmin ""owner""";
DROP ROLE "regress_opsadmin ""owner""";

SELECT * FROM finish();
