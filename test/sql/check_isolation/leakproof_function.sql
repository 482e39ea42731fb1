-- check_isolation(): functions of the company that run before policies.
SELECT plan(5);
\ir ../include/check_isolation.psql

CREATE FUNCTION regress_shop."is ""it"""(name text, others text[] DEFAULT '{}') RETURNS boolean LANGUAGE plpgsql COST 0.0001 LEAKPROOF AS 'BEGIN RETURN name::int IS NULL; END';
SELECT is(findings(), 'warning|leakproof_function|regress_shop."is ""it"""(text,text[])', 'a function that partners may call');
CREATE FUNCTION leak(OUT message text) LANGUAGE plpgsql SET enable_indexscan = off SET enable_bitmapscan = off AS $$
BEGIN
    PERFORM FROM regress_shop.product WHERE regress_shop."is ""it"""(name);
EXCEPTION WHEN invalid_text_representation THEN
    message := SQLERRM;
END
$$;
DELETE FROM regress_shop.product WHERE tenant_id = 1;
\set query '(SELECT message FROM leak())'
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, 'invalid input syntax for type integer: "theirs"', 'its error shows a partner the other tenant''s value');
\ir ../include/mend.psql
\ir ../include/as_partner.psql
SELECT is(:'seen'::text, '', 'and now it is not asked');

SELECT * FROM finish();
