-- Storage of the audit log: partitions by week, the overflow tables, retention and legal hold, a log that only
-- superusers change, and what happens to a change that cannot be recorded.
-- topic: audit
SELECT plan(58);
\ir include/failure.psql
SET client_min_messages = error;
CREATE SCHEMA regress_shop;
CREATE TABLE regress_shop.item (id int PRIMARY KEY, name text);
CREATE TABLE regress_shop.held (id int PRIMARY KEY);
CREATE TABLE regress_shop.brief (id int PRIMARY KEY);

-- Partitions.
SELECT is((SELECT count(*) FROM opsadmin_private.audit_partitions('audit_entry')), 0::bigint, 'there are none until a table is audited');
SELECT opsadmin.audit('regress_shop.item'), opsadmin.audit('regress_shop.held'), opsadmin.audit('regress_shop.brief') \g /dev/null
SELECT is((SELECT count(*) FROM opsadmin_private.audit_partitions(t)), 5::bigint, t || ': then this week''s and four more')
FROM unnest('{audit_header,audit_entry}'::name[]) AS t;
SELECT ok(now() BETWEEN min(begins) AND min(ends) AND min(ends) - min(begins) = interval '7 days', 'a partition is a week') FROM opsadmin_private.audit_partitions('audit_entry');
SELECT is_empty($$SELECT FROM pg_depend d JOIN pg_inherits i ON i.inhrelid = d.objid WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e' AND i.inhparent = 'opsadmin.audit_entry'::regclass$$, 'partitions are not the extension''s, so that a dump holds them');
INSERT INTO regress_shop.item VALUES (1, 'one');
SELECT name AS entry_partition FROM opsadmin_private.audit_partitions('audit_entry') ORDER BY begins LIMIT 1 \gset
SELECT is((SELECT min(tableoid::regclass::text) FROM opsadmin.audit_entry), 'opsadmin.' || :'entry_partition', 'an entry is in this week''s');
SELECT is(opsadmin_private.make_audit_partitions(), 0, 'making them again makes nothing');
SELECT is(opsadmin_private.make_audit_partitions(6), 4, 'only those that are missing');

-- Ids.
SELECT opsadmin.audit('regress_shop.item') \g /dev/null
INSERT INTO regress_shop.item SELECT n, 'n' FROM generate_series(1001, 6000) AS n;
SELECT ok(count(DISTINCT id) = count(*) AND max(id) - min(id) = count(*) - 1, 'entries of a statement have successive ids') FROM opsadmin.audit_log WHERE after ->> 'name' = 'n';
SELECT ok(bool_and(id > header_id), 'and come after their header') FROM opsadmin.audit_log;

-- The newest entries, and those of a row, come from indexes.
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP lines := lines || line || E'\n'; END LOOP;
    RETURN lines;
END
$$;
ANALYZE opsadmin.audit_entry;
SELECT matches(plan_of('SELECT * FROM opsadmin.audit_log ORDER BY id DESC LIMIT 50'), 'Merge Append.*Index Scan Backward using ' || :'entry_partition' || '_id', 'the newest');
SELECT matches(plan_of('SELECT * FROM opsadmin.audit_log WHERE target_id = 1 AND row_key = 1 ORDER BY id'), 'Index Scan (on|using) ' || :'entry_partition' || '_row', 'those of a row');

-- Without a partition.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN SELECT p.relation FROM unnest('{audit_header,audit_entry}'::name[]) AS t CROSS JOIN LATERAL opsadmin_private.audit_partitions(t) AS p LOOP
        EXECUTE format('DROP TABLE %s', part.relation);
    END LOOP;
END
$$;
SELECT results_eq($$SELECT level, object FROM opsadmin.health() WHERE rule = 'audit'$$, $$VALUES ('warning', 'audit_entry')$$, 'health() tells that there are no partitions');
INSERT INTO regress_shop.item VALUES (2, 'two');
SELECT is((SELECT string_agg(concat_ws(' ', target_pk, after, db_user = session_user), ', ') FROM opsadmin.audit_log), '{"id": 2} {"id": 2, "name": "two"} t', 'an entry without a partition is in the log');
SELECT is((SELECT count(*) FROM opsadmin.audit_entry_overflow) + (SELECT count(*) FROM opsadmin.audit_header_overflow), 2::bigint, 'in the overflow tables');
SELECT results_eq($$SELECT level, object FROM opsadmin.health() WHERE rule = 'audit' ORDER BY 1$$, $$VALUES ('error', 'audit_entry_overflow'), ('warning', 'audit_entry')$$, 'and health() raises the alarm');
CREATE TABLE opsadmin.not_attached AS SELECT;
SELECT format('ALTER TABLE opsadmin.not_attached RENAME TO %I', :'entry_partition') \gexec
INSERT INTO regress_shop.item VALUES (3, 'three');
SELECT is((SELECT count(*) FROM opsadmin.audit_entry_overflow), 2::bigint, 'a table of a partition''s name that is none is left alone');
BEGIN;
UPDATE regress_shop.item SET name = 'zwei' WHERE id = 2;
SELECT opsadmin.audit_event('called') \g /dev/null
SELECT opsadmin.annotate_audit('import') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', op, action, meta), ', ' ORDER BY id) FROM opsadmin.audit_log WHERE xact = pg_current_xact_id()), 'UPDATE import, EVENT called {"action": "import"}', 'nor is an annotation lost, or put on others');
ROLLBACK;
SELECT format('DROP TABLE opsadmin.%I', :'entry_partition') \gexec
SELECT opsadmin.run_maintenance() \g /dev/null
SELECT is((SELECT count(*) FROM opsadmin.audit_entry_overflow) + (SELECT count(*) FROM opsadmin.audit_header_overflow), 0::bigint, 'the upkeep moves them');
SELECT is((SELECT string_agg(concat_ws(' ', target_pk, db_user = session_user), ', ' ORDER BY id) FROM opsadmin.audit_log), '{"id": 2} t, {"id": 3} t', 'to where they belong');
SELECT is_empty($$SELECT * FROM opsadmin.health() WHERE rule = 'audit'$$, 'and all is well');

-- Retention. A week of old entries of each table, one of each.
SELECT is(failure('SELECT opsadmin.set_audit_retention(''regress_shop.item'', ''1 hour'')'), 'OA425', 'at least a day');
SELECT is(failure('SELECT opsadmin.set_audit_retention(''opsadmin.audit_log'')'), 'OA436', 'of a table of the company');
CREATE FUNCTION age(weeks int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    monday date := date_trunc('week', now() AT TIME ZONE 'UTC')::date - 7 * weeks;
    first bigint := opsadmin_private.audit_id_at(monday::timestamp AT TIME ZONE 'UTC');
BEGIN
    PERFORM opsadmin_private.make_audit_partition('audit_entry', monday), opsadmin_private.make_audit_partition('audit_header', monday);
    INSERT INTO opsadmin.audit_header (id, tenant_id, created_at, db_user, xact) VALUES (first, 0, monday, 'x', '1');
    INSERT INTO opsadmin.audit_entry (id, header_id, tenant_id, row_key, target_id, op) SELECT first + t.id, first, 0, weeks, t.id, 'D' FROM opsadmin.target t;
    INSERT INTO opsadmin.audit_entry (id, header_id, tenant_id, target_id, op) VALUES (first, first, 0, 0, 'E');
END
$$;
CREATE FUNCTION aged() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(split_part(l.target, '.', 2) || ' ' || (l.target_pk ->> 'id'), ', ' ORDER BY l.target, l.id DESC) FROM opsadmin.audit_log l WHERE l.op = 'DELETE'
$$;
CREATE FUNCTION weeks(table_name name) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg((round(extract(epoch FROM date_trunc('week', now()) - p.begins) / 604800))::text, ' ' ORDER BY p.begins) FROM opsadmin_private.audit_partitions(table_name) AS p WHERE p.ends < now()
$$;
SELECT age(2), age(10), age(13), age(14), age(20), age(60) \g /dev/null
SELECT is(aged(), 'brief 2, brief 10, brief 13, brief 14, brief 20, brief 60, held 2, held 10, held 13, held 14, held 20, held 60, item 2, item 10, item 13, item 14, item 20, item 60', 'entries of years');
SELECT opsadmin.set_audit_retention('regress_shop.held', legal_hold => true), opsadmin.set_audit_retention('regress_shop.brief', '1 week') \g /dev/null
SELECT cmp_ok(opsadmin_private.purge_audit(), '=', 12::bigint, 'rows go one by one where others stay');
SELECT is(count(*), 3::bigint, 'so do events without a table') FROM opsadmin.audit_log WHERE op = 'EVENT';
SELECT is(aged(), 'held 2, held 10, held 13, held 14, held 20, held 60, item 2, item 10, item 13', 'a table''s own retention, the usual one, a legal hold');
SELECT is(weeks('audit_entry'), '60 20 14 13 10 2', 'the partitions stay for the legal hold');
SELECT is_empty($$SELECT * FROM opsadmin.health() WHERE rule = 'audit'$$, 'which is no finding');
SELECT opsadmin.set_audit_retention('regress_shop.held', '1 year') \g /dev/null
SELECT is(opsadmin_private.purge_audit(), 2::bigint, 'lifted, a partition goes as a whole');
SELECT is(aged(), 'held 2, held 10, held 13, held 14, held 20, item 2, item 10, item 13', 'with what it held');
SELECT is(weeks('audit_entry') || ' and ' || weeks('audit_header'), '20 14 13 10 2 and 20 14 13 10 2', 'and the headers'' week');
SELECT opsadmin.set_audit_retention('regress_shop.held'), opsadmin_private.purge_audit() \g /dev/null
SELECT is(weeks('audit_entry') || ' and ' || weeks('audit_header'), '13 10 2 and 14 13 10 2', 'a week of headers stays while it could have entries in the next one');
SELECT is(opsadmin_private.purge_audit(), 0::bigint, 'a second time there is nothing to do');
SELECT opsadmin.unaudit('regress_shop.item') \g /dev/null
DROP TABLE regress_shop.held;
SELECT is(aged(), 'held 2, held 10, held 13, item 2, item 10, item 13', 'entries outlive the audit and the table');

-- Only superusers change the log, whatever others were given.
CREATE ROLE regress_opsadmin_writer BYPASSRLS;
GRANT pg_write_all_data, pg_read_all_data TO regress_opsadmin_writer;
GRANT ALL ON ALL TABLES IN SCHEMA opsadmin TO regress_opsadmin_writer;
SELECT is(failure_as('regress_opsadmin_writer', format(statement, relation)), 'OA453', format(statement, relation))
FROM unnest('{opsadmin.audit_entry,opsadmin.audit_header,opsadmin.audit_entry_overflow}'::text[] || ('opsadmin.' || :'entry_partition')) AS relation,
     unnest(ARRAY['INSERT INTO %s SELECT * FROM %1$s', 'DELETE FROM %s', 'TRUNCATE %s', 'UPDATE %s SET id = id']) AS statement;
REVOKE ALL ON ALL TABLES IN SCHEMA opsadmin FROM regress_opsadmin_writer;
DROP ROLE regress_opsadmin_writer;

-- What cannot be recorded fails, or is let through with an alarm.
SELECT format('CREATE INDEX broken ON opsadmin.%I ((1 / (target_id - %s)))', :'entry_partition', id) FROM opsadmin.target WHERE name = 'regress_shop.brief' \gexec
SELECT is(failure('INSERT INTO regress_shop.brief VALUES (1)'), '22012', 'a broken partition: the change fails');
SET opsadmin.audit_on_error = warn;
SELECT is(failure('INSERT INTO regress_shop.brief VALUES (1), (2)'), NULL, 'unless opsadmin.audit_on_error is warn');
SELECT is((SELECT count(*) FROM regress_shop.brief), 2::bigint, 'then it holds');
SELECT is_empty($$SELECT FROM opsadmin.audit_log WHERE target = 'regress_shop.brief' AND op = 'INSERT'$$, 'without an entry');
SELECT matches((SELECT object || ': ' || problem FROM opsadmin.health() WHERE rule = 'audit'), 'regress_shop.brief: 1 statements since .* because of: division by zero', 'health() raises the alarm');
DROP INDEX opsadmin.broken;
BEGIN;
INSERT INTO regress_shop.brief VALUES (3);
UPDATE regress_shop.brief SET id = 4 WHERE id = 3;
COMMIT;
SELECT is((SELECT string_agg(op, ' ' ORDER BY id) FROM opsadmin.audit_log WHERE target = 'regress_shop.brief' AND op <> 'DELETE'), 'INSERT UPDATE', 'with warn, too, what can be recorded is');
CREATE ROLE regress_opsadmin_owner;
SELECT is(failure_as('regress_opsadmin_owner', 'SET opsadmin.audit_on_error = warn'), '42501', 'nobody else may let changes through');
DROP ROLE regress_opsadmin_owner;
DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
