# PgBouncer in transaction mode: the requests of two tenants share one server connection, and none ever sees
# what another one's context shows.
# topic: isolation
use strict;
use warnings;
use IPC::Run ();
use Test::More;
use OpsadminCluster;

my $cluster = OpsadminCluster->new->start;
my $port = 6432;
my $dir = $cluster->host;

$cluster->create_database('company');
$cluster->query('company', <<'SQL');
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE INDEX ON item (tenant_id);
INSERT INTO item SELECT n, 1 + n % 2 FROM generate_series(1, 100) AS n;
SELECT opsadmin.create_tenant('acme', 'Acme'), opsadmin.create_tenant('globex', 'Globex'), opsadmin.protect('item');
SQL
my %tenants = (acme => 1, globex => 2);
my %tokens;
for my $slug (sort keys %tenants) {
    my ($invitation) = $cluster->query('company', "SELECT opsadmin.create_actor('$slug\@example.com', '$slug')") =~ /#(.*)/;
    $cluster->query('company', "SELECT opsadmin.accept_invitation('$invitation', 'long enough'), opsadmin.grant_role('$slug\@example.com', 'partner_admin', '$slug')");
    $tokens{$slug} = $cluster->query('company', "SELECT session_token FROM opsadmin.sign_in('$slug\@example.com', 'long enough')", user => 'opsadmin_partner_login');
}

open(my $file, '>', "$dir/users") or die $!;
print $file qq("opsadmin_partner_login" ""\n);
close $file;
open($file, '>', "$dir/pgbouncer.ini") or die $!;
print $file <<"INI";
[databases]
company = host=$dir port=5432
[pgbouncer]
unix_socket_dir = $dir
listen_port = $port
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 1
INI
close $file;
my $log = '';
# PgBouncer does not run as root.
my $bouncer = IPC::Run::start([$> ? () : (qw(runuser -u postgres --)), 'pgbouncer', '-q', "$dir/pgbouncer.ini"], '<', \undef, '>&', \$log);
END { local $?; $bouncer->kill_kill(grace => 5) if $bouncer }
for (1 .. 100) {
    last if -S "$dir/.s.PGSQL.$port";
    select(undef, undef, undef, 0.1);
}
ok(-S "$dir/.s.PGSQL.$port", 'PgBouncer listens');

sub client { return $cluster->session('company', user => 'opsadmin_partner_login', port => $port) }

# A request as the gateway makes it; its answer begins with the tenants of the rows that it saw.
sub request {
    my ($slug, $end) = @_;
    return "BEGIN; SELECT FROM opsadmin.begin_request('$tokens{$slug}');\n"
        . "SELECT string_agg(DISTINCT tenant_id::text, ','), count(*), opsadmin.current_tenant(), pg_backend_pid() FROM item; $end;";
}

# --- In turn -----------------------------------------------------------------------------------------

my %clients = map { $_ => client() } keys %tenants;
my @endings = ('COMMIT', 'ROLLBACK', 'SAVEPOINT s; SELECT 1 / 0; ROLLBACK TO s; COMMIT', 'SELECT 1 / 0; COMMIT', 'SET LOCAL ROLE opsadmin_partner; COMMIT');
my ($wrong, $open, %pids) = (0, 0);
for my $number (1 .. 200) {
    # Now in turn, now some of one tenant behind one another.
    my $slug = $number % 7 < 4 ? (sort keys %tenants)[$number % 2] : 'acme';
    my $id = $tenants{$slug};
    my $answer = $clients{$slug}->query(request($slug, $endings[$number % @endings]));
    my ($pid) = $answer =~ /^$id\|50\|$id\|(\d+)$/m;
    $pid ? $pids{$pid}++ : $wrong++ || diag("request $number of $slug: $answer " . $clients{$slug}->error);
    # What comes next on the connection, from the other client, has no context.
    my ($other) = grep { $_ ne $slug } keys %tenants;
    my $without = $clients{$other}->query('SELECT count(*) FROM item');
    $open++ if $without ne '' || $clients{$other}->error !~ /no context is bound/;
}
is($wrong, 0, 'each of 200 requests saw the rows of its own tenant, all of them and no others');
is($open, 0, 'after each the context was gone');
is(scalar keys %pids, 1, 'all of them on one server connection');

# A client that goes away in the middle of a request leaves nothing behind.
my $leaver = client();
$leaver->query("BEGIN; SELECT FROM opsadmin.begin_request('$tokens{acme}')");
$leaver->quit;
$clients{globex}->query('SELECT count(*) FROM item');
like($clients{globex}->error, qr/no context is bound/, 'nor does a client that left in the middle of its request leave its context');
$_->quit for values %clients;

# --- At the same time --------------------------------------------------------------------------------

my @crowd = map { { slug => $_ % 2 ? 'acme' : 'globex', session => client() } } 1 .. 6;
$_->{session}->send(request($_->{slug}, 'COMMIT') x 50) for @crowd;
$wrong = 0;
for my $client (@crowd) {
    my $id = $tenants{ $client->{slug} };
    my @answers = split /\n/, $client->{session}->wait;
    $wrong++ if @answers != 50 || grep { !/^$id\|50\|$id\|/ } @answers;
    diag($client->{session}->error) if $client->{session}->error;
    $client->{session}->quit;
}
is($wrong, 0, 'six clients with 50 requests each at the same time: the same');

done_testing;
