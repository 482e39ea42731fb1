# Which kinds of statements run, by who is connected and what is bound: each line of the tables below is run at the
# real logins, by the simple and by the extended protocol.
# topic: isolation
use strict;
use warnings;
use File::Temp;
use IO::Socket::UNIX;
use Test::More;
use OpsadminCluster;
use Ticket;

my $cluster = OpsadminCluster->new(settings => ['max_prepared_transactions = 5', 'wal_level = logical'])->start;
$cluster->create_database('company');
$cluster->query('company', <<'SQL');
CREATE ROLE shop_app LOGIN;
CREATE SCHEMA shop AUTHORIZATION shop_app;
SET ROLE shop_app;
CREATE TABLE shop.shop (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, UNIQUE (tenant_id, id));
CREATE TABLE shop.product (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, shop_id bigint NOT NULL, name text NOT NULL,
  FOREIGN KEY (tenant_id, shop_id) REFERENCES shop.shop (tenant_id, id) ON DELETE CASCADE DEFERRABLE);
CREATE INDEX ON shop.product (tenant_id);
CREATE TABLE shop.currency (code text PRIMARY KEY);
CREATE TABLE shop.product_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint NOT NULL, product_id bigint NOT NULL);
CREATE INDEX ON shop.product_log (tenant_id);
INSERT INTO shop.shop SELECT n, 1 + n % 2 FROM generate_series(1, 4) AS n;
INSERT INTO shop.product SELECT n, 1 + n % 2, n, 'product ' || n FROM generate_series(1, 4) AS n;
INSERT INTO shop.currency VALUES ('EUR');
-- Code of the company: one function runs with its owner's rights, one with the caller's; two triggers likewise.
CREATE FUNCTION shop.count_as_owner() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$BEGIN RETURN (SELECT count(*) FROM shop.product); END$$;
CREATE FUNCTION shop.count_as_caller() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$BEGIN RETURN (SELECT count(*) FROM shop.product); END$$;
CREATE FUNCTION shop.forty_two() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 42; END$$;
CREATE FUNCTION shop.log_product() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN INSERT INTO shop.product_log (tenant_id, product_id) VALUES (NEW.tenant_id, NEW.id); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER log_product AFTER UPDATE ON shop.product DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.log_product();
CREATE PROCEDURE shop.commit_twice() LANGUAGE plpgsql AS $$BEGIN PERFORM count(*) FROM shop.product; COMMIT; PERFORM count(*) FROM shop.product; END$$;
CREATE PROCEDURE shop.take(text) LANGUAGE plpgsql AS $$BEGIN END$$;
CREATE FUNCTION shop.inlined() RETURNS int LANGUAGE sql AS 'SELECT 42';
CREATE VIEW shop.owners_view AS SELECT * FROM shop.product;
RESET ROLE;
SET client_min_messages = error;
SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2);
SELECT opsadmin.protect(t, trusted_roles => '{shop_app}') FROM unnest('{shop.shop,shop.product,shop.product_log}'::regclass[]) AS t;
SELECT opsadmin.expose('shop.product', 'goods');
GRANT SELECT ON shop.currency, shop.owners_view TO opsadmin_partner, opsadmin_internal;
SELECT opsadmin.define_role('keeper', 'partner', '{goods:update,goods:read}'), opsadmin.define_role('counter', 'partner', '{product:read,shop:read}');
SQL
my %tokens;
for my $case (['admin', 'partner_admin', 'acme'], ['member', 'partner_member', 'acme'], ['keeper', 'keeper', 'acme'], ['counter', 'counter', 'acme'], ['staff', 'superadmin'], ['auditor', 'auditor']) {
    my ($name, $role, $tenant) = @$case;
    my ($invitation) = $cluster->query('company', "SELECT opsadmin.create_actor('$name\@example.com', '$name')") =~ /#(.*)/;
    $cluster->query('company', "SELECT opsadmin.accept_invitation('$invitation', 'long enough'), opsadmin.grant_role('$name\@example.com', '$role'" . ($tenant ? ", '$tenant')" : ')'));
    $tokens{$name} = $cluster->query('company', "SELECT session_token FROM opsadmin.sign_in('$name\@example.com', 'long enough')", user => $tenant ? 'opsadmin_partner_login' : 'opsadmin_internal_login');
}

