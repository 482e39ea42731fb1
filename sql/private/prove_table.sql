-- The attacks of prove_isolation() on one protected table.

-- Reading and writing rows of another tenant, by SQL of every form.
CREATE OR REPLACE FUNCTION opsadmin_private.prove_rows(target regclass, protection opsadmin.protected_table, own opsadmin.tenant, other opsadmin.tenant, own_row text, other_row text, other_values text[])
RETURNS TABLE (vector text, verdict text, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := opsadmin_private.qualified_name(target);
  tenant text := quote_ident(protection.tenant_column);
  own_key text := format('%L::%s', opsadmin_private.key_of_type(coalesce(own.key, own.id::text), protection.tenant_type), protection.tenant_type);
  other_key text := format('%L::%s', opsadmin_private.key_of_type(coalesce(other.key, other.id::text), protection.tenant_type), protection.tenant_type);
  theirs text := format('target.%s IS DISTINCT FROM %s', tenant, own_key);
  keys record;
  key_list text;
  moved record;
  upserted record;
  generic text := format('SELECT count(*) FROM %s AS target WHERE target.%s = %s', name, tenant, other_key);
BEGIN
  SELECT * INTO keys FROM opsadmin_private.key_columns(target);
  SELECT string_agg(quote_ident(n), ', ' ORDER BY o) INTO key_list FROM unnest(keys.names) WITH ORDINALITY AS k (n, o);
  SELECT * INTO moved FROM opsadmin_private.copy_of_row(target, own_row, jsonb_build_object(protection.tenant_column, other_key));
  SELECT * INTO upserted FROM opsadmin_private.copy_of_row(target, own_row,
    (SELECT jsonb_object_agg(k.n, format('%L::%s', k.v, k.t)) FROM unnest(keys.names, keys.types, other_values) AS k (n, t, v)));
  RETURN QUERY
    SELECT v.name, t.verdict, t.detail
    FROM (VALUES
      ('the tenant sees its own row', '{*}'::text[], format('SELECT count(*) FROM %s AS target WHERE %s', name, own_row), 'one'),
      ('SELECT', '{*}', format('SELECT count(*) FROM %s AS target WHERE %s', name, theirs), 'zero'),
      ('SELECT by key', '{*}', format('SELECT count(*) FROM %s AS target WHERE %s', name, other_row), 'zero'),
      ('SELECT with row_security = off', '{*}', format('SET LOCAL row_security = off; SELECT count(*) FROM %s AS target WHERE %s', name, theirs), 'zero'),
      ('SELECT without a context', NULL, format('SELECT count(*) FROM %s', name), 'refused'),
      ('SELECT without the permission', '{nothing:read}', format('SELECT count(*) FROM %s', name), 'refused'),
      ('join', '{*}', format('SELECT count(*) FROM (SELECT FROM %1$s AS mine JOIN %1$s AS target ON %2$s LIMIT 1) AS found', name, theirs), 'zero'),
      ('outer join', '{*}', format('SELECT count(target.%s) FROM (VALUES (1)) AS one LEFT JOIN %s AS target ON %s', tenant, name, theirs), 'zero'),
      ('common table expression', '{*}', format('WITH every AS MATERIALIZED (SELECT * FROM %s) SELECT count(*) FROM every AS target WHERE %s', name, theirs), 'zero'),
      ('correlated subquery', '{*}', format('SELECT count(*) FROM (VALUES (1)) AS one WHERE EXISTS (SELECT FROM %s AS target WHERE %s)', name, theirs), 'zero'),
      ('set operation', '{*}', format('SELECT count(*) FROM (SELECT * FROM %1$s UNION ALL SELECT * FROM %1$s) AS target WHERE %2$s', name, theirs), 'zero'),
      ('nested SQL: query_to_xml()', '{*}', format('SELECT count(*) FROM query_to_xml(%L, true, true, '''') AS x WHERE x::text LIKE ''%%<row%%''', format('SELECT 1 FROM %s AS target WHERE %s', name, theirs)), 'zero'),
      ('leaky operator: division', '{*}', format('SELECT count(*) FROM %s AS target WHERE 1 / CASE WHEN %s THEN 0 ELSE 1 END = 1', name, theirs), 'silent'),
      ('leaky operator: cast', '{*}', format('SELECT count(*) FROM %s AS target WHERE CASE WHEN %s THEN target.%s::text || ''x'' ELSE ''0'' END::numeric = 0', name, theirs, tenant), 'silent'),
      ('statistics: pg_stats', '{*}', format('SELECT count(*) FROM pg_stats WHERE format(''%%I.%%I'', schemaname, tablename) = %L', name), 'zero'),
      ('statistics: counters', '{*}', format('SELECT pg_stat_get_xact_tuples_returned(%L::regclass)', name), 'refused'),
      ('EXPLAIN', '{*}', format('EXPLAIN SELECT * FROM %s', name), 'refused'),
      ('INSERT for the other tenant', '{*}', format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE %s', name, moved.columns, moved.query), 'refused'),
      ('UPDATE that moves a row', '{*}', format('UPDATE %s AS target SET %s = %s WHERE %s', name, tenant, other_key, own_row), 'refused'),
      ('UPDATE of the other''s row', '{*}', format('UPDATE %s AS target SET %s = %s WHERE %s', name, tenant, own_key, other_row), 'none'),
      ('UPDATE … RETURNING', '{*}', format('UPDATE %s AS target SET %2$s = %2$s WHERE %3$s RETURNING 1', name, tenant, theirs), 'none'),
      ('upsert onto the other''s row', '{*}', format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE %s ON CONFLICT (%s) DO UPDATE SET %s = %s', name, upserted.columns, upserted.query, key_list, tenant, own_key), 'none'),
      ('oracle: ON CONFLICT DO NOTHING', '{*}', format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE %s ON CONFLICT DO NOTHING', name, upserted.columns, upserted.query), 'oracle'),
      ('DELETE of the other''s row', '{*}', format('DELETE FROM %s AS target WHERE %s', name, other_row), 'none'),
      ('SELECT … FOR UPDATE', '{*}', format('SELECT 1 FROM %s AS target WHERE %s FOR UPDATE', name, other_row), 'none'),
      ('MERGE into the other''s row', '{*}', format('MERGE INTO %s AS target USING (VALUES (1)) AS v (n) ON %s WHEN MATCHED THEN UPDATE SET %s = %s', name, other_row, tenant, own_key), 'none'),
      ('MERGE that inserts for the other', '{*}', format('MERGE INTO %s AS t USING (%s) AS v (%s) ON false WHEN NOT MATCHED THEN INSERT (%3$s) OVERRIDING SYSTEM VALUE VALUES (%4$s)', name, moved.query, moved.columns,
                                                         'v.' || replace(moved.columns, ', ', ', v.')), 'refused'),
      ('writing with read permission alone', '{*:read}', format('UPDATE %s AS target SET %2$s = %2$s WHERE %3$s', name, tenant, own_row), 'refused'),
      ('TRUNCATE', '{*}', format('TRUNCATE %s', name), 'refused'),
      ('LOCK TABLE', '{*}', format('LOCK TABLE %s', name), 'refused'),
      ('ALTER TABLE', '{*}', format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', name), 'refused'),
      ('DROP POLICY', '{*}', format('DROP POLICY opsadmin_partner_floor ON %s', name), 'refused'),
      ('CREATE TRIGGER', '{*}', format('CREATE TRIGGER opsadmin_t BEFORE INSERT ON %s EXECUTE FUNCTION suppress_redundant_updates_trigger()', name), 'refused')
    ) AS v (name, permissions, statement, expected),
    LATERAL opsadmin_private.try(own, v.permissions, v.statement, v.expected) AS t;
  -- One plan, first of the other tenant and then of the own one: it must not remember whom it was made for.
  PERFORM opsadmin_private.try(other, '{*}', generic, 'one', true);
  RETURN QUERY SELECT 'generic plan of another tenant', t.verdict, t.detail FROM opsadmin_private.try(own, '{*}', generic, 'zero', true) AS t;
END
$$;
COMMENT ON FUNCTION opsadmin_private.prove_rows IS 'Tries to read and write rows of another tenant';
REVOKE ALL ON FUNCTION opsadmin_private.prove_rows FROM PUBLIC;

-- What keys and indexes tell or reach: references to the other tenant's rows, cascades onto them, values in use.
CREATE OR REPLACE FUNCTION opsadmin_private.prove_keys(target regclass, protection opsadmin.protected_table, own opsadmin.tenant, other opsadmin.tenant, own_row text)
RETURNS TABLE (vector text, verdict text, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text := opsadmin_private.qualified_name(target);
  own_key text := opsadmin_private.key_of_type(coalesce(own.key, own.id::text), protection.tenant_type);
  other_key text := opsadmin_private.key_of_type(coalesce(other.key, other.id::text), protection.tenant_type);
  reference record;
  unique_index record;
  copied record;
  found jsonb;
  found_values text[];
  crossing bigint;
BEGIN
  FOR reference IN
    SELECT c.conname, c.confrelid::regclass AS referenced, rp.tenant_column AS referenced_tenant, rp.tenant_type AS referenced_type,
           ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k (n, o) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY o) AS columns,
           ARRAY(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY AS k (n, o) JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY o) AS referenced_columns,
           ARRAY(SELECT format_type(a.atttypid, -1) FROM unnest(c.conkey) WITH ORDINALITY AS k (n, o) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY o) AS types
    FROM pg_constraint c JOIN opsadmin.target rt ON rt.relation = c.confrelid JOIN opsadmin.protected_table rp ON rp.target_id = rt.id
    WHERE c.conrelid = target AND c.contype = 'f' AND c.conparentid = 0 ORDER BY c.conname
  LOOP
    -- A row of the other tenant whose key the own tenant does not have.
    found := opsadmin_private.look(format('SELECT pg_catalog.jsonb_build_array(%s) FROM %s AS target WHERE target.%I = %L::%s AND NOT EXISTS (SELECT FROM %2$s AS mine WHERE mine.%3$I = %6$L::%5$s%7$s) LIMIT 1',
      (SELECT string_agg(format('target.%I::text', r), ', ' ORDER BY o) FROM unnest(reference.referenced_columns) WITH ORDINALITY AS k (r, o)), opsadmin_private.qualified_name(reference.referenced), reference.referenced_tenant,
      opsadmin_private.key_of_type(coalesce(other.key, other.id::text), reference.referenced_type), reference.referenced_type,
      opsadmin_private.key_of_type(coalesce(own.key, own.id::text), reference.referenced_type),
      (SELECT string_agg(format(' AND mine.%1$I = target.%1$I', r), '') FROM unnest(reference.referenced_columns) AS r WHERE r <> reference.referenced_tenant)))::jsonb;
    found_values := CASE WHEN found IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(found)) END;
    IF found_values IS NULL THEN
      RETURN QUERY VALUES ('foreign key ' || reference.conname, 'not_run', format('the other tenant has no row in %s', reference.referenced));
      CONTINUE;
    END IF;
    RETURN QUERY
      SELECT 'foreign key ' || reference.conname, t.verdict, t.detail
      FROM opsadmin_private.try(own, '{*}', format('SET CONSTRAINTS ALL IMMEDIATE; UPDATE %s AS target SET %s WHERE %s', name,
        (SELECT string_agg(format('%I = %L::%s', k.c, k.v, k.t), ', ') FROM unnest(reference.columns, found_values, reference.types) AS k (c, v, t) WHERE k.c <> protection.tenant_column), own_row), 'reference') AS t;
  END LOOP;
  SELECT count(*) INTO crossing FROM opsadmin.cross_tenant_references(target);
  RETURN QUERY VALUES ('references to rows of other tenants', CASE WHEN crossing = 0 THEN 'held' ELSE 'broken' END,
                       CASE WHEN crossing = 0 THEN 'none: a cascade cannot leave its tenant' ELSE crossing || ' of them: a cascade reaches another tenant' END);

  FOR unique_index IN
    SELECT i.indexrelid::regclass AS index_name, ARRAY(SELECT a.attname FROM unnest(i.indkey[:i.indnkeyatts - 1]) AS k (n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n) AS columns
    FROM pg_index i WHERE i.indrelid = target AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND NOT (0 = ANY (i.indkey[:i.indnkeyatts - 1]))
    ORDER BY i.indexrelid::regclass::text
  LOOP
    CONTINUE WHEN protection.tenant_column = ANY (unique_index.columns);
    found := opsadmin_private.look(format('SELECT pg_catalog.jsonb_build_array(%s) FROM %s AS target WHERE target.%I = %L::%s LIMIT 1', (SELECT string_agg(format('pg_catalog.quote_nullable(target.%I)', c), ', ') FROM unnest(unique_index.columns) AS c),
                   name, protection.tenant_column, other_key, protection.tenant_type))::jsonb;
    found_values := ARRAY(SELECT jsonb_array_elements_text(found));
    SELECT * INTO copied FROM opsadmin_private.copy_of_row(target, own_row, (SELECT jsonb_object_agg(k.c, k.v) FROM unnest(unique_index.columns, found_values) AS k (c, v)));
    RETURN QUERY SELECT 'oracle: unique index ' || unique_index.index_name, t.verdict, t.detail
    FROM opsadmin_private.try(own, '{*}', format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE %s', name, copied.columns, copied.query), 'oracle') AS t;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.prove_keys IS 'Tries what foreign keys and unique indexes tell or reach of another tenant';
REVOKE ALL ON FUNCTION opsadmin_private.prove_keys FROM PUBLIC;

-- Ways around the table's own policies: its definition, partitions and children, sequences, parents, views and definer functions.
CREATE OR REPLACE FUNCTION opsadmin_private.prove_paths(target regclass, protection opsadmin.protected_table, own opsadmin.tenant)
RETURNS TABLE (vector text, verdict text, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  own_key text := format('%L::%s', opsadmin_private.key_of_type(coalesce(own.key, own.id::text), protection.tenant_type), protection.tenant_type);
  path record;
  tried record;
  nobody opsadmin.tenant;
BEGIN
  nobody.id := 2147483647;
  nobody.key := CASE protection.tenant_type WHEN 'uuid' THEN gen_random_uuid()::text WHEN 'text' THEN gen_random_uuid()::text END;
  RETURN QUERY
    SELECT 'row-level security', CASE WHEN c.relrowsecurity AND c.relforcerowsecurity THEN 'held' ELSE 'broken' END,
           CASE WHEN NOT c.relrowsecurity THEN 'it is off' WHEN NOT c.relforcerowsecurity THEN 'it does not hold the owner' ELSE 'on and forced' END
    FROM pg_class c WHERE c.oid = target;
  RETURN QUERY
    SELECT 'policy ' || own_policy.name, CASE WHEN f.relation IS NULL THEN 'held' ELSE 'broken' END,
           CASE WHEN f.relation IS NULL THEN 'it stands as protect() makes it' WHEN f.missing THEN 'it is missing' ELSE 'it was changed' END
    FROM unnest('{opsadmin_partner,opsadmin_partner_floor}'::name[]) AS own_policy (name)
    LEFT JOIN opsadmin_private.policy_faults() AS f ON f.relation = target AND f.policy = own_policy.name;
  RETURN QUERY
    SELECT 'policy ' || p.polname, 'residual', 'it lets partners in by another condition; the floor alone holds it'
    FROM pg_policy p
    WHERE p.polrelid = target AND p.polpermissive AND p.polname NOT IN (SELECT opsadmin_private.own_policies(target))
      AND EXISTS (SELECT FROM unnest(p.polroles) AS r WHERE r = 0 OR pg_has_role('opsadmin_partner_login', r, 'MEMBER'));

  FOR path IN
    WITH RECURSIVE tree AS (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = target UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.inhrelid)
    SELECT tree.inhrelid::regclass AS relation FROM tree ORDER BY 1
  LOOP
    RETURN QUERY SELECT 'partition or child ' || path.relation, t.verdict, t.detail
    FROM opsadmin_private.try(own, '{*}', format('SELECT count(*) FROM %s AS target WHERE target.%I IS DISTINCT FROM %s', opsadmin_private.qualified_name(path.relation), protection.tenant_column, own_key), 'zero') AS t;
  END LOOP;

  FOR path IN
    SELECT s.oid::regclass AS relation FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target AND d.deptype IN ('a', 'i') ORDER BY 1
  LOOP
    SELECT * INTO tried FROM opsadmin_private.attempt(own, '{*}', format('SELECT last_value FROM %s', opsadmin_private.qualified_name(path.relation)));
    RETURN QUERY VALUES ('sequence ' || path.relation, CASE WHEN tried.code IS NULL THEN 'residual' ELSE 'held' END,
                         coalesce(tried.code || ': ' || tried.message, 'the number of rows that all tenants have made can be read'));
  END LOOP;

  FOR path IN
    WITH RECURSIVE ancestor AS (
      SELECT i.inhparent AS oid FROM opsadmin_private.tree_members(target) AS m JOIN pg_inherits i ON i.inhrelid = m
      UNION
      SELECT i.inhparent FROM ancestor a JOIN pg_inherits i ON i.inhrelid = a.oid),
    reader AS (
      SELECT w.ev_class AS oid FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
      WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target AND w.ev_class <> target
      UNION
      SELECT w.ev_class FROM reader JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reader.oid AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid AND w.ev_class <> reader.oid)
    SELECT found.kind || c.oid::regclass AS vector, c.oid::regclass AS relation, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = protection.tenant_column) AS has_tenant
    FROM (SELECT 'read through the parent ' AS kind, a.oid FROM ancestor a WHERE a.oid NOT IN (SELECT opsadmin_private.tree_members(target))
          UNION ALL
          SELECT 'view ', r.oid FROM reader r WHERE has_any_column_privilege('opsadmin_partner', r.oid, 'SELECT')) AS found
    JOIN pg_class c ON c.oid = found.oid
    WHERE c.relnamespace NOT IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace) ORDER BY 1
  LOOP
    IF path.has_tenant THEN
      RETURN QUERY SELECT path.vector, t.verdict, t.detail
      FROM opsadmin_private.try(own, '{*}', format('SELECT count(*) FROM %s AS target WHERE target.%I IS DISTINCT FROM %s', opsadmin_private.qualified_name(path.relation), protection.tenant_column, own_key), 'zero') AS t;
    ELSE
      -- Without a tenant column its rows are counted by a tenant that has none.
      SELECT * INTO tried FROM opsadmin_private.attempt(nobody, '{*}', format('SELECT count(*) FROM %s', opsadmin_private.qualified_name(path.relation)));
      RETURN QUERY VALUES (path.vector, CASE WHEN tried.code IS NOT NULL OR tried.answer = '0' THEN 'held' ELSE 'broken' END,
        coalesce(tried.code || ': ' || tried.message, format('a tenant that has no row anywhere sees %s rows', tried.answer)));
    END IF;
  END LOOP;

  FOR path IN
    SELECT p.oid::regprocedure AS function, format('%I.%I', n.nspname, p.proname) AS name,
           p.prokind = 'f' AND p.pronargs = p.pronargdefaults AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AS can_call,
           protection.tenant_column::text = ANY (p.proargnames) OR EXISTS (SELECT FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid WHERE t.oid = p.prorettype AND a.attname = protection.tenant_column) AS has_tenant
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'opsadmin', 'opsadmin_private') AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
      AND has_function_privilege('opsadmin_partner', p.oid, 'EXECUTE') AND has_schema_privilege('opsadmin_partner', n.oid, 'USAGE')
      AND (p.prosrc ~* (E'\\m' || (SELECT c.relname FROM pg_class c WHERE c.oid = target) || E'\\M')
           OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target))
    ORDER BY 1
  LOOP
    IF path.can_call AND path.has_tenant THEN
      RETURN QUERY SELECT 'definer function ' || path.function, t.verdict, t.detail
      FROM opsadmin_private.try(own, '{*}', format('SELECT count(*) FROM %s() AS target WHERE target.%I IS DISTINCT FROM %s', path.name, protection.tenant_column, own_key), 'zero') AS t;
    ELSE
      RETURN QUERY VALUES ('definer function ' || path.function, 'not_run', 'it runs with its owner''s rights and gives no rows with a tenant: read what it does');
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.prove_paths IS 'Tries the ways around a table''s own policies';
REVOKE ALL ON FUNCTION opsadmin_private.prove_paths FROM PUBLIC;
