# kill -9 of the whole server, or its shutdown, in the middle of a job: after the start the job goes on where
# it was, nothing twice.
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

my @rounds = (
    ['kill -9 at the beginning', 1, sub { $cluster->kill9 }],
    ['kill -9 in the middle',    9, sub { $cluster->kill9 }],
    ['kill -9 near the end',     16, sub { $cluster->kill9 }],
    ['immediate shutdown',       6, sub { $cluster->stop('immediate') }],
    ['fast shutdown',            6, sub { $cluster->stop('fast') }],
);
for my $round (@rounds) {
    my ($name, $progress, $act) = @$round;
    my $job = BulkJob::start($cluster, 'company');
    my $worker = $cluster->session('company')->send('CALL opsadmin.run_jobs()');
    my $done = BulkJob::wait_for_chunks($cluster, 'company', $job, $progress);
    $act->();
    $worker->quit;
    $cluster->start;
    my $processed = BulkJob::is_consistent($cluster, 'company', $job, $name);
    # The last chunks may be gone with their rows: they do not wait for the disk.
    ok($processed % 2000 == 0 && $processed < $BulkJob::rows, "$name: some of it is done, some not ($done chunks were)");
    $cluster->query('company', 'CALL opsadmin.run_jobs()');
    BulkJob::is_done_exactly_once($cluster, 'company', $job, $name);
}
unlike($cluster->log, qr/PANIC|signal 11|signal 6/, 'no process died by itself');

done_testing;