# Who: the login and the session token of each column.
my %who = (
    (map { $_ => ['opsadmin_partner_login', $tokens{$_}] } qw(admin member keeper counter)),
    (map { $_ => ['opsadmin_internal_login', $tokens{$_}] } qw(staff auditor)),
    partner => ['opsadmin_partner_login'], internal => ['opsadmin_internal_login'], app => ['shop_app'], dba => ['postgres'],
);

# The SQLSTATE of the first error of the statement, 'ok' without one.
sub outcome {
    my ($who, $sql) = @_;
    my ($login, $token) = @{ $who{$who} };
    my $text = $token ? "BEGIN;\nSELECT FROM opsadmin.begin_request('$token');\n$sql;\nCOMMIT;" : "$sql;";
    my ($status, undef, $err) = $cluster->psql('company', "\\set VERBOSITY sqlstate\n$text", user => $login);
    return $status ? $err =~ /(?:ERROR|FATAL): +(\w{5})$/m ? $1 : $err : 'ok';
}

# By the extended protocol: pgbench sends the statement through Parse, Bind and Execute.
sub extended_outcome {
    my ($who, $sql) = @_;
    my ($login, $token) = @{ $who{$who} };
    my $script = File::Temp->new(SUFFIX => '.sql');
    print $script $token ? "BEGIN;\nSELECT FROM opsadmin.begin_request('$token');\n$sql;\nCOMMIT;\n" : "$sql;\n";
    close $script;
    chmod 0644, $script->filename;
    my ($status, $output) = $cluster->client('pgbench', '-n', '-t', 1, '-M', 'extended', '-U', $login, '-f', $script->filename, 'company');
    return $status ? $output =~ /no context is bound/ ? 'OA001' : $output =~ /is not allowed here/ ? 'OA005' : $output =~ /is required/ ? 'OA403'
        : $output =~ /permission denied|violates row-level/ ? '42501' : $output : 'ok';
}

sub expect {
    my ($sql, %expected) = @_;
    for my $name (sort keys %expected) {
        is(outcome($name, $sql), $expected{$name}, "$name: $sql");
    }
}

# --- Rights on protected tables ---------------------------------------------------------------------

