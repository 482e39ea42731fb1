-- What opsadmin does when somebody changes the schema: it takes note, covers new children of protected and audited tables, and
-- judges changes that take a protection away.

CREATE EVENT TRIGGER opsadmin_table_dropped ON sql_drop EXECUTE FUNCTION opsadmin_private.forget_dropped_tables();
COMMENT ON EVENT TRIGGER opsadmin_table_dropped IS 'opsadmin forgets tables that were dropped';

CREATE EVENT TRIGGER opsadmin_new_child ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'ALTER TYPE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'CREATE SCHEMA')
  EXECUTE FUNCTION opsadmin_private.guard();
COMMENT ON EVENT TRIGGER opsadmin_new_child IS 'opsadmin protects and audits partitions and children that a protected or audited table gets, and follows columns that are renamed under audit';

CREATE EVENT TRIGGER opsadmin_guard ON ddl_command_start
  WHEN TAG IN ('ALTER TABLE', 'ALTER POLICY', 'DROP POLICY', 'CREATE TRIGGER', 'ALTER TRIGGER', 'DROP TRIGGER', 'DROP INDEX', 'DROP OWNED', 'DROP EXTENSION', 'DROP LANGUAGE')
  EXECUTE FUNCTION opsadmin_private.guard();
COMMENT ON EVENT TRIGGER opsadmin_guard IS 'opsadmin judges changes that take a protection away, and closes the tables before it is dropped';

-- Also for sessions that apply what another server sends.
ALTER EVENT TRIGGER opsadmin_table_dropped ENABLE ALWAYS;
ALTER EVENT TRIGGER opsadmin_new_child ENABLE ALWAYS;
ALTER EVENT TRIGGER opsadmin_guard ENABLE ALWAYS;

-- The tables of the log as they are made here; partitions get the same trigger.
SELECT opsadmin_private.make_append_only(t) FROM unnest('{audit_header,audit_header_overflow,audit_entry,audit_entry_overflow}'::name[]) AS t;
