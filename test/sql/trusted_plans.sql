-- The company's own application, a trusted role of its tables, gets the plans that it had before they were protected. Row-level
-- security keeps statistics from operators that are not leakproof, even where a policy lets every row in.
-- topic: isolation
SELECT plan(21);

CREATE ROLE regress_opsadmin_shop;
GRANT CREATE, USAGE ON SCHEMA public TO regress_opsadmin_shop;
SELECT opsadmin.create_tenant('acme', 'Acme'), opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'ops') \g /dev/null
SET ROLE regress_opsadmin_shop;
CREATE TYPE state AS ENUM ('open', 'closed');
CREATE TABLE item (id bigint NOT NULL, tenant_id bigint NOT NULL, price numeric, name text, state state, PRIMARY KEY (tenant_id, id));
CREATE TABLE tree (LIKE item INCLUDING ALL) PARTITION BY HASH (tenant_id);
CREATE TABLE tree_0 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO item SELECT n, 1 + n % 3, n, CASE WHEN n % 100 = 0 THEN 'tea ' ELSE 'pot ' END || n, CASE WHEN n % 100 = 0 THEN 'open' ELSE 'closed' END::state FROM generate_series(1, 10000) AS n;
INSERT INTO tree TABLE item;
CREATE INDEX ON item (price);
CREATE INDEX ON item ((price * 2));
CREATE INDEX ON tree (price);
CREATE STATISTICS item_both (mcv) ON name, state FROM item;
CREATE VIEW cheap AS SELECT * FROM item WHERE price < 100;
ANALYZE item, tree;
RESET ROLE;
GRANT SELECT ON cheap TO opsadmin_internal;

-- A plan with its numbers of rows, without costs.
CREATE FUNCTION planned(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  lines text := '';
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    lines := lines || regexp_replace(line, 'cost=\S+ ', '') || E'\n';
  END LOOP;
  RETURN lines;
END
$$;
CREATE TABLE query (name text, text text, before text);
INSERT INTO query VALUES
  ('a range of numerics', 'SELECT * FROM item WHERE price > 9990'), ('the beginning of a text', 'SELECT * FROM item WHERE name LIKE ''tea %'''),
  ('a value of an enum', 'SELECT * FROM item WHERE state = ''open'' AND price > 0'), ('an expression with an index', 'SELECT * FROM item WHERE price * 2 > 19990'),
  ('two columns together', 'SELECT * FROM item WHERE state = ''open'' AND name LIKE ''tea %'''), ('a partitioned table', 'SELECT * FROM tree WHERE price > 9990'),
  ('a join', 'SELECT * FROM item a JOIN tree b USING (tenant_id, id) WHERE a.price > 9990'), ('a view of the role', 'SELECT * FROM cheap WHERE price < 10'),
  ('a sub-select', 'SELECT * FROM item a WHERE EXISTS (SELECT FROM tree b WHERE b.id = a.id AND b.price > 9990)'),
  ('a sub-select as a value', 'SELECT (SELECT count(*) FROM item WHERE price > 9990)'), ('WITH', 'WITH a AS MATERIALIZED (SELECT * FROM item WHERE price > 9990) SELECT * FROM a'),
  ('UPDATE', 'UPDATE item SET name = '''' WHERE price > 9990'), ('DELETE of a partitioned table', 'DELETE FROM tree WHERE price > 9990'),
  ('MERGE', 'MERGE INTO item a USING tree b ON a.id = b.id AND a.price > 9990 WHEN MATCHED THEN DO NOTHING'),
  ('SELECT … FOR UPDATE', 'SELECT * FROM item WHERE price > 9990 FOR UPDATE');
GRANT SELECT, UPDATE ON query TO regress_opsadmin_shop;
GRANT SELECT ON query TO opsadmin_internal;

SET ROLE regress_opsadmin_shop;
UPDATE query SET before = planned(text);
RESET ROLE;
SELECT opsadmin.protect('item', trusted_roles => '{regress_opsadmin_shop}'), opsadmin.protect('tree', trusted_roles => '{regress_opsadmin_shop}') \g /dev/null

SET ROLE regress_opsadmin_shop;
SELECT is(planned(text), before, name) FROM query ORDER BY name;
PREPARE cheapest AS SELECT count(*) FROM item WHERE price < 10;
EXECUTE cheapest \g /dev/null
RESET ROLE;

-- Who else uses a plan has it made anew, and policies that hide rows stay.
CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT count(*) FROM item WHERE price < 10); END$$;
SET ROLE regress_opsadmin_shop;
SELECT is(counted(), 9::bigint, 'the application sees every row');
RESET ROLE;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'acme') \g /dev/null
SELECT is(counted(), 3::bigint, 'a partner its own, by the same function');
SELECT is((SELECT count(*) FROM item), 3333::bigint, 'and by its own statement');
COMMIT;
CREATE ROLE regress_opsadmin_other;
GRANT SELECT ON item TO regress_opsadmin_other;
SET ROLE regress_opsadmin_other;
SELECT is(counted(), 0::bigint, 'a role without a policy none');
RESET ROLE;
CREATE POLICY true_and_more ON item AS RESTRICTIVE FOR SELECT TO regress_opsadmin_shop USING (price > 5);
SET ROLE regress_opsadmin_shop;
SELECT is(counted(), 4::bigint, 'and a policy that hides rows beside one that hides none does so');
RESET ROLE;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(planned(text), before, 'staff: ' || name) FROM query WHERE name = 'a range of numerics';
COMMIT;

DROP OWNED BY regress_opsadmin_shop, regress_opsadmin_other CASCADE;
DROP ROLE regress_opsadmin_shop, regress_opsadmin_other;
SELECT * FROM finish();
