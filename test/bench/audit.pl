# What auditing costs: the same statements on the same table, audited and not. CPU of the backend (of the server for
# pgbench), rounds interleaved, medians; WAL and bytes of the log for each row; growth of a backend's memory.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use OpsadminBench;
use OpsadminCluster;

my $rows = 200_000 * ($ENV{BENCH_SCALE} // 1);
my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 512MB', 'autovacuum = off', 'wal_level = logical', 'max_wal_size = 8GB'])->start;
$cluster->create_database('bench', 'empty');
my $session = $cluster->session('bench');
$session->query("SELECT opsadmin.create_tenant('t' || n, 'Tenant ' || n, id => n) FROM generate_series(1, 20) AS n");
for my $table (qw(plain audited)) {
    $session->query(<<"SQL");
CREATE TABLE $table (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, sku text, description text, price numeric(12,2),
    stock int, active boolean, created_at timestamptz, updated_at timestamptz);
INSERT INTO $table SELECT n, 1 + n % 20, 'Product ' || n, 'SKU-' || n, repeat('text ', 20), n % 1000 + 0.5, n % 100, true, now(), now() FROM generate_series(1, $rows) AS n;
SQL
}
$session->query("SELECT opsadmin.protect('audited'); SELECT opsadmin.audit('audited'); VACUUM ANALYZE");
die $session->error if $session->error =~ /ERROR/;
my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
my $log_bytes = q{SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relnamespace = 'opsadmin'::regnamespace AND c.relname LIKE 'audit\_entry\_%' AND c.relkind = 'r'};
my $changes = 'price = price + 1, stock = stock + 1, updated_at = clock_timestamp()';

# $round makes keys that no round has had.
my %statements = (
    'UPDATE of 1,000'   => sub { "UPDATE $_[0] SET $changes WHERE id BETWEEN $_[1] * 1000 + 1 AND $_[1] * 1000 + 1000" },
    'UPDATE of 100,000' => sub { "UPDATE $_[0] SET $changes WHERE id <= $rows / 2" },
    'INSERT of 10,000'  => sub { "INSERT INTO $_[0] SELECT 10000000 + $_[1] * 10000 + n, 1 + n % 20, 'Product ' || n, 'SKU-' || n, repeat('text ', 20), n % 1000 + 0.5, n % 100, true, now(), now() FROM generate_series(1, 10000) AS n" },
    'DELETE of 1,000'   => sub { "DELETE FROM $_[0] WHERE id BETWEEN $rows - $_[1] * 1000 - 999 AND $rows - $_[1] * 1000" },
);
for my $name ($ENV{BENCH_ONLY} // sort keys %statements) {
    my (%cpu, %wal);
    for my $round (0 .. $ENV{BENCH_ROUNDS} // 5) {
        for my $table ($round % 2 ? qw(plain audited) : qw(audited plain)) {
            my $statement = $statements{$name}->($table, $round);
            my $lsn = $session->query('SELECT pg_current_wal_insert_lsn()');
            my $before = cpu_seconds($pid);
            $session->query($statement);
            my $cpu = cpu_seconds($pid) - $before;
            my $wal = $session->query("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')");
            # The first round warms up.
            push @{ $cpu{$table} }, $cpu if $round;
            push @{ $wal{$table} }, $wal if $round;
        }
        $session->query('VACUUM plain, audited') if $name =~ /UPDATE/;
    }
    print "$name\n";
    report('plain', %cpu);
    my ($count) = $name =~ /([\d,]+)$/;
    $count =~ tr/,//d;
    my %median = map { my @sorted = sort { $a <=> $b } @{ $wal{$_} }; $_ => $sorted[$#sorted / 2] } keys %wal;
    printf "%-26s %d bytes of WAL a row above the plain statement's\n", '', ($median{audited} - $median{plain}) / $count;
}

# Bytes of the log and memory: one statement on many rows.
sub private_kilobytes {
    open my $file, '<', "/proc/$pid/status" or die $!;
    my ($size) = join('', <$file>) =~ /^RssAnon:\s+(\d+)/m;
    return $size;
}
my $million = ($ENV{BENCH_SCALE} // 1) * 1_000_000;
$session->query(<<"SQL");
CREATE TABLE large (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, price numeric(12,2), stock int, updated_at timestamptz);
INSERT INTO large SELECT n, 1 + n % 20, 'Product ' || n, n % 1000 + 0.5, n % 100, now() FROM generate_series(1, $million) AS n;
SELECT opsadmin.audit('large');
SQL
my $bytes = $session->query($log_bytes);
my $memory = private_kilobytes();
$session->query("UPDATE large SET $changes");
die $session->error if $session->error =~ /ERROR/;
printf "UPDATE of %d rows: %d bytes of log and indexes a row, %d MB more private memory in the end\n", $million,
    ($session->query($log_bytes) - $bytes) / $million, (private_kilobytes() - $memory) / 1024;

# One row by key, over the protocol: CPU of all backends, so that the clients' share does not blur the ratio.
my $postmaster = do { open my $file, '<', $cluster->host . '/data/postmaster.pid' or die $!; <$file> } + 0;
for my $clients (1, 4) {
    my %cpu;
    for my $round (1 .. $ENV{BENCH_ROUNDS} // 5) {
        for my $table ($round % 2 ? qw(plain audited) : qw(audited plain)) {
            my $script = $cluster->host . "/$table.pgbench";
            open my $file, '>', $script or die $!;
            print $file "\\set id random(1, $rows / 2)\nUPDATE $table SET $changes WHERE id = :id;\n";
            close $file;
            chmod 0644, $script;
            my $before = tree_cpu_seconds($postmaster);
            my ($status, $output) = $cluster->client('pgbench', '-n', '-M', 'prepared', '-c', $clients, '-t', 8000 / $clients, '-f', $script, 'bench');
            die $output if $status;
            push @{ $cpu{$table} }, tree_cpu_seconds($postmaster) - $before;
        }
    }
    print "One-row UPDATE by key, 8,000 by pgbench -M prepared, $clients client(s), CPU of the server\n";
    report('plain', %cpu);
}
