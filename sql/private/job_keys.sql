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

-- Tells whether keys have types of which a comparison's name alone would find the server's own: names of the server's
-- types have no schema.
CREATE OR REPLACE FUNCTION opsadmin_private.has_foreign_type(types text[]) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN position('.' IN array_to_string(types, ' ')) > 0;
END
$$;
COMMENT ON FUNCTION opsadmin_private.has_foreign_type IS 'Tells whether keys have types that are not the server''s own';
REVOKE ALL ON FUNCTION opsadmin_private.has_foreign_type FROM PUBLIC;

-- Rows whose key is above another (>) or up to it (<=), column by column, since the operators of a row comparison must be of
-- one schema. An index is searched by the first column alone.
CREATE OR REPLACE FUNCTION opsadmin_private.bound_by_column(names name[], types text[], operator text, key_values text[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  side text := left(operator, 1);
  condition text;
BEGIN
  FOR i IN REVERSE cardinality(names) .. 1 LOOP
    condition := CASE WHEN condition IS NULL THEN opsadmin_private.column_condition(names[i], types[i], operator, key_values[i])
                      ELSE format('(%s OR %s AND %s)', opsadmin_private.column_condition(names[i], types[i], side, key_values[i]),
                                  opsadmin_private.column_condition(names[i], types[i], '=', key_values[i]), condition) END;
  END LOOP;
  RETURN opsadmin_private.column_condition(names[1], types[1], side || '=', key_values[1]) || ' AND ' || condition;
END
$$;
COMMENT ON FUNCTION opsadmin_private.bound_by_column IS 'Rows whose key is above another or up to it, as SQL, column by column';
REVOKE ALL ON FUNCTION opsadmin_private.bound_by_column FROM PUBLIC;

-- A comparison of a key column with a value, as SQL over the alias target.
CREATE OR REPLACE FUNCTION opsadmin_private.column_condition(column_name name, type_name text, operator text, key_value text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN format('target.%I %s %L::%s', column_name, opsadmin_private.comparison(type_name, operator), key_value, type_name);
END
$$;
COMMENT ON FUNCTION opsadmin_private.column_condition IS 'A comparison of a key column with a value, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.column_condition FROM PUBLIC;

-- Rows above one key, up to another, as SQL over the alias target; NULL stands for no limit.
CREATE OR REPLACE FUNCTION opsadmin_private.range_condition(names name[], types text[], after_key text[], last_key text[]) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF opsadmin_private.has_foreign_type(types) THEN
    RETURN concat_ws(' AND ', 'true', CASE WHEN after_key IS NOT NULL THEN opsadmin_private.bound_by_column(names, types, '>', after_key) END,
                     CASE WHEN last_key IS NOT NULL THEN opsadmin_private.bound_by_column(names, types, '<=', last_key) END);
  END IF;
  RETURN (SELECT concat_ws(' AND ', 'true', CASE WHEN $3 IS NOT NULL THEN opsadmin_private.key_row($1, $2) || ' > ' || opsadmin_private.key_row($1, $2, $3) END,
                             CASE WHEN $4 IS NOT NULL THEN opsadmin_private.key_row($1, $2) || ' <= ' || opsadmin_private.key_row($1, $2, $4) END));
END
$$;
COMMENT ON FUNCTION opsadmin_private.range_condition IS 'Rows above one key, up to another, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.range_condition FROM PUBLIC;

-- Rows with the listed keys, each a list of texts, as SQL over the alias target.
CREATE OR REPLACE FUNCTION opsadmin_private.keys_condition(names name[], types text[], keys jsonb) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key_rows text;
BEGIN
  IF cardinality(names) = 1 THEN
    RETURN format('target.%I %s ANY (%L::%s[])', names[1], opsadmin_private.comparison(types[1], '='),
                  ARRAY(SELECT k ->> 0 FROM jsonb_array_elements(keys) AS k)::text, types[1]);
  END IF;
  SELECT string_agg('(' || (SELECT string_agg(format('%L::%s', value, types[ordinal]), ', ' ORDER BY ordinal) FROM jsonb_array_elements_text(k) WITH ORDINALITY AS e(value, ordinal)) || ')', ', ')
  INTO key_rows FROM jsonb_array_elements(keys) AS k;
  IF opsadmin_private.has_foreign_type(types) THEN
    RETURN (SELECT format('EXISTS (SELECT FROM (VALUES %s) AS listed (%s) WHERE %s)', key_rows, string_agg('key_' || o, ', ' ORDER BY o),
                          string_agg(format('target.%I %s listed.key_%s', n, opsadmin_private.comparison(types[o], '='), o), ' AND ' ORDER BY o))
            FROM unnest(names) WITH ORDINALITY AS c(n, o));
  END IF;
  RETURN format('%s IN (VALUES %s)', opsadmin_private.key_row(names, types), key_rows);
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
