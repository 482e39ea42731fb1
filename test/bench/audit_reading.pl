# Reading a large audit log: each filter of list_audit(), the histogram, the history of a row and a row as of a moment, as
# staff and as a partner. BENCH_ENTRIES (2,000,000) in transactions of four, over 90 days, of 200 tenants. Prints the
# median of warm calls and the time of the first one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use OpsadminCluster;

my $entries = $ENV{BENCH_ENTRIES} // 2_000_000;
my $transactions = int $entries / 4;
my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 1GB', 'autovacuum = off', 'max_wal_size = 8GB'])->start;
$cluster->create_database('bench', 'operated-shop', 0.05);
$cluster->query('bench', <<"SQL");
INSERT INTO opsadmin.tenant (id, slug, name, key) SELECT 1000 + n, 'bench-' || n, 'Bench ' || n, 1000 + n FROM generate_series(1, 200) AS n;
INSERT INTO opsadmin.actor (email, display_name) SELECT 'bench' || n || '\@example.com', 'Bench ' || n FROM generate_series(1, 500) AS n;
INSERT INTO opsadmin.role_binding (actor_id, role_name, site, tenant_id)
SELECT a.id, 'partner_admin', 'partner', 1001 FROM opsadmin.actor a WHERE a.email = 'bench1\@example.com';
SELECT opsadmin_private.make_audit_partition(t, monday::date)
FROM unnest('{audit_header,audit_entry}'::name[]) AS t, generate_series(date_trunc('week', now() AT TIME ZONE 'UTC') - interval '13 weeks', date_trunc('week', now() AT TIME ZONE 'UTC') - interval '1 week', interval '1 week') AS monday;
CREATE TABLE transaction AS
SELECT n, (extract(epoch FROM now() - interval '90 days' * (1 - n / $transactions.0)) * 1000)::bigint << 20 AS id FROM generate_series(1, $transactions) AS n;
INSERT INTO opsadmin.audit_header (id, tenant_id, created_at, actor_id, actor_name, db_user, site, job_id, action, request_id, xact)
SELECT t.id + t.n % 1000 * 8, 1001 + t.n % 200, to_timestamp((t.id >> 20) / 1000.0), a.id, a.display_name, 'app', CASE WHEN t.n % 50 = 0 THEN 'internal' ELSE 'partner' END,
       CASE WHEN t.n % 5 = 0 THEN t.n / 5000 END, CASE WHEN t.n % 5 = 0 THEN 'bench.action_' || t.n / 5 % 30 END, 'bench-' || t.n, '1'
FROM transaction t LEFT JOIN opsadmin.actor a ON a.email = 'bench' || t.n % 600 || '\@example.com';
SQL
$cluster->query('bench', <<"SQL");
INSERT INTO opsadmin.audit_entry (id, header_id, tenant_id, target_id, row_key, op, before, after)
SELECT t.id + t.n % 1000 * 8 + m, t.id + t.n % 1000 * 8, 1001 + t.n % 200, p.id, (t.n * 4 + m) % 100000, 'U', '{"price":1}', '{"price":2}'
FROM transaction t, generate_series(1, 4) AS m, (SELECT id FROM opsadmin.target WHERE name = 'shop.product') AS p;
SQL
$cluster->query('bench', <<"SQL");
VACUUM ANALYZE opsadmin.audit_header;
VACUUM ANALYZE opsadmin.audit_entry;
CHECKPOINT;
SQL

my $half = int $transactions / 2;
my @calls = (
    ['latest', q{list_audit()}],
    ['actor', q{list_audit('{"actor":"Bench 77"}')}],
    ['actor, several', q{list_audit('{"actor":"Bench 7"}')}],
    ['action', q{list_audit('{"action":"action_7"}')}],
    ['action, several', q{list_audit('{"action":"action_1"}')}],
    ['job', q{list_audit('{"job":7}')}],
    ['request', qq{list_audit('{"request":"bench-$half"}')}],
    ['row', q{row_history('product', '77')}],
    ['row as of', q{row_as_of('product', '77', now() - interval '30 days')}],
    ['time', q{list_audit(jsonb_build_object('from', now() - interval '30 days', 'to', now() - interval '29 days'))}],
    ['histogram', q{audit_histogram()}],
);
for my $who (['ops@example.com', 'NULL'], ['bench1@example.com', q{'bench-1'}]) {
    my ($email, $tenant) = @$who;
    for my $call (@calls) {
        my ($name, $sql) = @$call;
        my $times = $cluster->query('bench', <<"SQL");
BEGIN;
SELECT opsadmin.begin_as('$email', $tenant) \\g /dev/null
\\timing on
@{[ join "\n", map { "SELECT opsadmin.$sql \\g /dev/null" } 1 .. 11 ]}
SQL
        my ($first, @warm) = $times =~ /Time: ([\d.]+) ms/g;
        @warm = sort { $a <=> $b } @warm;
        printf "%-20s %-16s %8.2f ms   (first %.2f)\n", $email, $name, $warm[$#warm / 2], $first;
    }
}
