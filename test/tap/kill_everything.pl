# All workers of a job are killed at three places at once, and so is the server; a worker and the server are killed at any
# time. A row whose chunk ends its server process each time is set aside, and other jobs go on.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use Time::HiRes qw(sleep time);
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => \@BulkJob::place_settings)->start;
$cluster->create_database('shop');
BulkJob::prepare_places($cluster, 'shop');
BulkJob::seed();

sub worker { $cluster->session('shop')->send('CALL opsadmin.run_jobs()') }

# Three workers stop in chunks of their own, each at a place that chance picks, while the rest is done; then they are killed.
sub kill_all {
    my ($victim) = @_;
    my $job = BulkJob::start_planned($cluster, 'shop');
    my %chunks;
    $chunks{ (BulkJob::any_row())[1] } = 1 while keys %chunks < 3;
    my @at = map { my $place = 1 + int rand 3; [$place, $place == 3 ? $_ : 100 * ($_ - 1) + 1 + int rand 100] } sort { $a <=> $b } keys %chunks;
    my $gate = BulkJob::stop_at($cluster, 'shop', @at);
    my @workers = map { worker() } @at;
    my @pids = BulkJob::wait_at_places($cluster, 'shop', 3);
    my $name = "$victim at " . join ', ', map { "$_->[0]/$_->[1]" } @at;
    if ($victim eq 'the server') {
        $cluster->kill9;
    } else {
        kill 'KILL', @pids;
    }
    $_->wait for @workers;
    $cluster->start if $victim eq 'the server';
    BulkJob::survives($cluster, 'shop', $job, $name, 0, $BulkJob::place_rows - 300, @workers, $gate);
    return;
}

# After so many seconds of work, about as long as the job takes.
sub kill_any_time {
    my ($victim) = @_;
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $seconds = sprintf '%.3f', rand 0.6;
    my @workers = map { worker() } 1, 2;
    sleep $seconds;
    if ($victim eq 'the server') {
        $cluster->kill9;
    } else {
        # It may have been too quick.
        my ($pid) = split /\n/, $cluster->query('shop', q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL opsadmin.run_jobs%' AND state <> 'idle'});
        kill 'KILL', $pid if $pid;
    }
    $_->wait for @workers;
    $cluster->start if $victim eq 'the server';
    BulkJob::survives($cluster, 'shop', $job, "$victim after $seconds s", 0, $BulkJob::place_rows, @workers);
    return;
}

for (1 .. BulkJob::repetitions()) {
    kill_all($_) for 'all workers', 'the server';
    kill_any_time($_) for 'a worker', 'the server';
}

# --- A row that kills ---------------------------------------------------------------------------------

# Each worker that comes to row 777 dies there. Another job, of another table, is queued behind.
$cluster->query('shop', <<'SQL');
CREATE TABLE other (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, touched int NOT NULL DEFAULT 0);
CREATE INDEX ON other (tenant_id);
INSERT INTO other SELECT n, 1 + n % 2 FROM generate_series(1, 500) AS n;
SELECT opsadmin.protect('other');
SQL
for (1 .. BulkJob::repetitions()) {
    my ($row, $chunk) = BulkJob::any_row();
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $other = $cluster->query('shop', q{UPDATE other SET touched = 0; SELECT opsadmin.bulk_update('other', 'touched = touched + 1')});
    # A worker marks the first chunk that it comes to, and any that is marked. So the first kills may leave no mark.
    my $paused = "(SELECT state = 'PAUSED' FROM opsadmin.bulk_job WHERE id = $job)";
    my ($kills, $gate) = (0);
    while ($kills <= 10) {
        $gate = BulkJob::stop_at($cluster, 'shop', [1, $row]);
        my $worker = worker();
        $cluster->wait_for('shop', "SELECT $paused OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND NOT granted)");
        if ($cluster->query('shop', "SELECT $paused") eq 't') {
            # Nobody comes to the row any more: the worker goes on and returns by itself.
            $worker->wait;
            $worker->quit;
            last;
        }
        $kills++;
        kill 'KILL', BulkJob::wait_at_places($cluster, 'shop');
        $_->quit for $worker, $gate;
        $cluster->wait_for('shop', 'SELECT true');
    }
    ok($kills >= 3 && $kills <= 6, "row $row kills its workers") or diag("$kills kills");
    is($cluster->query('shop', "SELECT state, error, failed FROM opsadmin.bulk_job WHERE id = $job"),
        "PAUSED|chunk $chunk has ended its server process 3 times and was set aside|100", 'then its chunk is set aside, and the job pauses');
    BulkJob::is_agreed($cluster, 'shop', $job, "paused at row $row");
    is($cluster->query('shop', "SELECT state, changed FROM opsadmin.bulk_job WHERE id = $other; SELECT count(*), sum(touched) FROM other WHERE touched = 1"), "DONE|500\n500|500", 'another job went on');
    $cluster->query('shop', "SELECT opsadmin.resume_job($job); CALL opsadmin.run_jobs()");
    is($cluster->query('shop', "SELECT state, changed, failed FROM opsadmin.bulk_job WHERE id = $job"), 'FAILED|1900|100', 'resumed, the job does the rest');
    BulkJob::is_agreed($cluster, 'shop', $job, "without the chunk of row $row");
    $gate->quit;
    $cluster->query('shop', "SELECT opsadmin.retry_job($job); CALL opsadmin.run_jobs()");
    BulkJob::is_done($cluster, 'shop', $job, "when row $row kills no more");
}
unlike($cluster->log, qr/PANIC|signal 11|signal 6/, 'no process died by itself');

done_testing;
