-- A unique or exclusion constraint or index of a protected table without the tenant column, on what people choose: the
-- error tells a partner that another tenant has the value. Keys that the server hands out (identity, sequence, uuid)
-- tell nothing and are left out, as are primary keys of integers.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_unique_without_tenant() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'warning', 'unique_without_tenant', format('%I.%I', xn.nspname, xc.relname), format('a value of one tenant is refused to the others of %s, which tells that it exists', i.relation_name),
         CASE WHEN k.contype = 'p' AND EXISTS (SELECT FROM opsadmin.resource r JOIN opsadmin.target t ON t.id = r.target_id WHERE t.relation = i.relation) THEN
                '-- the table is a resource, whose key is one column: give it a key that nobody can guess, such as a uuid'
              WHEN k.oid IS NULL THEN
                format('DROP INDEX %I.%I; ', xn.nspname, xc.relname)
                || format('CREATE UNIQUE INDEX %I ON %s USING %I (%I, ', xc.relname, i.relation_name, m.amname, i.tenant_column) || substr(definition.index, length(definition.head) + 1)
              ELSE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I ', i.relation_name, k.conname, k.conname)
                || overlay(definition.constraint placing quote_ident(i.tenant_column) || CASE k.contype WHEN 'x' THEN ' WITH =' ELSE '' END || ', '
                           from position('(' in definition.constraint) + 1 for 0)
         END || CASE WHEN EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = x.indexrelid AND f.contype = 'f') THEN '; -- after the foreign keys that refer to it'
                     WHEN k.contype = 'x' THEN '; -- needs the extension btree_gist' ELSE ';' END
  FROM opsadmin_private.isolated_relations() AS i
  JOIN pg_index x ON x.indrelid = i.relation AND (x.indisunique OR x.indisexclusion)
  JOIN pg_class xc ON xc.oid = x.indexrelid AND NOT xc.relispartition JOIN pg_namespace xn ON xn.oid = xc.relnamespace JOIN pg_am m ON m.oid = xc.relam
  LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')
  CROSS JOIN LATERAL (SELECT pg_get_constraintdef(k.oid), pg_get_indexdef(x.indexrelid),
                             format('CREATE UNIQUE INDEX %I ON %s%s USING %I (', xc.relname, CASE WHEN xc.relkind = 'I' THEN 'ONLY ' END, i.relation_name, m.amname))
    AS definition ("constraint", index, head)
  WHERE i.tenant_number <> ALL ((x.indkey::smallint[])[0:x.indnkeyatts - 1])
    AND NOT EXISTS (SELECT FROM unnest((x.indkey::smallint[])[0:x.indnkeyatts - 1]) AS key (number)
                    JOIN pg_attribute a ON a.attrelid = i.relation AND a.attnum = key.number
                    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                    WHERE a.attidentity <> '' OR a.atttypid = 'uuid'::regtype OR pg_get_expr(d.adbin, d.adrelid) ~ E'^nextval\\('
                       OR x.indisprimary AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype))
$$;
COMMENT ON FUNCTION opsadmin_private.rule_unique_without_tenant IS 'Unique and exclusion constraints without the tenant';
REVOKE ALL ON FUNCTION opsadmin_private.rule_unique_without_tenant FROM PUBLIC;
