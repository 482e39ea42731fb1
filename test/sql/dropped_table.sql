-- A table that opsadmin knows is dropped: nothing of it stays behind but what the audit log says of it.
SELECT plan(16);
\ir include/failure.psql
SET client_min_messages = error;
SET opsadmin.job_chunk_rows = 2000;

SELECT opsadmin.create_tenant('acme', 'Acme', id => 1) \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim') \g /dev/null
SELECT opsadmin.grant_role('kim@example.com', 'superadmin') \g /dev/null
CREATE ROLE regress_opsadmin_shop;
CREATE SCHEMA regress_shop AUTHORIZATION regress_opsadmin_shop;
CREATE PROCEDURE set_up(name text) LANGUAGE plpgsql AS $$
DECLARE
    target text := format('regress_shop.%I', name);
BEGIN
    EXECUTE format('CREATE TABLE %s (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, note text, at timestamptz DEFAULT now())', target);
    EXECUTE format('ALTER TABLE %s OWNER TO regress_opsadmin_shop', target);
    PERFORM opsadmin.protect(target, trusted_roles => '{regress_opsadmin_shop}'), opsadmin.audit(target), opsadmin.expose(target, name), opsadmin.define_action('touch_' || name, target, 'note = ''x'''),
            opsadmin.define_kpi('rows_of_' || name, target, 'at');
    EXECUTE format('INSERT INTO %s (id, tenant_id) SELECT n, 1 FROM generate_series(1, 10) AS n', target);
END
$$;
CALL set_up('first');
CALL set_up('second');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT opsadmin.run_action('touch_first', '{}', '{"filter":null}') AS waiting, opsadmin.run_action('touch_first', '{}', '{"filter":null}') AS planned \gset
COMMIT;
UPDATE opsadmin.job SET state = 'PAUSED' WHERE id = :waiting;
SELECT opsadmin_private.run_next_step(may_mark => true) \g /dev/null
UPDATE opsadmin.job SET state = 'PENDING' WHERE id = :waiting;

-- Dropped by its owner, who may nothing in opsadmin.
SET ROLE regress_opsadmin_shop;
SELECT is(failure('DROP TABLE regress_shop.first'), NULL, 'the owner drops the table');
RESET ROLE;
SELECT results_eq('SELECT t.name FROM opsadmin.target t WHERE t.relation IS NOT NULL', ARRAY['regress_shop.second'], 'only the other one is known');
SELECT is((SELECT count(*) FROM opsadmin.protected_table) + (SELECT count(*) FROM opsadmin.audited_table) + (SELECT count(*) FROM opsadmin.resource) + (SELECT count(*) FROM opsadmin.action), 4::bigint,
          'protected, audited, exposed and with an action');
SELECT is(count(*), 10::bigint, 'its entries are still in the audit log, under its name') FROM opsadmin.audit_log WHERE target = 'regress_shop.first';
CALL opsadmin.run_jobs();
SELECT is(string_agg(state, ' '), 'FAILED FAILED', 'its jobs fail') FROM opsadmin.bulk_job;
SELECT is_empty('SELECT FROM opsadmin.bulk_job WHERE error IS NULL', 'and say why');
SELECT ok(opsadmin.refresh_kpi() > 0, 'the KPIs of other tables go on');
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(failure($$SELECT opsadmin.list_rows('first')$$), 'OA405', 'the resource is gone');
SELECT is(json_array_length(opsadmin.list_rows('second') -> 'rows'), 10, 'the other one is there');
SELECT is(jsonb_path_query_array(opsadmin.list_resources()::jsonb, '$.resources[*].name'), '["second"]', 'alone');
SELECT is(json_array_length(opsadmin.list_jobs() -> 'rows'), 2, 'its jobs are still listed');
COMMIT;

-- A new table of the same name begins anew.
CALL set_up('first');
SELECT is(count(*), 20::bigint, 'a table of the same name is audited as itself') FROM opsadmin.audit_log WHERE target = 'regress_shop.first';
BEGIN;
SELECT opsadmin.begin_as('kim@example.com') \g /dev/null
SELECT is(json_array_length(opsadmin.list_rows('first') -> 'rows'), 10, 'and can be exposed');
COMMIT;
BEGIN;
DROP TABLE regress_shop.first;
ROLLBACK;
SELECT is(count(*), 2::bigint, 'a DROP that is rolled back forgets nothing') FROM opsadmin.protected_table;

-- Other changes of the schema are none of opsadmin's business.
ALTER TABLE regress_shop.first DROP COLUMN note;
CREATE TABLE regress_shop.other (id int);
DROP TABLE regress_shop.other;
ALTER TABLE regress_shop.first RENAME TO renamed;
SELECT is(count(*), 2::bigint, 'columns, other tables and names come and go') FROM opsadmin.protected_table;
DROP SCHEMA regress_shop CASCADE;
SELECT is((SELECT count(*) FROM opsadmin.protected_table) + (SELECT count(*) FROM opsadmin.target WHERE relation IS NOT NULL), 0::bigint, 'DROP SCHEMA drops its tables');

DROP ROLE regress_opsadmin_shop;
SELECT * FROM finish();
