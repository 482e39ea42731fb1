# CREATE and DROP EXTENSION: again and again, in two databases of a cluster; what they refuse; that dropping
# closes protected tables and never opens them; and the signing key's file.
# topic: isolation
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

my $cluster = OpsadminCluster->new->start;
my $key = $cluster->host . '/data/opsadmin.key';

# Tests that SQL fails, with a code and texts of the error.
sub fails_with {
    my ($database, $sql, $name, @patterns) = @_;
    my ($status, undef, $err) = $cluster->psql($database, "\\set VERBOSITY verbose\n$sql");
    my @missing = grep { $err !~ $_ } @patterns;
    ok($status && !@missing, $name) or diag("got: $err\nwanted: @missing");
    return;
}

my $set_up = <<'SQL';
SELECT opsadmin.create_tenant('acme', 'Acme'), opsadmin.create_tenant('globex', 'Globex');
SELECT opsadmin.protect('item', trusted_roles => '{shop}'), opsadmin.protect('part', trusted_roles => '{shop}'), opsadmin.audit('item'), opsadmin.expose('item'), opsadmin.define_kpi('items', 'item', 'at');
SQL
my $count = "BEGIN; SET LOCAL client_min_messages = error; SELECT FROM opsadmin.begin_as(tenant => 'acme'); SELECT count(*) FROM item; COMMIT";

$cluster->query('postgres', "CREATE DATABASE $_") for qw(company other planted);
ok(!-e $key, 'there is no key before the extension is');
$cluster->query('company', 'CREATE EXTENSION opsadmin');
is(sprintf('%04o %d', (stat $key)[2] & 07777, -s $key), '0600 32', 'the key file has mode 0600 and 32 bytes');
is(($cluster->psql('company', 'SELECT opsadmin_private.ensure_key()'))[0], 0, 'a key that is there is kept');

# --- DROP EXTENSION with protected tables ------------------------------------------------------------

my $policies = $cluster->query('company', 'SELECT count(*) FROM pg_policy');
$cluster->query('company', <<'SQL');
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON item (tenant_id);
INSERT INTO item SELECT n, 1 + n % 2 FROM generate_series(1, 10) AS n;
CREATE TABLE part (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, item_id bigint REFERENCES item) PARTITION BY RANGE (id);
CREATE INDEX ON part (tenant_id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
INSERT INTO part SELECT id, tenant_id, id FROM item;
CREATE ROLE shop LOGIN;
GRANT SELECT ON item, part, part_1 TO shop;
SQL
for my $time ('the first time', 'the second time') {
    $cluster->query('company', $set_up);
    is($cluster->query('company', $count), 5, "$time: a tenant sees its rows");
    fails_with('company', "DROP SCHEMA $_ CASCADE", "$time: its schema $_ cannot be dropped", qr/2BP01.*because extension opsadmin requires it/) for qw(opsadmin opsadmin_private);
    fails_with('company', 'DROP EXTENSION opsadmin', "$time: DROP EXTENSION refuses while tables depend on it",
        qr/2BP01/, qr/policy opsadmin_partner_floor on table (public\.)?item depends on function/);
    is($cluster->query('company', $count), 5, "$time: and nothing has changed");

    $cluster->query('company', 'SET client_min_messages = error; DROP EXTENSION opsadmin CASCADE');
    is($cluster->query('company', <<'SQL'), 't|t|10', "$time: after CASCADE row-level security is still on, no row is lost");
SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM item) FROM pg_class WHERE relname = 'item'
SQL
    for my $table (qw(item part part_1)) {
        fails_with('company', "SET ROLE $_; SELECT FROM $table", "$time: $_ may not read $table", qr/42501/) for qw(opsadmin_partner opsadmin_internal);
        is($cluster->query('company', "SELECT count(*) FROM $table", user => 'shop'), 10, "$time: the shop's own role goes on reading $table");
    }
    fails_with('company', "SET ROLE $_; INSERT INTO item VALUES (99, 1)", "$time: $_ writes nothing", qr/42501/) for qw(opsadmin_partner opsadmin_internal);
    is($cluster->query('company', q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'opsadmin%'}), 0, "$time: the schemas are gone");
    $cluster->query('company', 'INSERT INTO item VALUES (11, 1); DELETE FROM item WHERE id = 11');
    $cluster->query('company', 'CREATE EXTENSION opsadmin');
}
$cluster->query('company', $set_up);
is($cluster->query('company', $count), 5, 'the tables are protected again after all');
my ($warned, undef, $warning) = $cluster->psql('company', 'BEGIN; ALTER TABLE part_1 DISABLE ROW LEVEL SECURITY; ROLLBACK');
is($warned, 0, 'by default the guard refuses nothing');
like($warning, qr/WARNING:  this takes a protection of "part_1" away\nDETAIL:  Row-level security keeps the tenants apart\.\nHINT:  .*opsadmin\.guard = off/, 'but warns');
is($cluster->query('company', q{SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'part'::regclass AND contype = 'f'}),
    'FOREIGN KEY (tenant_id, item_id) REFERENCES item(tenant_id, id)', 'as is the foreign key');