# The table is exposed as "goods": that is what the permissions call it. shop.shop is not exposed and has its own name.
expect('SELECT count(*) FROM shop.product',                                partner => 'OA001', internal => 'OA001', admin => 'ok', member => 'ok', keeper => 'ok', counter => 'OA403', staff => 'ok', auditor => 'ok', app => 'ok', dba => 'ok');
expect('SELECT count(*) FROM shop.shop',                                   partner => 'OA001', internal => 'OA001', admin => 'ok', member => 'ok', keeper => 'OA403', counter => 'ok', staff => 'ok', auditor => 'ok');
expect(q{UPDATE shop.product SET name = 'x' WHERE id = 2},                 partner => 'OA001', internal => 'OA001', admin => 'ok', member => 'OA403', keeper => 'ok', counter => 'OA403', staff => 'ok', auditor => 'OA403', app => 'ok');
expect(q{INSERT INTO shop.product VALUES (10, 1, 2, 'new')},               partner => 'OA001', internal => 'OA001', member => 'OA403', keeper => 'OA403', auditor => 'OA403', admin => 'ok');
expect('DELETE FROM shop.product WHERE id = 10',                           partner => 'OA001', internal => 'OA001', member => 'OA403', keeper => 'OA403', auditor => 'OA403', admin => 'ok');
expect('SELECT FROM shop.product FOR UPDATE',                              member => 'OA403', auditor => 'OA403', keeper => 'ok', admin => 'ok');
expect(q{MERGE INTO shop.product p USING (VALUES (2)) AS v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET name = 'y'}, partner => 'OA001', member => 'OA403', keeper => 'ok', admin => 'ok');
expect(q{INSERT INTO shop.product VALUES (2, 1, 2, 'x') ON CONFLICT (id) DO UPDATE SET name = 'z'}, member => 'OA403', keeper => 'OA403', admin => 'ok');
expect(q{WITH u AS (UPDATE shop.product SET name = name RETURNING 1) SELECT count(*) FROM u}, partner => 'OA001', member => 'OA403', keeper => 'ok');
expect('COPY shop.product TO STDOUT',                                      partner => 'OA001', internal => 'OA001', member => 'ok', counter => 'OA403', staff => 'ok');
expect('COPY (SELECT * FROM shop.product) TO STDOUT',                      partner => 'OA001', internal => 'OA001', member => 'ok', counter => 'OA403');
expect('DECLARE c CURSOR FOR SELECT * FROM shop.product; FETCH ALL FROM c; CLOSE c', member => 'ok', counter => 'OA403');
expect('SELECT * FROM shop.owners_view',                                   partner => 'OA001', counter => 'OA403', member => 'ok');
expect('SELECT shop.count_as_caller()',                                    partner => 'OA001', internal => 'OA001', member => 'ok', counter => 'OA403', auditor => 'ok');
# What an owner's code does is the owner's to decide, but never without a context.
expect('SELECT shop.count_as_owner()',                                     partner => 'OA001', internal => 'OA001', member => 'ok', counter => 'ok');
expect(q{SET LOCAL ROLE opsadmin_partner; UPDATE shop.product SET name = 'x'}, member => 'OA403', keeper => 'ok');
# Deferred triggers and constraints run at COMMIT, under the context; their owner's rights are enough.
is($cluster->query('company', 'SELECT count(*) > 0 FROM shop.product_log'), 't', 'the deferred trigger of the owner has written');
expect(q{SET CONSTRAINTS ALL DEFERRED; UPDATE shop.product SET shop_id = 4 WHERE id = 2}, keeper => 'ok');
expect(q{SET CONSTRAINTS ALL DEFERRED; UPDATE shop.product SET shop_id = 3 WHERE id = 2}, keeper => '23503');
# A cascade is the foreign key's work: it needs no permission on the other table.
$cluster->query('company', "SELECT opsadmin.define_role('closer', 'partner', '{shop:read,shop:delete}'), opsadmin.grant_role('counter\@example.com', 'closer', 'acme')");
$cluster->query('company', 'INSERT INTO shop.shop VALUES (8, 1); INSERT INTO shop.product VALUES (8, 1, 8, $$cascades$$)');
expect('DELETE FROM shop.shop WHERE id = 8', member => 'OA403', counter => 'ok');
is($cluster->query('company', 'SELECT count(*) FROM shop.product WHERE id = 8'), 0, 'the cascade has deleted');
# Tables that are not protected have PostgreSQL's rights alone.
expect('SELECT * FROM shop.currency',                                      partner => 'OA001', internal => 'OA001', counter => 'ok', auditor => 'ok');
expect('DELETE FROM shop.currency',                                        admin => '42501', staff => '42501');

# --- Statements of a parallel worker, also those of functions that run in it --------------------------

my $parallel = ($cluster->query('company', 'SHOW server_version_num') < 160000 ? 'SET LOCAL force_parallel_mode = on' : 'SET LOCAL debug_parallel_query = on') . '; ';
expect($parallel . 'SELECT count(*) FROM shop.product',                    member => 'ok', counter => 'OA403', auditor => 'ok');
expect($parallel . 'SELECT shop.count_as_caller()',                        member => 'ok', counter => 'OA403', auditor => 'ok');

# --- Without a context ------------------------------------------------------------------------------

