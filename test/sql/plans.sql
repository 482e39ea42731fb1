-- The plans of a partner's queries are those of the same SQL with the tenant spelled out and no row-level security: the
-- same indexes, the same joins, the same parallel workers. So are those of internal staff without a tenant.
-- needs: operated-shop
-- topic: isolation
SELECT plan(41);
ANALYZE;

-- The nodes of a plan with their indexes and workers, without what the policies add to conditions.
CREATE FUNCTION shape(plan jsonb, depth int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
  SELECT chr(10) || repeat(' ', depth) || concat_ws(' ', plan ->> 'Node Type', plan ->> 'Join Type', plan ->> 'Index Name', plan ->> 'Alias', plan ->> 'Scan Direction', 'workers ' || (plan ->> 'Workers Planned'))
         || coalesce((SELECT string_agg(shape(p, depth + 1), '' ORDER BY o) FROM jsonb_array_elements(plan -> 'Plans') WITH ORDINALITY AS c (p, o)), '')
$$;
CREATE FUNCTION shape_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
    RETURN shape(plan::jsonb #> '{0,Plan}');
END
$$;
CREATE TABLE query (ordinal int PRIMARY KEY, name text, partner text, floor text, wanted text);
INSERT INTO query
SELECT ordinal, name, replace(replace(text, '%w', ''), '%a', 'WHERE'), replace(replace(text, '%w', 'WHERE o.tenant_id = 4'), '%a', 'AND'), wanted
FROM (VALUES
  (1, 'a page of 50 by key', 'SELECT * FROM orders."order" o %w ORDER BY o.tenant_id, o.id LIMIT 50', 'Index Scan order_'),
  (2, 'the last 50 by key', 'SELECT * FROM orders."order" o %w ORDER BY o.tenant_id DESC, o.id DESC LIMIT 50', 'Backward'),
  (4, 'a range of time', 'SELECT * FROM orders."order" o %w %a o.created_at > now() - interval ''1 day''', 'order_tenant_id_created_at_idx'),
  (5, 'count', 'SELECT count(*) FROM orders."order" o %w', 'Index Only Scan'),
  (6, 'sum', 'SELECT sum(o.amount) FROM orders."order" o %w', 'Scan'),
  (7, 'a join of three', 'SELECT p.category_id, sum(i.quantity) FROM orders."order" o JOIN orders.order_item i ON i.tenant_id = o.tenant_id AND i.order_id = o.id JOIN shop.product p ON p.tenant_id = i.tenant_id AND p.id = i.product_id %w GROUP BY 1', 'Join'),
  (8, 'an aggregate by day', 'SELECT date_trunc(''day'', o.created_at), count(*) FROM orders."order" o %w GROUP BY 1', 'Aggregate')
) AS q (ordinal, name, text, wanted);
-- Whoever runs a query has its plan made for it.
GRANT SELECT ON query TO opsadmin_partner, opsadmin_internal;

CREATE TABLE found_shape (kind text, ordinal int, who text, shape text);
GRANT SELECT, INSERT ON found_shape TO opsadmin_partner, opsadmin_internal;

-- How many rows a range has a partner's planner is not told, so that it may take workers for it.
CREATE FUNCTION without_workers(shape text) RETURNS text LANGUAGE sql AS $$
  SELECT CASE WHEN $1 LIKE E'\nGather %' THEN replace(regexp_replace($1, E'^\nGather [^\n]*', ''), E'\n ', E'\n') ELSE $1 END
$$;
CREATE FUNCTION compare(of_kind text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    q query;
BEGIN
    FOR q IN SELECT * FROM query ORDER BY ordinal LOOP
        RETURN NEXT is((SELECT CASE q.name WHEN 'a range of time' THEN without_workers(shape) ELSE shape END FROM found_shape WHERE kind = of_kind AND ordinal = q.ordinal AND who = 'partner'), (SELECT shape FROM found_shape WHERE kind = of_kind AND ordinal = q.ordinal AND who = 'floor'), of_kind || ', partner: ' || q.name);
        RETURN NEXT is((SELECT shape FROM found_shape WHERE kind = of_kind AND ordinal = q.ordinal AND who = 'internal'), (SELECT shape FROM found_shape WHERE kind = of_kind AND ordinal = q.ordinal AND who = 'all'), of_kind || ', internal: ' || q.name);
    END LOOP;
END
$$;
CREATE PROCEDURE note_shapes(of_kind text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO found_shape SELECT of_kind, ordinal, who, shape_of(text) FROM query, LATERAL (VALUES ('floor', floor), ('all', partner)) AS v (who, text);
    COMMIT;
    PERFORM opsadmin.begin_as(tenant => (SELECT slug FROM opsadmin.tenant WHERE id = 4));
    INSERT INTO found_shape SELECT of_kind, ordinal, 'partner', shape_of(partner) FROM query;
    COMMIT;
    PERFORM opsadmin.begin_as('ops@example.com');
    INSERT INTO found_shape SELECT of_kind, ordinal, 'internal', shape_of(partner) FROM query;
    COMMIT;
END
$$;

-- Of two unique indexes that hold a row's key either is as good.
SELECT matches(shape_of('SELECT * FROM orders."order" o WHERE o.id = 5'), 'Index Scan', 'a row by key');
CALL note_shapes('serial');
SELECT compare('serial');
SELECT matches(f.shape, q.wanted, 'what is compared is what was meant: ' || q.name) FROM found_shape f JOIN query q USING (ordinal) WHERE f.kind = 'serial' AND f.who = 'floor' ORDER BY ordinal;
SELECT doesnt_match(f.shape, 'Seq Scan order$', 'no scan of every tenant for ' || q.name) FROM found_shape f JOIN query q USING (ordinal) WHERE f.kind = 'serial' AND f.who = 'partner' AND q.ordinal < 6 ORDER BY ordinal;

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CALL note_shapes('parallel');
SELECT compare('parallel');
SELECT cmp_ok(count(*), '>=', 3::bigint, 'some of them are parallel') FROM found_shape WHERE kind = 'parallel' AND who = 'partner' AND shape ~ 'workers [1-9]';

SELECT * FROM finish();
