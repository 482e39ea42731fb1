-- What a partner's statements are planned by does not depend on values of other tenants' rows, of whatever type and by whatever
-- statistics; the own tenant's share of a table is known.
-- topic: isolation
SELECT plan(23);

SELECT opsadmin.create_tenant('small', 'Small', id => 1), opsadmin.create_tenant('big', 'Big', id => 2), opsadmin.create_tenant('keyed', 'Keyed', id => 3, key => 'key-3') \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'ops') \g /dev/null
-- Three of four rows of the big tenant have the same secrets; the small one has none of them.
CREATE TABLE item (id bigint NOT NULL, tenant_id bigint NOT NULL, number int, name text, day date, at timestamptz, tags text[], note text, PRIMARY KEY (tenant_id, id)) PARTITION BY HASH (id);
CREATE TABLE item_0 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE item_1 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE plain (LIKE item INCLUDING ALL);
INSERT INTO item SELECT n, 1 + (n > 1000)::int, CASE WHEN secret THEN 4711 ELSE n END, CASE WHEN secret THEN 'quokka' ELSE 'name ' || n END, CASE WHEN secret THEN '2020-02-02' ELSE date '2001-01-01' + n END,
  CASE WHEN secret THEN '2020-02-02' ELSE timestamptz '2001-01-01' + n * interval '1 hour' END, CASE WHEN secret THEN '{quokka}'::text[] ELSE ARRAY['t' || n] END, CASE WHEN secret THEN 'QUOKKA' ELSE 'note ' || n END
FROM (SELECT n, n > 1000 AND n % 4 <> 0 AS secret FROM generate_series(1, 10000) AS n) AS s;
INSERT INTO plain TABLE item;
CREATE TABLE keyed (id int PRIMARY KEY, tenant_key text NOT NULL);
INSERT INTO keyed SELECT n, CASE WHEN n <= 9000 THEN 'key-3' ELSE 'other' || n % 3 END FROM generate_series(1, 10000) AS n;
CREATE INDEX ON plain (lower(note));
CREATE STATISTICS plain_both (mcv, dependencies) ON number, name FROM plain;
CREATE INDEX ON keyed (tenant_key);
SELECT opsadmin.protect('item'), opsadmin.protect('plain'), opsadmin.protect('keyed', 'tenant_key') \g /dev/null
ANALYZE;

-- The planner's number of rows, and the shape of the plan.
CREATE FUNCTION planned(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  line text;
  lines text := '';
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    CONTINUE WHEN line ~ '(Cond|Filter):';
    lines := lines || line || E'\n';
  END LOOP;
  RETURN lines;
END
$$;
CREATE FUNCTION rows_of(query text) RETURNS bigint LANGUAGE sql AS $$SELECT substring(planned($1), 'rows=(\d+)')::bigint$$;
CREATE TABLE probe (name text, secret text, other text);
INSERT INTO probe VALUES
  ('a number', 'number = 4711', 'number = 4712'), ('a range of numbers', 'number BETWEEN 4711 AND 4711', 'number BETWEEN 99990 AND 99990'), ('below a number', 'number < 4711', 'number < 4712'),
  ('a text', 'name = ''quokka''', 'name = ''walrus'''), ('a range of texts', 'name >= ''quokka'' AND name < ''quokkb''', 'name >= ''walrus'' AND name < ''walrut'''),
  ('a day', 'day = ''2020-02-02''', 'day = ''2020-02-03'''), ('a time', 'at > ''2020-02-01''', 'at > ''2030-02-01'''), ('one of several', 'number IN (4711, 1)', 'number IN (4712, 1)'),
  ('an element of an array', 'tags @> ''{quokka}''', 'tags @> ''{walrus}'''), ('two columns together', 'number = 4711 AND name = ''quokka''', 'number = 4712 AND name = ''walrus'''),
  ('an expression with an index', 'lower(note) = ''quokka''', 'lower(note) = ''walrus'''), ('another tenant', 'tenant_id = 2', 'tenant_id = 77');
GRANT SELECT ON probe TO opsadmin_partner, opsadmin_internal;

BEGIN;
SELECT opsadmin.begin_as(tenant => 'small') \g /dev/null
SELECT is(string_agg(planned(format('SELECT FROM %s WHERE %s', t, secret)), ''), string_agg(planned(format('SELECT FROM %s WHERE %s', t, other)), ''), name || ' of other tenants')
FROM probe, unnest('{plain,item}'::text[]) AS t GROUP BY name ORDER BY name;
SELECT is(planned('SELECT FROM plain a JOIN plain b USING (number) WHERE a.number = 4711'), planned('SELECT FROM plain a JOIN plain b USING (number) WHERE a.number = 4712'), 'a join');
SELECT is(planned('SELECT number FROM plain WHERE number = 4711 GROUP BY 1'), planned('SELECT number FROM plain WHERE number = 4712 GROUP BY 1'), 'groups');
SELECT is(planned('UPDATE plain SET note = NULL WHERE number = 4711'), planned('UPDATE plain SET note = NULL WHERE number = 4712'), 'an UPDATE');
-- With what else a plan needs: by how much a condition narrows a search, and how large the own share is.
SELECT cmp_ok(rows_of('SELECT FROM plain'), '<', 1100::bigint, 'the small tenant''s share is known');
SELECT cmp_ok(rows_of('SELECT FROM plain WHERE number = 5'), '<', 100::bigint, 'and that a number is selective');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'big') \g /dev/null
SELECT cmp_ok(rows_of('SELECT FROM plain'), '>', 8500::bigint, 'so is the big one''s');
SELECT cmp_ok(rows_of('SELECT FROM item'), '>', 8500::bigint, 'also of a partitioned table');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as(tenant => 'keyed') \g /dev/null
SELECT cmp_ok(rows_of('SELECT FROM keyed'), '>', 8500::bigint, 'and of one with a text as the tenant');
SELECT is(rows_of('SELECT FROM keyed WHERE tenant_key = ''other1'''), rows_of('SELECT FROM keyed WHERE tenant_key = ''nobody'''), 'where others stay unknown, too');
COMMIT;
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT cmp_ok(rows_of('SELECT FROM plain WHERE number = 4711'), '>', 6000::bigint, 'staff''s statements are planned by all that is known');
COMMIT;
SELECT cmp_ok(rows_of('SELECT FROM plain WHERE number = 4711'), '>', 6000::bigint, 'as are superusers''');
