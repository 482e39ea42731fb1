-- check_isolation(): a protected table without an index that begins with the tenant.
SELECT plan(10);
\ir ../include/check_isolation.psql

DROP INDEX regress_shop."Odd ""name""_Tenant ""id""_idx";
SELECT is(findings(), 'warning|missing_tenant_index|' || :'odd', 'there is no index');
CREATE INDEX other ON :odd (name, "Tenant ""id""");
CREATE INDEX part ON :odd ("Tenant ""id""") WHERE name IS NOT NULL;
CREATE INDEX range ON :odd USING brin ("Tenant ""id""");
SELECT is(findings(), 'warning|missing_tenant_index|' || :'odd', 'nor one that begins with it, holds every row and finds one');
\ir ../include/mend.psql
DROP INDEX regress_shop.other, regress_shop.part, regress_shop.range, regress_shop."Odd ""name""_Tenant ""id""_idx";
CREATE UNIQUE INDEX wide ON :odd ("Tenant ""id""", name) INCLUDE (id);
SELECT is(findings(), '', 'any index that begins with it will do');
DROP INDEX regress_shop.wide;
CREATE INDEX hashed ON :odd USING hash ("Tenant ""id""");
SELECT is(findings(), '', 'a hash index too');

-- Children: each has its own rows and needs its own index. Partitions are told of once.
CREATE TABLE regress_shop.parted (id bigint, tenant_id bigint NOT NULL, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (tenant_id);
CREATE TABLE regress_shop.part_0 PARTITION OF regress_shop.parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE regress_shop.part_1 PARTITION OF regress_shop.parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE regress_shop.bare (id uuid, tenant_id bigint NOT NULL) PARTITION BY HASH (tenant_id);
CREATE TABLE regress_shop.bare_0 PARTITION OF regress_shop.bare FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE regress_shop.bare_1 PARTITION OF regress_shop.bare FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE FUNCTION index_findings() RETURNS text LANGUAGE sql AS $$SELECT coalesce(string_agg(object || ': ' || remedy, E'\n'), '') FROM opsadmin_private.rule_missing_tenant_index()$$;
SELECT opsadmin_private.register_protection(t, 'tenant_id', false, false, false, '{}', '{}') FROM unnest('{regress_shop.parted,regress_shop.bare}'::regclass[]) AS t \g /dev/null
SELECT is(index_findings(), 'regress_shop.bare: CREATE INDEX ON regress_shop.bare (tenant_id);', 'one finding for all partitions');
SELECT remedy FROM opsadmin_private.rule_missing_tenant_index() \gexec
SELECT is(index_findings(), '', 'one index mends it');
CREATE TABLE regress_shop.child () INHERITS (regress_shop.product);
SELECT is(index_findings(), 'regress_shop.child: CREATE INDEX CONCURRENTLY ON regress_shop.child (tenant_id);', 'a child that inherits has an index of its own, or none');
SELECT remedy FROM opsadmin_private.rule_missing_tenant_index() \gexec
SELECT is(index_findings(), '', 'and can be given one');

SELECT * FROM finish();
