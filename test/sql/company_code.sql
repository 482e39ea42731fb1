-- The company's own code (a domain's CHECK, a cast, a trigger) never runs with the rights of opsadmin's owner.
-- topic: isolation jobs; needs: empty
SELECT plan(9);

CREATE ROLE regress_opsadmin_company;
CREATE TABLE ran_as (what text, name name);
GRANT INSERT ON ran_as TO PUBLIC;

CREATE SCHEMA company AUTHORIZATION regress_opsadmin_company;
SET ROLE regress_opsadmin_company;
CREATE FUNCTION company.note(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.ran_as VALUES (what, current_user);
    RETURN true;
END
$$;
CREATE DOMAIN company.watched AS text CHECK (company.note('domain'));
CREATE TYPE company.letter AS ENUM ('a', 'b');
CREATE FUNCTION company.to_letter(text) RETURNS company.letter LANGUAGE sql AS $$ SELECT CASE WHEN company.note('cast') THEN company.letter 'a' END $$;
CREATE CAST (text AS company.letter) WITH FUNCTION company.to_letter(text);
CREATE TABLE company.item (id company.letter PRIMARY KEY, tenant_id integer NOT NULL, name company.watched, stock integer NOT NULL DEFAULT 0);
CREATE INDEX ON company.item (tenant_id);
INSERT INTO company.item VALUES ('a', 1, 'x'), ('b', 2, 'y');
CREATE FUNCTION company.defer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    RETURN new;
END
$$;
CREATE FUNCTION company.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM company.note('deferred trigger');
    RETURN NULL;
END
$$;
CREATE TRIGGER first BEFORE UPDATE ON company.item FOR EACH ROW EXECUTE FUNCTION company.defer();
CREATE CONSTRAINT TRIGGER last AFTER UPDATE ON company.item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION company.at_commit();
RESET ROLE;
DELETE FROM ran_as;

SELECT opsadmin.create_tenant('one', 'One', id => 1), opsadmin.create_tenant('two', 'Two', id => 2) \g /dev/null
SELECT opsadmin.protect('company.item', trusted_roles => '{regress_opsadmin_company}'), opsadmin.expose('company.item') \g /dev/null
SELECT opsadmin.define_action('restock', 'company.item', 'stock = 1') \g /dev/null
SELECT opsadmin.create_actor('kim@example.com', 'Kim'), opsadmin.grant_role('kim@example.com', 'superadmin') \g /dev/null

BEGIN;
SELECT opsadmin.begin_as('kim@example.com', 'one') \g /dev/null
SELECT is(opsadmin.list_rows('item', '{"column":"name","op":"=","value":"x"}') #>> '{rows,0,id}', 'a', 'a column of a domain is filtered by');
SELECT throws_ok($$SELECT opsadmin.list_rows('item', '{"column":"id","op":"=","value":"c"}')$$, 'OA422', NULL, 'a value that is not of the company''s enum is an error');
SELECT isnt(opsadmin.run_action('restock', '{}', '{"ids":["a"]}'), NULL, 'keys of the company''s type select rows');
COMMIT;
SELECT is((SELECT array_agg(DISTINCT name) FROM ran_as WHERE what = 'domain'), '{opsadmin_internal}', 'the CHECK of a domain runs as the caller');
SELECT is_empty($$SELECT * FROM ran_as WHERE what = 'cast'$$, 'a cast of the company does not run');

CALL opsadmin.run_jobs();
SELECT is((SELECT state || ' ' || (error IS NOT NULL) FROM opsadmin.job), 'FAILED true', 'a job whose trigger leaves work for the commit fails');
SELECT is_empty($$SELECT * FROM ran_as WHERE what = 'deferred trigger'$$, 'nothing runs at the commit with other rights');

-- What a caller has deferred runs as the caller where opsadmin's functions have it done: when one who has granted a site
-- rights, and no more, is about to be refused DROP EXTENSION, and where the worker's role refreshes KPIs.
CREATE ROLE regress_opsadmin_grantor;
GRANT USAGE ON SCHEMA company TO PUBLIC;
GRANT SELECT ON company.item TO regress_opsadmin_grantor WITH GRANT OPTION;
ALTER TABLE company.item ADD at timestamptz NOT NULL DEFAULT now();
SELECT opsadmin.define_kpi('items', 'company.item', 'at') \g /dev/null
CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$BEGIN EXECUTE statement; RETURN 'nothing'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END$$;
CREATE FUNCTION company.who() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'ran as %', current_user; END$$;
SET SESSION AUTHORIZATION regress_opsadmin_grantor;
GRANT SELECT ON company.item TO opsadmin_internal;
CREATE TEMPORARY TABLE waiting (n int);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON waiting DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION company.who();
BEGIN;
INSERT INTO waiting VALUES (1);
SELECT said('DROP EXTENSION opsadmin') AS said \gset
ROLLBACK;
DROP TABLE waiting;
SET SESSION AUTHORIZATION opsadmin_worker;
CREATE TEMPORARY TABLE waiting (n int);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON waiting DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION company.who();
BEGIN;
SELECT opsadmin_private.begin_refresh() \g /dev/null
INSERT INTO waiting VALUES (1);
SELECT said('SELECT opsadmin.refresh_kpi()') AS said_to_worker \gset
ROLLBACK;
DROP TABLE waiting;
RESET SESSION AUTHORIZATION;
SELECT is(:'said'::text, 'ran as regress_opsadmin_grantor', 'before the extension is dropped');
SELECT is(:'said_to_worker'::text, 'ran as opsadmin_worker', 'while KPIs are refreshed');
SELECT opsadmin.drop_kpi('items') \g /dev/null

SELECT finish();
DROP SCHEMA company CASCADE;
DROP OWNED BY regress_opsadmin_company, regress_opsadmin_grantor;
DROP ROLE regress_opsadmin_company, regress_opsadmin_grantor;
