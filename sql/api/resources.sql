-- Resources of the admin: which tables it shows, and their rows as json.

-- Registers a table as a resource, or registers it anew. Without list_columns every column is listed;
-- without filter_columns and sort_columns the listed ones serve for both. OA425 for what does not fit,
-- OA430 without a primary key, OA435 when the table is not protected.
CREATE OR REPLACE FUNCTION opsadmin.expose(target regclass, resource text DEFAULT NULL, label jsonb DEFAULT NULL, list_columns name[] DEFAULT NULL,
  search_columns name[] DEFAULT '{}', filter_columns name[] DEFAULT NULL, sort_columns name[] DEFAULT NULL, column_labels jsonb DEFAULT '{}',
  sites text[] DEFAULT '{internal,partner}') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  keys record;
  found_target integer;
  unsearchable name;
  unsortable name;
BEGIN
  PERFORM opsadmin_private.require_root(target);
  resource := coalesce(resource, (SELECT c.relname FROM pg_class c WHERE c.oid = target));
  PERFORM opsadmin_private.require_name(resource, 'a resource');
  IF resource IN ('audit', 'health', 'kpi', 'members') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('"%s" is a name of opsadmin''s own permissions', resource),
      HINT = 'Give the resource another name with resource => ''…''.';
  END IF;
  SELECT * INTO keys FROM opsadmin_private.key_columns(target);
  IF cardinality(keys.names) > 1 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('the primary key of "%s" has several columns', target),
      HINT = 'A resource needs a key of one column.';
  END IF;
  IF NOT sites <@ '{internal,partner}' OR cardinality(sites) = 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = 'sites are internal and partner',
      HINT = 'For example sites => ''{internal}''.';
  END IF;
  list_columns := coalesce(list_columns, (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped));
  filter_columns := coalesce(filter_columns, list_columns);
  sort_columns := coalesce(sort_columns, (SELECT array_agg(c) FROM unnest(list_columns) AS c JOIN pg_attribute a ON a.attrelid = target AND a.attname = c
                                          WHERE a.atttypid <> 'jsonb'::regtype AND opsadmin_private.is_ordered(format_type(a.atttypid, -1))), '{}');
  PERFORM opsadmin_private.require_columns(target, list_columns || search_columns || filter_columns || sort_columns);
  SELECT c INTO unsearchable FROM unnest(search_columns) AS c JOIN pg_attribute a ON a.attrelid = target AND a.attname = c
  WHERE a.atttypid NOT IN ('text'::regtype, 'varchar'::regtype) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('column "%s" is not text', unsearchable), HINT = 'Search columns are text.';
  END IF;
  SELECT c INTO unsortable FROM unnest(sort_columns) AS c JOIN pg_attribute a ON a.attrelid = target AND a.attname = c
  WHERE NOT opsadmin_private.is_ordered(format_type(a.atttypid, -1)) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('column "%s" has no order', unsortable), HINT = 'Leave it out of sort_columns.';
  END IF;
  found_target := opsadmin_private.ensure_target(target);
  IF NOT EXISTS (SELECT FROM opsadmin.protected_table p WHERE p.target_id = found_target) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA435', MESSAGE = format('table "%s" is not protected', target),
      HINT = format('SELECT opsadmin.protect(%L);', opsadmin_private.qualified_name(target));
  END IF;

  DELETE FROM opsadmin.resource r WHERE r.name = expose.resource OR r.target_id = found_target;
  INSERT INTO opsadmin.resource (name, target_id, key_column, label, sites)
  VALUES (expose.resource, found_target, keys.names[1], opsadmin_private.label(expose.label, expose.resource), expose.sites);
  INSERT INTO opsadmin.resource_column (resource_name, column_name, ordinal, type_name, label, listed, filterable, sortable, searchable)
  SELECT expose.resource, a.attname, coalesce(array_position(list_columns, a.attname), 1000 + a.attnum), format_type(a.atttypid, -1),
         opsadmin_private.label(column_labels -> a.attname::text, a.attname), a.attname = ANY (list_columns),
         a.attname = ANY (filter_columns), a.attname = ANY (sort_columns) OR a.attname = keys.names[1], a.attname = ANY (search_columns)
  FROM pg_attribute a
  WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attname = ANY (list_columns || search_columns || filter_columns || sort_columns || keys.names[1]);
