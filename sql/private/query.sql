-- Compiles filters, searches, selections and lists into SQL. Column names come from the registry and
-- values are literals quoted by the server; nothing of the caller's text becomes SQL.

-- Tells whether a type is the server's own. A cast to one of the company's may run the company's code (the
-- CHECK of a domain, a cast function), which must not happen with the rights of the extension's owner.
CREATE OR REPLACE FUNCTION opsadmin_private.is_server_type(type_name text) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pg_type t WHERE t.oid = to_regtype($1) AND t.typnamespace = 'pg_catalog'::regnamespace)
$$;
COMMENT ON FUNCTION opsadmin_private.is_server_type IS 'Tells whether a type is the server''s own, so that a cast to it runs no code of the company';
REVOKE ALL ON FUNCTION opsadmin_private.is_server_type FROM PUBLIC;

-- A typed literal; OA422 with the pointer when the value does not fit the type. Whether it fits a type of the
-- company that is no enum shows when the statement runs, with the caller's rights.
CREATE OR REPLACE FUNCTION opsadmin_private.literal(value jsonb, type_name text, pointer text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  plain text := value #>> '{}';
BEGIN
  IF plain IS NULL OR jsonb_typeof(value) IN ('object', 'array') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'a single value is required here', COLUMN = pointer,
      HINT = 'Use {"op":"is_null","value":true} to look for missing values.';
  END IF;
  BEGIN
    IF opsadmin_private.is_server_type(type_name) THEN
      EXECUTE format('SELECT %L::%s', plain, type_name);
    ELSIF EXISTS (SELECT FROM pg_type t WHERE t.oid = to_regtype(type_name) AND t.typtype = 'e')
          AND NOT EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = to_regtype(type_name) AND e.enumlabel = plain) THEN
      RAISE invalid_text_representation;
    END IF;
  EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('the value is not of type %s', type_name), COLUMN = pointer,
      HINT = format('Give a value of type %s.', type_name);
  END;
  RETURN format('%L::%s', plain, type_name);
END
$$;
COMMENT ON FUNCTION opsadmin_private.literal IS 'A typed literal; OA422 when the value does not fit the type';
REVOKE ALL ON FUNCTION opsadmin_private.literal FROM PUBLIC;

