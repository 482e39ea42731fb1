# Workers that pg_cron starts: schedule() waits for a real one and says what is wrong when none comes; jobs
# and KPIs are done without anybody calling, also after the kill of a worker. Waits for full minutes.
# topic: jobs
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Test::More;
use Time::HiRes qw(time);
use OpsadminCluster;
use BulkJob;

my $cluster = OpsadminCluster->new(settings => \@BulkJob::settings)->start;
my $refusing = OpsadminCluster->new->start;
my $bare = OpsadminCluster->new(settings => ["shared_preload_libraries = 'opsadmin'"])->start;

sub fails_with {
    my ($place, $database, $sql, $name, @patterns) = @_;
    my ($status, undef, $err) = $place->psql($database, "\\set VERBOSITY verbose\n$sql");
    my @missing = grep { $err !~ $_ } @patterns;
    ok($status && !@missing, $name) or diag("got: $err\nwanted: @missing");
    return;
}

# --- schedule() in vain, and with success -------------------------------------------------------------

# A server whose pg_hba.conf does not let the worker in. Its schedule() waits for the next minute and a little longer.
$refusing->create_database('shop')->query('shop', 'CREATE EXTENSION pg_cron');
my $hba = $refusing->host . '/data/pg_hba.conf';
open(my $file, '+<', $hba) or die "$hba: $!";
my @lines = <$file>;
seek($file, 0, 0);
print $file "local all opsadmin_worker reject\n", @lines;
close $file;
$refusing->query('postgres', 'SELECT pg_reload_conf()');
my $refused = $refusing->session('shop');
$refused->send("\\set VERBOSITY verbose\nCALL opsadmin.schedule(1, make_interval(secs => 64 - extract(second FROM clock_timestamp())))");

