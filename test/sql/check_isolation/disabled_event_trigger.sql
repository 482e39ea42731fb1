-- check_isolation(): event triggers of opsadmin that do not fire.
SELECT plan(5);
\ir ../include/check_isolation.psql

ALTER EVENT TRIGGER opsadmin_table_dropped DISABLE;
SELECT is(findings(), 'error|disabled_event_trigger|opsadmin_table_dropped', 'one is disabled');
\ir ../include/mend.psql
ALTER EVENT TRIGGER opsadmin_table_dropped ENABLE REPLICA;
SELECT is(findings(), 'error|disabled_event_trigger|opsadmin_table_dropped', 'one fires on a replica alone');
\ir ../include/mend.psql

SELECT * FROM finish();
