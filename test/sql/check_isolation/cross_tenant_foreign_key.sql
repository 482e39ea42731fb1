-- check_isolation(): foreign keys between protected tables without the tenant.
SELECT plan(9);
\ir ../include/check_isolation.psql

ALTER TABLE regress_shop.product ADD UNIQUE (tenant_id, id);
CREATE TABLE regress_shop.item (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "product ""id""" bigint, tenant_id bigint NOT NULL);
CREATE INDEX ON regress_shop.item (tenant_id);
SELECT opsadmin.protect('regress_shop.item') \g /dev/null
ALTER TABLE regress_shop.item ADD CONSTRAINT "of ""product""" FOREIGN KEY ("product ""id""", tenant_id) REFERENCES regress_shop.product (id, tenant_id);
SELECT is(findings(), '', 'a key with the tenant on both sides');
ALTER TABLE regress_shop.item DROP CONSTRAINT "of ""product""";
-- The same columns crosswise are not the tenant on both sides.
ALTER TABLE regress_shop.item ADD CONSTRAINT "of ""product""" FOREIGN KEY (tenant_id, "product ""id""") REFERENCES regress_shop.product (id, tenant_id);
SELECT is(findings(), 'error|cross_tenant_foreign_key|regress_shop.item."of ""product"""', 'a key with the tenant in the place of something else');
ALTER TABLE regress_shop.item DROP CONSTRAINT "of ""product""";
CREATE TABLE regress_shop.country (code text PRIMARY KEY);
ALTER TABLE regress_shop.item ADD country text REFERENCES regress_shop.country;
SELECT is(findings(), '', 'a key to what all tenants share');

ALTER TABLE regress_shop.item ADD CONSTRAINT "of ""product""" FOREIGN KEY ("product ""id""") REFERENCES regress_shop.product ON DELETE CASCADE;
SELECT is(findings(), 'error|cross_tenant_foreign_key|regress_shop.item."of ""product"""', 'a key without the tenant');
\set query 'failure($$INSERT INTO regress_shop.item ("product ""id""") VALUES (2)$$)'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '', 'a partner refers to the other tenant''s row');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '23503', 'and now to nobody''s: it does not exist');
SELECT is(count(*), 1::bigint, 'the key keeps its action') FROM pg_constraint WHERE conrelid = 'regress_shop.item'::regclass AND contype = 'f' AND confdeltype = 'c' AND cardinality(conkey) = 2;

SELECT * FROM finish();