my %nobody = map { $_ => 'OA001' } qw(partner internal);
my %both = map { $_ => 'ok' } qw(partner internal);
expect($_, %both) for
    'SELECT 1', 'SELECT count(*) FROM pg_class', 'SELECT * FROM information_schema.tables', 'SELECT version(), now()', 'VALUES (1)', 'SHOW work_mem', 'BEGIN; SAVEPOINT a; ROLLBACK TO a; RELEASE a; COMMIT', 'BEGIN READ ONLY; ROLLBACK',
    q{SET application_name = 'x'}, q{SET client_encoding = 'UTF8'}, q{SET TIME ZONE 'UTC'}, 'SET search_path = shop', q{SET statement_timeout = '5s'}, 'SET LOCAL lock_timeout = 1', q{SELECT set_config('application_name', 'x', false)},
    q{SELECT set_config('work_mem', '1MB', true)}, 'RESET work_mem', 'RESET ALL', 'RESET ROLE', 'DISCARD ALL', 'DISCARD PLANS', 'DEALLOCATE ALL', 'CLOSE ALL', 'UNLISTEN *', 'SELECT pg_advisory_unlock_all()', 'SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all()',
    q{SELECT outcome FROM opsadmin.sign_in('x', 'y')}, q{SELECT opsadmin.sign_out('x')}, q{SELECT opsadmin.touch_session('x')};
expect($_, %nobody) for
    'SELECT opsadmin.me()', 'SELECT opsadmin.list_jobs()', 'SELECT opsadmin.current_tenant()', 'SELECT * FROM opsadmin.tenant', 'SELECT * FROM opsadmin.audit_log', 'SELECT shop.forty_two()', 'SELECT shop.inlined()', 'SELECT 1 WHERE shop.forty_two() = 42', 'SELECT * FROM shop.forty_two()',
    'PREPARE p AS SELECT 1', 'LISTEN x', q{NOTIFY x, 'y'}, q{SELECT pg_notify('x', 'y')}, 'CREATE TEMP TABLE t (id int)', 'CREATE TEMP TABLE t AS SELECT 1', 'SELECT 1 AS a INTO TEMP t', 'DO $$BEGIN END$$', 'EXPLAIN SELECT 1', 'COPY (SELECT 1) TO STDOUT',
    'BEGIN; DECLARE c CURSOR FOR SELECT 1', 'SET work_mem = 1024', 'SET ROLE opsadmin_partner', 'LOCK TABLE shop.product', 'TRUNCATE shop.product', 'CALL shop.commit_twice()', 'ALTER ROLE CURRENT_USER SET work_mem = 1024',
    q{ALTER ROLE CURRENT_USER PASSWORD 'x'}, 'VACUUM shop.product', 'ANALYZE', 'CHECKPOINT', 'CREATE SCHEMA x', 'BEGIN; SELECT 1; PREPARE TRANSACTION $$x$$', q{COMMIT PREPARED 'x'}, 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'REINDEX TABLE shop.product', 'REFRESH MATERIALIZED VIEW shop.owners_view',
    'COMMENT ON TABLE shop.product IS $$x$$', 'SECURITY LABEL ON TABLE shop.product IS $$x$$', 'GRANT opsadmin_partner TO PUBLIC', 'REASSIGN OWNED BY CURRENT_USER TO shop_app', 'DROP OWNED BY CURRENT_USER', 'IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c', 'LOAD $$auto_explain$$';
expect($_, partner => 'OA005', internal => 'OA005') for
    'SELECT lo_creat(-1)', 'SELECT lo_get(1)', 'SELECT pg_terminate_backend(1)', 'SELECT * FROM pg_stat_activity', 'SELECT * FROM pg_stat_user_tables', 'SELECT * FROM pg_stat_database', 'SELECT pg_stat_get_xact_tuples_returned(1)', 'SELECT * FROM pg_locks', 'SELECT setseed(0.5)', 'SELECT pg_advisory_lock(1)', 'SELECT pg_export_snapshot()', q{SELECT pg_logical_emit_message(true, 'a', 'b')}, q{SELECT set_config('work_mem', '1MB', false)};

# --- In a partner's transaction ---------------------------------------------------------------------

