# Lists of 50 products through the gateway against pgbench running the same statements: CPU of the gateway
# (or pgbench) and of the backends, per 1,000 lists, rounds interleaved, medians.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use File::Temp;
use IO::Socket::INET;
use OpsadminBench;
use OpsadminCluster;

my $lists = 1000;
my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 512MB', 'autovacuum = off'])->start;
$cluster->create_database('bench', 'operated-shop', $ENV{BENCH_SCALE} // 1);
my ($outcome, $token) = split /\|/, $cluster->query('bench',
    q{SET SESSION AUTHORIZATION opsadmin_internal_login; SELECT outcome, session_token FROM opsadmin.sign_in('ops@example.com', '} . $ENV{OPSADMIN_PASSWORD} . q{')});
die "signing in: $outcome\n" unless $outcome eq 'ok';

my $port = 20000 + $$ % 20000;
my $gateway = fork // die "fork: $!";
if ($gateway == 0) {
    open STDERR, '>', '/dev/null';
    exec "$ENV{OPSADMIN_STAGE}/opsadmin-gateway", '--listen', "127.0.0.1:$port", '--dsn', "host=@{[$cluster->host]} dbname=bench", '--web', "$ENV{OPSADMIN_STAGE}/web";
}
END { kill 'TERM', $gateway if $gateway }

# One client on one kept-alive connection (a new one when the gateway ends it).
sub fetch_lists {
    my ($socket, $count) = (undef, 0);
    while ($count < $lists) {
        $socket //= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or select(undef, undef, undef, 0.05), next;
        $socket->autoflush(1);
        print $socket "GET /api/v1/admin/resources/product/rows?page_size=50 HTTP/1.1\r\nHost: localhost:$port\r\nCookie: opsadmin-admin=$token\r\n\r\n";
        my ($length, $ends, $status) = (0, 0);
        while (defined(my $line = readline $socket)) {
            $status = $1 if $line =~ m{^HTTP/1.1 (\d+)};
            $length = $1 if $line =~ /^Content-Length: (\d+)/i;
            $ends = 1 if $line =~ /^Connection: close/i;
            last if $line eq "\r\n";
        }
        undef $socket, next unless $status;
        die "the gateway answered $status\n" unless $status == 200;
        read($socket, my $body, $length);
        die "no list: $body\n" unless $body =~ /^\{"rows"/;
        $count++;
        undef $socket if $ends;
    }
}

my $script = File::Temp->new(SUFFIX => '.sql');
print $script <<"SQL";
BEGIN READ ONLY;
SELECT opsadmin.begin_request('$token', NULL, '127.0.0.1', 'GET', '/api/v1/admin/resources/product/rows', 'bench');
SELECT opsadmin.list_rows('product', NULL, NULL, NULL, NULL, 50);
COMMIT;
SQL
close $script;
chmod 0644, $script->filename;

# The CPU of all server processes; those that end give theirs to the postmaster, which waits for them.
sub server_cpu {
    open my $file, '<', $cluster->host . '/data/postmaster.pid' or die "postmaster.pid: $!";
    chomp(my $postmaster = <$file>);
    return tree_cpu_seconds($postmaster);
}

fetch_lists();
my %cpu;
for my $round (1 .. $ENV{BENCH_ROUNDS} // 5) {
    my $before = tree_cpu_seconds($gateway) + server_cpu();
    fetch_lists();
    push @{ $cpu{gateway} }, tree_cpu_seconds($gateway) + server_cpu() - $before;
    $before = server_cpu() + children_cpu_seconds();
    system("pgbench -n -h @{[$cluster->host]} -U opsadmin_internal_login -c 1 -t $lists -M prepared -f @{[$script->filename]} bench >/dev/null 2>&1") == 0
        or die "pgbench failed\n";
    push @{ $cpu{pgbench} }, server_cpu() + children_cpu_seconds() - $before;
}
report('pgbench', %cpu);
