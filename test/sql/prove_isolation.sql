-- prove_isolation(): it holds on a shop that is set up well, leaves nothing behind, and catches each fault that is planted.
-- needs: operated-shop
SELECT plan(82);
\ir include/failure.psql
SET client_min_messages = error;

CREATE FUNCTION verdicts(of_object text, of_vector text DEFAULT '%') RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(DISTINCT p.verdict, ',' ORDER BY p.verdict) FROM opsadmin.prove_isolation(nullif(of_object, 'session')::regclass) AS p WHERE p.vector LIKE of_vector AND p.object = of_object
$$;

-- As it is.
CREATE TABLE before AS SELECT t.relation, (xpath('/row/digest/text()', query_to_xml(format('SELECT md5(string_agg(t::text, ''|'' ORDER BY t::text)) AS digest FROM %s AS t', t.relation), true, true, '')))[1]::text AS digest
FROM opsadmin.target t;
CREATE TABLE proof AS SELECT * FROM opsadmin.prove_isolation();
SELECT is_empty($$SELECT * FROM proof WHERE verdict = 'broken'$$, 'nothing is broken in the sample shop');
SELECT is_empty($$SELECT * FROM proof WHERE verdict NOT IN ('held', 'broken', 'residual', 'not_run') OR coalesce(detail, '') = '' OR coalesce(vector, '') = ''$$, 'each line is whole');
SELECT is_empty($$SELECT object, vector FROM proof GROUP BY 1, 2 HAVING count(*) > 1$$, 'and is there once');
SELECT set_eq($$SELECT DISTINCT object FROM proof$$, $$SELECT name FROM opsadmin.target t JOIN opsadmin.protected_table p ON p.target_id = t.id UNION ALL VALUES ('session')$$, 'every protected table was tried, and the session');
SELECT cmp_ok((SELECT count(DISTINCT vector) FROM proof), '>=', 70::bigint, 'by seventy kinds of attack and more');
SELECT is_empty($$SELECT object, vector, detail FROM proof WHERE verdict = 'not_run' AND object <> 'session'$$, 'on tables none was left out');
SELECT is_empty($$SELECT object, vector, detail FROM proof WHERE verdict = 'residual' AND vector NOT LIKE 'oracle: %' AND vector <> 'timing and total sizes'$$, 'what remains is a bit a guess about keys in use');
SELECT is_empty($$SELECT b.relation FROM before b WHERE digest <> (xpath('/row/digest/text()', query_to_xml(format('SELECT md5(string_agg(t::text, ''|'' ORDER BY t::text)) AS digest FROM %s AS t', b.relation), true, true, '')))[1]::text$$, 'no row was changed');
SELECT is(count(*), 0::bigint, 'nor is anything in the audit log') FROM opsadmin.audit_entry;
SELECT is(current_user, session_user, 'the caller is who it was');
SELECT is(opsadmin_private.context_is_bound(), false, 'without a context');
BEGIN;
SELECT opsadmin_private.bind_actor('internal', NULL, NULL, '{*}', action => 'mine') \g /dev/null
SELECT is(count(*) FILTER (WHERE p.verdict = 'broken'), 0::bigint, 'it can be run under a context, too') FROM opsadmin.prove_isolation('shop.shop') AS p;
SELECT is(opsadmin.context() ->> 'action', 'mine', 'which is the same afterwards');
ROLLBACK;

