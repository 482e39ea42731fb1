-- Foreign keys between protected tables. PostgreSQL checks and cascades them without row-level security, so each gets
-- the tenant columns of both ends in front of its own.

-- The foreign keys with one end in the tree of target and both ends protected, target by tenant_column (it need not be
-- protected yet), with the tenant columns of both ends and whether the key compares them.
CREATE OR REPLACE FUNCTION opsadmin_private.keys_between_tenants(target regclass, tenant_column name)
RETURNS TABLE (key oid, tenant smallint, referenced_tenant smallint, safe boolean)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  WITH member AS MATERIALIZED (SELECT m AS relation FROM opsadmin_private.tree_members($1) AS m),
  found AS (
    SELECT c.oid, c.conrelid, c.conkey, c.confrelid, c.confkey,
           CASE WHEN c.conrelid IN (SELECT relation FROM member) THEN $2 ELSE opsadmin_private.tenant_column_of(c.conrelid) END AS tenant,
           CASE WHEN c.confrelid IN (SELECT relation FROM member) THEN $2 ELSE opsadmin_private.tenant_column_of(c.confrelid) END AS referenced_tenant
    FROM pg_constraint c
    WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid IN (SELECT relation FROM member) OR c.confrelid IN (SELECT relation FROM member)))
  SELECT f.oid, a.attnum, r.attnum,
         EXISTS (SELECT FROM unnest(f.conkey, f.confkey) AS pair (own, referenced) WHERE pair.own = a.attnum AND pair.referenced = r.attnum)
  FROM found f
  JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attname = f.tenant AND NOT a.attisdropped
  JOIN pg_attribute r ON r.attrelid = f.confrelid AND r.attname = f.referenced_tenant AND NOT r.attisdropped
$$;
COMMENT ON FUNCTION opsadmin_private.keys_between_tenants IS 'Foreign keys whose both ends are protected, and whether they compare the tenants';
REVOKE ALL ON FUNCTION opsadmin_private.keys_between_tenants FROM PUBLIC;

-- Names of columns by their numbers, quoted and with commas between them.
CREATE OR REPLACE FUNCTION opsadmin_private.column_list(relation regclass, columns smallint[]) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY c.ordinal)
  FROM unnest($2) WITH ORDINALITY AS c (attnum, ordinal) JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = c.attnum
$$;
COMMENT ON FUNCTION opsadmin_private.column_list IS 'Names of columns by their numbers, quoted';
REVOKE ALL ON FUNCTION opsadmin_private.column_list FROM PUBLIC;

