# PgBouncer in transaction mode: the requests of two tenants share one server connection, and none ever sees
# what another one's context shows.
# topic: isolation
use strict;
use warnings;
use IPC::Run ();
use Test::More;
use OpsadminCluster;
use Ticket;

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

# --- With kills ---------------------------------------------------------------------------------------

# A thousand requests of two tenants in turn, with sessions and with tickets; now and then a client is killed in
# the middle of one, or the server connection is. Each answer is the tenant's own or an error.
my $seed = $ENV{OPSADMIN_TEST_SEED} // time;
note "OPSADMIN_TEST_SEED=$seed";
srand $seed;
my $key = Ticket::key($cluster, 'company');
my $terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'opsadmin_partner_login'";
my $admin = $cluster->session('company');
%clients = map { $_ => client() } keys %tenants;
my %count = map { $_ => 0 } qw(answered failed tickets client server foreign silent kept);
%pids = ();

sub replace {
    my ($slug) = @_;
    $clients{$slug}->quit;
    $clients{$slug} = client();
}

for my $number (1 .. 1000) {
    my $slug = (sort keys %tenants)[rand 2];
    my $id = $tenants{$slug};
    my $client = $clients{$slug};
    my $bind = "begin_request('$tokens{$slug}')";
    if (rand() < 0.3) {
        $bind = sprintf "begin_with_ticket('%s')", Ticket::mint($key, 'company', tenant => $slug);
        $count{tickets}++;
    }
    my $begin = "BEGIN; SELECT FROM opsadmin.$bind;";
    my $read = "SELECT string_agg(DISTINCT tenant_id::text, ','), count(*), opsadmin.current_tenant(), pg_backend_pid() FROM item;";
    my ($chance, $answer) = (rand, '');
    if ($chance < 0.04) {
        # The client dies in the middle of its request.
        $client->query("$begin $read");
        $client->{psql}->signal('KILL');
        $count{client}++;
        replace($slug);
        next;
    } elsif ($chance < 0.08) {
        # The server connection dies in the middle of a request, at a moment that is known,
        $answer = $client->query("$begin $read");
        $admin->query($terminate);
        $answer .= "\n" . $client->query("$read COMMIT;");
        $count{server}++;
    } elsif ($chance < 0.12) {
        # or at any moment.
        $client->send("$begin $read COMMIT;");
        $admin->query($terminate);
        $answer = $client->wait;
        $count{server}++;
    } else {
        $answer = $client->query("$begin $read COMMIT;");
    }
    my @lines = grep { /\S/ } split /\n/, $answer;
    my ($own, $error) = (scalar(grep { /^$id\|50\|$id\|\d+$/ } @lines), $client->error);
    $count{foreign}++, diag("request $number of $slug: $answer") if $own != @lines;
    $count{silent}++, diag("request $number of $slug: neither an answer nor an error") if !$own && $error eq '';
    $count{ $own && $error eq '' ? 'answered' : 'failed' }++;
    $pids{$_}++ for map { /\|(\d+)$/ } @lines;
    # A client whose connection is gone is of no more use.
    replace($slug) if $error ne '';
    if ($number % 10 == 0) {
        # What comes next on the connection has no context.
        my $without = $clients{$slug}->query('SELECT count(*) FROM item');
        $count{kept}++, diag("after request $number: $without") if $without ne '' || $clients{$slug}->error eq '';
        replace($slug) if $clients{$slug}->error !~ /no context is bound/;
    }
}
$_->quit for values %clients, $admin;
note join(', ', map { "$_ $count{$_}" } sort keys %count), ', server connections ', scalar keys %pids;
is("@count{qw(foreign silent kept)}", '0 0 0', 'of 1,000 requests with kills each got its own rows or an error, and left no context');
ok($count{client} > 10 && $count{server} > 20 && $count{tickets} > 200 && keys %pids > 10, 'clients and server connections were killed, and tickets used');
cmp_ok($count{answered}, '>', 800, 'most were answered');
unlike($cluster->log, qr/PANIC|terminated by signal/, 'no process crashed');

done_testing;
