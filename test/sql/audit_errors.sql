-- Ten thousand statements that fail at any stage of their recording: while a value is turned into jsonb, while the header
-- or an entry gets into an index, while the rest of the batch waits. Nothing of them stays, nothing else is lost.
-- topic: audit
SELECT plan(9);
SET client_min_messages = error;
CREATE SCHEMA regress_shop;

-- Raises an error once in so many calls. IMMUTABLE is a lie, so that indexes may use it; with an argument that varies, since
-- PostgreSQL computes it beforehand otherwise.
CREATE TABLE regress_shop.odds (stage text PRIMARY KEY, one_in float NOT NULL);
INSERT INTO regress_shop.odds VALUES ('value', 0), ('header', 0), ('entry', 0);
CREATE FUNCTION regress_shop.stumble(stage text, id bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF random() < (SELECT o.one_in FROM regress_shop.odds o WHERE o.stage = stumble.stage) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = stage;
    END IF;
    RETURN true;
END
$$;
CREATE TYPE regress_shop.brittle AS ENUM ('0', '1', '2');
CREATE FUNCTION regress_shop.brittle_json(value regress_shop.brittle) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN regress_shop.stumble('value', ascii(value::text)) THEN to_json(value::text) END;
END
$$;
CREATE CAST (regress_shop.brittle AS json) WITH FUNCTION regress_shop.brittle_json(regress_shop.brittle);
CREATE TABLE regress_shop.item (id int PRIMARY KEY, n int, b regress_shop.brittle, note text);
SELECT opsadmin.audit('regress_shop.item') \g /dev/null
SELECT format('CREATE INDEX ON opsadmin.%I (regress_shop.stumble(%L, id))', e.name, 'entry'), format('CREATE INDEX ON opsadmin.%I (id) WHERE regress_shop.stumble(%L, id)', h.name, 'header')
FROM (SELECT * FROM opsadmin_private.audit_partitions('audit_entry') LIMIT 1) AS e, (SELECT * FROM opsadmin_private.audit_partitions('audit_header') LIMIT 1) AS h \gexec

-- What the table held after each statement that did not fail is what the log must give.
CREATE TABLE regress_shop.outcome (stage text, failed boolean, rows int, entries bigint);
CREATE PROCEDURE regress_shop.run(rounds int, in_one_transaction boolean) LANGUAGE plpgsql AS $$
DECLARE
    chosen text;
    size int;
    changed int := 0;
    did_fail boolean;
BEGIN
    FOR round IN 1 .. rounds LOOP
        chosen := (ARRAY['value', 'header', 'entry', 'none'])[1 + floor(random() * 4)];
        size := (ARRAY[1, 1, 3, 40])[1 + floor(random() * 4)];
        UPDATE regress_shop.odds o SET one_in = CASE WHEN o.stage = chosen THEN CASE WHEN chosen = 'header' THEN 0.7 ELSE 1.5 / size END ELSE 0 END;
        did_fail := false;
        changed := 0;
        BEGIN
            IF random() < 0.4 THEN
                INSERT INTO regress_shop.item SELECT g, 0, (g % 3)::text::regress_shop.brittle, repeat('x', (random() * 100)::int) FROM generate_series(1, size) AS g
                ON CONFLICT (id) DO UPDATE SET b = ((item.n + 1) % 3)::text::regress_shop.brittle, n = item.n + 1;
            ELSIF random() < 0.7 THEN
                UPDATE regress_shop.item SET n = n + 1, b = (n % 3)::text::regress_shop.brittle WHERE id <= size;
            ELSE
                DELETE FROM regress_shop.item WHERE id <= size;
            END IF;
        EXCEPTION WHEN no_data_found THEN
            did_fail := true;
        END;
        INSERT INTO regress_shop.outcome VALUES (chosen, did_fail, size, 0);
        IF NOT in_one_transaction THEN COMMIT; END IF;
    END LOOP;
END
$$;
CALL regress_shop.run(7000, false);
CALL regress_shop.run(3000, true);
UPDATE regress_shop.odds SET one_in = 0;
SELECT cmp_ok(count(*) FILTER (WHERE failed), '>', 2000::bigint, 'thousands have failed') FROM regress_shop.outcome;
SELECT cmp_ok(count(*) FILTER (WHERE failed), '>', 100::bigint, 'at stage ' || s) FROM unnest('{value,header,entry}'::text[]) AS s LEFT JOIN regress_shop.outcome o ON o.stage = s GROUP BY s;
SELECT is(count(*) FILTER (WHERE failed), 0::bigint, 'none where nothing was made to fail') FROM regress_shop.outcome WHERE stage = 'none';

-- The last entry of each row says what it is now.
CREATE VIEW regress_shop.last_entry AS
SELECT DISTINCT ON (target_pk) (target_pk ->> 'id')::int AS id, op, (after ->> 'n')::int AS n FROM opsadmin.audit_log l WHERE target = 'regress_shop.item' ORDER BY target_pk, l.id DESC;
SELECT is_empty($$SELECT id, n FROM regress_shop.last_entry WHERE op <> 'DELETE' EXCEPT SELECT id, n FROM regress_shop.item$$, 'no entry of what has failed');
SELECT is_empty($$SELECT id, n FROM regress_shop.item EXCEPT SELECT id, n FROM regress_shop.last_entry WHERE op <> 'DELETE'$$, 'and none is missing');
SELECT is_empty('SELECT FROM opsadmin.audit_entry e WHERE NOT EXISTS (SELECT FROM opsadmin.audit_header h WHERE h.id = e.header_id)', 'each entry has its header');
SELECT is_empty('SELECT FROM opsadmin.audit_header h WHERE NOT EXISTS (SELECT FROM opsadmin.audit_entry e WHERE e.header_id = h.id)', 'and each header an entry');
-- Alone, since autovacuum may be in one of these indexes and about to read what else is dropped.
DROP FUNCTION regress_shop.stumble CASCADE;
DROP SCHEMA regress_shop CASCADE;
SELECT * FROM finish();