-- The definition of a foreign key as it stands after ADD CONSTRAINT name, but with other columns; set_columns are those
-- of ON DELETE SET NULL and SET DEFAULT, NULL for all.
CREATE OR REPLACE FUNCTION opsadmin_private.foreign_key_definition(key pg_constraint, columns smallint[], referenced smallint[], set_columns smallint[] DEFAULT NULL,
  match_full boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  actions CONSTANT jsonb := '{"a":"NO ACTION","r":"RESTRICT","c":"CASCADE","n":"SET NULL","d":"SET DEFAULT"}';
BEGIN
  RETURN format('FOREIGN KEY (%s) REFERENCES %s (%s)', opsadmin_private.column_list(key.conrelid, columns),
                opsadmin_private.qualified_name(key.confrelid), opsadmin_private.column_list(key.confrelid, referenced))
    || CASE WHEN match_full THEN ' MATCH FULL' ELSE '' END
    || CASE WHEN key.confupdtype <> 'a' THEN ' ON UPDATE ' || (actions ->> key.confupdtype::text) ELSE '' END
    || CASE WHEN key.confdeltype <> 'a' THEN ' ON DELETE ' || (actions ->> key.confdeltype::text)
                                             || coalesce(' (' || opsadmin_private.column_list(key.conrelid, set_columns) || ')', '') ELSE '' END
    || CASE WHEN key.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN key.condeferrable THEN ' DEFERRABLE' ELSE '' END;
END
$$;
COMMENT ON FUNCTION opsadmin_private.foreign_key_definition IS 'The definition of a foreign key with other columns';
REVOKE ALL ON FUNCTION opsadmin_private.foreign_key_definition FROM PUBLIC;

-- Raises OA451, with the remedy, when a foreign key cannot take the tenant columns in.
CREATE OR REPLACE FUNCTION opsadmin_private.require_supported_key(key pg_constraint, tenant smallint, referenced_tenant smallint) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  table_name text := opsadmin_private.qualified_name(key.conrelid);
  what text := format('foreign key "%s" of "%s" cannot be made tenant-safe', key.conname, key.conrelid::regclass);
  own_type text := (SELECT format_type(a.atttypid, NULL) FROM pg_attribute a WHERE a.attrelid = key.conrelid AND a.attnum = tenant);
  referenced_type text := (SELECT format_type(a.atttypid, NULL) FROM pg_attribute a WHERE a.attrelid = key.confrelid AND a.attnum = referenced_tenant);
  simple pg_constraint := key;
BEGIN
  simple.confupdtype := CASE WHEN key.confupdtype IN ('n', 'd') THEN 'a' ELSE key.confupdtype END;
  IF key.confupdtype IN ('n', 'd') OR key.confmatchtype = 'f'
     AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = key.conrelid AND a.attnum = ANY (key.conkey) AND NOT a.attnotnull) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA451', MESSAGE = what,
      DETAIL = CASE WHEN key.confmatchtype = 'f' AND key.confupdtype NOT IN ('n', 'd') THEN 'With MATCH FULL its columns would have to be NULL together with the tenant column.'
                    ELSE 'ON UPDATE SET NULL and SET DEFAULT would change the tenant column, too.' END,
      HINT = format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s;', table_name, key.conname, key.conname,
                    opsadmin_private.foreign_key_definition(simple, key.conkey, key.confkey, key.confdelsetcols));
  END IF;
  IF replace(replace(own_type, 'integer', 'bigint'), 'character varying', 'text') <> replace(replace(referenced_type, 'integer', 'bigint'), 'character varying', 'text') THEN
    RAISE EXCEPTION USING ERRCODE = 'OA451', MESSAGE = what,
      DETAIL = format('The tenant column of "%s" is %s, that of "%s" is %s.', key.conrelid::regclass, own_type, key.confrelid::regclass, referenced_type),
      HINT = format('ALTER TABLE %s DROP CONSTRAINT %I; -- or give both tenant columns one type', table_name, key.conname);
  END IF;
  IF referenced_tenant = ANY (key.confkey) THEN
    RAISE EXCEPTION USING ERRCODE = 'OA451', MESSAGE = what,
      DETAIL = format('It compares the tenant column of "%s" with another column than the tenant column of "%s".', key.confrelid::regclass, key.conrelid::regclass),
      HINT = format('ALTER TABLE %s DROP CONSTRAINT %I; -- or let it compare the two tenant columns', table_name, key.conname);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_supported_key IS 'Raises OA451 when a foreign key cannot take the tenant columns in';
REVOKE ALL ON FUNCTION opsadmin_private.require_supported_key FROM PUBLIC;

