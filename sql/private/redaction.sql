-- Keeps the rules of redaction with their columns.

-- Gives the rules of a renamed column its new name, in the audited trees of the table and of whatever is renamed with it:
-- its children, or the tables of a type. One that was redacted because its name looked sensitive stays redacted under
-- any name.
CREATE OR REPLACE FUNCTION opsadmin_private.follow_renamed_column(relation oid, old_name text, new_name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_tree record;
BEGIN
  FOR found_tree IN
    WITH RECURSIVE renamed AS (
      SELECT c.oid FROM pg_class t JOIN pg_class c ON c.oid = t.oid OR c.reloftype = t.reltype AND t.relkind = 'c' WHERE t.oid = $1
      UNION SELECT i.inhrelid FROM renamed r JOIN pg_inherits i ON i.inhparent = r.oid)
    SELECT DISTINCT t.relation, a.*,
           old_name <> ALL (a.redact || a.ignore || a.keep) AND opsadmin_private.looks_sensitive(old_name) AND NOT opsadmin_private.looks_sensitive(new_name) AS loses_look
    FROM renamed r JOIN opsadmin.target t ON t.relation = opsadmin_private.audited_root(r.oid) JOIN opsadmin.audited_table a ON a.target_id = t.id
    WHERE EXISTS (SELECT FROM pg_attribute c WHERE c.attrelid = r.oid AND c.attname = new_name AND NOT c.attisdropped)
  LOOP
    IF old_name = ANY (found_tree.redact || found_tree.ignore || found_tree.keep) OR found_tree.loses_look THEN
      UPDATE opsadmin.audited_table a
      SET redact = opsadmin_private.renamed_columns(found_tree.relation, found_tree.redact || CASE WHEN found_tree.loses_look THEN ARRAY[new_name]::name[] END, old_name, new_name),
          ignore = opsadmin_private.renamed_columns(found_tree.relation, found_tree.ignore, old_name, new_name),
          keep = opsadmin_private.renamed_columns(found_tree.relation, found_tree.keep, old_name, new_name)
      WHERE a.target_id = found_tree.target_id;
      PERFORM opsadmin_private.audit_tree(found_tree.relation);
    ELSIF opsadmin_private.is_inherited(found_tree.relation) THEN
      -- Tables that inherit have the root's key by the names of its columns.
      PERFORM opsadmin_private.audit_tree(found_tree.relation);
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION opsadmin_private.follow_renamed_column IS 'Gives the audit rules of a renamed column its new name';
REVOKE ALL ON FUNCTION opsadmin_private.follow_renamed_column FROM PUBLIC;

-- The old name stays beside the new one where another table of the tree still has it. Columns that were dropped go:
-- audit() would not know them.
CREATE OR REPLACE FUNCTION opsadmin_private.renamed_columns(root regclass, columns name[], old_name text, new_name text) RETURNS name[]
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(array_agg(c.name ORDER BY c.place), '{}')
  FROM (SELECT u.name, min(u.place) AS place
        FROM unnest(CASE WHEN $3::name = ANY ($2) THEN array_append($2, $4::name) ELSE $2 END) WITH ORDINALITY AS u(name, place) GROUP BY u.name) AS c
  WHERE EXISTS (SELECT FROM opsadmin_private.tree_members($1) AS m JOIN pg_attribute a ON a.attrelid = m WHERE a.attname = c.name AND NOT a.attisdropped)
$$;
COMMENT ON FUNCTION opsadmin_private.renamed_columns IS 'Columns of a tree after one was renamed, without those that were dropped';
REVOKE ALL ON FUNCTION opsadmin_private.renamed_columns FROM PUBLIC;