$cluster->query('company', "SELECT opsadmin.unprotect('item'), opsadmin.unprotect('part'), opsadmin.unaudit('item'), opsadmin.drop_kpi('items')");
is($cluster->query('company', q{SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy) FROM pg_class WHERE relname = 'item'}),
    "f|f|$policies", 'unprotect() knows that row-level security was not the company\'s own');
is(($cluster->psql('company', 'DROP EXTENSION opsadmin'))[0], 0, 'without protected and audited tables and KPIs DROP EXTENSION goes through');
$cluster->query('company', 'CREATE EXTENSION opsadmin');

# The owner of the extension goes, or what it is made of, with all that depends on it.
$cluster->query('other', <<'SQL');
CREATE ROLE admin SUPERUSER;
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE INDEX ON item (tenant_id);
SQL
for my $case (
    ['DROP OWNED BY admin CASCADE', 'SET ROLE admin; CREATE EXTENSION opsadmin'],
    ['DROP EXTENSION plpgsql CASCADE', 'CREATE EXTENSION opsadmin'],
    ['DROP OWNED BY admin CASCADE', 'SET ROLE admin; CREATE EXTENSION plpgsql; RESET ROLE; CREATE EXTENSION opsadmin'],
    ['DROP LANGUAGE plpgsql CASCADE', 'CREATE EXTENSION plpgsql; ALTER EXTENSION plpgsql DROP LANGUAGE plpgsql; CREATE EXTENSION opsadmin']) {
    my ($drop, $create) = @$case;
    $cluster->query('other', "$create; RESET ROLE; SELECT opsadmin.protect('item'); CREATE EXTENSION pg_trgm; CREATE LANGUAGE regress HANDLER plpgsql_call_handler; DROP EXTENSION pg_trgm CASCADE; DROP LANGUAGE regress CASCADE");
    is($cluster->query('other', q{SELECT has_table_privilege('opsadmin_partner', 'item', 'SELECT')}), 't', 'what opsadmin does not depend on may go');
    $cluster->query('other', "SET client_min_messages = error; $drop");
    is($cluster->query('other', q{SELECT count(*) FROM pg_extension WHERE extname = 'opsadmin'}), 0, "$drop drops the extension");
    fails_with('other', "SET ROLE $_; SELECT FROM item", "after $drop $_ may not read", qr/42501/) for qw(opsadmin_partner opsadmin_internal);
}
$cluster->query('other', 'DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql; DROP TABLE item');

# --- Two databases -----------------------------------------------------------------------------------

$cluster->query('other', 'CREATE EXTENSION opsadmin');
is($cluster->query('other', 'SELECT count(*) FROM opsadmin.tenant'), 0, 'another database begins empty');
my $sign = "SELECT opsadmin_private.sign('test', 'payload')";
is($cluster->query('other', $sign), $cluster->query('company', $sign), 'the cluster has one key');
$cluster->query('other', 'DROP EXTENSION opsadmin');
is($cluster->query('company', 'SELECT count(*) FROM opsadmin.tenant'), 0, 'dropping it there leaves this database alone');
is($cluster->query('other', q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'opsadmin%'}), 6, 'and the roles');

# --- What CREATE EXTENSION refuses -------------------------------------------------------------------

