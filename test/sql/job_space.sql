-- A job over all rows of a table leaves it about as large as it was: each chunk takes the space of the versions that the
-- chunks before have left.
-- topic: jobs
SELECT plan(12);
SET opsadmin.job_chunk_rows = 1000;

CREATE TABLE ordered (id bigint PRIMARY KEY, touched int NOT NULL DEFAULT 0, filler text NOT NULL DEFAULT repeat('x', 60)) WITH (autovacuum_enabled = off);
INSERT INTO ordered SELECT n FROM generate_series(1, 40000) AS n;
CREATE TABLE mixed (LIKE ordered INCLUDING ALL) WITH (autovacuum_enabled = off);
INSERT INTO mixed SELECT id, 0, filler FROM ordered ORDER BY md5(id::text);
CREATE TABLE split (LIKE ordered INCLUDING ALL) PARTITION BY HASH (id);
CREATE TABLE split_0 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 0) WITH (autovacuum_enabled = off);
CREATE TABLE split_1 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 1) WITH (autovacuum_enabled = off);
INSERT INTO split TABLE ordered;
CREATE TABLE held (LIKE ordered INCLUDING ALL) WITH (autovacuum_enabled = off);
INSERT INTO held TABLE ordered;

CREATE FUNCTION pages(relation regclass) RETURNS numeric LANGUAGE sql AS $$
  SELECT sum(pg_relation_size(r)) / current_setting('block_size')::numeric FROM (SELECT $1 AS r UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = $1) AS members
$$;
CREATE TABLE before AS SELECT t::regclass AS relation, pages(t::regclass) FROM unnest(ARRAY['ordered', 'mixed', 'split', 'held']) AS t;
SELECT opsadmin.bulk_update(relation, 'touched = touched + 1') FROM before WHERE relation <> 'held'::regclass ORDER BY relation \g /dev/null
CALL opsadmin.run_jobs();
SELECT results_eq('SELECT state, count(*) FROM opsadmin.bulk_job GROUP BY 1', $$VALUES ('DONE', 3::bigint)$$, 'the jobs are done');
SELECT cmp_ok(pages(relation) / pages, '<', 1.35, relation || ' is hardly larger') FROM before WHERE relation <> 'held'::regclass ORDER BY relation;
SELECT results_eq(format('SELECT touched, count(*), count(DISTINCT id) FROM %s GROUP BY 1', relation), 'VALUES (1, 40000::bigint, 40000::bigint)', relation || ' has each row once, changed once') FROM before WHERE relation <> 'held'::regclass ORDER BY relation;
SET enable_seqscan = off;
SELECT is(count(*), 40000::bigint, 'its index, too') FROM mixed WHERE id > 0;
RESET enable_seqscan;

-- A trigger that applies another statement in the same way, and fails with it now and then.
CREATE TABLE inner_rows (id bigint PRIMARY KEY, touched int NOT NULL DEFAULT 0 CHECK (touched < 3));
INSERT INTO inner_rows SELECT generate_series(1, 100);
CREATE FUNCTION apply_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id % 1000 = 0 THEN
    BEGIN
      PERFORM opsadmin_private.execute_as('postgres'::regrole, 'UPDATE public.inner_rows SET touched = touched + 1 WHERE id IN (SELECT id FROM public.inner_rows)', false);
    EXCEPTION WHEN check_violation THEN
      NULL;
    END;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER applies BEFORE UPDATE ON mixed FOR EACH ROW EXECUTE FUNCTION apply_another();
SELECT opsadmin.bulk_update('mixed', 'touched = touched + 1') AS job \gset
CALL opsadmin.run_jobs();
SELECT is(state || ' ' || changed, 'DONE 40000', 'a trigger that runs a statement as the job does') FROM opsadmin.bulk_job WHERE id = :job;
SELECT is(sum(touched), 200::bigint, 'changes its rows, too') FROM inner_rows;

-- A table that goes away under a worker that remembers its pages, and one that is emptied.
SELECT opsadmin.bulk_update('held', 'touched = touched + 1') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
TRUNCATE held;
CALL opsadmin.run_jobs();
SELECT is(state, 'DONE', 'a table that was emptied under the worker') FROM opsadmin.bulk_job WHERE id = :job;
INSERT INTO held TABLE ordered;
SELECT opsadmin.bulk_update('held', 'touched = touched + 1') AS job \gset
SELECT opsadmin_private.run_next_step() \g /dev/null
SELECT opsadmin_private.run_next_step() \g /dev/null
DROP TABLE held;
CALL opsadmin.run_jobs();
SELECT is(state || ': ' || error, 'FAILED: table "public.held" was dropped', 'a table that was dropped under it') FROM opsadmin.bulk_job WHERE id = :job;
