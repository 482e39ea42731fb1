# A job whose table's disk is full: it waits and says so, keeps what it has done, and goes on by itself when there is
# room. The disk is a small tmpfs with a tablespace, in a mount namespace of this test's own.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use OpsadminCluster;
use BulkJob;

plan skip_all => 'mounting a tmpfs is not allowed here' if system('unshare --mount mount -t tmpfs tmpfs /mnt 2>/dev/null') != 0;
# Whatever is mounted goes with the last process of the test.
exec 'unshare', '--mount', $^X, (map { "-I$_" } @INC), $0 or die "unshare: $!" unless $ENV{OPSADMIN_TEST_UNSHARED}++;

my $cluster = OpsadminCluster->new(settings => \@BulkJob::place_settings)->start;
my $disk = $cluster->host . '/disk';
mkdir $disk or die "$disk: $!";
system('mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', $disk) == 0 or die 'mount';
mkdir "$disk/tablespace" or die "$disk/tablespace: $!";
system('chown', '-R', 'postgres:', $disk) == 0 or die 'chown';
$cluster->restart;

$cluster->create_database('shop');
BulkJob::prepare_places($cluster, 'shop');
$cluster->query('shop', 'DROP TRIGGER place_2 ON item; DROP TRIGGER place_4 ON opsadmin.job');
$cluster->query('shop', $_) for "CREATE TABLESPACE small LOCATION '$disk/tablespace'", 'ALTER TABLE item SET TABLESPACE small', 'ALTER INDEX item_pkey SET TABLESPACE small', 'CHECKPOINT';

sub fill_disk {
    open my $file, '>', "$disk/filler" or die $!;
    while (defined syswrite $file, 'x' x 4096) { }
    ok($!{ENOSPC}, 'the disk is full');
    close $file;
    return;
}

# An old snapshot keeps the job from using the space of the rows that it has replaced.
my $reader = $cluster->session('shop');
$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
my $job = BulkJob::start_planned($cluster, 'shop');
my $gate = BulkJob::stop_at($cluster, 'shop', [1, 777]);
my $worker = $cluster->session('shop')->send('CALL opsadmin.run_jobs()');
BulkJob::wait_at_places($cluster, 'shop');
fill_disk();
$gate->quit;
$cluster->wait_for('shop', "SELECT wait_reason LIKE 'could not extend file%No space left on device' FROM opsadmin.bulk_job WHERE id = $job", 't');
is($cluster->query('shop', "SELECT state FROM opsadmin.bulk_job WHERE id = $job"), 'RUNNING', 'the job waits for room');
my $changed = BulkJob::is_agreed($cluster, 'shop', $job, 'the disk is full');
ok($changed >= 700 && $changed < $BulkJob::place_rows, "what was done stays ($changed rows)");
unlink "$disk/filler" or die $!;
$worker->wait;
is($worker->error, '', 'the worker goes on by itself');
BulkJob::is_done($cluster, 'shop', $job, 'there is room again');
is($cluster->query('shop', "SELECT wait_reason IS NULL FROM opsadmin.bulk_job WHERE id = $job"), 't', 'it waits for nothing any more');

# Full when a job begins, and a crash meanwhile.
$reader->query('COMMIT');
$cluster->query('shop', 'VACUUM FULL item');
$job = BulkJob::start_planned($cluster, 'shop');
$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
fill_disk();
$worker->send('CALL opsadmin.run_jobs()');
$cluster->wait_for('shop', "SELECT coalesce(wait_reason, '') LIKE '%No space left on device' FROM opsadmin.bulk_job WHERE id = $job", 't');
# PostgreSQL itself does not recover before there is room.
$cluster->stop('immediate');
$_->quit for $worker, $reader;
unlink "$disk/filler" or die $!;
$cluster->start;
BulkJob::is_agreed($cluster, 'shop', $job, 'a crash while the disk is full');
$cluster->query('shop', 'CALL opsadmin.run_jobs()');
BulkJob::is_done($cluster, 'shop', $job, 'a crash while the disk is full');

done_testing();