END
$$;
COMMENT ON FUNCTION opsadmin.expose IS 'Registers a protected table as a resource of the admin';
REVOKE ALL ON FUNCTION opsadmin.expose FROM PUBLIC;

-- Takes a resource out of the admin; OA405 when there is none of this table.
CREATE OR REPLACE FUNCTION opsadmin.unexpose(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM opsadmin.resource r USING opsadmin.target t WHERE t.id = r.target_id AND t.relation = target;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA405', MESSAGE = format('table "%s" is not exposed', target),
      HINT = 'See opsadmin.resource.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin.unexpose IS 'Takes a resource out of the admin';
REVOKE ALL ON FUNCTION opsadmin.unexpose FROM PUBLIC;

-- The resources that the actor may read, with their columns and the actions that it may run.
CREATE OR REPLACE FUNCTION opsadmin.list_resources() RETURNS json
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT json_build_object('resources', coalesce(json_agg(json_build_object(
    'name', r.name, 'label', r.label, 'target', (SELECT t.name FROM opsadmin.target t WHERE t.id = r.target_id), 'key', r.key_column,
    'columns', (SELECT json_agg(json_build_object('name', c.column_name, 'label', c.label, 'type', c.type_name, 'list', c.listed, 'filter', c.filterable,
                                                  'sort', c.sortable, 'search', c.searchable) ORDER BY c.ordinal)
                FROM opsadmin.resource_column c WHERE c.resource_name = r.name),
    'verbs', json_build_array('read'),
    'actions', (SELECT coalesce(json_agg(json_build_object('name', a.name, 'label', a.label, 'params', a.params) ORDER BY a.name), '[]')
                FROM opsadmin.action a
                WHERE a.target_id = r.target_id AND opsadmin.current_site() = ANY (a.sites) AND opsadmin.can(a.name || ':run')))
    ORDER BY r.name), '[]'))
  FROM opsadmin.resource r
  WHERE opsadmin.current_site() = ANY (r.sites) AND opsadmin.can(r.name || ':read')
$$;
COMMENT ON FUNCTION opsadmin.list_resources IS 'The resources that the actor may read, with columns and actions, as json';
REVOKE ALL ON FUNCTION opsadmin.list_resources FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_resources TO opsadmin_internal, opsadmin_partner;

-- A page of a resource's rows, as {"rows":[…],"next":…,"prev":null,"count":{…}}. sort names one column, with
-- a minus sign for descending. Raises OA405, OA403, OA421, OA422, OA424.
CREATE OR REPLACE FUNCTION opsadmin.list_rows(resource text, filter jsonb DEFAULT NULL, search text DEFAULT NULL, sort text DEFAULT NULL,
  cursor text DEFAULT NULL, page_size integer DEFAULT 50) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  plan record;
  found_rows json;
  last_row text;
  more boolean;
BEGIN
  SELECT * INTO plan FROM opsadmin_private.compile_list(resource, filter, search, sort, cursor, opsadmin_private.page_size(page_size));
  EXECUTE plan.statement INTO found_rows, last_row, more;
  RETURN json_build_object('rows', found_rows, 'next', CASE WHEN more THEN opsadmin_private.make_cursor(plan.list, last_row) END, 'prev', NULL,
                           'count', json_build_object('value', NULL, 'kind', 'none'));
END
$$;
COMMENT ON FUNCTION opsadmin.list_rows IS 'A page of a resource''s rows that the actor may see, as json';
REVOKE ALL ON FUNCTION opsadmin.list_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.list_rows TO opsadmin_internal, opsadmin_partner;

-- The number of rows of a list, as {"value":…,"kind":"exact"}, or "capped" above 100,000.
CREATE OR REPLACE FUNCTION opsadmin.count_rows(resource text, filter jsonb DEFAULT NULL, search text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_count bigint;
BEGIN
  EXECUTE opsadmin_private.compile_count(resource, filter, search) INTO found_count;
  RETURN json_build_object('value', least(found_count, 100000), 'kind', CASE WHEN found_count > 100000 THEN 'capped' ELSE 'exact' END);
END
$$;
COMMENT ON FUNCTION opsadmin.count_rows IS 'The number of rows of a list, exact up to 100,000, as json';
REVOKE ALL ON FUNCTION opsadmin.count_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION opsadmin.count_rows TO opsadmin_internal, opsadmin_partner;
