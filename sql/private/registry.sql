-- Registering the company's tables, and facts of the catalog about them.

-- The registry's id of a table, made when it has none yet.
CREATE OR REPLACE FUNCTION opsadmin_private.ensure_target(target regclass) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_id integer;
BEGIN
  SELECT t.id INTO found_id FROM opsadmin.target t WHERE t.relation = target;
  IF found_id IS NULL THEN
    INSERT INTO opsadmin.target (relation, name)
    SELECT target, n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target
    RETURNING id INTO found_id;
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION opsadmin_private.ensure_target IS 'The registry''s id of a table, made when it has none yet';
REVOKE ALL ON FUNCTION opsadmin_private.ensure_target FROM PUBLIC;

-- Forgets tables and foreign keys that were dropped. Tables' names stay for the audit log, their values for the KPIs.
CREATE OR REPLACE FUNCTION opsadmin_private.forget_dropped_tables() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  forgotten integer[] := ARRAY(SELECT t.id FROM pg_event_trigger_dropped_objects() AS d JOIN opsadmin.target t ON t.relation = d.objid
                               WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0);
BEGIN
  IF cardinality(forgotten) > 0 THEN
    DELETE FROM opsadmin.protected_table p WHERE p.target_id = ANY (forgotten);
    DELETE FROM opsadmin.audited_table a WHERE a.target_id = ANY (forgotten);
    DELETE FROM opsadmin.resource r WHERE r.target_id = ANY (forgotten);
    DELETE FROM opsadmin.action a WHERE a.target_id = ANY (forgotten);
    UPDATE opsadmin.target t SET relation = NULL WHERE t.id = ANY (forgotten);
  END IF;
  DELETE FROM opsadmin.protected_child p USING pg_event_trigger_dropped_objects() AS d
  WHERE p.relation = d.objid AND d.classid = 'pg_class'::regclass AND d.objsubid = 0;
  DELETE FROM opsadmin.replaced_key k USING pg_event_trigger_dropped_objects() AS d
  WHERE k.relation = d.objid AND d.classid = 'pg_class'::regclass AND d.objsubid = 0
     OR d.object_type = 'table constraint' AND k.constraint_name = d.address_names[3]
        AND k.relation = to_regclass(format('%I.%I', d.address_names[1], d.address_names[2]));
END
$$;
COMMENT ON FUNCTION opsadmin_private.forget_dropped_tables IS 'Forgets tables that were dropped, but for their names';
REVOKE ALL ON FUNCTION opsadmin_private.forget_dropped_tables FROM PUBLIC;

-- A table's name, always with its schema, quoted.
CREATE OR REPLACE FUNCTION opsadmin_private.qualified_name(target regclass) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1);
END
$$;
COMMENT ON FUNCTION opsadmin_private.qualified_name IS 'A table''s name with its schema, quoted';
REVOKE ALL ON FUNCTION opsadmin_private.qualified_name FROM PUBLIC;

-- Raises OA436 unless the relation is an ordinary table of the company.
CREATE OR REPLACE FUNCTION opsadmin_private.require_plain_table(target regclass) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  relation pg_class;
  schema_name name;
BEGIN
  SELECT * INTO relation FROM pg_class c WHERE c.oid = target;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = 'the table does not exist', HINT = 'Name it as schema.table.';
  END IF;
  SELECT n.nspname INTO schema_name FROM pg_namespace n WHERE n.oid = relation.relnamespace;
  IF relation.relkind <> 'r' OR relation.relispartition OR relation.relpersistence = 't'
     OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = target OR i.inhparent = target)
     OR schema_name IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('"%s" is not an ordinary table', target),
      DETAIL = 'Views, foreign tables, partitioned and inherited tables, temporary tables and catalogs are not supported.',
      HINT = 'Name a table that holds its rows itself.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_plain_table IS 'Raises OA436 unless the relation is an ordinary table of the company';
REVOKE ALL ON FUNCTION opsadmin_private.require_plain_table FROM PUBLIC;

-- Tells whether values of a type can be compared and sorted; those of json, xml and point cannot.
CREATE OR REPLACE FUNCTION opsadmin_private.is_ordered(type_name text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('SELECT FROM (SELECT NULL::%s AS v WHERE false) AS none ORDER BY v', type_name);
  RETURN true;
EXCEPTION WHEN undefined_function THEN
  RETURN false;
END
$$;
COMMENT ON FUNCTION opsadmin_private.is_ordered IS 'Tells whether values of a type can be compared and sorted';
REVOKE ALL ON FUNCTION opsadmin_private.is_ordered FROM PUBLIC;

-- How two values of a type are compared: the operator (< <= = <> >= >) by which the type is sorted, for SQL that knows
-- pg_catalog alone. The name alone would find what the server has for the texts behind a citext, which have another order.
CREATE OR REPLACE FUNCTION opsadmin_private.comparison(type_name text, operator text) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- The names of the server's own types have no schema.
  IF position('.' IN type_name) = 0 THEN
    RETURN $2;
  END IF;
  RETURN (
    WITH RECURSIVE base AS (
      SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = to_regtype($1)
      UNION ALL
      SELECT t.oid, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.typbasetype
    )
    SELECT coalesce((
      SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
      FROM base b
      JOIN pg_opclass c ON c.opcintype = b.oid AND c.opcdefault JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
      JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = b.oid AND a.amoprighttype = b.oid
        AND a.amopstrategy = CASE $2 WHEN '<' THEN 1 WHEN '<=' THEN 2 WHEN '=' THEN 3 WHEN '<>' THEN 3 WHEN '>=' THEN 4 WHEN '>' THEN 5 END
      JOIN pg_operator s ON s.oid = a.amopopr JOIN pg_operator o ON o.oid = CASE $2 WHEN '<>' THEN s.oprnegate ELSE s.oid END
      JOIN pg_namespace n ON n.oid = o.oprnamespace
      WHERE b.typbasetype = 0 AND n.nspname <> 'pg_catalog'), $2));
END
$$;
COMMENT ON FUNCTION opsadmin_private.comparison IS 'The operator by which values of a type are compared, as SQL';
REVOKE ALL ON FUNCTION opsadmin_private.comparison FROM PUBLIC;

-- The columns of a table's primary key in their order, with their types as casts need them (char(4) is bpchar, since
-- a cast to character cuts after the first), and what their order depends on: columns, what compares them, collations.
-- OA430 when it has none.
CREATE OR REPLACE FUNCTION opsadmin_private.key_columns(target regclass, OUT names name[], OUT types text[], OUT key_order text)
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'opsadmin_key_columns';
COMMENT ON FUNCTION opsadmin_private.key_columns IS 'The columns of a table''s primary key with their types, and what their order depends on; OA430 when it has none';
REVOKE ALL ON FUNCTION opsadmin_private.key_columns FROM PUBLIC;