expect($_, admin => 'OA005') for
    'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'PREPARE p AS SELECT 1', 'LISTEN x', 'CREATE TEMP TABLE t (id int)', 'CREATE TEMP TABLE t AS SELECT 1', 'SELECT 1 AS a INTO TEMP t', 'CREATE TEMP VIEW v AS SELECT 1', 'CREATE TEMP SEQUENCE s', 'DO $$BEGIN END$$',
    q{COPY shop.product TO PROGRAM 'cat'}, q{COPY shop.product FROM PROGRAM 'cat'}, q{ALTER ROLE opsadmin_partner_login PASSWORD 'x'}, 'ALTER ROLE CURRENT_USER SET work_mem = 1024', 'CREATE ROLE mallory', 'LOCK TABLE shop.product', 'TRUNCATE shop.product', 'EXPLAIN SELECT * FROM shop.product',
    'EXPLAIN ANALYZE SELECT * FROM shop.product', 'SET work_mem = 1024', 'SET ROLE opsadmin_partner', 'SET SESSION AUTHORIZATION DEFAULT; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', q{SELECT set_config('work_mem', '1MB', false)}, q{SELECT set_config('application_name', 'x', false)}, q{SELECT set_config('work_mem', '1MB', id > 0) FROM shop.product},
    'RESET ALL', 'PREPARE TRANSACTION $$x$$', 'CREATE TABLE x (id int)', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$', 'ANALYZE shop.product', 'REINDEX TABLE shop.product', 'GRANT SELECT ON shop.product TO PUBLIC', 'ALTER TABLE shop.product DISABLE ROW LEVEL SECURITY', 'DROP POLICY opsadmin_partner_floor ON shop.product',
    'SELECT lo_creat(-1)', q{SELECT lo_from_bytea(0, 'x')}, 'SELECT lo_get(1)', 'SELECT loread(1, 1)', 'SELECT pg_terminate_backend(1)', 'SELECT pg_cancel_backend(1)', 'SELECT query FROM pg_stat_activity', 'SELECT pg_stat_get_backend_activity(1)', 'SELECT * FROM pg_stat_xact_user_tables', 'SELECT * FROM pg_statio_user_tables', 'SELECT pg_stat_get_tuples_returned(1)', 'SELECT * FROM pg_prepared_xacts', 'SET LOCAL debug_print_plan = on', q{SELECT set_config('debug_print_plan', 'on', true)}, q{SELECT set_config('debug_' || 'print_plan', 'on', true)}, 'SELECT setseed(0.5)', 'SELECT pg_advisory_lock(1)', 'SELECT pg_try_advisory_lock(1, 2)', 'SELECT pg_advisory_xact_lock(1)', 'SELECT count(pg_try_advisory_xact_lock(g)) FROM generate_series(1, 10) AS g', 'SELECT pg_advisory_xact_lock_shared(1, 2)',
    q{SELECT currtid2('shop.product', '(0,1)')}, 'SELECT pg_export_snapshot()',
    q{SELECT pg_logical_emit_message(false, 'a', 'b')};
expect($_, admin => 'ok') for
    'SELECT shop.forty_two()', 'SET LOCAL work_mem = 1024', q{SELECT set_config('work_mem', '1MB', true)}, 'SET TRANSACTION READ ONLY', 'SAVEPOINT a; ROLLBACK TO a', 'DECLARE c SCROLL CURSOR FOR SELECT * FROM shop.product; MOVE NEXT IN c; FETCH c', 'SHOW work_mem', 'RESET ROLE', 'SET LOCAL ROLE opsadmin_partner', 'NOTIFY x', q{SELECT pg_notify('x', 'y')},
    'DEALLOCATE ALL', 'UNLISTEN *', 'SET CONSTRAINTS ALL IMMEDIATE';
# A procedure that commits goes on without a context.
{
    my $session = $cluster->session('company', user => 'opsadmin_partner_login');
    $session->query("BEGIN; SELECT FROM opsadmin.begin_request('$tokens{admin}'); COMMIT; CALL shop.commit_twice()");
    like($session->error, qr/no context is bound/, 'CALL needs a context, which a procedure cannot begin for itself');
    $session->quit;
}

# The limits that a login has been given may be lowered.
expect($_, admin => 'OA005', staff => 'ok') for
    'SET LOCAL statement_timeout = 0', q{SET LOCAL statement_timeout = '31s'}, q{SET LOCAL statement_timeout TO '1h'}, 'SET LOCAL idle_in_transaction_session_timeout = 0', q{SELECT set_config('statement_timeout', '0', true)},
    q{SELECT set_config('STATEMENT_TIMEOUT', '1d', true)}, q{SELECT set_config('statement_timeout', id::text, true) FROM shop.product};
