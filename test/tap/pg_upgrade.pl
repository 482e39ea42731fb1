# pg_upgrade of a cluster in use into a new one of the same version, with the strictest guard: tables stay protected,
# trees and foreign keys too, and the audit goes on.
# topic: isolation
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

chomp(my $bindir = `\${PG_CONFIG:-pg_config} --bindir`);
plan skip_all => 'pg_upgrade is not installed' unless -x "$bindir/pg_upgrade";

my @settings = (settings => ['opsadmin.guard = refuse']);
my $old = OpsadminCluster->new(@settings)->start;
my $new = OpsadminCluster->new(@settings);
$old->create_database('company', 'operated-shop', 0.02);
$old->query('company', <<'SQL');
CREATE TABLE shop.visit (id bigint, tenant_id bigint NOT NULL, product_id bigint REFERENCES shop.product, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES FROM (1) TO (100);
CREATE TABLE shop.node (id int PRIMARY KEY, tenant_id bigint NOT NULL, parent_id int REFERENCES shop.node);
CREATE TABLE shop.leaf (PRIMARY KEY (id)) INHERITS (shop.node);
SELECT opsadmin.protect('shop.visit'), opsadmin.protect('shop.node');
CREATE TABLE shop.visit_2 PARTITION OF shop.visit FOR VALUES FROM (100) TO (200);
INSERT INTO shop.visit VALUES (1, 1), (2, 2), (101, 1);
SQL

sub content {
    my ($cluster) = @_;
    return $cluster->query('company', <<'SQL');
SET search_path = '';
SELECT oid::pg_catalog.regclass, relrowsecurity, relforcerowsecurity, relacl FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND relnamespace > 16384 ORDER BY oid::pg_catalog.regclass::text;
SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_catalog.pg_policies ORDER BY 1, 2;
SELECT conrelid::pg_catalog.regclass, conname, pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY conrelid::pg_catalog.regclass::text, conname;
SELECT tgrelid::pg_catalog.regclass, tgname, tgenabled FROM pg_catalog.pg_trigger WHERE tgname LIKE 'opsadmin%' ORDER BY tgrelid::pg_catalog.regclass::text, tgname;
SELECT evtname, evtevent, evtenabled, evttags FROM pg_catalog.pg_event_trigger ORDER BY 1;
SELECT t.relation, p.tenant_column, p.had_default FROM opsadmin.protected_table p JOIN opsadmin.target t ON t.id = p.target_id ORDER BY t.relation::text;
SELECT * FROM opsadmin.replaced_key ORDER BY relation::text, constraint_name;
SELECT pg_catalog.count(*), pg_catalog.max(id) FROM opsadmin.audit_log;
SQL
}
my $before = content($old);
like($before, qr/^shop\.leaf\|t\|t/m, 'the old cluster has protected children');
$old->stop;

# pg_upgrade starts both servers itself, as their owner, and leaves its logs in the directory where it runs.
my @as_owner = $> == 0 ? ('runuser', '-u', 'postgres', '--') : ();
my ($status, $output) = $new->client(@as_owner, 'env', '-C', $new->host, "$bindir/pg_upgrade", '-b', $bindir, '-B', $bindir, '-d', $old->host . '/data', '-D', $new->host . '/data',
    '-s', $new->host, '-U', 'postgres');
is($status, 0, 'pg_upgrade goes through') or diag($output);
my ($from, $to) = map { $_->host . '/data/opsadmin.key' } $old, $new;
system('cp', '-p', $from, $to) == 0 or die "cp: $?";
$new->start;
is(content($new), $before, 'and everything is there');

is($new->query('company', <<'SQL'), "t|t\n2", 'a partner sees its rows and no others');
BEGIN; SET LOCAL client_min_messages = error;
SELECT FROM opsadmin.begin_as('partner@example.com');
SELECT bool_and(tenant_id = 1), count(*) > 0 FROM shop.product;
SELECT count(*) FROM shop.visit;
SQL
$new->query('company', 'CREATE TABLE shop.visit_3 PARTITION OF shop.visit FOR VALUES FROM (200) TO (300); UPDATE shop.product SET price = price + 1 WHERE id = 1');
is($new->query('company', q{SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'shop.visit_3'::regclass}), 't|t', 'a new partition is protected');
is($new->query('company', q{SELECT count(*) FROM opsadmin.audit_log WHERE target = 'shop.product' AND target_pk = '{"id":1}' AND op = 'UPDATE'}) > 0, 1, 'changes are recorded');
like(($new->psql('company', 'DROP POLICY opsadmin_partner ON shop.visit_1'))[2], qr/takes a protection of "visit_1" away/, 'the guard judges');
is(($new->psql('company', q{SELECT opsadmin.unprotect(t.relation) FROM opsadmin.target t JOIN opsadmin.protected_table p ON p.target_id = t.id}))[0], 0, 'every protection can be taken away');
is($new->query('company', q{SELECT (SELECT count(*) FROM opsadmin.replaced_key) + (SELECT count(*) FROM pg_policy p WHERE polname LIKE 'opsadmin%' AND polrelid::regclass::text LIKE 'shop%')}), 0, 'and leaves nothing');

done_testing;