-- The steps that make foreign keys tenant-safe: all those of target's tree, or the one that is named. Online, the
-- long ones keep nobody out, as far as PostgreSQL has such a form. Raises OA451.
CREATE OR REPLACE FUNCTION opsadmin_private.foreign_key_steps(target regclass, tenant_column name, online boolean, only_key oid DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found record;
  key pg_constraint;
  table_name text;
  definition text;
  new_name name;
  step text;
  indexes text[] := '{}';
BEGIN
  FOR found IN SELECT k.* FROM opsadmin_private.keys_between_tenants(target, tenant_column) AS k WHERE NOT k.safe AND (only_key IS NULL OR k.key = only_key) ORDER BY k.key LOOP
    SELECT * INTO key FROM pg_constraint c WHERE c.oid = found.key;
    table_name := opsadmin_private.qualified_name(key.conrelid);
    PERFORM opsadmin_private.require_supported_key(key, found.tenant, found.referenced_tenant);

    FOR step IN SELECT opsadmin_private.unique_index_steps(key.confrelid, found.referenced_tenant || key.confkey, online) LOOP
      -- Several keys may refer to the same columns.
      CONTINUE WHEN step = ANY (indexes);
      indexes := indexes || step;
      RETURN NEXT step;
    END LOOP;

    definition := opsadmin_private.foreign_key_definition(key, found.tenant || key.conkey, found.referenced_tenant || key.confkey,
      CASE WHEN key.confdeltype IN ('n', 'd') THEN coalesce(key.confdelsetcols, key.conkey) END);
    new_name := 'opsadmin_key_' || left(md5(key.conname), 12);
    -- What an interrupted plan has left.
    IF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = key.conrelid AND c.conname = new_name) THEN
      RETURN NEXT format('ALTER TABLE %s DROP CONSTRAINT %I', table_name, new_name);
    END IF;
    IF online AND (SELECT c.relkind FROM pg_class c WHERE c.oid = key.conrelid) = 'r' THEN
      RETURN NEXT format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', table_name, new_name, definition);
      IF key.convalidated THEN
        RETURN NEXT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', table_name, new_name);
      END IF;
      step := format('ALTER TABLE %s DROP CONSTRAINT %I; ALTER TABLE %s RENAME CONSTRAINT %I TO %I', table_name, key.conname, table_name, new_name, key.conname);
    ELSE
      step := opsadmin_private.replacing_step(key, definition);
    END IF;
    -- One step, and so one transaction: a plan that is broken off here can be begun again.
    RETURN NEXT concat_ws('; ', step, format('COMMENT ON CONSTRAINT %I ON %s IS ', key.conname, table_name) || quote_literal(obj_description(key.oid, 'pg_constraint')),
      format('SELECT opsadmin_private.note_replaced_key(%L, %L, %L, %L)', table_name, key.conname, key.confmatchtype = 'f', key.confdelsetcols IS NOT NULL));
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.foreign_key_steps IS 'The steps that make foreign keys between protected tables tenant-safe';
REVOKE ALL ON FUNCTION opsadmin_private.foreign_key_steps FROM PUBLIC;

-- Notes what a foreign key was like before it got the tenant columns.
CREATE OR REPLACE FUNCTION opsadmin_private.note_replaced_key(relation regclass, constraint_name name, match_full boolean, column_list boolean) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO opsadmin.replaced_key AS k (relation, constraint_name, match_full, column_list) VALUES ($1, $2, $3, $4)
  ON CONFLICT (relation, constraint_name) DO UPDATE SET match_full = excluded.match_full, column_list = excluded.column_list
$$;
COMMENT ON FUNCTION opsadmin_private.note_replaced_key IS 'Notes what a foreign key was like before it got the tenant columns';
REVOKE ALL ON FUNCTION opsadmin_private.note_replaced_key FROM PUBLIC;

-- The statement that puts another definition in the place of a foreign key: at no time is there none.
CREATE OR REPLACE FUNCTION opsadmin_private.replacing_step(key pg_constraint, definition text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s%s', opsadmin_private.qualified_name(key.conrelid), key.conname, key.conname, definition,
                CASE WHEN key.convalidated THEN '' ELSE ' NOT VALID' END);
END
$$;
COMMENT ON FUNCTION opsadmin_private.replacing_step IS 'The statement that puts another definition in the place of a foreign key';
REVOKE ALL ON FUNCTION opsadmin_private.replacing_step FROM PUBLIC;

-- The steps that make the unique index that a foreign key to these columns needs; none when there is one.
CREATE OR REPLACE FUNCTION opsadmin_private.unique_index_steps(relation regclass, columns smallint[], online boolean) RETURNS SETOF text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- Keys may name the same columns in another order.
  ordered smallint[] := columns[1] || ARRAY(SELECT c FROM unnest(columns[2:]) AS c ORDER BY c);
  index_name name := 'opsadmin_key_' || left(md5(opsadmin_private.qualified_name(relation) || ordered::text), 12);
  schema_name name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
  how text := CASE WHEN online AND (SELECT c.relkind FROM pg_class c WHERE c.oid = relation) = 'r' THEN ' CONCURRENTLY' ELSE '' END;
