-- Foreign keys between protected tables: what they let a partner do before, that they do not afterwards, and that they
-- otherwise work as they did. Also in what form unprotect() gives them back.
-- topic: isolation
SELECT plan(106);
\ir include/failure.psql
SET client_min_messages = error;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2) \g /dev/null
CREATE SCHEMA regress_shop;

-- The tables as they are before protect(): a shop with products, and the company's way to say which tenant it is.
CREATE PROCEDURE make_tables(type text, ours text, theirs text, actions text DEFAULT '') LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS regress_shop.product, regress_shop.shop;
    EXECUTE format('CREATE TABLE regress_shop.shop (id int PRIMARY KEY, tenant_id %s NOT NULL)', type);
    EXECUTE format('CREATE TABLE regress_shop.product (id int PRIMARY KEY, tenant_id %s NOT NULL, shop_id int DEFAULT 1 CONSTRAINT of_shop REFERENCES regress_shop.shop %s)', type, actions);
    EXECUTE format('INSERT INTO regress_shop.shop VALUES (1, %L), (2, %L)', ours, theirs);
    EXECUTE format('INSERT INTO regress_shop.product VALUES (1, %L, 1), (2, %L, 2)', ours, theirs);
END
$$;
-- As a server without tenant-safe keys: both tables are protected, the key is as it was.
CREATE PROCEDURE protect_both(with_keys boolean) LANGUAGE plpgsql AS $$
DECLARE
    was text := (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'of_shop');
BEGIN
    PERFORM opsadmin.protect('regress_shop.product');
    PERFORM opsadmin.protect('regress_shop.shop');
    IF NOT with_keys THEN
        SET LOCAL opsadmin.guard = off;
        EXECUTE 'ALTER TABLE regress_shop.product DROP CONSTRAINT of_shop, ADD CONSTRAINT of_shop ' || was;
    END IF;
END
$$;
CREATE FUNCTION definition(constraint_name name) RETURNS text LANGUAGE sql AS $$ SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1 AND conparentid = 0 $$;

-- The attacks, for each type of tenant column.
CREATE TABLE attack (type text, ours text, theirs text);
INSERT INTO attack VALUES ('integer', '1', '2'), ('bigint', '1', '2'), ('text', 'acme-key', 'globex-key'),
                          ('uuid', '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f01', '5d7bbdd0-4e33-4f8e-9b3a-6f2b1c9f6f02');
