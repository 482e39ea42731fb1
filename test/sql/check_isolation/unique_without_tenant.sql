-- check_isolation(): unique and exclusion constraints without the tenant.
SELECT plan(21);
\ir ../include/check_isolation.psql

ALTER TABLE :odd ADD COLUMN sku text DEFAULT gen_random_uuid(), ADD CONSTRAINT "sku ""key""" UNIQUE NULLS NOT DISTINCT (sku) DEFERRABLE;
UPDATE :odd SET sku = name;
SELECT is(findings(), 'warning|unique_without_tenant|regress_shop."sku ""key"""', 'a unique constraint');
\set query 'failure($$INSERT INTO ' :odd ' (sku) VALUES (''theirs'')$$)'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '23505', 'a partner learns that another tenant has the value');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '', 'and now it may have it too');
SELECT is(pg_get_constraintdef(oid), 'UNIQUE NULLS NOT DISTINCT ("Tenant ""id""", sku) DEFERRABLE', 'all else of the constraint stays') FROM pg_constraint WHERE conname = 'sku "key"';

CREATE UNIQUE INDEX "lower ""name""" ON :odd (lower(name), sku) WHERE name <> '(';
SELECT is(findings(), 'warning|unique_without_tenant|regress_shop."lower ""name"""', 'a unique index of an expression');
\ir ../include/mend.psql
SELECT is(indexdef, format('CREATE UNIQUE INDEX "lower ""name""" ON %s USING btree ("Tenant ""id""", lower(name), sku) WHERE (name <> ''(''::text)', :'odd'), 'all else of the index stays')
FROM pg_indexes WHERE indexname = 'lower "name"';
CREATE EXTENSION btree_gist;
ALTER TABLE :odd ADD booked int4range, ADD CONSTRAINT booked EXCLUDE USING gist (booked WITH &&);
SELECT is(findings(), 'warning|unique_without_tenant|regress_shop.booked', 'an exclusion constraint');
\ir ../include/mend.psql

-- Keys that the server hands out, or that no one can guess.
ALTER TABLE :odd ADD number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, ADD serial_number serial UNIQUE, ADD token uuid UNIQUE, ADD UNIQUE (number, name);
SELECT is(findings(), '', 'keys of identity, sequence and uuid tell nothing');
ALTER TABLE :odd ADD line int UNIQUE;
SELECT is(findings(), 'warning|unique_without_tenant|regress_shop."Odd ""name""_line_key"', 'a number that people choose is another thing');
\ir ../include/mend.psql
-- A primary key of integers is as a rule handed out by the application; one of text is chosen.
CREATE TABLE regress_shop.numbered (id int PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE TABLE regress_shop.coded (code text PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE INDEX ON regress_shop.numbered (tenant_id);
CREATE INDEX ON regress_shop.coded (tenant_id);
SELECT opsadmin.protect('regress_shop.numbered'), opsadmin.protect('regress_shop.coded') \g /dev/null
SELECT is(findings(), 'warning|unique_without_tenant|regress_shop.coded_pkey', 'a primary key of text');
-- A resource would lose its key.
SELECT opsadmin.expose('regress_shop.coded') \g /dev/null
SELECT matches(remedy, '^-- ', 'that of a resource is not to be changed by a remedy') FROM opsadmin.check_isolation();
SELECT opsadmin.unexpose('regress_shop.coded') \g /dev/null
\ir ../include/mend.psql
-- Partitioned tables, once for all partitions.
CREATE TABLE regress_shop.parted (tenant_id bigint NOT NULL, day date NOT NULL, code text, number text, CONSTRAINT of_day UNIQUE (number, day)) PARTITION BY RANGE (day);
CREATE TABLE regress_shop.part PARTITION OF regress_shop.parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE UNIQUE INDEX code_of_day ON regress_shop.parted (code, day);
SELECT opsadmin_private.register_protection('regress_shop.parted', 'tenant_id', false, false, false, '{}', '{}') \g /dev/null
SELECT is(string_agg(object, ' ' ORDER BY object), 'regress_shop.code_of_day regress_shop.of_day', 'a constraint and an index of a partitioned table') FROM opsadmin_private.rule_unique_without_tenant();
SELECT remedy FROM opsadmin_private.rule_unique_without_tenant() \gexec
SELECT is(count(*), 0::bigint, 'the remedies mend both') FROM opsadmin_private.rule_unique_without_tenant();
SELECT is(count(*), 2::bigint, 'the partition has them too') FROM pg_index x WHERE x.indrelid = 'regress_shop.part'::regclass AND x.indisunique AND x.indisvalid AND x.indkey[0] = 1;
DROP TABLE regress_shop.parted;
CREATE UNIQUE INDEX covering ON :odd (name) INCLUDE ("Tenant ""id""");
SELECT is(findings(), 'warning|unique_without_tenant|regress_shop.covering', 'an included tenant column is no part of the key');

SELECT * FROM finish();