expect($_, partner => 'OA001') for 'SET statement_timeout = 0', q{SET SESSION "Statement_Timeout" = '1min'}, 'SET idle_in_transaction_session_timeout = 0', 'BEGIN; SET LOCAL idle_in_transaction_session_timeout = 31000';
expect($_, partner => 'OA005') for q{SELECT set_config('statement_timeout', '0', false)}, q{SELECT set_config('idle_in_transaction_session_timeout', '0', true)};
expect($_, admin => 'ok') for q{SET LOCAL statement_timeout = '5s'}, q{SET LOCAL statement_timeout = '5s'; SET LOCAL statement_timeout = '30s'}, 'SET LOCAL statement_timeout = 30000', 'SET LOCAL statement_timeout TO DEFAULT', q{SELECT set_config('idle_in_transaction_session_timeout', '1s', true)},
    q{SELECT set_config('statement_timeout', NULL, true)};
expect($_, partner => 'ok') for q{SET statement_timeout = '29s'; RESET statement_timeout}, q{SET idle_in_transaction_session_timeout = '1s'}, q{SELECT set_config('statement_timeout', '29s', false)};
expect('SET LOCAL statement_timeout = forever', admin => '22023');

# set_config() and pg_settings by every way that reaches them.
expect($_, admin => 'OA005', partner => 'OA005') for q{UPDATE pg_settings SET setting = '4321' WHERE name = 'work_mem'}, q{WITH x AS (SELECT set_config('work_mem', '1MB', false)) SELECT * FROM x}, q{SELECT 1 WHERE set_config('work_mem', '1MB', false) = ''};
expect($_, admin => 'OA005') for q{DECLARE c CURSOR FOR SELECT set_config('work_mem', '1MB', false); FETCH c}, q{CALL shop.take(set_config('work_mem', '1MB', false))};
expect(q{EXECUTE nothing(set_config('work_mem', '1MB', false))}, admin => 'OA005', partner => 'OA005');
expect(q{UPDATE pg_settings SET setting = '4321' WHERE name = 'work_mem'}, staff => 'ok', app => 'ok');

# The fast-path call: function 2078, set_config('work_mem', '1MB', 'false'), all as text. Returns the SQLSTATE or ''.
sub fast_path {
    my ($function, @arguments) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $cluster->host . '/.s.PGSQL.5432') or die "socket: $!";
    my $startup = pack('N', 196608) . "user\0opsadmin_partner_login\0database\0company\0\0";
    $socket->syswrite(pack('N', 4 + length $startup) . $startup);
    my $read = sub {
        my $code = '';
        while (read($socket, my $head, 5)) {
            my ($type, $length) = unpack('aN', $head);
            read($socket, my $body, $length - 4) if $length > 4;
            ($code) = $body =~ /\0C(\w{5})\0/ if $type eq 'E';
            return $code if $type eq 'Z';
        }
        return 'closed';
    };
    $read->();
    my $call = pack('Nnn', $function, 1, 0) . pack('n', scalar @arguments) . join('', map { pack('N', length) . $_ } @arguments) . pack('n', 0);
    $socket->syswrite('F' . pack('N', 4 + length $call) . $call);
    return $read->();
}
is(fast_path(2078, 'work_mem', '1MB', 'false'), 'OA005', 'set_config() by the fast path');
is(fast_path(957, '-1'), 'OA005', 'lo_creat() by the fast path');
is(fast_path($cluster->query('company', q{SELECT 'shop.forty_two'::regproc::oid})), 'OA001', 'a function of the company by the fast path');
is(fast_path(2026), '', 'pg_backend_pid() by the fast path is harmless');

# --- In a transaction of staff ----------------------------------------------------------------------

