# The start of the server: without shared_preload_libraries the module refuses to load; after kill -9 of
# everything, what was committed and the signing key are as before, and what was open is gone.
# topic: boundary
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

my $bare = OpsadminCluster->new(settings => ["shared_preload_libraries = 'pg_cron'"])->start;
my ($status, $out, $err) = $bare->psql('postgres', "\\set VERBOSITY verbose\nCREATE EXTENSION opsadmin");
is($status, 3, 'CREATE EXTENSION fails without shared_preload_libraries');
like($err, qr/ERROR:  OA003: opsadmin must be loaded through shared_preload_libraries/, 'with its own code');
like($err, qr/HINT:  Add opsadmin to shared_preload_libraries in postgresql.conf and restart/, 'and the remedy');
$bare->stop;

my $cluster = OpsadminCluster->new->start;
$cluster->create_database('company');
$cluster->query('company', "SELECT opsadmin.create_tenant('acme', 'Acme')");
my $sign = "SELECT opsadmin_private.sign('test', 'payload')";
my $signature = $cluster->query('company', $sign);
like($signature, qr/^\\x[0-9a-f]{64}$/, 'the key signs');

my $session = $cluster->session('company');
is($session->query("BEGIN; SELECT opsadmin.create_tenant('open', 'Open') > 0"), 't', 'a transaction is open');
$cluster->kill9;
$cluster->start;
$session->query('SELECT 1');
like($session->error, qr/connection to server was lost|server closed the connection/, 'its session is gone');
$session->quit;
is($cluster->query('company', 'SELECT string_agg(slug, \',\') FROM opsadmin.tenant'), 'acme',
    'after kill -9 the committed tenant is there, the open one is not');
is($cluster->query('company', $sign), $signature, 'the key is the same');
unlike($cluster->log, qr/PANIC/, 'no panic in the log');

done_testing;
