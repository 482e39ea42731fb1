# What bulk jobs cost and whom they disturb. A million rows (BENCH_SCALE times as many) in key order.
# CPU of a job against one plain UPDATE of the same rows, audited and not, rounds interleaved, medians; point updates of a
# neighbour on the same table while nothing, a job, or one UPDATE runs; the heap afterwards; how soon a job begins; how many
# small jobs are worked off; how soon one pauses; the size of a plan; the memory of a worker.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use OpsadminBench;
use OpsadminCluster;
use List::Util qw(sum);
use Time::HiRes qw(time sleep);

my $rows = int 1_000_000 * ($ENV{BENCH_SCALE} // 1);
my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 1GB', 'autovacuum = off', 'max_wal_size = 8GB', 'checkpoint_timeout = 1h'])->start;
$cluster->create_database('bench', 'empty');
my $session = $cluster->session('bench');
$session->query(q{SELECT opsadmin.create_tenant('t' || n, 'Tenant ' || n, id => n) FROM generate_series(1, 20) AS n;
    SELECT opsadmin.create_actor('ops@example.com', 'Ops'), opsadmin.grant_role('ops@example.com', 'ops')});
for my $table (qw(plain job audited audited_job)) {
    $session->query(<<"SQL");
CREATE TABLE $table (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, name text, sku text, price numeric(12,2), stock int, updated_at timestamptz);
INSERT INTO $table SELECT n, 1 + n % 20, 'Product ' || n, 'SKU-' || n, n % 1000 + 0.5, n % 100, now() FROM generate_series(1, $rows) AS n;
SQL
}
$session->query(q{SELECT opsadmin.audit('audited'), opsadmin.audit('audited_job'); CREATE INDEX ON job (tenant_id); SELECT opsadmin.protect('job'), opsadmin.expose('job'),
    opsadmin.define_action('touch', 'job', 'stock = stock + 1'); DROP INDEX job_tenant_id_idx; VACUUM ANALYZE; CHECKPOINT});
die $session->error if $session->error =~ /ERROR/;
my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
my $changes = 'price = price + 1, updated_at = now()';
my $job = sub { "SELECT opsadmin.bulk_update('$_[0]', '$changes'); CALL opsadmin.run_jobs()" };

sub private_megabytes {
    my ($process) = @_;
    open my $file, '<', "/proc/$process/status" or die $!;
    my ($size) = join('', <$file>) =~ /^RssAnon:\s+(\d+)/m;
    return $size / 1024;
}

my %cpu;
my %heap;
for my $round (1 .. $ENV{BENCH_ROUNDS} // 3) {
    my %variants = ('plain UPDATE' => ['plain', "UPDATE plain SET $changes"], 'job' => ['job', $job->('job')],
                    'audited UPDATE' => ['audited', "UPDATE audited SET $changes"], 'audited job' => ['audited_job', $job->('audited_job')]);
    for my $name (sort { $round % 2 ? $a cmp $b : $b cmp $a } keys %variants) {
        my ($table, $statement) = @{ $variants{$name} };
        my $size = $session->query("SELECT pg_relation_size('$table')");
        my $memory = private_megabytes($pid);
        my $before = cpu_seconds($pid);
        $session->query($statement);
        push @{ $cpu{$name} }, cpu_seconds($pid) - $before;
        $heap{$name} //= $session->query("SELECT pg_relation_size('$table')") / $size;
        printf "memory of the worker: %.1f MB more after %d rows\n", private_megabytes($pid) - $memory, $rows if $name eq 'job' && $round == 1;
        $session->query("VACUUM $table; CHECKPOINT");
    }
}
die $session->error if $session->error =~ /ERROR/;
my ($done) = $cluster->query('bench', q{SELECT bool_and(state = 'DONE') FROM opsadmin.bulk_job});
die "a job is not done\n" unless $done eq 't';
report('plain UPDATE', %cpu);
printf "%-26s %.2f of the heap before (one UPDATE: %.2f)\n", 'heap afterwards', $heap{'job'}, $heap{'plain UPDATE'};

# The neighbour: point updates at a fixed rate, their latency as pgbench logs it.
my $script = $cluster->host . '/neighbour.pgbench';
open my $file, '>', $script or die $!;
print $file "\\set id random(1, $rows)\nUPDATE job SET stock = stock + 1 WHERE id = :id;\n";
close $file;
chmod 0644, $script;
sub neighbour {
    my ($statement) = @_;
    my $log = $cluster->host . '/latency' . int rand 1e9;
    my $other = $cluster->session('bench');
    my $ready = $other->query('SELECT 1');
    $other->send($statement) if defined $statement;
    my ($status, $output) = $cluster->client('pgbench', '-n', '-M', 'prepared', '-c', 2, '-R', 300, '-T', 8, '-l', '--log-prefix', $log, '-f', $script, 'bench');
    die $output if $status;
    $other->wait if defined $statement;
    $other->quit;
    # client, transaction, latency in microseconds (from the scheduled start), …
    my @latencies = sort { $a <=> $b } map { open my $lines, '<', $_ or die $!; map { (split ' ')[2] } <$lines> } glob "$log.*";
    return $latencies[int @latencies * 0.99] / 1000;
}
my %p99 = (idle => neighbour(), job => neighbour($job->('job')), UPDATE => neighbour("UPDATE job SET $changes"));
printf "%-26s %.1f ms, p99 of point updates; idle %.1f ms (%.1f times), beside one UPDATE %.1f ms (%.0f times)\n", 'a neighbour beside a job', $p99{job}, $p99{idle},
    $p99{job} / $p99{idle}, $p99{UPDATE}, $p99{UPDATE} / $p99{idle};

# Small jobs: with two workers that wait for work.
my $start_action = q{BEGIN; SELECT opsadmin.begin_as('ops@example.com'); SELECT opsadmin.run_action('touch', '{}', '%s'); COMMIT};
my $began = time;
$session->query(sprintf $start_action, '{"filter":null}');
printf "%-26s %.1f ms for %d matching rows\n", 'run_action()', (time - $began) * 1000, $rows;
$session->query('SELECT opsadmin.cancel_job(max(id)) FROM opsadmin.job');
my @workers = map { $cluster->session('bench')->send("CALL opsadmin.run_worker($_)") } 1, 2;
sleep 0.5;
for my $n (1 .. 100) {
    $session->query(sprintf $start_action, qq({"ids":["$n"]}));
    sleep 0.05;
}
my ($p50, $slow) = split /\|/, $cluster->query('bench', q{SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY d), percentile_disc(0.99) WITHIN GROUP (ORDER BY d)
    FROM (SELECT round(extract(epoch FROM started_at - created_at) * 1000, 1) AS d FROM opsadmin.job WHERE state = 'DONE' ORDER BY id DESC LIMIT 100) AS j});
