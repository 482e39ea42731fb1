-- check_isolation(): policies of protect() that are gone or say something else.
SELECT plan(19);
\ir ../include/check_isolation.psql

-- Every type of tenant column, so that the comparison with what the server stores is seen to hold.
CREATE TABLE regress_shop.of_text (id uuid PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE regress_shop.of_varchar (id uuid PRIMARY KEY, tenant_id varchar(40) NOT NULL);
CREATE TABLE regress_shop.of_uuid (id uuid PRIMARY KEY, tenant_id uuid NOT NULL);
CREATE INDEX ON regress_shop.of_text (tenant_id);
CREATE INDEX ON regress_shop.of_varchar (tenant_id);
CREATE INDEX ON regress_shop.of_uuid (tenant_id);
SELECT opsadmin.protect(t) FROM unnest('{regress_shop.of_text,regress_shop.of_varchar,regress_shop.of_uuid}'::regclass[]) AS t \g /dev/null
SELECT is(findings(), '', 'nothing is found for the other types of tenant columns');

DROP POLICY opsadmin_partner_floor ON :odd;
SELECT is(findings(), 'error|missing_policy|' || :'odd', 'the floor is gone');
\ir ../include/mend.psql
DROP POLICY opsadmin_partner ON regress_shop.of_varchar;
DROP POLICY opsadmin_internal ON regress_shop.of_uuid;
SELECT is(findings(), E'error|missing_policy|regress_shop.of_uuid\nerror|missing_policy|regress_shop.of_varchar', 'others are gone');
\ir ../include/mend.psql

-- Policies that are there and say something else.
ALTER POLICY opsadmin_partner ON :odd USING (true);
SELECT is(findings(), 'error|missing_policy|' || :'odd', 'a condition was changed');
\ir ../include/mend.psql
ALTER POLICY opsadmin_partner_floor ON regress_shop.of_text WITH CHECK (true);
SELECT is(findings(), 'error|missing_policy|regress_shop.of_text', 'a check was changed');
\ir ../include/mend.psql
ALTER POLICY opsadmin_partner_floor ON :odd TO opsadmin_internal;
SELECT is(findings(), 'error|missing_policy|' || :'odd', 'the roles were changed');
\ir ../include/mend.psql
DROP POLICY opsadmin_partner_floor ON :odd;
CREATE POLICY opsadmin_partner_floor ON :odd AS RESTRICTIVE FOR UPDATE TO opsadmin_partner USING ("Tenant ""id""" = opsadmin.current_tenant_key_int4());
SELECT is(findings(), 'error|missing_policy|' || :'odd', 'it is for one command only');
\ir ../include/mend.psql

-- Both conditions changed: the table is open.
ALTER POLICY opsadmin_partner ON :odd USING (true);
ALTER POLICY opsadmin_partner_floor ON :odd USING (name IS NOT NULL);
SELECT is(findings(), repeat('error|missing_policy|' || :'odd' || E'\n', 1) || 'error|missing_policy|' || :'odd', 'both are told');
\set query '(SELECT count(*) FROM ' :odd ')'
\ir ../include/as_partner.psql
SELECT is(:seen, 2, 'a partner sees the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:seen, 1, 'and now its own alone');
SELECT is(string_agg(polname, ',' ORDER BY polname), 'opsadmin_internal,opsadmin_partner,opsadmin_partner_floor', 'the table has the three policies') FROM pg_policy WHERE polrelid = :'odd'::regclass;

SELECT * FROM finish();