BEGIN
  IF EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
               AND ARRAY(SELECT c FROM unnest((i.indkey::smallint[])[0:i.indnkeyatts - 1]) AS c ORDER BY c) = ARRAY(SELECT c FROM unnest(columns) AS c ORDER BY c)) THEN
    RETURN;
  END IF;
  -- What an interrupted CREATE INDEX CONCURRENTLY has left.
  IF to_regclass(format('%I.%I', schema_name, index_name)) IS NOT NULL THEN
    RETURN NEXT format('DROP INDEX%s %I.%I', how, schema_name, index_name);
  END IF;
  RETURN NEXT format('CREATE UNIQUE INDEX%s %I ON %s (%s)', how, index_name, opsadmin_private.qualified_name(relation), opsadmin_private.column_list(relation, ordered));
END
$$;
COMMENT ON FUNCTION opsadmin_private.unique_index_steps IS 'The steps that make the unique index that a foreign key needs';
REVOKE ALL ON FUNCTION opsadmin_private.unique_index_steps FROM PUBLIC;

-- Gives the foreign keys of a tree their original form back, and drops the unique indexes that nothing needs any more.
-- OA451 when the key that one refers to is gone.
CREATE OR REPLACE FUNCTION opsadmin_private.restore_foreign_keys(target regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  members oid[] := ARRAY(SELECT m::oid FROM opsadmin_private.tree_members(target) AS m);
  involved oid[] := members;
  found record;
  key pg_constraint;
  note text;
  own_index regclass;
BEGIN
  FOR found IN SELECT k.*, c.oid AS key FROM opsadmin.replaced_key k JOIN pg_constraint c ON c.conrelid = k.relation AND c.conname = k.constraint_name
               WHERE c.contype = 'f' AND cardinality(c.conkey) > 1 AND (c.conrelid = ANY (members) OR c.confrelid = ANY (members)) LOOP
    SELECT * INTO key FROM pg_constraint c WHERE c.oid = found.key;
    note := obj_description(key.oid, 'pg_constraint');
    BEGIN
      EXECUTE opsadmin_private.replacing_step(key, opsadmin_private.foreign_key_definition(key, key.conkey[2:], key.confkey[2:],
        CASE WHEN found.column_list THEN key.confdelsetcols END, found.match_full));
    EXCEPTION WHEN invalid_foreign_key THEN
      RAISE EXCEPTION USING ERRCODE = 'OA451', MESSAGE = format('foreign key "%s" of "%s" cannot get its original form back', key.conname, key.conrelid::regclass),
        DETAIL = 'The primary or unique key that it referred to is not there any more.',
        HINT = format('ALTER TABLE %s ADD UNIQUE (%s); or drop the foreign key.', opsadmin_private.qualified_name(key.confrelid),
                      opsadmin_private.column_list(key.confrelid, key.confkey[2:]));
    END;
    IF note IS NOT NULL THEN
      EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', key.conname, opsadmin_private.qualified_name(key.conrelid), note);
    END IF;
    DELETE FROM opsadmin.replaced_key k WHERE k.relation = found.relation AND k.constraint_name = found.constraint_name;
    involved := involved || key.confrelid;
  END LOOP;
  FOR own_index IN SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                   WHERE i.indrelid = ANY (involved) AND c.relname LIKE E'opsadmin\\_key\\_%' AND NOT EXISTS (SELECT FROM pg_constraint u WHERE u.conindid = c.oid) LOOP
    EXECUTE format('DROP INDEX %s', opsadmin_private.qualified_name(own_index));
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.restore_foreign_keys IS 'Gives the foreign keys of a table their original form back';
REVOKE ALL ON FUNCTION opsadmin_private.restore_foreign_keys FROM PUBLIC;
