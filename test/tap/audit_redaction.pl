# What is redacted is nowhere: not in the files of the audit log, not in the WAL of writing it, and not in the server's
# log, not even when the trigger fails. The audited table itself holds it, so it is unlogged and its own files are left
# out; statements bring the values as parameters or compute them, since the server may log a statement as it stands.
# topic: audit redaction
use strict;
use warnings;
use Test::More;
use File::Find qw(find);
use OpsadminCluster;

my $cluster = OpsadminCluster->new(settings => ["log_statement = 'all'", "log_min_messages = 'debug1'", "log_error_verbosity = 'verbose'", "wal_level = 'logical'", 'autovacuum = off', 'full_page_writes = on',
    'log_parameter_max_length_on_error = 0', 'log_parameter_max_length = 0'])->start;
$cluster->create_database('company');

# The halves meet in the server only.
my ($left, $right) = ('canary-3f9c', '71e2-yranac');
my $canary = "'$left' || '$right'";
my $value = "$left$right";

# Files below a directory that hold the text, but for those of the relations.
sub holders {
    my ($text, $directory, %except) = @_;
    my @found;
    find({ no_chdir => 1, wanted => sub {
        return unless -f $_;
        my ($number) = m{/(\d+)(?:_\w+)?(?:\.\d+)?$};
        return if defined $number && $except{$number};
        open(my $file, '<:raw', $_) or return;
        local $/;
        my $content = <$file>;
        push @found, $_ if defined $content && index($content, $text) >= 0;
    } }, $directory);
    return join(' ', @found);
}

$cluster->query('company', <<'SQL');
CREATE SCHEMA shop;
CREATE UNLOGGED TABLE shop.member (id int PRIMARY KEY, tenant_id int, name text, password text, remark text, noise text, kept_token text);
SET client_min_messages = error;
SELECT opsadmin.audit('shop.member', redact => '{remark}', ignore => '{noise}', keep => '{kept_token}');
CREATE TABLE shop.plain (id int PRIMARY KEY, note text);
SELECT opsadmin.audit('shop.plain');
SQL
my ($status, $out, $err) = $cluster->psql('company', "SELECT opsadmin.audit('shop.member', redact => '{remark}', ignore => '{noise}')");
like($err, qr/NOTICE:  columns of "shop\.member" that look sensitive are redacted: "password", "kept_token"\nHINT:  Name each in redact/, 'audit() tells which columns it redacts');
($status, $out, $err) = $cluster->psql('company', "SELECT opsadmin.audit('shop.member', redact => '{remark,password}', ignore => '{noise}', keep => '{kept_token}')");
is($err, '', 'and nothing when the DBA has decided on each');

# What nothing redacts, for the search to find.
$cluster->query('company', "INSERT INTO shop.plain VALUES (1, 'control-' || 'd41d8cd9')");

# Every way to change a row.
my @fill = ("$canary", "$canary || repeat('x', 3000)");
for my $i (0 .. $#fill) {
    my $columns = join(', ', ($fill[$i]) x 3);
    $cluster->query('company', <<"SQL");
INSERT INTO shop.member SELECT $i * 10 + n, 1, 'member ' || n, $columns, 'shown' FROM generate_series(1, 3) AS n;
UPDATE shop.member SET password = password || '.', remark = remark || '.', noise = noise || '.', name = name || '.' WHERE id > $i * 10;
DELETE FROM shop.member WHERE id = $i * 10 + 1;
SQL
}
$cluster->query('company', <<"SQL");
ALTER TABLE shop.member RENAME remark TO phrase;
ALTER TABLE shop.member RENAME password TO words;
ALTER TABLE shop.member ADD iban text;
UPDATE shop.member SET phrase = phrase || '!', words = words || '!', iban = $canary;
BEGIN;
SELECT opsadmin.annotate_audit('import', jsonb_build_object('deep', jsonb_build_object('api_key', $canary)));
SELECT opsadmin.audit_event('called', 'shop.member', jsonb_build_object('token', $canary), jsonb_build_object('list', jsonb_build_array(jsonb_build_object('secret', $canary))));
UPDATE shop.member SET name = 'annotated';
COMMIT;
SQL
cmp_ok($cluster->query('company', q{SELECT count(*) FROM opsadmin.audit_log WHERE target = 'shop.member'}), '>', 20, 'all of that is in the log');
is($cluster->query('company', q{SELECT count(*) FROM opsadmin.audit_log l WHERE concat(l.before, l.after, l.meta, l.target_pk) LIKE '%canary-%'}), 0, 'without the value');

# The trigger fails, without a place for entries and at an index: whatever the error says, it is not the value.
my $partition = $cluster->query('company', q{SELECT name FROM opsadmin_private.audit_partitions('audit_entry') ORDER BY begins LIMIT 1});
$cluster->query('company', "ALTER TABLE opsadmin.$_ RENAME TO gone_$_") for $partition, 'audit_entry_overflow';
for my $change ("INSERT INTO shop.member (id, words, phrase) VALUES (99, $canary, $canary)", "UPDATE shop.member SET words = $canary || 'x'", 'DELETE FROM shop.member') {
    ($status, $out, $err) = $cluster->psql('company', "\\set VERBOSITY verbose\n$change");
    isnt($status, 0, 'without a place for entries a change fails');
    unlike($err, qr/$value/, 'and the client does not learn the value');
}
$cluster->query('company', "ALTER TABLE opsadmin.gone_$_ RENAME TO $_") for $partition, 'audit_entry_overflow';
$cluster->query('company', 'CREATE FUNCTION shop.fails(jsonb) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION $m$cannot index %$m$, $1; END$$');
$cluster->query('company', "CREATE INDEX broken ON opsadmin.$partition (shop.fails(after)) WHERE id < 0");
$cluster->query('company', 'UPDATE pg_index SET indpred = NULL WHERE indexrelid = $$opsadmin.broken$$::regclass');
($status, $out, $err) = $cluster->psql('company', "UPDATE shop.member SET words = $canary || 'y', phrase = $canary");
like($err, qr/cannot index .*\[redacted\]/, 'an index that fails shows what it was given: the redacted entry');
unlike($err, qr/$value/, 'without the value');
$cluster->query('company', 'DROP INDEX opsadmin.broken');

my %own = map { $_ => 1 } split(/\n/, $cluster->query('company', <<'SQL'));
SELECT pg_relation_filenode(c.oid) FROM pg_class c WHERE pg_relation_filenode(c.oid) IS NOT NULL AND (c.oid = 'shop.member'::regclass OR c.oid IN (SELECT reltoastrelid FROM pg_class WHERE oid = 'shop.member'::regclass)
  OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN ('shop.member'::regclass, (SELECT reltoastrelid FROM pg_class WHERE oid = 'shop.member'::regclass))))
SQL
# The end of the server writes what checkpoints leave of unlogged tables.
$cluster->stop;
isnt(holders('control-d41d8cd9', "$cluster->{dir}/data/$_", %own), '', "control: what is not redacted is in $_") for qw(base pg_wal);
isnt(holders($value, "$cluster->{dir}/data/base"), '', 'control: the audited table has the value');
is(holders($value, "$cluster->{dir}/data/base", %own), '', 'no other file of a table has it');
is(holders($value, "$cluster->{dir}/data/pg_wal"), '', 'nor the WAL');
is(holders($value, "$cluster->{dir}/data", %own), '', 'nor anything else in the data directory');
unlike($cluster->log, qr/$value/, 'nor the log of the server, which had all statements');

done_testing;
