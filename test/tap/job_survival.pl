# A job whose action, table, actor or rows change while it runs, that meets time-outs, bad rows and throttles, that shares
# its table with other workers and the queue with a hundred others: what it did is the whole of what it must do.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => [@BulkJob::place_settings, 'max_wal_size = 4GB'])->start;
$cluster->create_database('shop');
BulkJob::prepare_places($cluster, 'shop');

sub progress { $cluster->query('shop', "SELECT state, total, processed, changed, skipped, failed FROM opsadmin.bulk_job WHERE id = $_[0]") }
sub run_jobs { $cluster->query('shop', 'CALL opsadmin.run_jobs()') }

# Runs the queue off with so many workers at once, and tests that none of them failed.
sub run_workers {
    my ($name, $number, $setting) = @_;
    my @workers = map { $cluster->session('shop') } 1 .. $number;
    $_->query($setting) for grep { $setting } @workers;
    $_->send('CALL opsadmin.run_jobs()') for @workers;
    $_->wait for @workers;
    is(join('', map { $_->error } @workers), '', "$name: the workers return");
    $_->quit for @workers;
    return;
}

# --- What a job works with changes ------------------------------------------------------------------

# Does five chunks of a job, then the change, then the rest, in one session, which has its plans cached. With a repair the
# job must have failed, with the error; after it the job is done by trying again.
sub changes_in_the_middle {
    my ($name, $change, $error, $repair) = @_;
    my $job = BulkJob::start_planned($cluster, 'shop');
    my $worker = $cluster->session('shop');
    $worker->query('SELECT opsadmin_private.run_next_step(); ' x 5);
    $cluster->query('shop', $change);
    $worker->query('CALL opsadmin.run_jobs()');
    is($worker->error, '', "$name: the worker goes on");
    if (defined $error) {
        like($cluster->query('shop', "SELECT state || ': ' || error FROM opsadmin.bulk_job WHERE id = $job"), qr/^FAILED: $error/, "$name: the job fails, and says why");
        $cluster->query('shop', $repair);
        is(BulkJob::is_agreed($cluster, 'shop', $job, $name), 500, "$name: what was done stays");
        $cluster->query('shop', "SELECT opsadmin.retry_job($job)");
        $worker->query('CALL opsadmin.run_jobs()');
    }
    $worker->quit;
    BulkJob::is_done($cluster, 'shop', $job, $name);
    return;
}

changes_in_the_middle('action dropped', q{SELECT opsadmin.drop_action('lower')});
$cluster->query('shop', q{SELECT opsadmin.define_action('lower', 'item', 'price = price - params.amount, touched = touched + 1', '[{"name":"amount","type":"integer","default":1}]')});
changes_in_the_middle('column added', 'ALTER TABLE item ADD COLUMN note text NOT NULL DEFAULT \'new\'; ALTER TABLE item_before ADD COLUMN note text NOT NULL DEFAULT \'new\'');
changes_in_the_middle('column dropped', 'ALTER TABLE item DROP COLUMN note; ALTER TABLE item_before DROP COLUMN note');
changes_in_the_middle('type changed', 'ALTER TABLE item ALTER COLUMN price TYPE numeric(12,2)');
changes_in_the_middle('key column of another type', 'ALTER TABLE item ALTER COLUMN id TYPE integer');
changes_in_the_middle('column renamed', 'ALTER TABLE item RENAME COLUMN price TO cost', 'column ".*price" .*does not exist', 'ALTER TABLE item RENAME COLUMN cost TO price');
changes_in_the_middle('actor disabled', 'UPDATE opsadmin.actor SET disabled_at = now()', 'the actor does not exist any more, or is disabled', 'UPDATE opsadmin.actor SET disabled_at = NULL');
changes_in_the_middle('role revoked', q{SELECT opsadmin.revoke_role('ops@example.com', 'ops')}, 'permission "lower:run" is required', q{SELECT opsadmin.grant_role('ops@example.com', 'ops')});

# The migration waits for the chunk that a worker is in the middle of.
my $job = BulkJob::start_planned($cluster, 'shop');
my $gate = BulkJob::stop_at($cluster, 'shop', [1, 777]);
my $worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
BulkJob::wait_at_places($cluster, 'shop');
my $migration = $cluster->session('shop')->send('ALTER TABLE item ALTER COLUMN touched TYPE bigint');
$cluster->wait_for('shop', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE item%' AND wait_event_type = 'Lock'}, 1);
$gate->quit;
$_->wait, is($_->error, '', 'a migration that waits for a chunk'), $_->quit for $migration, $worker;
BulkJob::is_done($cluster, 'shop', $job, 'migrated behind a chunk');

# A table that is dropped, and one that is queued behind it.
$cluster->query('shop', 'CREATE TABLE doomed (id bigint PRIMARY KEY, touched int NOT NULL DEFAULT 0); INSERT INTO doomed SELECT n FROM generate_series(1, 1000) AS n');
$job = $cluster->query('shop', q{SELECT opsadmin.bulk_update('doomed', 'touched = touched + 1')});
$cluster->query('shop', 'SELECT opsadmin_private.run_next_step(); ' x 3 . 'DROP TABLE doomed');
my $other = BulkJob::start_planned($cluster, 'shop');
run_jobs();
is($cluster->query('shop', "SELECT state, changed, error FROM opsadmin.bulk_job WHERE id = $job"), 'FAILED|200|table "public.doomed" was dropped', 'a table that is dropped fails its job');
BulkJob::is_done($cluster, 'shop', $other, 'and no other');

done_testing;
