# A worker is killed at named places of a job, at rows and chunks that chance picks: before a row is changed, after the
# rows were changed, before and after the commit of a chunk and of the job's end.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => \@BulkJob::place_settings)->start;
$cluster->create_database('shop');
BulkJob::prepare_places($cluster, 'shop');
BulkJob::seed();
$cluster->query('shop', 'CREATE TABLE commits (at timestamptz DEFAULT now())');

# Sends a worker to a place and kills it there. Its last commits may go with it: they do not wait for the disk.
sub kill_at {
    my ($name, $place, $number, $most) = @_;
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $gate = BulkJob::stop_at($cluster, 'shop', [$place, $number // $job]);
    my $worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
    kill 'KILL', BulkJob::wait_at_places($cluster, 'shop');
    BulkJob::survives($cluster, 'shop', $job, "SIGKILL $name", 0, $most, $worker, $gate);
    return;
}

# The last commit is on disk, but waits for a standby that never comes: the worker does not know that the job is done.
sub kill_after_the_end {
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $gate = BulkJob::stop_at($cluster, 'shop', [4, $job]);
    my $worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
    BulkJob::wait_at_places($cluster, 'shop');
    $cluster->query('shop', $_) for "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", 'SELECT pg_reload_conf()';
    # Commits wait for standbys as soon as the checkpointer has read the settings: somebody commits until it has.
    my $probe = $cluster->session('shop')->send('DO $$ BEGIN LOOP INSERT INTO commits DEFAULT VALUES; COMMIT; END LOOP; END $$');
    my $waiting = q{FROM pg_stat_activity WHERE wait_event = 'SyncRep'};
    $cluster->wait_for('shop', "SELECT count(*) $waiting", 1);
    $gate->quit;
    $cluster->wait_for('shop', "SELECT count(*) $waiting AND query ~ 'run_jobs'", 1);
    kill 'KILL', $cluster->query('shop', "SELECT pid $waiting AND query ~ 'run_jobs'");
    $worker->wait;
    $cluster->wait_for('shop', 'SELECT true');
    $cluster->query('shop', $_) for 'ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()';
    $cluster->wait_for('shop', 'SHOW synchronous_standby_names', '');
    BulkJob::survives($cluster, 'shop', $job, 'SIGKILL after the commit of the end', $BulkJob::place_rows, $BulkJob::place_rows, $worker, $probe);
    return;
}

for (1 .. BulkJob::repetitions()) {
    my ($row, $chunk) = BulkJob::any_row();
    kill_at("before row $row is changed", 1, $row, 100 * ($chunk - 1));
    ($row, $chunk) = BulkJob::any_row();
    kill_at("after the rows with row $row were changed", 2, $row, 100 * ($chunk - 1));
    ($row, $chunk) = BulkJob::any_row();
    kill_at("before the commit of chunk $chunk", 3, $chunk, 100 * ($chunk - 1));
    $chunk = 1 + int rand 19;
    kill_at("after the commit of chunk $chunk", 1, $chunk * 100 + 1, 100 * $chunk);
    kill_at('before the commit of the end', 4, undef, $BulkJob::place_rows);
    kill_after_the_end();
}
unlike($cluster->log, qr/PANIC|signal 11|signal 6/, 'no process died by itself');

done_testing;