printf "%-26s p50 %s ms, p99 %s ms\n", 'from commit to first chunk', $p50, $slow;
$_->wait && $_->quit for @workers;

# Jobs of one tenant on one table go one after the other; those of several side by side.
my $small = int 10_000 * ($ENV{BENCH_SCALE} // 1);
for my $tenants (1, 20) {
    $session->query(qq{BEGIN; SELECT opsadmin.begin_as('ops\@example.com', 't$_');
        SELECT count(opsadmin.run_action('touch', '{}', jsonb_build_object('ids', jsonb_build_array((20 * n + $_ - 1)::text)))) FROM generate_series(1, $small / $tenants) AS n; COMMIT}) for 1 .. $tenants;
    die $session->error if $session->error =~ /ERROR/;
    my @drain = map { $cluster->session('bench') } 1, 2;
    my @pids = map { $_->query('SELECT pg_backend_pid()') =~ /(\d+)/ } @drain;
    my $cpu = -sum(map { cpu_seconds($_) } @pids);
    $began = time;
    $_->send('CALL opsadmin.run_jobs()') for @drain;
    $_->wait for @drain;
    my $seconds = time - $began;
    $cpu += sum(map { cpu_seconds($_) } @pids);
    printf "%-26s %d a second by two workers, of %d tenant%s; %.2f ms of CPU each\n", 'jobs of one chunk', $small / $seconds, $tenants, $tenants == 1 ? '' : 's', $cpu / $small * 1000;
    $_->quit for @drain;
}

# Pausing: how long after the call the last rows were changed.
$session->query("SELECT opsadmin.bulk_update('job', '$changes')");
my $worker = $cluster->session('bench')->send('CALL opsadmin.run_jobs()');
$cluster->wait_for('bench', 'SELECT processed > 50000 FROM opsadmin.bulk_job ORDER BY id DESC LIMIT 1');
my $paused = $session->query('SELECT opsadmin.pause_job(max(id)) FROM opsadmin.job; SELECT clock_timestamp()');
$worker->wait;
$worker->quit;
$paused =~ s/^\s+//;
printf "%-26s %s ms\n", 'from pause_job() to a stop', $cluster->query('bench', "SELECT greatest(0, round(extract(epoch FROM max(done_at) - '$paused') * 1000)) FROM opsadmin.job_chunk WHERE job_id = (SELECT max(id) FROM opsadmin.job)");
printf "%-26s %d kB for %d rows\n", 'a plan', $cluster->query('bench', q{SELECT sum(pg_column_size(c)) / 1024 FROM opsadmin.job_chunk c WHERE job_id = (SELECT max(id) FROM opsadmin.job)}), $rows;
