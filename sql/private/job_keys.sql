-- Which rows a job changes: their keys, one by one or as ranges, as SQL over the alias target.

-- The key columns of a table as SQL: a row of the columns over the alias target, or one of literals.
CREATE OR REPLACE FUNCTION opsadmin_private.key_row(names name[], types text[], key_values text[] DEFAULT NULL) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE WHEN cardinality($1) = 1 THEN min(item) ELSE 'ROW(' || string_agg(item, ', ' ORDER BY ordinal) || ')' END
            FROM (SELECT ordinal, CASE WHEN $3 IS NULL THEN format('target.%I', column_name) ELSE format('%L::%s', $3[ordinal], $2[ordinal]) END AS item
                  FROM unnest($1) WITH ORDINALITY AS k (column_name, ordinal)) AS items);
END
$$;
COMMENT ON FUNCTION opsadmin_private.key_row IS 'The key columns of a table, or values for them, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.key_row FROM PUBLIC;

-- Rows above one key, up to another, as SQL over the alias target; NULL stands for no limit.
CREATE OR REPLACE FUNCTION opsadmin_private.range_condition(names name[], types text[], after_key text[], last_key text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT concat_ws(' AND ', 'true', CASE WHEN $3 IS NOT NULL THEN opsadmin_private.key_row($1, $2) || ' > ' || opsadmin_private.key_row($1, $2, $3) END,
                             CASE WHEN $4 IS NOT NULL THEN opsadmin_private.key_row($1, $2) || ' <= ' || opsadmin_private.key_row($1, $2, $4) END));
END
$$;
COMMENT ON FUNCTION opsadmin_private.range_condition IS 'Rows above one key, up to another, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.range_condition FROM PUBLIC;

-- Rows with the listed keys, each a list of texts, as SQL over the alias target.
CREATE OR REPLACE FUNCTION opsadmin_private.keys_condition(names name[], types text[], keys jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE WHEN cardinality($1) = 1
              THEN format('target.%I = ANY (%L::%s[])', $1[1], ARRAY(SELECT k ->> 0 FROM jsonb_array_elements($3) AS k)::text, $2[1])
              ELSE format('%s IN (VALUES %s)', opsadmin_private.key_row($1, $2),
                (SELECT string_agg('(' || (SELECT string_agg(format('%L::%s', value, $2[ordinal]), ', ' ORDER BY ordinal) FROM jsonb_array_elements_text(k) WITH ORDINALITY AS e(value, ordinal)) || ')', ', ')
                 FROM jsonb_array_elements($3) AS k)) END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.keys_condition IS 'Rows with the listed keys, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.keys_condition FROM PUBLIC;

-- The query for the keys of a job's rows that a further condition leaves, in their order; descending: the highest ones.
CREATE OR REPLACE FUNCTION opsadmin_private.keys_query(job opsadmin.job, target regclass, names name[], further text, most bigint DEFAULT NULL, descending boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT format(E'SELECT %s FROM %s AS target%s\nWHERE %s AND (%s\n) ORDER BY %s%s', string_agg(format('target.%I', n), ', ' ORDER BY o), opsadmin_private.qualified_name($2),
                          ', ' || nullif(($1).params_item, ''), $4, ($1).condition, string_agg(format('target.%I', n) || CASE WHEN $6 THEN ' DESC' ELSE '' END, ', ' ORDER BY o), ' LIMIT ' || $5)
            FROM unnest($3) WITH ORDINALITY AS k(n, o));
END
$$;
COMMENT ON FUNCTION opsadmin_private.keys_query IS 'The query for the keys of a job''s rows, in their order';
REVOKE ALL ON FUNCTION opsadmin_private.keys_query FROM PUBLIC;

-- The table of a job and its keys; OA436 when it was dropped, OA430 when it has none, OA425 when they are in another order
-- than the plan has them: what is above the last one that was processed would be other rows.
CREATE OR REPLACE FUNCTION opsadmin_private.job_target(job opsadmin.job, OUT relation regclass, OUT names name[], OUT types text[], OUT key_order text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  relation := (SELECT t.relation FROM opsadmin.target t WHERE t.id = job.target_id);
  IF relation IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('table "%s" was dropped', job.target_name), HINT = 'The job cannot go on.';
  END IF;
  SELECT k.names, k.types, k.key_order INTO names, types, key_order FROM opsadmin_private.key_columns(relation) AS k;
  IF job.key_order <> key_order THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('the primary key of table "%s" was %s when the job was planned', job.target_name, job.key_order),
      HINT = 'The job can go on when it is so again.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.job_target IS 'The table of a job and its keys; OA436 when it was dropped, OA430 without keys, OA425 when they have another order';
REVOKE ALL ON FUNCTION opsadmin_private.job_target FROM PUBLIC;
