-- Rows that refer to another tenant's, and foreign keys that prevent them.

-- Rows that refer to a row of another tenant, by the foreign keys between target, or its children, and other protected
-- tables. The tenant column need be named only before protect(), when it is not tenant_id. Reads both ends whole.
CREATE OR REPLACE FUNCTION opsadmin.cross_tenant_references(target regclass, tenant_column name DEFAULT NULL)
RETURNS TABLE (constraint_name name, referencing text, referencing_key jsonb, referencing_tenant text, referenced text, referenced_key jsonb, referenced_tenant text)
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found record;
BEGIN
  tenant_column := coalesce(tenant_column, opsadmin_private.tenant_column_of(target), 'tenant_id');
  FOR found IN
    SELECT k.tenant, k.referenced_tenant, c.* FROM opsadmin_private.keys_between_tenants(target, tenant_column) AS k JOIN pg_constraint c ON c.oid = k.key
    WHERE NOT k.safe OR NOT c.convalidated ORDER BY c.conrelid::regclass::text, c.conname
  LOOP
    RETURN QUERY EXECUTE format('SELECT %L::name, %L, %s, r.%s::text, %L, %s, p.%s::text FROM %s AS r JOIN %s AS p ON %s WHERE r.%s::text <> p.%s::text',
      found.conname,
      opsadmin_private.qualified_name(found.conrelid), opsadmin_private.row_key(found.conrelid, found.conkey, 'r'), opsadmin_private.column_list(found.conrelid, ARRAY[found.tenant]),
      opsadmin_private.qualified_name(found.confrelid), opsadmin_private.row_key(found.confrelid, found.confkey, 'p'), opsadmin_private.column_list(found.confrelid, ARRAY[found.referenced_tenant]),
      opsadmin_private.own_rows(found.conrelid), opsadmin_private.own_rows(found.confrelid),
      (SELECT string_agg(format('r.%s = p.%s', opsadmin_private.column_list(found.conrelid, ARRAY[pair.own]), opsadmin_private.column_list(found.confrelid, ARRAY[pair.referenced])), ' AND ')
       FROM unnest(found.conkey, found.confkey) AS pair (own, referenced)),
      opsadmin_private.column_list(found.conrelid, ARRAY[found.tenant]), opsadmin_private.column_list(found.confrelid, ARRAY[found.referenced_tenant]));
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.cross_tenant_references IS 'Rows that refer to a row of another tenant';
REVOKE ALL ON FUNCTION opsadmin.cross_tenant_references FROM PUBLIC;

-- The expression for a row's primary key as jsonb, or for other columns when it has none.
CREATE OR REPLACE FUNCTION opsadmin_private.row_key(relation regclass, columns smallint[], alias text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT format('jsonb_build_object(%s)', string_agg(format('%L, %I.%I', a.attname, $3, a.attname), ', ' ORDER BY c.ordinal))
  FROM unnest(coalesce((SELECT i.indkey::smallint[] FROM pg_index i WHERE i.indrelid = $1 AND i.indisprimary), $2)) WITH ORDINALITY AS c (attnum, ordinal)
  JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = c.attnum
$$;
COMMENT ON FUNCTION opsadmin_private.row_key IS 'The expression for a row''s key as jsonb';
REVOKE ALL ON FUNCTION opsadmin_private.row_key FROM PUBLIC;

-- A table as FROM names it to see the rows that its foreign keys are about: those of partitions, not of children that inherit.
CREATE OR REPLACE FUNCTION opsadmin_private.own_rows(relation regclass) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN CASE (SELECT c.relkind FROM pg_class c WHERE c.oid = relation) WHEN 'p' THEN '' ELSE 'ONLY ' END || opsadmin_private.qualified_name(relation);
END
$$;
COMMENT ON FUNCTION opsadmin_private.own_rows IS 'A table as FROM names it to see the rows that its foreign keys are about';
REVOKE ALL ON FUNCTION opsadmin_private.own_rows FROM PUBLIC;

-- Raises OA450 when rows refer to another tenant's.
CREATE OR REPLACE FUNCTION opsadmin_private.require_no_cross_tenant_rows(target regclass, tenant_column name) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  first_ones text[] := ARRAY(SELECT format('"%s" %s of tenant %s refers to "%s" %s of tenant %s (%s)', r.referencing, r.referencing_key, r.referencing_tenant, r.referenced,
                                           r.referenced_key, r.referenced_tenant, r.constraint_name)
                             FROM opsadmin.cross_tenant_references(target, tenant_column) AS r LIMIT 6);
BEGIN
  IF cardinality(first_ones) > 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'OA450', MESSAGE = format('rows refer to rows of another tenant, to or from "%s"', target),
      DETAIL = array_to_string(first_ones[:5], '; ') || CASE WHEN cardinality(first_ones) > 5 THEN '; and more.' ELSE '.' END,
      HINT = format('Mend them. SELECT * FROM opsadmin.cross_tenant_references(%L, %L); lists all.', opsadmin_private.qualified_name(target), tenant_column);
  END IF;
END
$$;
COMMENT ON FUNCTION opsadmin_private.require_no_cross_tenant_rows IS 'Raises OA450 when rows refer to another tenant''s';
REVOKE ALL ON FUNCTION opsadmin_private.require_no_cross_tenant_rows FROM PUBLIC;

-- Makes one foreign key between protected tables tenant-safe; nothing happens when it is. Locks as protect() does.
-- Raises OA425 when there is no such key between protected tables, OA437, OA450 and OA451 as protect() does.
CREATE OR REPLACE FUNCTION opsadmin.secure_foreign_key(target regclass, constraint_name name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' SET opsadmin.guard = 'off' AS $$
DECLARE
  tenant_column name;
  key pg_constraint;
  step text;
BEGIN
  LOCK TABLE opsadmin.protected_table IN SHARE ROW EXCLUSIVE MODE;
  tenant_column := opsadmin_private.tenant_column_of(target);
  SELECT c.* INTO key FROM pg_constraint c
  WHERE c.conrelid = target AND c.conname = secure_foreign_key.constraint_name AND c.oid IN (SELECT k.key FROM opsadmin_private.keys_between_tenants(target, tenant_column) AS k);
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'OA425', MESSAGE = format('"%s" has no foreign key "%s" to a protected table', target, constraint_name),
      HINT = 'Name a foreign key of a protected table that refers to a protected table.';
  END IF;
  PERFORM opsadmin_private.require_small_tree(key.conrelid), opsadmin_private.require_small_tree(key.confrelid);
  PERFORM opsadmin_private.require_no_cross_tenant_rows(target, tenant_column);
  FOR step IN SELECT opsadmin_private.foreign_key_steps(target, tenant_column, false, key.oid) LOOP
    EXECUTE step;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin.secure_foreign_key IS 'Makes a foreign key between protected tables tenant-safe';
REVOKE ALL ON FUNCTION opsadmin.secure_foreign_key FROM PUBLIC;