expect($_, staff => 'OA005', dba => 'ok') for 'CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql COST 0.0001 AS $$SELECT 1$$';
expect($_, staff => 'OA005') for q{ALTER ROLE opsadmin_internal_login PASSWORD 'x'}, 'ALTER ROLE CURRENT_USER SET work_mem = 1024', 'ALTER DATABASE company SET work_mem = 1024';
expect($_, staff => 'ok', dba => 'ok') for 'CREATE TEMP TABLE t AS SELECT * FROM shop.product', 'EXPLAIN SELECT * FROM shop.product', 'DO $$BEGIN PERFORM count(*) FROM shop.product; END$$', 'SELECT count(*) FROM pg_stat_activity';
# A cursor WITH HOLD ends with the context all the same.
{
    my $session = $cluster->session('company', user => 'opsadmin_internal_login');
    $session->query("BEGIN; SELECT FROM opsadmin.begin_request('$tokens{staff}'); DECLARE c CURSOR WITH HOLD FOR SELECT * FROM shop.product; COMMIT");
    is($session->error, '', 'staff may declare a cursor WITH HOLD');
    is($session->query('FETCH ALL FROM c'), '', 'which reads nothing');
    like($session->error, qr/no context is bound/, 'without a context');
    $session->quit;
}

# --- The extended protocol --------------------------------------------------------------------------

for my $case (['SELECT count(*) FROM shop.product', partner => 'OA001', internal => 'OA001', member => 'ok', counter => 'OA403'], [q{UPDATE shop.product SET name = 'x' WHERE id = 2}, member => 'OA403', keeper => 'ok', auditor => 'OA403'],
    ['SELECT shop.forty_two()', partner => 'OA001', member => 'ok'], ['LISTEN x', partner => 'OA001', member => 'OA005'], ['SELECT pg_cancel_backend(1)', partner => 'OA005', member => 'OA005'], ['SELECT 1', partner => 'ok', member => 'ok'],
    [q{INSERT INTO shop.product VALUES (11, 2, 2, 'theirs')}, admin => '42501', member => 'OA403']) {
    my ($sql, %expected) = @$case;
    is(extended_outcome($_, $sql), $expected{$_}, "$_, extended: $sql") for sort keys %expected;
}

# --- What a session begins with ----------------------------------------------------------------------

