-- A protected table without FORCE: its owner reads past the policies, and with it every view and definer function of
-- the owner.

CREATE OR REPLACE FUNCTION opsadmin_private.rule_not_forced() RETURNS SETOF opsadmin.finding
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT 'error', 'not_forced', i.relation_name, format('row-level security does not bind the owner "%s", nor the owner''s views and definer functions', pg_get_userbyid(c.relowner)),
         format('ALTER TABLE %s FORCE ROW LEVEL SECURITY;', i.relation_name)
  FROM opsadmin_private.isolated_relations() AS i JOIN pg_class c ON c.oid = i.relation
  WHERE i.relation = i.root AND NOT c.relforcerowsecurity
$$;
COMMENT ON FUNCTION opsadmin_private.rule_not_forced IS 'Protected tables whose policies do not bind their owner';
REVOKE ALL ON FUNCTION opsadmin_private.rule_not_forced FROM PUBLIC;
