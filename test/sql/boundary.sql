-- The error boundary: every exception of C++ becomes one complete SQL error, every server error passes
-- C++ frames complete, destructors run, the session goes on, and memory does not grow.
\set QUIET on
BEGIN;
SELECT plan(33);

CREATE FUNCTION boundary_fail(how text, place text DEFAULT 'bare', depth int DEFAULT 5) RETURNS boolean
    STRICT LANGUAGE c AS '$libdir/opsadmin_boundary', 'opsadmin_boundary_fail';
CREATE FUNCTION boundary_swallow(rounds int) RETURNS boolean
    STRICT LANGUAGE c AS '$libdir/opsadmin_boundary', 'opsadmin_boundary_swallow';
CREATE FUNCTION live_objects() RETURNS bigint LANGUAGE c AS '$libdir/opsadmin_boundary', 'opsadmin_boundary_live_objects';
CREATE FUNCTION resident_bytes() RETURNS bigint
    LANGUAGE c AS '$libdir/opsadmin_boundary', 'opsadmin_boundary_resident_bytes';
CREATE TABLE boundary_log (line text);

-- What a client receives of an error: SQLSTATE, message, detail and hint.
CREATE FUNCTION received(how text, place text DEFAULT 'bare') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    code text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM boundary_fail(how, place);
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code := RETURNED_SQLSTATE, message := MESSAGE_TEXT,
        detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
    RETURN concat_ws('|', code, message, detail, hint);
END
$$;

-- Exceptions of C++.
SELECT is(received('runtime_error'), 'XX000|a runtime error||', 'std::runtime_error is an internal error');
SELECT is(live_objects(), 0::bigint, 'its destructors have run');
SELECT is(received('bad_alloc'), '53200|out of memory||', 'std::bad_alloc is out_of_memory');
SELECT is(live_objects(), 0::bigint, 'its destructors have run');
SELECT is(received('int'), 'XX000|an exception of unknown type||', 'any other type is an internal error');
SELECT is(live_objects(), 0::bigint, 'its destructors have run');
SELECT is(received('error'), 'OA420|an error of opsadmin|The detail of opsadmin.|The hint of opsadmin.',
          'opsadmin::Error keeps its SQLSTATE, detail and hint');
SELECT is(live_objects(), 0::bigint, 'its destructors have run');
SELECT is(received('long'), concat('OA420|', repeat('m', 1023), '|', repeat('d', 1022), '|'),
          'too long a text is cut, never inside a character');
SELECT is(live_objects(), 0::bigint, 'its destructors have run');

-- Errors of the server.
SELECT is(received('server', place), '23514|a server error|The detail of the server.|The hint of the server.',
          'a server error keeps its SQLSTATE, detail and hint: ' || place)
  FROM unnest(ARRAY['bare', 'subtransaction']) place;
SELECT is(received('server', 'swallowed'), 'nothing', 'a swallowed server error is gone');
SELECT is(live_objects(), 0::bigint, 'destructors have run');

SELECT is(received('sql', place), '22012|division by zero||', 'an error inside SPI: ' || place)
  FROM unnest(ARRAY['bare', 'subtransaction']) place;
SELECT is(received('sql', 'swallowed'), 'nothing', 'a swallowed error inside SPI is gone');
SELECT is_empty('SELECT * FROM boundary_log', 'what was written before the error is undone in all three');
SELECT is(live_objects(), 0::bigint, 'destructors have run');

INSERT INTO boundary_log VALUES ('before');
SELECT ok(boundary_fail('sql', 'swallowed') AND boundary_fail('none'), 'the statement goes on after a swallowed error');
INSERT INTO boundary_log VALUES ('after');
SELECT results_eq('SELECT line FROM boundary_log', ARRAY['before', 'after'],
                  'only the writes of the subtransaction are undone');

-- Depth, and errors that nobody catches inside SQL.
SAVEPOINT uncaught;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
SELECT boundary_fail('error', 'bare', 2000);
\set code_of_error :LAST_ERROR_SQLSTATE
ROLLBACK TO uncaught;
SELECT boundary_fail('server', 'bare', 2000);
\set code_of_server :LAST_ERROR_SQLSTATE
ROLLBACK TO uncaught;
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is(text :'code_of_error', 'OA420', 'an exception below 2,000 frames reaches the client');
SELECT is(text :'code_of_server', '23514', 'a server error below 2,000 frames reaches the client');
SELECT is(live_objects(), 0::bigint, 'destructors have run');
SELECT is((SELECT sum(n)::int FROM generate_series(1, 1000) n), 500500, 'the session goes on');

-- Memory: rounds of failures, each caught inside SQL.
CREATE PROCEDURE fail_often(how text, place text, rounds int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. rounds LOOP
        BEGIN
            PERFORM boundary_fail(how, place);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END
$$;

-- The growth of this process in bytes, by its resident set and by PostgreSQL's own contexts.
CREATE FUNCTION growth(how text, place text, rounds int, OUT resident bigint, OUT contexts bigint) LANGUAGE plpgsql AS $$
BEGIN
    CALL fail_often(how, place, rounds / 5);
    SELECT sum(total_bytes), resident_bytes() INTO contexts, resident FROM pg_backend_memory_contexts;
    CALL fail_often(how, place, rounds);
    SELECT sum(total_bytes) - contexts, resident_bytes() - resident INTO contexts, resident FROM pg_backend_memory_contexts;
END
$$;

SELECT cmp_ok(greatest(resident, contexts), '<', 1000000::bigint, 'memory after 100,000 rounds: ' || how || ', ' || place)
  FROM (VALUES ('runtime_error', 'bare'), ('error', 'bare'), ('server', 'bare'), ('server', 'subtransaction'),
               ('server', 'swallowed'), ('sql', 'swallowed')) failure (how, place),
       growth(how, place, 100000);

CREATE FUNCTION swallowing_growth(rounds int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    PERFORM boundary_swallow(rounds / 5);
    before := resident_bytes();
    PERFORM boundary_swallow(rounds);
    RETURN resident_bytes() - before;
END
$$;
SELECT cmp_ok(swallowing_growth(100000), '<', 1000000::bigint, 'memory after 100,000 errors swallowed in one call');
SELECT is(live_objects(), 0::bigint, 'destructors have run');

SELECT * FROM finish();
ROLLBACK;