-- The condition that a column's text (alias target) contains another, whatever the case, with the wildcards of LIKE taken
-- literally: among the first 10,000 characters, since ILIKE makes copies of all that it looks at.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_contains(column_name name, part text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('pg_catalog.left(target.%I, 10000) ILIKE %L', $1, '%' || regexp_replace($2, E'([\\\\%_])', E'\\\\\\1', 'g') || '%')
$$;
COMMENT ON FUNCTION opsadmin_private.compile_contains IS 'The condition that a column''s text contains another, as SQL over the alias target';
REVOKE ALL ON FUNCTION opsadmin_private.compile_contains FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.compile_filter(resource text, filter jsonb, pointer text DEFAULT '/filter') RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  joiner text;
  parts text[] := ARRAY[]::text[];
  item jsonb;
  place integer := 0;
  found_column opsadmin.resource_column;
  operand jsonb := filter -> 'value';
  operator text := filter ->> 'op';
  reference text;
  equal text;
BEGIN
  IF filter IS NULL OR filter = 'null' OR filter = '{}' THEN
    RETURN 'true';
  END IF;
  IF jsonb_typeof(filter) <> 'object' OR array_length(string_to_array(pointer, '/'), 1) > 24 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'a filter is an object, nested at most ten deep', COLUMN = pointer,
      HINT = 'For example {"and":[{"column":"price","op":">=","value":1000}]}.';
  END IF;

  IF length(filter::text) > 65536 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the filter is larger than 64 kB', COLUMN = pointer, HINT = 'Select by fewer values, or by a range.';
  END IF;
  IF (SELECT count(*) FROM jsonb_path_query(filter, 'strict $.**.op')) > 100 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'the filter has more than 100 conditions', COLUMN = pointer,
      HINT = 'Use "in" for several values of one column, or a range.';
  END IF;
  -- What is not understood must not be left out: the rest would find more rows than were meant.
  IF EXISTS (SELECT FROM jsonb_object_keys(filter) AS k WHERE k <> ALL (CASE WHEN filter ? 'and' THEN '{and}' WHEN filter ? 'or' THEN '{or}' ELSE '{column,op,value}' END::text[])) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = 'a condition is one of "and", "or", or "column", "op" and "value"', COLUMN = pointer,
      HINT = 'For example {"and":[{"column":"price","op":">=","value":1000}]}.';
  END IF;
  joiner := CASE WHEN filter ? 'and' THEN 'and' WHEN filter ? 'or' THEN 'or' END;
  IF joiner IS NOT NULL THEN
    IF jsonb_typeof(filter -> joiner) <> 'array' OR jsonb_array_length(filter -> joiner) NOT BETWEEN 1 AND 100 THEN
      RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('"%s" holds a list of 1 to 100 conditions', joiner), COLUMN = pointer || '/' || joiner,
      HINT = 'For example {"and":[{"column":"price","op":">=","value":1000}]}.';
    END IF;
    FOR item IN SELECT jsonb_array_elements(filter -> joiner) LOOP
      parts := parts || opsadmin_private.compile_filter(resource, item, format('%s/%s/%s', pointer, joiner, place));
      place := place + 1;
    END LOOP;
    RETURN '(' || array_to_string(parts, ' ' || joiner || ' ') || ')';
  END IF;

  SELECT * INTO found_column FROM opsadmin.resource_column c
  WHERE c.resource_name = resource AND c.column_name = filter ->> 'column' AND c.filterable;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA421', MESSAGE = format('column "%s" cannot be filtered by', left(coalesce(filter ->> 'column', ''), 100)),
      COLUMN = pointer || '/column', HINT = 'opsadmin.list_resources() names the columns of a resource.';
  END IF;
  reference := format('target.%I', found_column.column_name);

  IF operator IN ('=', '!=', '<', '<=', '>', '>=', 'between', 'in') AND NOT opsadmin_private.is_ordered(found_column.type_name) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('values of column "%s" cannot be compared', found_column.column_name), COLUMN = pointer || '/op',
      HINT = 'Only "is_null" fits it.';
  END IF;
  IF operator IN ('=', '!=', '<', '<=', '>', '>=') THEN
    RETURN format('%s %s %s', reference, opsadmin_private.comparison(found_column.type_name, CASE operator WHEN '!=' THEN '<>' ELSE operator END),
                  opsadmin_private.literal(operand, found_column.type_name, pointer || '/value'));
  ELSIF operator = 'between' THEN
    IF jsonb_typeof(operand) IS DISTINCT FROM 'array' OR jsonb_array_length(operand) <> 2 THEN
      RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = '"between" takes a list of two values', COLUMN = pointer || '/value',
      HINT = 'For example {"column":"price","op":"between","value":[1000,2000]}.';
    END IF;
    RETURN format('%1$s %2$s %3$s AND %1$s %4$s %5$s', reference,
                  opsadmin_private.comparison(found_column.type_name, '>='), opsadmin_private.literal(operand -> 0, found_column.type_name, pointer || '/value/0'),
                  opsadmin_private.comparison(found_column.type_name, '<='), opsadmin_private.literal(operand -> 1, found_column.type_name, pointer || '/value/1'));
  ELSIF operator = 'in' THEN
    IF jsonb_typeof(operand) IS DISTINCT FROM 'array' OR jsonb_array_length(operand) NOT BETWEEN 1 AND 1000 THEN
      RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = '"in" takes a list of 1 to 1,000 values', COLUMN = pointer || '/value',
      HINT = 'For example {"column":"status","op":"in","value":["PAID","REFUNDED"]}.';
    END IF;
    FOR item IN SELECT jsonb_array_elements(operand) LOOP
      parts := parts || opsadmin_private.literal(item, found_column.type_name, format('%s/value/%s', pointer, place));
      place := place + 1;
    END LOOP;
    equal := opsadmin_private.comparison(found_column.type_name, '=');
    RETURN format(CASE equal WHEN '=' THEN '%1$s IN (%3$s)' ELSE '%1$s %2$s ANY (ARRAY[%3$s])' END, reference, equal, array_to_string(parts, ', '));
  ELSIF operator = 'is_null' THEN
    IF jsonb_typeof(operand) IS DISTINCT FROM 'boolean' THEN
      RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = '"is_null" takes true or false', COLUMN = pointer || '/value',
      HINT = 'For example {"column":"closed_at","op":"is_null","value":true}.';
    END IF;
    RETURN format('%s IS %s NULL', reference, CASE WHEN operand::boolean THEN '' ELSE 'NOT' END);
  ELSIF operator IN ('prefix', 'contains') THEN
    IF found_column.type_name NOT IN ('text', 'character varying') OR jsonb_typeof(operand) IS DISTINCT FROM 'string' THEN
      RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('"%s" takes a text, for a column of text', operator), COLUMN = pointer || '/value',
      HINT = 'For example {"column":"name","op":"contains","value":"tea"}.';
    END IF;
    -- As in a search.
    IF operator = 'contains' AND length(operand #>> '{}') > 200 THEN
      RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = '"contains" takes at most 200 characters', COLUMN = pointer || '/value', HINT = 'Look for a part of it.';
    END IF;
    RETURN CASE operator WHEN 'prefix' THEN format('%s ^@ %L', reference, operand #>> '{}')
                         ELSE opsadmin_private.compile_contains(found_column.column_name, operand #>> '{}') END;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'OA422', MESSAGE = format('"%s" is not an operator of filters', left(coalesce(operator, 'NULL'), 40)),
    COLUMN = pointer || '/op', HINT = 'Operators are = != < <= > >= between in is_null prefix contains.';
END
$$;
COMMENT ON FUNCTION opsadmin_private.compile_filter IS 'A filter as SQL over the alias target; OA421 or OA422 with a JSON pointer when it does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.compile_filter FROM PUBLIC;

-- A search as SQL over the alias target: any searchable column contains the text, or the key is it. OA420 with the
-- pointer for a long text, since ILIKE reads its whole pattern anew for each row.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_search(resource text, search text, pointer text DEFAULT '/search') RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  condition text;
BEGIN
  IF coalesce(btrim(search), '') = '' THEN
    RETURN 'true';
  END IF;
  IF length(btrim(search)) > 200 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the search is longer than 200 characters', COLUMN = pointer, HINT = 'Look for a part of it.';
  END IF;
  SELECT string_agg(CASE WHEN c.searchable THEN opsadmin_private.compile_contains(c.column_name, btrim(search))
                         ELSE format('target.%I = %L::%s', c.column_name, btrim(search), c.type_name) END, ' OR ') INTO condition
  FROM opsadmin.resource_column c JOIN opsadmin.resource r ON r.name = c.resource_name
  WHERE r.name = resource
    AND (c.searchable OR c.column_name = r.key_column
         AND (c.type_name = 'text' OR c.type_name IN ('integer', 'bigint') AND btrim(search) ~ '^[0-9]{1,9}$'));
  RETURN '(' || coalesce(condition, 'false') || ')';
END
$$;
COMMENT ON FUNCTION opsadmin_private.compile_search IS 'A search as SQL over the alias target; OA420 for a long text';
REVOKE ALL ON FUNCTION opsadmin_private.compile_search FROM PUBLIC;

-- The resource that the actor may use with a verb; OA405 when there is none for its site, OA403 without the permission.
CREATE OR REPLACE FUNCTION opsadmin_private.require_resource(resource text, verb text) RETURNS opsadmin.resource
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_resource opsadmin.resource;
BEGIN
  SELECT * INTO found_resource FROM opsadmin.resource r WHERE r.name = resource AND opsadmin.current_site() = ANY (r.sites);
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA405', MESSAGE = format('resource "%s" does not exist', left(coalesce(resource, 'NULL'), 100)),
      HINT = 'opsadmin.list_resources() names the resources; opsadmin.expose() makes one.';
  END IF;
  PERFORM opsadmin_private.require_permission(resource || ':' || verb);
  RETURN found_resource;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_resource IS 'The resource that the actor may use with a verb; OA405 or OA403 otherwise';
REVOKE ALL ON FUNCTION opsadmin_private.require_resource FROM PUBLIC;

-- The rows of a resource that the context, a filter and a search leave, as SQL over the alias target.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_rows(resource opsadmin.resource, filter jsonb, search text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN concat_ws(' AND ',
    (SELECT opsadmin_private.tenant_predicate(p.tenant_column, p.tenant_type, 'target') FROM opsadmin.protected_table p
     WHERE p.target_id = ($1).target_id AND opsadmin.current_tenant() IS NOT NULL),
    opsadmin_private.compile_filter(($1).name, $2), opsadmin_private.compile_search(($1).name, $3));
END
$$;
COMMENT ON FUNCTION opsadmin_private.compile_rows IS 'The rows of a resource that the context, a filter and a search leave, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.compile_rows FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.base64url(bytes bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN rtrim(translate(encode($1, 'base64'), E'+/\n', '-_'), '=');
END
$$;
COMMENT ON FUNCTION opsadmin_private.base64url IS 'Bytes in base64url without padding (RFC 4648)';
REVOKE ALL ON FUNCTION opsadmin_private.base64url FROM PUBLIC;

CREATE OR REPLACE FUNCTION opsadmin_private.base64url_bytes(encoded text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN decode(translate(encoded, '-_', '+/') || repeat('=', (4 - length(encoded) % 4) % 4), 'base64');
END
$$;
COMMENT ON FUNCTION opsadmin_private.base64url_bytes IS 'The bytes that base64url() encoded; forgiving, as decode() is';
REVOKE ALL ON FUNCTION opsadmin_private.base64url_bytes FROM PUBLIC;

-- A cursor: the payload and its signature for one list, so that it fits no other list.
CREATE OR REPLACE FUNCTION opsadmin_private.make_cursor(list text, payload text) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN opsadmin_private.base64url(convert_to($2, 'UTF8')) || '.' ||
         opsadmin_private.base64url(opsadmin_private.sign('cursor', convert_to($1 || chr(10) || $2, 'UTF8')));
END
$$;
COMMENT ON FUNCTION opsadmin_private.make_cursor IS 'A signed cursor for one list';
REVOKE ALL ON FUNCTION opsadmin_private.make_cursor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.make_cursor TO opsadmin_internal, opsadmin_partner;

-- The payload of a cursor of this list; OA424 for anything else, NULL for NULL.
CREATE OR REPLACE FUNCTION opsadmin_private.read_cursor(list text, cursor text) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  payload text;
  mac bytea;
BEGIN
  IF cursor IS NULL THEN
    RETURN NULL;
  END IF;
  BEGIN
    payload := convert_from(opsadmin_private.base64url_bytes(split_part(cursor, '.', 1)), 'UTF8');
    mac := opsadmin_private.base64url_bytes(split_part(cursor, '.', 2));
    -- Also in its one form: decoding forgives what follows, and white space.
    IF opsadmin_private.verify('cursor', convert_to(list || chr(10) || payload, 'UTF8'), mac)
      AND cursor = opsadmin_private.base64url(convert_to(payload, 'UTF8')) || '.' || opsadmin_private.base64url(mac) THEN
      RETURN payload::jsonb;
    END IF;
  EXCEPTION WHEN data_exception OR character_not_in_repertoire THEN
    NULL;  -- as any other text that is not a cursor
  END;
  RAISE EXCEPTION USING ERRCODE = 'OA424', MESSAGE = 'the cursor does not belong to this list', COLUMN = '/cursor',
    HINT = 'Use "next" of an answer with the same resource, filter, search and sort.';
END
$$;
COMMENT ON FUNCTION opsadmin_private.read_cursor IS 'The payload of a cursor of this list; OA424 for anything else';
REVOKE ALL ON FUNCTION opsadmin_private.read_cursor FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.read_cursor TO opsadmin_internal, opsadmin_partner;

-- A page size; OA420 when it is not between 1 and 100, 50 for NULL.
CREATE OR REPLACE FUNCTION opsadmin_private.page_size(page_size integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF page_size NOT BETWEEN 1 AND 100 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA420', MESSAGE = 'the page size is not between 1 and 100', COLUMN = '/page_size',
      HINT = 'Ask for the next page by its cursor.';
  END IF;
  RETURN coalesce(page_size, 50);
END
$$;
COMMENT ON FUNCTION opsadmin_private.page_size IS 'A page size between 1 and 100, 50 for NULL';
REVOKE ALL ON FUNCTION opsadmin_private.page_size FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.page_size TO opsadmin_internal, opsadmin_partner;

-- The members of an object, with texts for numbers, which a browser would round, and with long values cut: a single value
-- must not keep everybody from a page.
CREATE OR REPLACE FUNCTION opsadmin_private.numbers_as_text(members jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT jsonb_object_agg(m.key, opsadmin_private.beginning(CASE WHEN jsonb_typeof(m.value) = 'number' THEN to_jsonb(m.value #>> '{}') ELSE m.value END))
          FROM jsonb_each($1) AS m);
END
$$;
COMMENT ON FUNCTION opsadmin_private.numbers_as_text IS 'The members of an object, with texts for numbers and long values cut';
REVOKE ALL ON FUNCTION opsadmin_private.numbers_as_text FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.numbers_as_text TO opsadmin_internal, opsadmin_partner;

-- What is shown of a column, by a reference to it, as SQL: bigint and numeric as texts; of what is long the beginning, since
-- a single value must not keep everybody from a page. Of other types than texts, numbers and documents only what is short is
-- read at all; an array of numbers may be a hundred times longer to read than it is.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_shown(reference text, type_name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format(CASE
    WHEN $2 = 'bigint' THEN '%1$s::text'
    WHEN $2 = 'numeric' THEN 'CASE WHEN pg_catalog.octet_length(%1$s::text) <= 4000 THEN %1$s::text ELSE pg_catalog.left(%1$s::text, 1000) || ''…'' END'
    WHEN $2 IN ('text', 'character varying') THEN 'CASE WHEN pg_catalog.octet_length(%1$s) <= 4000 THEN %1$s ELSE pg_catalog.left(%1$s, 1000) || ''…'' END'
    WHEN $2 = 'jsonb' THEN 'opsadmin_private.beginning(%1$s)'
    WHEN $2 = 'json' THEN 'CASE WHEN opsadmin_private.raw_size(%1$s) <= 4000 THEN %1$s ELSE pg_catalog.to_json(pg_catalog.left(%1$s::text, 1000) || ''…'') END'
    WHEN (SELECT t.typlen FROM pg_type t WHERE t.oid = to_regtype($2)) > 0 THEN '%1$s'
    ELSE 'CASE WHEN opsadmin_private.raw_size(%1$s) > %2$s OR pg_catalog.octet_length(pg_catalog.to_json(%1$s)::text) > 24000 THEN ''"…"''::json ELSE pg_catalog.to_json(%1$s) END' END,
    $1, CASE WHEN $2 = 'numeric[]' THEN 1000 ELSE 4000 END)
$$;
COMMENT ON FUNCTION opsadmin_private.compile_shown IS 'What is shown of a column, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.compile_shown FROM PUBLIC;

-- The SQL of a page of a list: one row (rows json, last text, more boolean). Definer, to read the registry;
-- list_rows() runs it under the caller's own row-level security. Order: the sort column with missing
-- values last, then the key in the same direction.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_list(resource text, filter jsonb, search text, sort text, cursor text, page_size integer,
  OUT statement text, OUT list text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_resource opsadmin.resource := opsadmin_private.require_resource(resource, 'read');
  target regclass := (SELECT t.relation FROM opsadmin.target t WHERE t.id = found_resource.target_id);
  descending boolean := left(sort, 1) = '-';
  sort_name text := CASE WHEN descending THEN substr(sort, 2) ELSE sort END;
  sort_column opsadmin.resource_column;
  key_column opsadmin.resource_column;
  comparison text;
  after_row jsonb;
  conditions text := opsadmin_private.compile_rows(found_resource, filter, search);
  members text;
  sort_value text;
  key_value text;
  key_condition text;
  nullable boolean;
BEGIN
  IF coalesce(sort, '') = '' THEN
    sort_name := found_resource.key_column;
    descending := true;
  END IF;
  SELECT * INTO sort_column FROM opsadmin.resource_column c WHERE c.resource_name = resource AND c.column_name = sort_name AND c.sortable;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA421', MESSAGE = format('column "%s" cannot be sorted by', left(sort_name, 100)), COLUMN = '/sort',
      HINT = 'Name one sortable column, with a minus sign in front for descending order.';
  END IF;
  SELECT * INTO key_column FROM opsadmin.resource_column c WHERE c.resource_name = resource AND c.column_name = found_resource.key_column;

  list := md5(concat_ws(chr(10), resource, coalesce(filter, '{}')::text, btrim(search), sort_name, descending, opsadmin.current_site(), opsadmin.current_tenant()));
  after_row := opsadmin_private.read_cursor(list, cursor);
  comparison := CASE WHEN descending THEN '<' ELSE '>' END;
  nullable := NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attname = sort_name AND a.attnotnull);
  IF after_row IS NOT NULL THEN
    key_value := format('%L::%s', after_row ->> 1, key_column.type_name);
    -- Of a long value the cursor has the row.
    sort_value := CASE WHEN after_row ->> 2 = 'long' THEN format('(SELECT s.%I FROM %s AS s WHERE s.%I = %s)', sort_name, opsadmin_private.qualified_name(target), key_column.column_name, key_value)
                       ELSE format('%L::%s', after_row ->> 0, sort_column.type_name) END;
    key_condition := format('target.%I %s %s', key_column.column_name, opsadmin_private.comparison(key_column.type_name, comparison), key_value);
    conditions := conditions || ' AND ' || CASE
      WHEN sort_column.column_name = key_column.column_name THEN key_condition
      WHEN after_row ->> 0 IS NULL AND after_row ->> 2 IS NULL THEN format('target.%I IS NULL AND %s', sort_name, key_condition)
      ELSE format('(target.%1$I %2$s %4$s OR target.%1$I %3$s %4$s AND %5$s%6$s)', sort_name, opsadmin_private.comparison(sort_column.type_name, comparison),
                  opsadmin_private.comparison(sort_column.type_name, '='), sort_value, key_condition, CASE WHEN nullable THEN format(' OR target.%I IS NULL', sort_name) END) END;
  END IF;

  -- Keys are shown in full.
  SELECT string_agg(format('%s AS %I', CASE WHEN c.column_name <> key_column.column_name OR c.type_name IN ('bigint', 'numeric') THEN opsadmin_private.compile_shown(format('target.%I', c.column_name), c.type_name)
                                            ELSE format('target.%I', c.column_name) END, c.column_name), ', ' ORDER BY c.ordinal)
  INTO members FROM opsadmin.resource_column c WHERE c.resource_name = resource AND (c.listed OR c.column_name = key_column.column_name);

  -- ORDER BY … DESC NULLS LAST fits no index, and a NOT NULL column has no use for it.
  statement := format(
    'SELECT coalesce(json_agg(page.doc ORDER BY page.place) FILTER (WHERE page.place <= %1$s), ''[]''),'
    ' max(page.cursor_row) FILTER (WHERE page.place = %1$s), count(*) > %1$s'
    ' FROM (SELECT row_number() OVER () AS place, found.* FROM'
    ' (SELECT (SELECT to_json(members) FROM (SELECT %2$s) AS members) AS doc,'
    ' CASE WHEN opsadmin_private.raw_size(target.%3$I) > 400 THEN json_build_array(NULL, target.%4$I::text, ''long'') ELSE json_build_array(target.%3$I::text, target.%4$I::text) END::text AS cursor_row'
    ' FROM %5$s AS target WHERE %6$s ORDER BY target.%3$I %7$s%9$s, target.%4$I %7$s LIMIT %8$s) AS found) AS page',
    page_size, members, sort_name, key_column.column_name, opsadmin_private.qualified_name(target), conditions,
    CASE WHEN descending THEN 'DESC' ELSE 'ASC' END, page_size + 1, CASE WHEN nullable THEN ' NULLS LAST' END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.compile_list IS 'The SQL of a page of a list, and the list''s identity for cursors';
REVOKE ALL ON FUNCTION opsadmin_private.compile_list FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.compile_list TO opsadmin_internal, opsadmin_partner;

-- The SQL that counts the rows of a list, up to 100,001.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_count(resource text, filter jsonb, search text) RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('SELECT count(*) FROM (SELECT FROM %s AS target WHERE %s LIMIT 100001) AS found',
                opsadmin_private.qualified_name(t.relation), opsadmin_private.compile_rows(r, $2, $3))
  FROM opsadmin_private.require_resource($1, 'read') AS r JOIN opsadmin.target t ON t.id = r.target_id
$$;
COMMENT ON FUNCTION opsadmin_private.compile_count IS 'The SQL that counts the rows of a list, up to 100,001';
REVOKE ALL ON FUNCTION opsadmin_private.compile_count FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin_private.compile_count TO opsadmin_internal, opsadmin_partner;

-- A filter that fits, in words: what a job's summary tells people of it. NULL for none.
CREATE OR REPLACE FUNCTION opsadmin_private.filter_text(filter jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  joiner text := CASE WHEN filter ? 'and' THEN 'and' WHEN filter ? 'or' THEN 'or' END;
BEGIN
  IF joiner IS NOT NULL THEN
    RETURN (SELECT string_agg(CASE WHEN jsonb_array_length(filter -> joiner) > 1 AND part ?| '{and,or}' THEN '(' || opsadmin_private.filter_text(part) || ')'
                                   ELSE opsadmin_private.filter_text(part) END, ' ' || joiner || ' ' ORDER BY place)
            FROM jsonb_array_elements(filter -> joiner) WITH ORDINALITY AS p (part, place));
  ELSIF filter ->> 'op' = 'is_null' THEN
    RETURN format('%s is %s', filter ->> 'column', CASE WHEN (filter -> 'value')::boolean THEN 'empty' ELSE 'not empty' END);
  END IF;
  RETURN format('%s %s %s', filter ->> 'column', filter ->> 'op', filter -> 'value');
END
$$;
COMMENT ON FUNCTION opsadmin_private.filter_text IS 'A filter in words, for the summary of a job';
REVOKE ALL ON FUNCTION opsadmin_private.filter_text FROM PUBLIC;

-- A selection as SQL over the alias target, with a summary for people; OA423 when it does not fit, OA436 when the table has
-- another primary key than the resource.
CREATE OR REPLACE FUNCTION opsadmin_private.compile_selection(resource opsadmin.resource, selection jsonb, OUT condition text, OUT selected_keys text[], OUT summary text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key_type text := (SELECT c.type_name FROM opsadmin.resource_column c WHERE c.resource_name = resource.name AND c.column_name = resource.key_column);
  list_name text := CASE WHEN selection ? 'ids' THEN 'ids' ELSE 'except' END;
  keys text;
  told text;
BEGIN
  IF jsonb_typeof(selection) IS DISTINCT FROM 'object' OR NOT (selection ? 'ids' OR selection ? 'filter' OR selection ? 'search')
     OR selection ? 'ids' AND (selection ? 'filter' OR selection ? 'search' OR selection ? 'except')
     -- What is not understood might have been meant to leave rows out.
     OR selection - '{ids,filter,search,except}'::text[] <> '{}' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA423', MESSAGE = 'a selection is a list of keys, or a filter', COLUMN = '/selection',
      HINT = 'Use {"ids":["1","2"]} or {"filter":{…},"search":null,"except":[]}.';
  END IF;
  IF jsonb_typeof(selection -> 'search') NOT IN ('string', 'null') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA423', MESSAGE = 'a search is a text', COLUMN = '/selection/search', HINT = 'For example {"search":"tea"}.';
  END IF;
  IF selection ? list_name THEN
    IF (SELECT k.names FROM opsadmin.target t CROSS JOIN opsadmin_private.key_columns(t.relation) AS k WHERE t.id = resource.target_id) <> ARRAY[resource.key_column] THEN
      RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('"%s" is not the primary key of resource "%s" any more', resource.key_column, resource.name),
        HINT = 'opsadmin.expose() the table again when its key is one column.';
    END IF;
    IF jsonb_typeof(selection -> list_name) <> 'array' OR jsonb_array_length(selection -> list_name) > 10000
       OR list_name = 'ids' AND jsonb_array_length(selection -> list_name) = 0 THEN
      RAISE EXCEPTION USING ERRCODE = 'OA423', MESSAGE = format('"%s" is a list of at most 10,000 keys', list_name), COLUMN = '/selection/' || list_name,
      HINT = 'Select more rows by a filter.';
    END IF;
    IF jsonb_path_exists(selection -> list_name, '$[*] ? (@.type() != "string" && @.type() != "number")') THEN
      RAISE EXCEPTION USING ERRCODE = 'OA423', MESSAGE = 'a key is a text or a number', COLUMN = '/selection/' || list_name,
        HINT = 'Give keys as the rows of a list have them.';
    END IF;
    keys := ARRAY(SELECT jsonb_array_elements_text(selection -> list_name))::text;
    BEGIN
      IF opsadmin_private.is_server_type(key_type) THEN
        EXECUTE format('SELECT %L::%s[]', keys, key_type);
      END IF;
    EXCEPTION WHEN data_exception THEN
      RAISE EXCEPTION USING ERRCODE = 'OA423', MESSAGE = format('a key is not of type %s', key_type), COLUMN = '/selection/' || list_name,
      HINT = 'Use the keys that opsadmin.list_rows() shows.';
    END;
  END IF;
  IF list_name = 'ids' THEN
    condition := 'true';
    selected_keys := keys;
    summary := jsonb_array_length(selection -> 'ids') || ' selected';
  ELSE
    condition := opsadmin_private.compile_filter(resource.name, selection -> 'filter', '/selection/filter')
      || ' AND ' || opsadmin_private.compile_search(resource.name, selection ->> 'search', '/selection/search')
      || CASE WHEN keys IS NULL THEN '' ELSE format(' AND target.%I %s ALL (%L::%s[])', resource.key_column, opsadmin_private.comparison(key_type, '<>'), keys, key_type) END;
    told := opsadmin_private.filter_text(nullif(nullif(selection -> 'filter', 'null'), '{}'));
    summary := concat_ws(', ',
      concat_ws(' ', 'all', CASE WHEN told IS NOT NULL OR btrim(selection ->> 'search') <> '' THEN 'matching' END, left(told, 500) || CASE WHEN length(told) > 500 THEN '…' ELSE '' END),
      '"' || nullif(btrim(selection ->> 'search'), '') || '"',
      'except ' || nullif(jsonb_array_length(coalesce(selection -> 'except', '[]')), 0));
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.compile_selection IS 'A selection as SQL over the alias target and the keys that were chosen one by one, with a summary; OA423 when it does not fit';
REVOKE ALL ON FUNCTION opsadmin_private.compile_selection FROM PUBLIC;