for my $case (
    ['SUPERUSER', 'NOSUPERUSER'], ['BYPASSRLS', 'NOBYPASSRLS'], ['CREATEROLE', 'NOCREATEROLE'],
    ['CREATEDB', 'NOCREATEDB'], ['REPLICATION', 'NOREPLICATION']) {
    $cluster->query('other', "ALTER ROLE opsadmin_partner $case->[0]");
    fails_with('other', 'CREATE EXTENSION opsadmin', "a role with $case->[0]",
        qr/OA439: role "opsadmin_partner" exists and may do more/, qr/HINT:  ALTER ROLE opsadmin_partner NOSUPERUSER NOBYPASSRLS/);
    $cluster->query('other', "ALTER ROLE opsadmin_partner $case->[1]");
}
$cluster->query('other', 'CREATE ROLE mallory LOGIN');
for my $role (qw(opsadmin_internal opsadmin_partner opsadmin_internal_login opsadmin_worker)) {
    $cluster->query('other', "GRANT $role TO mallory");
    fails_with('other', 'CREATE EXTENSION opsadmin', "an unexpected member of $role",
        qr/OA439: role "$role" has an unexpected member "mallory"/, qr/HINT:  REVOKE $role FROM mallory;/);
    $cluster->query('other', "REVOKE $role FROM mallory");
}
for my $power (qw(pg_read_all_data postgres)) {
    $cluster->query('other', "GRANT $power TO opsadmin_partner_login");
    fails_with('other', 'CREATE EXTENSION opsadmin', "a role that is itself a member of $power",
        qr/OA439: role "opsadmin_partner_login" is a member of "$power"/, qr/HINT:  REVOKE $power FROM opsadmin_partner_login;/);
    like($cluster->query('company', q{SELECT problem || remedy FROM opsadmin.health() WHERE rule = 'roles'}),
        qr/is a member of "$power".*REVOKE $power FROM opsadmin_partner_login;/, 'which health() tells of as well');
    $cluster->query('other', "REVOKE $power FROM opsadmin_partner_login");
}
$cluster->query('other', 'GRANT opsadmin_trusted TO mallory; CREATE EXTENSION opsadmin; DROP EXTENSION opsadmin; REVOKE opsadmin_trusted FROM mallory');
pass('members of opsadmin_trusted are expected');

for my $encoding (qw(LATIN1 SQL_ASCII)) {
    $cluster->query('postgres', "CREATE DATABASE encoded ENCODING $encoding LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    fails_with('encoded', 'CREATE EXTENSION opsadmin', "a database in $encoding", qr/0A000: opsadmin needs a database with the encoding UTF8, and this one has $encoding/, qr/HINT:  Dump/);
    $cluster->query('postgres', 'DROP DATABASE encoded');
}

$cluster->query('planted', 'GRANT CREATE ON DATABASE planted TO mallory');
for my $schema (qw(opsadmin opsadmin_private)) {
    $cluster->query('planted', <<"SQL", user => 'mallory');
CREATE SCHEMA $schema;
CREATE FUNCTION $schema.current_tenant() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
SQL
    fails_with('planted', 'CREATE EXTENSION opsadmin', "a function planted in a schema $schema", qr/42P06: schema "$schema" already exists/);
    $cluster->query('planted', "SET client_min_messages = error; DROP SCHEMA $schema CASCADE", user => 'mallory');
}
fails_with('planted', 'SET ROLE mallory; CREATE EXTENSION opsadmin', 'no superuser', qr/42501/);
is(($cluster->psql('planted', 'CREATE EXTENSION opsadmin'))[0], 0, 'without all that it is installed');

# --- The key's file ----------------------------------------------------------------------------------

sub write_key {
    my ($mode, $bytes) = @_;
    chmod 0600, $key;
    open(my $file, '>', $key) or die "$key: $!";
    print $file $bytes;
    close $file;
    chown((stat $cluster->host . '/data')[4, 5], $key);
    chmod $mode, $key;
    return;
}

my $signature = $cluster->query('company', $sign);
open(my $file, '<:raw', $key) or die "$key: $!";
read($file, my $bytes, 64);
close $file;
for my $case ([0644, $bytes, 'Its mode lets others read it'], [0640, $bytes, 'Its mode lets others read it'], [0600, substr($bytes, 1), 'Its length is not 32 bytes'],
    [0600, "$bytes\n", 'Its length is not 32 bytes'], [0600, '', 'Its length is not 32 bytes']) {
    my $name = sprintf('a key of %d bytes with mode %04o', length $case->[1], $case->[0]);
    write_key(@$case);
    fails_with('company', $sign, $name, qr/OA004: the signing key "opsadmin\.key" cannot be used/, qr/DETAIL:  $case->[2]/, qr/HINT:  .*0600/);
    fails_with('other', 'CREATE EXTENSION opsadmin', 'CREATE EXTENSION refuses it too', qr/OA004/);
    like($cluster->query('company', q{SELECT problem FROM opsadmin.health() WHERE rule = 'key'}), qr/cannot be used/, 'health() tells of it');
}
unlink $key;
fails_with('company', $sign, 'no key', qr/OA004/, qr/DETAIL:  The file does not exist/);
write_key(0600, $bytes);
is($cluster->query('company', $sign), $signature, 'with its own key back it signs as before');
unlink $key;
$cluster->query('company', 'SELECT opsadmin_private.ensure_key()');
isnt($cluster->query('company', $sign), $signature, 'another key signs otherwise');
unlike($cluster->log, qr/PANIC|terminated by signal/, 'no process died');

done_testing;