for my $case (['-c debug_print_plan=on', 'FATAL'], ['-c statement_timeout=0', 'FATAL'], ['--idle_in_transaction_session_timeout=0', 'FATAL'], ['-c work_mem=1GB', 'FATAL'], ['', 'ok']) {
    my ($options, $expected) = @$case;
    for my $sql ("BEGIN; SELECT FROM opsadmin.begin_request('$tokens{admin}'); SELECT id FROM shop.product; COMMIT", 'SHOW work_mem') {
        my ($status, undef, $err) = $cluster->psql('company', $sql, user => 'opsadmin_partner_login', environment => { PGOPTIONS => $options });
        is($status ? $err =~ /FATAL:  this login may not begin a session with "options"/ ? 'FATAL' : $err : 'ok', $expected, "begun with \"$options\": $sql");
    }
    is(($cluster->psql('company', 'SELECT 1', user => 'shop_app', environment => { PGOPTIONS => $options }))[0], 0, "the company's own logins begin with \"$options\"");
}
for my $case ([{ PGTZ => 'Asia/Seoul', PGAPPNAME => 'shop', PGCLIENTENCODING => 'UTF8', PGDATESTYLE => 'ISO' }, qr/^no context is bound/, 'what drivers begin with is harmless'],
    [{ PGGEQO => 'off' }, qr/^this login may not begin a session with "geqo"/, 'other settings are refused in whatever way']) {
    my ($environment, $expected, $name) = @$case;
    my (undef, undef, $err) = $cluster->psql('company', 'SELECT id FROM shop.product', user => 'opsadmin_partner_login', environment => $environment);
    like($err =~ s/^.*?(?:ERROR|FATAL): +//r, $expected, $name);
}

# --- An old snapshot does not see who was shut out since ----------------------------------------------

my $ticket_key = Ticket::key($cluster, 'company');
for my $level ('REPEATABLE READ', 'SERIALIZABLE') {
    my ($by_session, $by_ticket) = map { $cluster->session('company', user => 'opsadmin_partner_login') } 1 .. 2;
    $_->query("BEGIN ISOLATION LEVEL $level; SELECT 1") for $by_session, $by_ticket;
    $cluster->query('company', "UPDATE opsadmin.actor SET disabled_at = now() WHERE email = 'member\@example.com'");
    $by_session->query("SELECT opsadmin.begin_request('$tokens{member}')");
    like($by_session->error, qr/the session is unknown or has expired/, "$level: an actor who was disabled after the snapshot, by a session");
    # Ten seconds are what binding may take to begin.
    $cluster->wait_for('company', "SELECT bool_and(clock_timestamp() - xact_start > interval '10.1 s') FROM pg_stat_activity WHERE usename = 'opsadmin_partner_login' AND state = 'idle in transaction'");
    $by_ticket->query("SELECT opsadmin.begin_with_ticket('" . Ticket::mint($ticket_key, 'company', sub => 'member@example.com') . "')");
    like($by_ticket->error, qr/the transaction is too old to bind a context to it/, "$level: by a ticket");
    $_->quit for $by_session, $by_ticket;
    $cluster->query('company', 'UPDATE opsadmin.actor SET disabled_at = NULL');
}
is(outcome('member', 'SELECT id FROM shop.product'), 'ok', 'who is not disabled any more comes in again');

# --- What has been read of the registry is forgotten when it changes ----------------------------------

{
    my $session = $cluster->session('company', user => 'opsadmin_partner_login');
    my $request = "BEGIN; SELECT FROM opsadmin.begin_request('$tokens{counter}'); SELECT count(*) FROM shop.product; COMMIT";
    $session->query($request);
    like($session->error, qr/permission "goods:read" is required/, 'the permission has the resource\'s name');
    $cluster->query('company', "SELECT opsadmin.unexpose('shop.product')");
    is($session->query($request), 2, 'unexpose(): in the same session it has the table\'s name');
    $cluster->query('company', "SELECT opsadmin.expose('shop.product', 'wares')");
    $session->query($request);
    like($session->error, qr/permission "wares:read" is required/, 'expose(): the new resource\'s');
    $cluster->query('company', "UPDATE opsadmin.resource SET name = 'product'");
    is($session->query($request), 2, 'also when the registry is changed by hand');
    $cluster->query('company', 'REVOKE opsadmin_partner FROM opsadmin_partner_login');
    $session->query('SELECT shop.forty_two()');
    like($session->error, qr/permission denied for schema shop/, 'a login that is of no site any more is like any other');
    $cluster->query('company', 'GRANT opsadmin_partner TO opsadmin_partner_login');
    $session->query('SELECT shop.forty_two()');
    like($session->error, qr/no context is bound/, 'and one that is again is held again, in the same session');
    $session->quit;
}

# --- Whoever has only taken a role on ---------------------------------------------------------------

my $as = q{BEGIN; SELECT FROM opsadmin.begin_as('member@example.com');};
for my $case (["$as SELECT count(*) FROM shop.product", 'ok'], ["$as EXPLAIN SELECT count(*) FROM shop.product", 'ok'], ["$as SET work_mem = 1024", 'ok'], [qq{$as UPDATE shop.product SET name = 'x'}, 'OA403'], ["$as LISTEN x", 'OA005'],
    ["$as CREATE TEMP TABLE t (id int)", 'OA005'], ['SET ROLE opsadmin_partner; SELECT count(*) FROM shop.product', 'OA001'], ['SET ROLE opsadmin_internal; SELECT count(*) FROM shop.product', 'OA001'], ['SET ROLE opsadmin_trusted; SELECT 1', 'ok']) {
    is(outcome('dba', $case->[0]), $case->[1], "a superuser: $case->[0]");
}
$cluster->query('company', 'GRANT opsadmin_trusted TO shop_app');
is(outcome('app', 'SELECT count(*) FROM shop.product'), 'ok', 'a member of opsadmin_trusted is of no site by that');
is(outcome('app', qq{$as UPDATE shop.product SET name = 'x'}), 'OA403', 'but of the site whose role it takes on');

unlike($cluster->log, qr/PANIC|terminated by signal/, 'no process died');
done_testing;
