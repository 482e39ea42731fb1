# A job whose worker is killed, terminated or cancelled in the middle, or while it plans: what was done stays,
# what was not is done by the next worker, nothing twice.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => \@BulkJob::settings)->start;
$cluster->create_database('company');
BulkJob::prepare($cluster, 'company', 0.1);

sub worker_pids {
    return split /\n/, $cluster->query('company', q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL opsadmin.run_jobs%' AND state <> 'idle'});
}

# Name, number of workers, how many chunks are done before, what is done to the first worker, what its client sees.
my $killed = qr/server closed the connection unexpectedly|connection to server was lost/;
my @rounds = (
    ['SIGKILL at the beginning', 1, 1, sub { kill 'KILL', $_[0] }, $killed],
    ['SIGKILL in the middle',    1, 8, sub { kill 'KILL', $_[0] }, $killed],
    ['SIGKILL of one of two',    2, 9, sub { kill 'KILL', $_[0] }, $killed],
    ['SIGKILL near the end',     1, 16, sub { kill 'KILL', $_[0] }, $killed],
    ['pg_terminate_backend',     2, 6, sub { $cluster->query('company', "SELECT pg_terminate_backend($_[0])") }, qr/terminating connection due to administrator command/],
    ['pg_cancel_backend',        1, 6, sub { $cluster->query('company', "SELECT pg_cancel_backend($_[0])") }, qr/canceling statement due to user request/],
);
for my $round (@rounds) {
    my ($name, $workers, $progress, $act, $expected) = @$round;
    my $crash = $expected == $killed;
    my $job = BulkJob::start($cluster, 'company');
    # A second worker that comes while the first one plans the job finds nothing to do and returns.
    my @workers = $cluster->session('company')->send('CALL opsadmin.run_jobs()');
    BulkJob::wait_for_chunks($cluster, 'company', $job, 1);
    push @workers, $cluster->session('company')->send('CALL opsadmin.run_jobs()') if $workers > 1;
    my $done = BulkJob::wait_for_chunks($cluster, 'company', $job, $progress);
    my @pids = worker_pids();
    is(scalar @pids, $workers, "$name: $workers running, $done chunks done");
    $act->($pids[0]);
    $_->wait for @workers;
    like(join('', map { $_->error } @workers), $expected, "$name: its client is told");
    $_->quit for @workers;
    $cluster->wait_for('company', 'SELECT true');

    my $processed = BulkJob::is_consistent($cluster, 'company', $job, $name);
    if ($workers == 1 || $crash) {
        # A crash may take the last chunks back with their rows: they do not wait for the disk.
        ok($processed >= ($crash ? 0 : 2000 * $done) && $processed % 2000 == 0 && $processed < $BulkJob::rows, "$name: some of it is done, some not");
    } else {
        is($processed, $BulkJob::rows, "$name: the other worker did the rest");
    }
    $cluster->query('company', 'CALL opsadmin.run_jobs()');
    BulkJob::is_done_exactly_once($cluster, 'company', $job, $name);
}

# While it plans: the job is planned anew by the next worker.
my $job = BulkJob::start($cluster, 'company');
my $shop = $cluster->session('company');
$shop->query('BEGIN; LOCK TABLE item');
my $worker = $cluster->session('company')->send('CALL opsadmin.run_jobs()');
$cluster->wait_for('company', q{SELECT wait_event_type FROM pg_stat_activity WHERE query LIKE 'CALL opsadmin.run_jobs%' AND state <> 'idle'}, 'Lock');
kill 'KILL', worker_pids();
$worker->wait;
like($worker->error, $killed, 'SIGKILL while planning: its client is told');
$_->quit for $worker, $shop;
$cluster->wait_for('company', "SELECT state, (SELECT count(*) FROM opsadmin.job_chunk c WHERE c.job_id = j.id) FROM opsadmin.job j WHERE id = $job", 'PENDING|0');
$cluster->query('company', 'CALL opsadmin.run_jobs()');
BulkJob::is_done_exactly_once($cluster, 'company', $job, 'SIGKILL while planning');

unlike($cluster->log, qr/PANIC|signal 11|signal 6/, 'no process died by itself');

done_testing;
