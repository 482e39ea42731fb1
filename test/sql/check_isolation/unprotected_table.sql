-- check_isolation(): tables with a tenant column that are not protected.
SELECT plan(12);
\ir ../include/check_isolation.psql

CREATE ROLE regress_opsadmin_shop;
GRANT USAGE ON SCHEMA regress_shop TO regress_opsadmin_shop;
CREATE TABLE regress_shop."new ""table""" (id uuid PRIMARY KEY, "Tenant ""id""" integer NOT NULL);
CREATE INDEX ON regress_shop."new ""table""" ("Tenant ""id""");
INSERT INTO regress_shop."new ""table""" VALUES (gen_random_uuid(), 1), (gen_random_uuid(), 2);
GRANT SELECT ON regress_shop."new ""table""" TO regress_opsadmin_shop;
SELECT is(findings(), 'warning|unprotected_table|regress_shop."new ""table"""', 'a table that partners cannot read');
\ir ../include/mend.psql
SELECT is(trusted_roles, '{regress_opsadmin_shop}', 'who could read it goes on reading it') FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = 'regress_shop."new ""table"""'::regclass;
SELECT opsadmin.unprotect('regress_shop."new ""table"""') \g /dev/null
GRANT SELECT ON regress_shop."new ""table""" TO PUBLIC;
SELECT is(findings(), 'error|unprotected_table|regress_shop."new ""table"""', 'a table that they can read');
\set query '(SELECT count(*) FROM regress_shop."new ""table""")'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');
SELECT is(excluded_roles, '{public}', 'PUBLIC sees none') FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = 'regress_shop."new ""table"""'::regclass;

CREATE TABLE regress_shop.similar (id uuid PRIMARY KEY, "Tenant ""id""" date NOT NULL, tenant_id text);
CREATE SCHEMA regress_elsewhere;
CREATE TABLE regress_elsewhere.unrelated (id uuid PRIMARY KEY, tenant_id bigint NOT NULL);
SELECT is(findings(), '', 'a column of another type, and a table in a schema with nothing protected');
GRANT SELECT ON regress_elsewhere.unrelated TO opsadmin_partner;
GRANT USAGE ON SCHEMA regress_elsewhere TO opsadmin_partner;
SELECT is(findings(), 'error|unprotected_table|regress_elsewhere.unrelated', 'unless partners can read it');
GRANT SELECT ON regress_elsewhere.unrelated TO PUBLIC, opsadmin_partner_login;
CREATE INDEX ON regress_elsewhere.unrelated (tenant_id);
\ir ../include/mend.psql
DROP OWNED BY regress_opsadmin_shop;
DROP ROLE regress_opsadmin_shop;

SELECT * FROM finish();