-- Each fault is caught by what it breaks; a transaction plants it.
CREATE FUNCTION caught(fault text, of_object text, of_vector text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE fault;
    found := verdicts(of_object, of_vector);
    RAISE EXCEPTION USING ERRCODE = 'XXPRV', MESSAGE = coalesce(found, 'nothing');
EXCEPTION WHEN SQLSTATE 'XXPRV' THEN
    RETURN SQLERRM;
END
$$;
SELECT is(caught('ALTER TABLE shop.product NO FORCE ROW LEVEL SECURITY', 'shop.product', 'row-level security'), 'broken', 'NO FORCE');
SELECT is(caught('ALTER TABLE shop.product DISABLE ROW LEVEL SECURITY', 'shop.product', attack), 'broken', 'DISABLE ROW LEVEL SECURITY: ' || attack)
FROM unnest(ARRAY['row-level security', 'SELECT', 'SELECT by key', 'join', 'outer join', 'common table expression', 'correlated subquery', 'set operation', 'nested SQL: query_to_xml()', 'leaky operator: division', 'leaky operator: cast', 'INSERT for the other tenant',
                  'UPDATE that moves a row', 'UPDATE of the other''s row', 'UPDATE … RETURNING', 'DELETE of the other''s row', 'SELECT … FOR UPDATE', 'MERGE into the other''s row', 'generic plan of another tenant']) AS attack;
SELECT is(caught('DROP POLICY opsadmin_partner ON shop.product', 'shop.product', attack), 'broken', 'without the permissive policy: ' || attack) FROM unnest(ARRAY['policy opsadmin_partner', 'the tenant sees its own row']) AS attack;
SELECT is(caught('DROP POLICY opsadmin_partner_floor ON shop.product', 'shop.product', 'policy opsadmin_partner_floor'), 'broken', 'without the floor');
SELECT is(caught('DROP POLICY opsadmin_partner_floor ON shop.product; ALTER POLICY opsadmin_partner ON shop.product USING (true) WITH CHECK (true)', 'shop.product', attack), 'broken', 'a policy that is always true: ' || attack)
FROM unnest(ARRAY['policy opsadmin_partner', 'SELECT', 'UPDATE that moves a row', 'INSERT for the other tenant', 'DELETE of the other''s row']) AS attack;
SELECT is(caught('ALTER POLICY opsadmin_partner ON shop.product WITH CHECK (true); ALTER POLICY opsadmin_partner_floor ON shop.product WITH CHECK (true)', 'shop.product', 'INSERT for the other tenant'), 'broken', 'a WITH CHECK that is always true');
SELECT is(caught('CREATE POLICY wide ON shop.product TO opsadmin_partner USING (true)', 'shop.product', 'policy wide'), 'residual', 'USING (true) beside the floor');
SELECT is(caught('CREATE POLICY wide ON shop.product TO opsadmin_partner USING (true)', 'shop.product', 'SELECT'), 'held', 'which holds');
SELECT is(caught('CREATE VIEW shop.everything AS SELECT * FROM shop.product; GRANT SELECT ON shop.everything TO opsadmin_partner', 'shop.product', 'view shop.everything'), 'broken', 'a view of its owner');
SELECT is(caught('CREATE VIEW shop.everything AS SELECT * FROM shop.product; CREATE VIEW shop.again AS SELECT name FROM shop.everything; GRANT SELECT ON shop.again TO opsadmin_partner', 'shop.product', 'view shop.again'), 'broken', 'a view over it, without the tenant');
SELECT is(caught('CREATE VIEW shop.everything WITH (security_invoker) AS SELECT * FROM shop.product; GRANT SELECT ON shop.everything TO opsadmin_partner', 'shop.product', 'view shop.everything'), 'held', 'one of its reader is no fault');
SELECT is(caught('CREATE MATERIALIZED VIEW shop.kept AS SELECT * FROM shop.product; GRANT SELECT ON shop.kept TO opsadmin_partner', 'shop.product', 'view shop.kept'), 'broken', 'a materialized view');
SELECT is(caught('CREATE TABLE shop.every (id bigint NOT NULL, name text); GRANT SELECT ON shop.every TO opsadmin_partner; ALTER TABLE shop.product INHERIT shop.every', 'shop.product', 'read through the parent shop.every'), 'broken', 'a parent without the tenant');
SELECT is(caught('CREATE TABLE shop.every (id bigint NOT NULL, tenant_id bigint NOT NULL); CREATE TABLE shop.top (id bigint NOT NULL); ALTER TABLE shop.every INHERIT shop.top; GRANT SELECT (id) ON shop.top TO opsadmin_partner; GRANT SELECT ON shop.every TO opsadmin_partner;
  ALTER TABLE shop.product INHERIT shop.every', 'shop.product', 'read through the parent ' || parent), 'broken', 'parent ' || parent) FROM unnest(ARRAY['shop.every', 'shop.top']) AS parent;
SELECT is(caught('CREATE TABLE shop.every (id bigint NOT NULL); ALTER TABLE shop.product INHERIT shop.every', 'shop.product', 'read through the parent shop.every'), 'held', 'one that partners cannot read');
SELECT is(caught('CREATE FUNCTION shop.all_products() RETURNS SETOF shop.product LANGUAGE sql SECURITY DEFINER AS ''SELECT * FROM shop.product''', 'shop.product', 'definer function shop.all_products()'), 'broken', 'a function with its owner''s rights');
SELECT is(caught('CREATE FUNCTION shop.count_products(of_tenant bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS ''SELECT count(*) FROM shop.product WHERE tenant_id = $1''', 'shop.product', 'definer function shop.count_products(bigint)'), 'not_run', 'one that nobody can judge is named');
SELECT is(caught('ALTER TABLE shop.product ADD CONSTRAINT plain FOREIGN KEY (shop_id) REFERENCES shop.shop', 'shop.product', 'foreign key product_shop_id_fkey'), 'held', 'the composite key holds beside a plain one');
SELECT is(caught('ALTER TABLE shop.product DROP CONSTRAINT product_shop_id_fkey; ALTER TABLE shop.product ADD CONSTRAINT plain FOREIGN KEY (shop_id) REFERENCES shop.shop', 'shop.product', 'foreign key plain'), 'broken', 'a plain foreign key');
SELECT is(caught('ALTER TABLE shop.product DROP CONSTRAINT product_shop_id_fkey; UPDATE shop.product SET shop_id = (SELECT id FROM shop.shop WHERE tenant_id = 2 LIMIT 1) WHERE id = (SELECT id FROM shop.product WHERE tenant_id = 1 LIMIT 1);
  ALTER TABLE shop.product ADD CONSTRAINT plain FOREIGN KEY (shop_id) REFERENCES shop.shop', 'shop.product', 'references to rows of other tenants'), 'broken', 'and a reference that it let in');
SELECT is(caught('ALTER TABLE shop.product ADD CONSTRAINT name_once UNIQUE (id, name)', 'shop.product', 'oracle: unique index shop.name_once'), 'residual', 'a unique constraint without the tenant');
SELECT is(caught('GRANT USAGE, SELECT ON SEQUENCE shop.product_id_seq TO opsadmin_partner', 'shop.product', 'sequence%'), 'residual', 'a sequence that can be read');
SELECT is(caught('GRANT shop_app TO opsadmin_partner', 'session', 'membership of opsadmin_partner_login'), 'broken', 'a role that was granted');
SELECT is(caught('GRANT opsadmin_internal TO opsadmin_partner_login', 'session', 'membership of opsadmin_partner_login'), 'broken', 'the other site''s');
SELECT is(caught('ALTER ROLE opsadmin_partner_login BYPASSRLS', 'session', 'attributes of opsadmin_partner_login'), 'broken', 'BYPASSRLS');
SELECT is(caught('GRANT EXECUTE ON FUNCTION opsadmin_private.bind_context TO opsadmin_partner; GRANT USAGE ON SCHEMA opsadmin_private TO opsadmin_partner', 'session', 'forged context: bind_context()'), 'held', 'a context cannot be bound twice even by the function itself');
SELECT is(caught('DROP POLICY partner ON opsadmin.tenant; CREATE POLICY partner ON opsadmin.tenant TO opsadmin_partner USING (true)', 'session', 'own tables: tenants'), 'broken', 'a policy of opsadmin''s own');

-- What runs without a refusal is never taken for one, also without a context.
SELECT is((SELECT verdict FROM opsadmin_private.try((SELECT t FROM opsadmin.tenant t LIMIT 1), NULL, 'SELECT count(*) FROM pg_class', 'refused')), 'broken', 'a statement that may run unbound is no refusal');

-- Code of the company does not run as the superuser who proves.
CREATE FUNCTION shop.is_watched() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'run by a superuser' USING ERRCODE = 'XXSUP';
    END IF;
    RETURN true;
END
$$;
SELECT is(caught('CREATE VIEW shop.names WITH (security_invoker) AS SELECT name FROM shop.product WHERE shop.is_watched(); ALTER VIEW shop.names OWNER TO shop_app; GRANT SELECT ON shop.names TO opsadmin_partner', 'shop.product', 'view shop.names'), 'held', 'a view whose function watches who calls');
SELECT is(caught('DROP POLICY opsadmin_partner_floor ON shop.product; CREATE POLICY opsadmin_partner_floor ON shop.product AS RESTRICTIVE TO opsadmin_partner USING (tenant_id = opsadmin.current_tenant_key_int8() OR true)', 'shop.product', 'policy opsadmin_partner_floor'), 'broken', 'a floor with OR true');

-- A table in which one tenant alone has rows.
CREATE TABLE shop.lonely (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id bigint NOT NULL, shop_id bigint REFERENCES shop.shop);
CREATE INDEX ON shop.lonely (tenant_id);
SELECT opsadmin.protect('shop.lonely') \g /dev/null
SELECT results_eq($$SELECT vector, verdict, detail FROM opsadmin.prove_isolation('shop.lonely')$$, $$VALUES ('rows', 'not_run', 'no tenant has a row')$$, 'without rows nothing is proved');
INSERT INTO shop.lonely (tenant_id, shop_id) SELECT tenant_id, id FROM shop.shop WHERE tenant_id = 1 LIMIT 1;
SELECT results_eq($$SELECT verdict, detail FROM opsadmin.prove_isolation('shop.lonely') WHERE vector = 'rows'$$, $$VALUES ('not_run', 'one tenant alone has rows: plant => true plants a row of another')$$, 'nor with rows of one tenant');
SELECT is(count(*) FILTER (WHERE p.verdict = 'held') > 30 AND count(*) FILTER (WHERE p.verdict IN ('broken', 'not_run')) = 0, true, 'plant => true copies its row for another') FROM opsadmin.prove_isolation('shop.lonely', plant => true, skip_triggers => true) AS p;
SELECT is(count(*), 1::bigint, 'and takes it back') FROM shop.lonely;
SELECT results_eq($$SELECT verdict, detail LIKE 'the canary cannot be planted: %foreign key%' FROM opsadmin.prove_isolation('shop.lonely', plant => true, skip_triggers => false) WHERE vector = 'rows'$$, $$VALUES ('not_run', true)$$, 'under its foreign keys the copy does not fit');
ALTER TABLE shop.lonely OWNER TO shop_app;
SELECT opsadmin.unprotect('shop.lonely'), opsadmin.protect('shop.lonely', trusted_roles => '{shop_app}') \g /dev/null
SET check_function_bodies = off;
CREATE FUNCTION shop.watches(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RETURN current_user = 'shop_app' OR current_user LIKE 'opsadmin%'; END$$;
ALTER TABLE shop.lonely ADD CONSTRAINT watched CHECK (shop.watches(tenant_id)) NOT VALID;
SELECT is(count(*) FILTER (WHERE p.verdict = 'held') > 30, true, 'a canary is planted by the table''s owner, whose constraints it meets') FROM opsadmin.prove_isolation('shop.lonely', plant => true, skip_triggers => true) AS p;
CREATE FUNCTION shop.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER noisy BEFORE INSERT ON shop.lonely FOR EACH ROW EXECUTE FUNCTION shop.nothing();
SELECT throws_ok($$SELECT opsadmin.prove_isolation('shop.lonely', plant => true)$$, 'OA420', NULL, 'the company''s triggers are named first');
SELECT is(current_setting('session_replication_role'), 'origin', 'and switched on again');

-- Who may, and of what.
SELECT is(failure($$SELECT opsadmin.prove_isolation('accounts.customer')$$), 'OA435', 'a table that is not protected');
SELECT is(failure_as('shop_app', 'SELECT opsadmin.prove_isolation()'), '42501', 'nobody but a superuser');
GRANT EXECUTE ON FUNCTION opsadmin.prove_isolation TO shop_app;
GRANT USAGE ON SCHEMA opsadmin TO shop_app;
SELECT is(failure_as('shop_app', 'SELECT opsadmin.prove_isolation()'), '42501', 'not even who was granted it');
SELECT throws_ok($$SELECT opsadmin_private.rehearse('partner', 1, NULL, '{*}', 'SELECT 1', false)$$, 'XX000', NULL, 'a rehearsal is not run but to be rolled back');

SELECT throws_ok($$SELECT opsadmin_private.rehearse(NULL, 1, NULL, '{*}', 'SELECT 1', false)$$, 'XX000', NULL, 'nor without a site');

-- A table that was dropped where no event trigger was told keeps nobody from the others.
CREATE TABLE shop.lost (id int PRIMARY KEY, tenant_id bigint NOT NULL);
SELECT opsadmin.protect('shop.lost'), 'shop.lost'::regclass::oid AS lost \gset
UPDATE opsadmin.target SET relation = 999999 WHERE relation = :lost;
SELECT is(opsadmin_private.resource_of(999999), NULL, 'a registry row without a table is none');
SELECT is(verdict, 'not_run', 'and is said to be') FROM opsadmin.prove_isolation() WHERE object = 'shop.lost';

SELECT * FROM finish();
