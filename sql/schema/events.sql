-- What opsadmin does when somebody else changes the schema. It only takes note, and never refuses.

CREATE EVENT TRIGGER opsadmin_table_dropped ON sql_drop EXECUTE FUNCTION opsadmin_private.forget_dropped_tables();
COMMENT ON EVENT TRIGGER opsadmin_table_dropped IS 'opsadmin forgets tables that were dropped';