CREATE FUNCTION attacks(type text, ours text, theirs text, with_keys boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    CALL make_tables(type, ours, theirs, 'ON DELETE CASCADE');
    UPDATE opsadmin.tenant SET key = ours WHERE id = 1;
    CALL protect_both(with_keys);
    PERFORM opsadmin.begin_as(tenant => 'acme');
    RETURN NEXT is(failure('INSERT INTO regress_shop.product (id, shop_id) VALUES (3, 2)'), CASE WHEN with_keys THEN '23503' END,
                   format('%s, %s: a row that refers to another tenant''s', type, CASE WHEN with_keys THEN 'after' ELSE 'before' END));
    RETURN NEXT is(failure('INSERT INTO regress_shop.product (id, shop_id) VALUES (4, 99)'), '23503', 'and one that refers to nothing: who can tell them apart learns that the row exists');
    RETURN NEXT is(failure('INSERT INTO regress_shop.product (id, shop_id) VALUES (5, 1)'), NULL, 'its own shop it may refer to');
    RETURN NEXT is(failure('UPDATE regress_shop.product SET shop_id = 2 WHERE id = 1'), CASE WHEN with_keys THEN '23503' END, 'by UPDATE, too');
    RESET ROLE;
END
$$;
BEGIN; SELECT attacks(type, ours, theirs, false) FROM attack WHERE type = 'integer'; ROLLBACK;
BEGIN; SELECT attacks(type, ours, theirs, true) FROM attack WHERE type = 'integer'; ROLLBACK;
BEGIN; SELECT attacks(type, ours, theirs, true) FROM attack WHERE type = 'bigint'; ROLLBACK;
BEGIN; SELECT attacks(type, ours, theirs, true) FROM attack WHERE type = 'text'; ROLLBACK;
BEGIN; SELECT attacks(type, ours, theirs, true) FROM attack WHERE type = 'uuid'; ROLLBACK;
-- A partner deletes its shop, to which another tenant's product refers.
CREATE FUNCTION cascade_onto(with_keys boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    CALL make_tables('bigint', '1', '2', 'ON DELETE CASCADE');
    CALL protect_both(with_keys);
    RETURN failure('UPDATE regress_shop.product SET shop_id = 1 WHERE id = 2');
END
$$;
BEGIN;
SELECT is(cascade_onto(false), NULL, 'before: the other tenant''s product comes to refer to the shop');
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
DELETE FROM regress_shop.shop WHERE id = 1;
RESET ROLE;
SELECT is(count(*), 0::bigint, 'and goes with it') FROM regress_shop.product WHERE tenant_id = 2;
ROLLBACK;
BEGIN;
SELECT is(cascade_onto(true), '23503', 'after: nothing comes to refer to another tenant''s shop, whoever tries');
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
DELETE FROM regress_shop.shop WHERE id = 1;
RESET ROLE;
SELECT results_eq('SELECT id FROM regress_shop.product', ARRAY[2], 'and its own product alone goes with it');
ROLLBACK;

-- Every action keeps doing what it did, in both orders of protect(), and comes back.
CREATE FUNCTION keeps(actions text, secured text, after_delete text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    original text;
BEGIN
    CALL make_tables('bigint', '1', '2', actions);
    COMMENT ON CONSTRAINT of_shop ON regress_shop.product IS 'the company''s';
    original := definition('of_shop');
    PERFORM opsadmin.protect('regress_shop.shop');
    RETURN NEXT is(definition('of_shop'), original, format('"%s": with one end alone it stays', actions));
    PERFORM opsadmin.protect('regress_shop.product');
    RETURN NEXT is(definition('of_shop'), 'FOREIGN KEY (tenant_id, shop_id) REFERENCES regress_shop.shop(tenant_id, id)' || secured, 'then it has the tenant');
    RETURN NEXT is((SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'of_shop'), 'the company''s', 'and its comment');
    BEGIN
        UPDATE regress_shop.product SET shop_id = 2 WHERE id = 2;
        DELETE FROM regress_shop.shop WHERE id = 2;
        RETURN NEXT is((SELECT string_agg(format('%s:%s:%s', p.id, p.tenant_id, coalesce(p.shop_id::text, '-')), ' ' ORDER BY p.id) FROM regress_shop.product p), after_delete, 'DELETE');
        RAISE SQLSTATE 'OK000';
    EXCEPTION
        WHEN SQLSTATE 'OK000' THEN NULL;
        WHEN OTHERS THEN RETURN NEXT is(SQLSTATE, after_delete, 'DELETE');
    END;
    PERFORM opsadmin.unprotect('regress_shop.shop');
    RETURN NEXT is(definition('of_shop'), original, 'unprotect() of one end gives it back');
    RETURN NEXT is((SELECT count(*) FROM opsadmin.replaced_key) + (SELECT count(*) FROM pg_class WHERE relname LIKE 'opsadmin\_key%'), 0::bigint, 'and leaves nothing');
    PERFORM opsadmin.unprotect('regress_shop.product');
END
$$;
SELECT keeps('', '', '23503');
SELECT keeps('ON DELETE RESTRICT ON UPDATE RESTRICT', ' ON UPDATE RESTRICT ON DELETE RESTRICT', '23503');
SELECT keeps('ON DELETE CASCADE ON UPDATE CASCADE', ' ON UPDATE CASCADE ON DELETE CASCADE', '1:1:1');
SELECT keeps('ON DELETE SET NULL', ' ON DELETE SET NULL (shop_id)', '1:1:1 2:2:-');
SELECT keeps('ON DELETE SET NULL (shop_id) DEFERRABLE', ' ON DELETE SET NULL (shop_id) DEFERRABLE', '1:1:1 2:2:-');
-- The default is a shop of tenant 1, which tenant 2 cannot have.
SELECT keeps('ON DELETE SET DEFAULT', ' ON DELETE SET DEFAULT (shop_id)', '23503');

-- Deferred keys are checked at the end, for partners as for all.
CALL make_tables('bigint', '1', '2', 'DEFERRABLE INITIALLY DEFERRED');
CALL protect_both(true);
SELECT is(definition('of_shop'), 'FOREIGN KEY (tenant_id, shop_id) REFERENCES regress_shop.shop(tenant_id, id) DEFERRABLE INITIALLY DEFERRED', 'a deferred key stays deferred');
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
INSERT INTO regress_shop.product (id, shop_id) VALUES (3, 3);
INSERT INTO regress_shop.shop (id) VALUES (3);
SELECT is(failure('SET CONSTRAINTS ALL IMMEDIATE'), NULL, 'and is satisfied later');
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO regress_shop.product (id, shop_id) VALUES (4, 2);
SELECT is(failure('SET CONSTRAINTS ALL IMMEDIATE'), '23503', 'but not by another tenant''s row');
ROLLBACK;

-- Self references, several columns, NULLs, a key that nobody has validated, an index that is there.
CREATE TABLE regress_shop.node (tenant_id bigint NOT NULL, a int, b int, parent_a int, parent_b int, note text,
    PRIMARY KEY (a, b), CONSTRAINT parent FOREIGN KEY (parent_a, parent_b) REFERENCES regress_shop.node ON DELETE SET NULL (parent_b),
    CONSTRAINT swapped FOREIGN KEY (parent_b, parent_a) REFERENCES regress_shop.node (b, a) NOT VALID);
INSERT INTO regress_shop.node VALUES (1, 1, 1, NULL, NULL), (1, 1, 2, 1, 1), (2, 2, 1, NULL, NULL), (2, 2, 2, 2, NULL), (2, 2, 3, NULL, 99);
SELECT lives_ok($$SELECT opsadmin.protect('regress_shop.node')$$, 'a table that refers to itself, with NULLs');
SELECT is(definition('parent'), 'FOREIGN KEY (tenant_id, parent_a, parent_b) REFERENCES regress_shop.node(tenant_id, a, b) ON DELETE SET NULL (parent_b)', 'a key of two columns');
SELECT is(definition('swapped'), 'FOREIGN KEY (tenant_id, parent_b, parent_a) REFERENCES regress_shop.node(tenant_id, b, a)', 'and one in another order');
SELECT is(count(*), 1::bigint, 'share one index') FROM pg_index WHERE indrelid = 'regress_shop.node'::regclass AND indexrelid::regclass::text ~ 'opsadmin_key';
SELECT is(failure('UPDATE regress_shop.node SET parent_a = 1, parent_b = 1 WHERE a = 2'), '23503', 'no parent of another tenant');
SELECT is(failure('UPDATE regress_shop.node SET parent_a = 99, parent_b = NULL WHERE a = 2'), NULL, 'a NULL in one column refers to nothing, as before');
SELECT opsadmin.unprotect('regress_shop.node') \g /dev/null
SELECT is(definition('parent'), 'FOREIGN KEY (parent_a, parent_b) REFERENCES regress_shop.node(a, b) ON DELETE SET NULL (parent_b)', 'unprotect() gives its column list back');
CREATE UNIQUE INDEX by_tenant ON regress_shop.node (b, tenant_id, a);
SELECT opsadmin.protect('regress_shop.node') \g /dev/null
SELECT is(count(*), 0::bigint, 'an index that is there is used') FROM pg_index WHERE indrelid = 'regress_shop.node'::regclass AND indexrelid::regclass::text ~ 'opsadmin_key';
ALTER TABLE regress_shop.node RENAME a TO x;
ALTER TABLE regress_shop.node RENAME tenant_id TO owner_id;
ALTER TABLE regress_shop.node RENAME TO leaf;
SELECT opsadmin.unprotect('regress_shop.leaf') \g /dev/null
SELECT is(definition('parent'), 'FOREIGN KEY (parent_a, parent_b) REFERENCES regress_shop.leaf(x, b) ON DELETE SET NULL (parent_b)', 'and it comes back under the names of today');
CREATE TABLE regress_shop.unchecked (id int PRIMARY KEY, tenant_id bigint NOT NULL, parent_id int);
INSERT INTO regress_shop.unchecked VALUES (1, 1, 77);
ALTER TABLE regress_shop.unchecked ADD CONSTRAINT loose FOREIGN KEY (parent_id) REFERENCES regress_shop.unchecked NOT VALID;
SELECT lives_ok($$SELECT opsadmin.protect('regress_shop.unchecked')$$, 'a key that was not valid');
SELECT is(definition('loose'), 'FOREIGN KEY (tenant_id, parent_id) REFERENCES regress_shop.unchecked(tenant_id, id) NOT VALID', 'stays so');

-- The index goes with the last key that needs it.
CALL make_tables('bigint', '1', '2');
CREATE TABLE regress_shop.till (id int PRIMARY KEY, tenant_id bigint NOT NULL, shop_id int REFERENCES regress_shop.shop);
SELECT opsadmin.protect('regress_shop.shop'), opsadmin.protect('regress_shop.till') \g /dev/null
SELECT opsadmin.protect('regress_shop.product') \g /dev/null
CREATE VIEW own_index AS SELECT FROM pg_index WHERE indrelid = to_regclass('regress_shop.shop') AND indexrelid::regclass::text ~ 'opsadmin_key';
SELECT lives_ok($$SELECT opsadmin.unprotect('regress_shop.product')$$, 'one of two tables that refer to a shop is unprotected');
SELECT is(count(*), 1::bigint, 'the other still needs the index') FROM own_index;
SELECT opsadmin.unprotect('regress_shop.till') \g /dev/null
SELECT is(count(*), 0::bigint, 'and takes it along') FROM own_index;
DROP TABLE regress_shop.till;

-- Keys that are none of opsadmin's business.
CREATE TABLE regress_shop.customer (id bigint PRIMARY KEY);
INSERT INTO regress_shop.customer VALUES (1), (2);
CREATE TABLE regress_shop.invoice (tenant_id bigint NOT NULL CONSTRAINT of_customer REFERENCES regress_shop.customer, id int PRIMARY KEY, previous int,
    UNIQUE (tenant_id, id), CONSTRAINT chain FOREIGN KEY (previous, tenant_id) REFERENCES regress_shop.invoice (id, tenant_id) MATCH SIMPLE);
SELECT opsadmin.protect('regress_shop.invoice') \g /dev/null
SELECT is(definition('of_customer'), 'FOREIGN KEY (tenant_id) REFERENCES regress_shop.customer(id)', 'a key to a table that is not protected stays');
SELECT is(definition('chain'), 'FOREIGN KEY (previous, tenant_id) REFERENCES regress_shop.invoice(id, tenant_id)', 'as does one that holds the tenant');

-- A key that is added later: nobody stops it, secure_foreign_key() makes it safe.
ALTER TABLE regress_shop.invoice ADD CONSTRAINT later FOREIGN KEY (previous) REFERENCES regress_shop.invoice (id);
SELECT is(failure($$SELECT opsadmin.secure_foreign_key('regress_shop.invoice', 'of_customer')$$), 'OA425', 'not a key between protected tables');
SELECT is(failure($$SELECT opsadmin.secure_foreign_key('regress_shop.customer', 'later')$$), 'OA425', 'nor of a table that is not protected');
SELECT lives_ok($$SELECT opsadmin.secure_foreign_key('regress_shop.invoice', 'later')$$, 'a key that was added later');
SELECT is(definition('later'), 'FOREIGN KEY (tenant_id, previous) REFERENCES regress_shop.invoice(tenant_id, id)', 'has the tenant then');
SELECT lives_ok($$SELECT opsadmin.secure_foreign_key('regress_shop.invoice', 'later')$$, 'a second time does nothing');
ALTER TABLE regress_shop.invoice DROP CONSTRAINT later;
SELECT is_empty('SELECT FROM opsadmin.replaced_key WHERE constraint_name = ''later''', 'a key that is dropped is forgotten');

-- Rows that refer to another tenant's are listed, and stop protect().
CALL make_tables('bigint', '1', '2');
INSERT INTO regress_shop.product SELECT n, 1, 2 FROM generate_series(11, 17) AS n;
SELECT opsadmin.protect('regress_shop.shop') \g /dev/null
SELECT results_eq($$SELECT constraint_name, referencing, referencing_key, referencing_tenant, referenced, referenced_key, referenced_tenant
                    FROM opsadmin.cross_tenant_references('regress_shop.product') ORDER BY referencing_key LIMIT 1$$,
                  $$VALUES ('of_shop'::name, 'regress_shop.product', '{"id":11}'::jsonb, '1', 'regress_shop.shop', '{"id":2}'::jsonb, '2')$$, 'each reference to another tenant''s row');
SELECT is(count(*), 0::bigint, 'none while the other end is not protected') FROM opsadmin.cross_tenant_references('regress_shop.shop');
CREATE FUNCTION detail_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, detail, hint, SQLERRM);
END
$$;
SELECT matches(detail_of($$SELECT opsadmin.protect('regress_shop.product')$$), 'OA450 (?:"[^;]*; ){5}and more\. .*cross_tenant_references\(''regress_shop\.product'', ''tenant_id''\)', 'protect() names five');
SELECT matches(detail_of($$SELECT opsadmin.protect_plan('regress_shop.product')$$), 'OA450', 'as does the plan');
DELETE FROM regress_shop.product WHERE id > 10;
SELECT lives_ok($$SELECT opsadmin.protect('regress_shop.product')$$, 'once they are mended it goes on');

-- What cannot be kept: the hint is the remedy, and it works.
CREATE FUNCTION remedied(actions text, type text DEFAULT 'bigint') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    CALL make_tables('bigint', '1', '2', actions);
    EXECUTE format('ALTER TABLE regress_shop.product ALTER tenant_id TYPE %s USING CASE WHEN %L = ''uuid'' THEN gen_random_uuid()::text ELSE tenant_id::text END::%s', type, type, type);
    PERFORM opsadmin.protect('regress_shop.shop');
    answer := detail_of($q$SELECT opsadmin.protect('regress_shop.product')$q$);
    EXECUTE substring(answer FROM 'ALTER TABLE [^;]*');
    RETURN concat_ws(' ', left(answer, 5), detail_of($q$SELECT opsadmin.protect('regress_shop.product')$q$), definition('of_shop'));
END
$$;
SELECT is(remedied('ON UPDATE SET NULL'), 'OA451 none FOREIGN KEY (tenant_id, shop_id) REFERENCES regress_shop.shop(tenant_id, id)', 'ON UPDATE SET NULL');
SELECT is(remedied('ON UPDATE SET DEFAULT ON DELETE CASCADE'), 'OA451 none FOREIGN KEY (tenant_id, shop_id) REFERENCES regress_shop.shop(tenant_id, id) ON DELETE CASCADE', 'ON UPDATE SET DEFAULT');
SELECT is(remedied('MATCH FULL'), 'OA451 none FOREIGN KEY (tenant_id, shop_id) REFERENCES regress_shop.shop(tenant_id, id)', 'MATCH FULL with a column that may be NULL');
SELECT is(remedied('', 'uuid'), 'OA451 none', 'tenant columns that cannot be compared');
CALL make_tables('bigint', '1', '2', 'MATCH FULL');
ALTER TABLE regress_shop.product ALTER shop_id SET NOT NULL, ALTER tenant_id TYPE integer;
CALL protect_both(true);
SELECT is(definition('of_shop'), 'FOREIGN KEY (tenant_id, shop_id) REFERENCES regress_shop.shop(tenant_id, id)', 'MATCH FULL without NULLs, and integer beside bigint, can be kept');
SELECT opsadmin.unprotect('regress_shop.product') \g /dev/null
SELECT is(definition('of_shop'), 'FOREIGN KEY (shop_id) REFERENCES regress_shop.shop(id) MATCH FULL', 'and comes back');

-- The plan, step by step and each in its own transaction, leaves what protect() leaves.
CALL make_tables('bigint', '1', '2', 'ON DELETE SET NULL DEFERRABLE');
CREATE INDEX ON regress_shop.product (tenant_id);
COMMENT ON CONSTRAINT of_shop ON regress_shop.product IS 'the company''s';
CREATE FUNCTION state_of(target regclass) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object(
    'security', (SELECT ARRAY[relrowsecurity, relforcerowsecurity] FROM pg_class WHERE oid = target),
    'acl', (SELECT jsonb_agg(a::text ORDER BY a::text) FROM pg_class c, unnest(relacl) AS a WHERE oid = target),
    'policies', (SELECT jsonb_agg(p.* ORDER BY policyname) FROM pg_policies p WHERE format('%I.%I', schemaname, tablename)::regclass = target),
    'keys', (SELECT jsonb_agg(jsonb_build_array(conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')) ORDER BY conname) FROM pg_constraint WHERE target IN (conrelid, confrelid)),
    'indexes', (SELECT jsonb_agg(pg_get_indexdef(indexrelid) ORDER BY 1) FROM pg_index WHERE indrelid = target),
    'replaced', (SELECT jsonb_agg(k ORDER BY k::text) FROM opsadmin.replaced_key k WHERE k.relation = target))
$$;
SELECT opsadmin.protect('regress_shop.shop') \g /dev/null
SELECT opsadmin.protect('regress_shop.product') \g /dev/null
CREATE TABLE state AS SELECT state_of('regress_shop.product') AS product, state_of('regress_shop.shop') AS shop;
SELECT opsadmin.unprotect('regress_shop.product') \g /dev/null
SELECT matches(string_agg(step, ';'), 'CREATE UNIQUE INDEX CONCURRENTLY.*NOT VALID;.*VALIDATE CONSTRAINT.*CREATE POLICY.*ENABLE ROW LEVEL SECURITY.*register_protection.*GRANT', 'the plan has the online forms, and the rights last')
FROM opsadmin.protect_plan('regress_shop.product') AS step;
\o /dev/null
SELECT opsadmin.protect_plan('regress_shop.product') \gexec
\o
SELECT is(state_of('regress_shop.product'), product, 'step by step') FROM state;
SELECT is(state_of('regress_shop.shop'), shop, 'it leaves what protect() leaves, at the other end, too') FROM state;
-- A plan that was broken off can be begun again, after any step.
CREATE PROCEDURE broken_off(steps integer) LANGUAGE plpgsql AS $$
DECLARE
    step text;
BEGIN
    FOR step IN SELECT replace(s, ' CONCURRENTLY', '') FROM opsadmin.protect_plan('regress_shop.product') WITH ORDINALITY AS p (s, n) WHERE n <= steps LOOP
        EXECUTE step;
    END LOOP;
    PERFORM opsadmin.protect('regress_shop.product');
END
$$;
SELECT opsadmin.unprotect('regress_shop.product') \g /dev/null
CREATE FUNCTION state_after(steps integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    same boolean;
BEGIN
    CALL broken_off(steps);
    same := (SELECT state_of('regress_shop.product') = product FROM state);
    PERFORM opsadmin.unprotect('regress_shop.product');
    RETURN same;
END
$$;
SELECT is(array_agg(n) FILTER (WHERE NOT state_after(n)), NULL, 'broken off after any step before the last three, and begun again')
FROM generate_series(1, (SELECT count(*)::integer - 3 FROM opsadmin.protect_plan('regress_shop.product'))) AS n;

-- Two plans that were made together: neither knows that the other table is to be protected.
CREATE TABLE regress_shop.tag (id int PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE TABLE regress_shop.label (id int PRIMARY KEY, tenant_id bigint NOT NULL, tag_id int CONSTRAINT of_tag REFERENCES regress_shop.tag);
CREATE TABLE plans AS SELECT t AS target, n, replace(step, ' CONCURRENTLY', '') AS step
FROM unnest('{regress_shop.tag,regress_shop.label}'::regclass[]) AS t CROSS JOIN LATERAL opsadmin.protect_plan(t) WITH ORDINALITY AS p (step, n);
CREATE PROCEDURE run_steps(of_target regclass) LANGUAGE plpgsql AS $$
DECLARE
    step text;
BEGIN
    FOR step IN SELECT p.step FROM plans p WHERE p.target = of_target ORDER BY n LOOP
        EXECUTE step;
    END LOOP;
END
$$;
CALL run_steps('regress_shop.tag');
SELECT throws_ok($$CALL run_steps('regress_shop.label')$$, 'OA450', 'foreign key "of_tag" does not compare the tenants of "regress_shop.label" and "regress_shop.tag"', 'the second plan stops before the rights');
SELECT is(has_table_privilege('opsadmin_partner', 'regress_shop.label', 'SELECT'), false, 'which are not given');
DELETE FROM plans;
INSERT INTO plans SELECT 'regress_shop.label', n, replace(step, ' CONCURRENTLY', '') FROM opsadmin.protect_plan('regress_shop.label') WITH ORDINALITY AS p (step, n);
CALL run_steps('regress_shop.label');
SELECT is(pg_get_constraintdef(oid), 'FOREIGN KEY (tenant_id, tag_id) REFERENCES regress_shop.tag(tenant_id, id)', 'made anew, it makes the key compare the tenants') FROM pg_constraint WHERE conname = 'of_tag';

-- What the original form needs may be gone.
CALL make_tables('bigint', '1', '2', '');
CALL protect_both(true);
ALTER TABLE regress_shop.shop DROP CONSTRAINT shop_pkey, ADD PRIMARY KEY (tenant_id, id);
SELECT throws_ok('SELECT opsadmin.unprotect(''regress_shop.product'')', 'OA451', 'foreign key "of_shop" of "regress_shop.product" cannot get its original form back', 'a foreign key to a key that is not there any more');
ALTER TABLE regress_shop.shop ADD UNIQUE (id);
SELECT opsadmin.unprotect('regress_shop.product') \g /dev/null
SELECT is(definition('of_shop'), 'FOREIGN KEY (shop_id) REFERENCES regress_shop.shop(id)', 'with the key it does');

DROP SCHEMA regress_shop CASCADE;
SELECT is((SELECT count(*) FROM opsadmin.replaced_key), 0::bigint, 'tables that are dropped are forgotten');
SELECT * FROM finish();