-- Raises OA425 unless a name is lower-case letters, digits and underscores, as registered names are.
CREATE OR REPLACE FUNCTION opsadmin_private.require_name(value text, what text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF value IS NULL OR value !~ '^[a-z][a-z0-9_]{0,62}$' THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('"%s" is not a name for %s', left(coalesce(value, 'NULL'), 100), what),
      HINT = 'Use lower-case letters, digits and underscores, beginning with a letter, at most 63 of them.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_name IS 'Raises OA425 unless a name has the form of registered names';
REVOKE ALL ON FUNCTION opsadmin_private.require_name FROM PUBLIC;

-- Raises OA425 unless every named column exists in the table.
CREATE OR REPLACE FUNCTION opsadmin_private.require_columns(target regclass, columns name[]) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  missing name;
BEGIN
  SELECT c INTO missing FROM unnest(columns) AS c
  WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attname = c AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('table "%s" has no column "%s"', target, missing),
      HINT = 'Name columns as they stand in the table.';
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_columns IS 'Raises OA425 unless every named column exists in the table';
REVOKE ALL ON FUNCTION opsadmin_private.require_columns FROM PUBLIC;

-- A label in both languages: what is given, filled up from the name ("created_at" becomes "Created at").
CREATE OR REPLACE FUNCTION opsadmin_private.label(given jsonb, name text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object('en', coalesce($1 ->> 'en', upper(left($2, 1)) || replace(substr($2, 2), '_', ' ')),
                            'ko', coalesce($1 ->> 'ko', $1 ->> 'en', upper(left($2, 1)) || replace(substr($2, 2), '_', ' ')))
$$;
COMMENT ON FUNCTION opsadmin_private.label IS 'A label in both languages, filled up from the name';
REVOKE ALL ON FUNCTION opsadmin_private.label FROM PUBLIC;

-- The call that gives the current tenant in the type of a tenant column; OA431, OA432, OA436 when it cannot be one.
CREATE OR REPLACE FUNCTION opsadmin_private.tenant_column_type(target regclass, tenant_column name) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_column pg_attribute;
  type_name text;
BEGIN
  SELECT * INTO found_column FROM pg_attribute a
  WHERE a.attrelid = target AND a.attname = tenant_column AND a.attnum > 0 AND NOT a.attisdropped;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA431', MESSAGE = format('table "%s" has no column "%s"', target, tenant_column),
      HINT = 'Add a tenant column, or name it with tenant_column => ''…''.';
  END IF;
  IF NOT found_column.attnotnull THEN
    RAISE EXCEPTION USING ERRCODE = 'OA432', MESSAGE = format('tenant column "%s" of "%s" accepts NULL', tenant_column, target),
      DETAIL = 'A row without a tenant belongs to nobody.',
      HINT = format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', opsadmin_private.qualified_name(target), tenant_column);
  END IF;
  type_name := format_type(found_column.atttypid, NULL);
  IF type_name = 'character varying' THEN
    type_name := 'text';
  END IF;
  IF type_name NOT IN ('integer', 'bigint', 'uuid', 'text') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA436', MESSAGE = format('tenant column "%s" of "%s" has type %s', tenant_column, target, type_name),
      HINT = 'A tenant column is integer, bigint, uuid or text.';
  END IF;
  RETURN type_name;
END
$$;
COMMENT ON FUNCTION opsadmin_private.tenant_column_type IS 'integer, bigint, uuid or text; OA431, OA432 or OA436 when the column cannot hold tenants';
REVOKE ALL ON FUNCTION opsadmin_private.tenant_column_type FROM PUBLIC;

-- The condition that a row of the alias target belongs to the current tenant, of a protected table.
CREATE OR REPLACE FUNCTION opsadmin_private.tenant_predicate(tenant_column name, tenant_type text, alias text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN format('%s%I OPERATOR(pg_catalog.=) opsadmin.current_tenant_key_%s()', $3 || '.', $1,
                CASE $2 WHEN 'integer' THEN 'int4' WHEN 'bigint' THEN 'int8' ELSE $2 END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.tenant_predicate IS 'The condition that a row belongs to the current tenant';
REVOKE ALL ON FUNCTION opsadmin_private.tenant_predicate FROM PUBLIC;