$cluster->create_database('shop');
fails_with($cluster, 'shop', 'CALL opsadmin.schedule()', 'without the extension pg_cron', qr/OA440/, qr/HINT:  CREATE EXTENSION pg_cron;/);
$cluster->query('shop', 'CREATE EXTENSION pg_cron');
BulkJob::prepare($cluster, 'shop', 0.2);
$cluster->query('shop', <<'SQL');
CREATE TABLE visit (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON visit (tenant_id);
SELECT opsadmin.protect('visit'), opsadmin.define_kpi('visits', 'visit', 'at'), opsadmin.refresh_kpi();
INSERT INTO visit VALUES (1, 1), (2, 1), (3, 2);
SQL
my $computed_at = $cluster->query('shop', 'SELECT max(computed_at) FROM opsadmin.daily_kpi');
fails_with($cluster, 'shop', "CALL opsadmin.schedule($_)", "schedule($_)", qr/OA420/) for '0', '33', 'NULL';
like($cluster->query('shop', 'SELECT problem, remedy FROM opsadmin.health()'), qr/no worker is scheduled\|CALL opsadmin.schedule\(\);/, 'health() says that nothing is scheduled');

my $began = time;
my $schedule = $cluster->session('shop')->send('CALL opsadmin.schedule(2)');

$cluster->create_database('elsewhere');
fails_with($cluster, 'elsewhere', 'CALL opsadmin.schedule()', 'in another database than pg_cron\'s',
    qr/OA441: pg_cron runs in database "shop"/, qr/HINT:  ALTER SYSTEM SET cron.database_name = 'elsewhere';/);
$bare->create_database($_) for qw(shop company);
for my $database (qw(shop company)) {
    fails_with($bare, $database, 'CALL opsadmin.schedule()', "pg_cron not loaded, in database $database", qr/OA440: pg_cron is not loaded/, qr/HINT:  .*shared_preload_libraries/);
}
BulkJob::prepare($bare, 'company', 0);
my $job = BulkJob::start($bare, 'company');
$bare->query('company', 'CALL opsadmin.run_jobs()');
BulkJob::is_done_exactly_once($bare, 'company', $job, 'without pg_cron, by run_jobs()');
$bare->stop;

$schedule->wait;
is($schedule->error, '', sprintf 'schedule() returns when a worker has come, after %.1f s', time - $began);
$schedule->quit;
$cluster->wait_for('shop', "SELECT count(*) = 2 FROM opsadmin.worker_run WHERE connected_at > now() - interval '1 minute'", 't', 10);
is($cluster->query('shop', 'SELECT count(*), string_agg(DISTINCT username, \',\') FROM cron.job'), '5|opsadmin_worker', 'two workers, KPIs, their verification and upkeep are scheduled');
is($cluster->query('shop', 'SELECT count(*) FROM opsadmin.health()'), 0, 'health() has nothing to say');
# As in a copy of the database in a server with another port.
is($cluster->query('shop', <<'SQL'), sprintf('schedule|pg_cron looks for this server at host "%s", port 1; it is at host "%1$s", port 5432|CALL opsadmin.schedule();', $cluster->host), 'but when pg_cron looks for the server where it is not');
BEGIN;
UPDATE cron.job SET nodeport = 1;
SELECT rule, problem, remedy FROM opsadmin.health();
ROLLBACK;
SQL

$refused->wait;
like($refused->error, qr/OA442: no worker has connected/, 'with a pg_hba.conf that refuses the worker schedule() fails in time');
like($refused->error, qr/HINT:  .*"local shop opsadmin_worker peer map=opsadmin"/, 'with the line that is missing');
like($refusing->log, qr/pg_hba.conf rejects connection for host "\[local\]", user "opsadmin_worker"/, 'the server has refused it indeed');
is($refusing->query('shop', 'SELECT count(*) FROM opsadmin.worker_run'), 0, 'no worker was there');
like($refusing->query('shop', q{SELECT problem FROM opsadmin.health()}), qr/no worker has connected yet/, 'which health() says as well');
$refused->quit;
$refusing->stop;

# --- Jobs and KPIs by themselves ----------------------------------------------------------------------

$job = BulkJob::start($cluster, 'shop');
$cluster->wait_for('shop', "SELECT state = 'DONE' FROM opsadmin.bulk_job WHERE id = $job");
my $delay = $cluster->query('shop', "SELECT extract(epoch FROM started_at - created_at) FROM opsadmin.bulk_job WHERE id = $job");
ok($delay < 5, "the job was begun after $delay s");
diag("from the request to the begin of the job: $delay s");
BulkJob::is_done_exactly_once($cluster, 'shop', $job, 'by pg_cron');
is($cluster->query('shop', "SELECT string_agg(DISTINCT db_user, ',') FROM opsadmin.audit_log WHERE job_id = $job"), 'opsadmin_worker', 'the audit log names the worker');

# The next worker comes with the next minute, also when the server was killed meanwhile.
for my $restart ($ENV{OPSADMIN_TEST_LONG} ? (0, 1) : 1) {
    $job = BulkJob::start($cluster, 'shop');
    my $done = BulkJob::wait_for_chunks($cluster, 'shop', $job, 4);
    my ($pid) = split /\n/, $cluster->query('shop', q{SELECT pid FROM pg_stat_activity WHERE usename = 'opsadmin_worker' AND query LIKE 'CALL opsadmin.run_worker%'});
    kill 'KILL', $pid;
    $cluster->wait_for('shop', 'SELECT pg_postmaster_start_time() IS NOT NULL');
    my $processed = BulkJob::is_consistent($cluster, 'shop', $job, 'after SIGKILL of a worker');
    # The last chunks may be gone with their rows: they do not wait for the disk.
    ok($processed % 2000 == 0 && $processed < $BulkJob::rows, "some of it is done, some not ($done chunks were)");
    if ($restart) {
        $cluster->kill9;
        $cluster->start;
        BulkJob::is_consistent($cluster, 'shop', $job, 'after kill -9 of the server');
    }
    $cluster->wait_for('shop', "SELECT state = 'DONE' FROM opsadmin.bulk_job WHERE id = $job", 't', 100);
    BulkJob::is_done_exactly_once($cluster, 'shop', $job, 'by the next worker');
}

$cluster->wait_for('shop', "SELECT max(computed_at) > '$computed_at' FROM opsadmin.daily_kpi", 't', 75);
is($cluster->query('shop', 'SELECT string_agg(value::text, \',\' ORDER BY tenant_id) FROM opsadmin.daily_kpi WHERE value > 0'), '2,1', 'the KPIs were refreshed');
is($cluster->query('shop', 'SELECT count(*) FROM opsadmin.health()'), 0, 'health() has nothing to say afterwards');
is($cluster->query('shop', 'SELECT opsadmin.run_maintenance()', user => 'opsadmin_worker'), 0, 'the worker may do the upkeep');
is($cluster->query('shop', 'SELECT opsadmin.unschedule(), (SELECT count(*) FROM cron.job)'), '5|5', 'unschedule() takes out the five');
is($cluster->query('shop', 'SELECT count(*) FROM cron.job'), 0, 'and none is left');

# Workers that wait for work do not hold up a shutdown.
is($cluster->query('shop', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'opsadmin_worker'}), 't', 'a worker waits for work');
$began = time;
$cluster->stop('fast');
my $seconds = time - $began;
ok($seconds < 10, "a fast shutdown ends it ($seconds s)");

# Nothing is scheduled any more.
$cluster->start;
$cluster->query('shop', 'DROP TRIGGER take_time ON item');
$job = BulkJob::start($cluster, 'shop');
is($cluster->query('shop', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'opsadmin_worker'}), 0, 'unscheduled, there are no workers');
$cluster->query('shop', 'CALL opsadmin.run_jobs()');
BulkJob::is_done_exactly_once($cluster, 'shop', $job, 'unscheduled, by run_jobs()');

done_testing;
