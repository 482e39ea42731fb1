-- Types whose operators are not the server's own: citext, in whose order "b" comes before "C", and ltree. Jobs, lists and
-- filters compare their values as the type does.
-- topic: jobs
SELECT plan(18);
CREATE EXTENSION citext;
CREATE EXTENSION ltree;
SET opsadmin.job_chunk_rows = 3;

SELECT opsadmin.create_tenant('north', 'North', id => 1), opsadmin.create_tenant('south', 'South', id => 2) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'ops') \g /dev/null
CREATE TABLE person (email citext PRIMARY KEY, tenant_id bigint NOT NULL, place ltree NOT NULL, touched int NOT NULL DEFAULT 0);
INSERT INTO person SELECT CASE WHEN n % 2 = 0 THEN chr(65 + n) ELSE chr(97 + n) END || '@example.com', 1, ('top.n' || n)::ltree FROM generate_series(0, 25) AS n;
CREATE TABLE node (tenant_id bigint, path ltree, name citext, touched int NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, path, name));
INSERT INTO node SELECT t, place, email FROM person, unnest('{1,2}'::int[]) AS t;
CREATE DOMAIN mail AS citext;
CREATE TABLE letter (id mail PRIMARY KEY, touched int NOT NULL DEFAULT 0);
INSERT INTO letter SELECT email FROM person;
CREATE INDEX ON person (tenant_id);
SELECT opsadmin.protect('person'), opsadmin.expose('person') \g /dev/null

-- Each row once.
SELECT opsadmin.bulk_update(t::regclass, 'touched = touched + 1') FROM unnest('{person,node,letter}'::text[]) AS t \g /dev/null
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT target, state, total, changed FROM opsadmin.bulk_job ORDER BY 1',
  $$VALUES ('public.letter', 'DONE', 26::bigint, 26::bigint), ('public.node', 'DONE', 52, 52), ('public.person', 'DONE', 26, 26)$$, 'jobs are done');
SELECT results_eq('SELECT touched, count(*) FROM ' || t || ' GROUP BY 1', format('VALUES (1, %s::bigint)', n), t || ': each row was changed once')
FROM (VALUES ('person', 26), ('node', 52), ('letter', 26)) AS v(t, n);

-- Rows that fail are found by their keys.
ALTER TABLE node ADD CHECK (touched < 2 OR name <> 'M@example.com' OR tenant_id <> 2);
SELECT opsadmin.bulk_update('node', 'touched = touched + 1', on_error => 'skip') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(state || ' ' || changed || ' ' || failed, 'DONE 51 1', 'a row that fails is left out') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(key, '{"tenant_id":"2","path":"top.n12","name":"M@example.com"}', 'and listed') FROM opsadmin.job_error WHERE job_id = :job;

-- Keys that were chosen one by one, as people write them.
SELECT opsadmin.define_action('touch', 'person', 'touched = touched + 1') \g /dev/null
SELECT opsadmin.define_role('toucher', 'internal', '{*:read,touch:run}'), opsadmin.grant_role('kim@example.com', 'toucher') \g /dev/null
BEGIN;
SELECT opsadmin.begin_as('kim@example.com', reason => 'test') \g /dev/null
SELECT opsadmin.run_action('touch', selection => '{"ids":["a@example.com","B@example.com"]}') AS ids, opsadmin.run_action('touch', selection => '{"filter":{"column":"email","op":"<","value":"D@example.com"},"except":["a@example.com"]}') AS filtered \gset
COMMIT;
CALL opsadmin.run_jobs();
SELECT is(array_agg(email::text || touched ORDER BY email), '{A@example.com2,b@example.com3,C@example.com2}', 'listed keys, and all but listed keys') FROM person WHERE touched > 1;

-- Pages of a list have each row once, in the order of the type.
CREATE FUNCTION pages(sort text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  page json;
  emails text[] := '{}';
BEGIN
  LOOP
    page := opsadmin.list_rows('person', sort => pages.sort, page_size => 4, cursor => page ->> 'next');
    emails := emails || ARRAY(SELECT r ->> 'email' FROM json_array_elements(page -> 'rows') AS r);
    EXIT WHEN page ->> 'next' IS NULL;
  END LOOP;
  RETURN emails;
END
$$;
CREATE FUNCTION found(filter text) RETURNS text[] LANGUAGE sql AS $$SELECT ARRAY(SELECT r ->> 'email' FROM json_array_elements(opsadmin.list_rows('person', filter => $1::jsonb, sort => 'email') -> 'rows') AS r)$$;
SELECT array_agg(email::text ORDER BY email) AS by_email, array_agg(email::text ORDER BY email DESC) AS by_email_down, array_agg(email::text ORDER BY place) AS by_place FROM person \gset
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(pages('email'), :'by_email'::text[], 'a list by the key');
SELECT is(pages('-email'), :'by_email_down'::text[], 'and backwards');
SELECT is(pages('place'), :'by_place'::text[], 'a list by another column');
SELECT is(found('{"column":"email","op":"=","value":"B@EXAMPLE.com"}'), '{b@example.com}', 'equal');
SELECT is(found('{"column":"email","op":"in","value":["a@example.com","c@example.com"]}'), '{A@example.com,C@example.com}', 'one of several');
SELECT is(found('{"column":"email","op":"between","value":["C@example.com","D@example.com"]}'), '{C@example.com,d@example.com}', 'between');
SELECT is(cardinality(found('{"column":"email","op":"!=","value":"a@example.com"}')), 25, 'not equal');
SELECT is(found('{"column":"place","op":"<=","value":"top.n1"}'), '{A@example.com,b@example.com}', 'up to');
SELECT is(found('{"or":[{"column":"place","op":"=","value":"top.n5"},{"column":"place","op":"between","value":["top.n7","top.n70"]}]}'), '{f@example.com,h@example.com}', 'between, within or');
COMMIT;

-- What a comparison is called: by name where the server has it.
SELECT is(opsadmin_private.comparison('text', '<>') || opsadmin_private.comparison('character varying', '<') || opsadmin_private.comparison('integer', '='), '<><=', 'the server''s own operators by name');
SELECT is(opsadmin_private.comparison('public.mail', '<>'), 'OPERATOR(public.<>)', 'those of a domain''s type');
SELECT finish();
