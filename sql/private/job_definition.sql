-- What a job does: the statement that an action or a bulk update stands for, and the parameters of a run.

-- The FROM item that gives the parameters of an action their values and types, or an empty string.
CREATE OR REPLACE FUNCTION opsadmin_private.params_item(definitions jsonb, given jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT coalesce(format('(SELECT %s) AS params', string_agg(format('%L::%s AS %I', $2 ->> (d ->> 'name'), d ->> 'type', d ->> 'name'), ', ')), '')
            FROM jsonb_array_elements($1) AS d);
END
$$;
COMMENT ON FUNCTION opsadmin_private.params_item IS 'The FROM item with the parameters of an action';
REVOKE ALL ON FUNCTION opsadmin_private.params_item FROM PUBLIC;

-- The UPDATE or DELETE of a job, for rows that further conditions leave. Lines of their own keep a comment at the end
-- of changes from swallowing the conditions.
CREATE OR REPLACE FUNCTION opsadmin_private.job_statement(kind text, target regclass, changes text, params_item text, conditions text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT CASE $1 WHEN 'delete' THEN format(E'DELETE FROM %s AS target\n%s\nWHERE %s', opsadmin_private.qualified_name($2), ' USING ' || nullif($4, ''), $5)
                   ELSE format(E'UPDATE %s AS target SET %s\n%s\nWHERE %s', opsadmin_private.qualified_name($2), $3, ' FROM ' || nullif($4, ''), $5) END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.job_statement IS 'The UPDATE or DELETE of a job';
REVOKE ALL ON FUNCTION opsadmin_private.job_statement FROM PUBLIC;

-- Plans an UPDATE without running it, and refuses one that writes the key or the tenant column: OA425.
CREATE OR REPLACE FUNCTION opsadmin_private.check_update(target regclass, changes text, condition text, definitions jsonb, example jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fixed_columns name[] := (opsadmin_private.key_columns(target)).names
    || (SELECT array_agg(p.tenant_column) FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id WHERE t.relation = target);
  fixed name;
  statement text := opsadmin_private.job_statement('update', target, changes, opsadmin_private.params_item(definitions, example), coalesce('(' || condition || ')', 'true'));
BEGIN
  IF coalesce(btrim(changes), '') = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'changes is empty', HINT = 'It is what stands after SET in an UPDATE.';
  END IF;
  BEGIN
    SELECT c INTO fixed FROM unnest(opsadmin_private.updated_columns(statement)) AS c WHERE c = ANY (fixed_columns) LIMIT 1;
    EXECUTE 'EXPLAIN (COSTS OFF) ' || statement;
  EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'the update does not fit the table: ' || SQLERRM,
      HINT = 'changes is what stands after SET, with parameters as params.<name>; condition is what stands after WHERE.';
  END;
  IF fixed IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('a job may not write column "%s"', fixed),
      DETAIL = 'It names the row or its tenant.', HINT = 'Leave the column out of changes.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.check_update IS 'Plans an UPDATE without running it; OA425 when it does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.check_update FROM PUBLIC;

-- The parameters of a run, checked against their definitions and with defaults; OA420 with a pointer.
CREATE OR REPLACE FUNCTION opsadmin_private.check_params(definitions jsonb, given jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  definition jsonb;
  wrong text;
  plain text;
  in_range boolean;
  answer jsonb := '{}'::jsonb;
BEGIN
  IF jsonb_typeof(given) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the parameters are not an object', COLUMN = '/params',
      HINT = 'For example {"percent":10}.';
  END IF;
  SELECT k INTO wrong FROM jsonb_object_keys(given) AS k WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(definitions) AS d WHERE d ->> 'name' = k) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('there is no parameter "%s"', left(wrong, 100)), COLUMN = '/params/' || replace(replace(left(wrong, 100), '~', '~0'), '/', '~1'),
      HINT = 'opsadmin.list_resources() names the parameters of an action.';
  END IF;
  FOR definition IN SELECT jsonb_array_elements(definitions) LOOP
    plain := coalesce(given ->> (definition ->> 'name'), definition ->> 'default');
    IF plain IS NULL OR plain = '' AND definition ->> 'type' <> 'text' THEN
      IF (definition -> 'required')::boolean THEN
        RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('parameter "%s" is missing', definition ->> 'name'), COLUMN = '/params/' || (definition ->> 'name'),
      HINT = 'Give it a value.';
      END IF;
      CONTINUE;
    END IF;
    BEGIN
      EXECUTE format('SELECT %1$L::%2$s >= coalesce(%3$L::%2$s, %1$L) AND %1$L::%2$s <= coalesce(%4$L::%2$s, %1$L)', plain, definition ->> 'type',
                     definition ->> 'min', definition ->> 'max') INTO in_range;
    EXCEPTION WHEN data_exception THEN
      RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('parameter "%s" is not of type %s', definition ->> 'name', definition ->> 'type'),
        COLUMN = '/params/' || (definition ->> 'name'), HINT = format('Give a value of type %s.', definition ->> 'type');
    END;
    IF NOT in_range OR (CASE definition ->> 'type' WHEN 'numeric' THEN plain::numeric IN ('NaN', 'Infinity', '-Infinity') WHEN 'date' THEN NOT isfinite(plain::date) END) THEN
      RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('parameter "%s" is out of range', definition ->> 'name'), COLUMN = '/params/' || (definition ->> 'name'),
        HINT = CASE WHEN definition ?| '{min,max}' THEN
                 concat_ws(' ', 'It is', 'at least ' || (definition ->> 'min'), CASE WHEN definition ? 'min' AND definition ? 'max' THEN 'and' END, 'at most ' || (definition ->> 'max')) || '.'
               ELSE format('Give a finite %s.', definition ->> 'type') END;
    END IF;
    answer := answer || jsonb_build_object(definition ->> 'name', plain);
  END LOOP;
  RETURN answer;
END
$$;
COMMENT ON FUNCTION opsadmin_private.check_params IS 'The parameters of a run with defaults; OA420 with a JSON pointer when one does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.check_params FROM PUBLIC;

-- Raises OA420 unless on_error is one of its values.
CREATE OR REPLACE FUNCTION opsadmin_private.require_on_error(on_error text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF on_error IS NULL OR on_error NOT IN ('stop', 'skip') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = format('"%s" is not known as on_error', left(coalesce(on_error, 'NULL'), 100)), COLUMN = '/on_error',
      HINT = 'A row that fails either stops the job (stop), or is listed in job_error (skip).';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_on_error IS 'Raises OA420 unless on_error is stop or skip';
REVOKE ALL ON FUNCTION opsadmin_private.require_on_error FROM PUBLIC;
