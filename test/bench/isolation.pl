# What isolation costs, in CPU of the backend, rounds interleaved, medians: queries of a partner under row-level
# security against the same SQL of a superuser with an explicit tenant; internal queries likewise; binding a context against
# an empty transaction; and the hooks on a session of no site, against a server without the library.
use strict;
use warnings;
STDOUT->autoflush(1);
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url decode_base64url);
use OpsadminBench;
use OpsadminCluster;

my $rounds = $ENV{BENCH_ROUNDS} // 5;
my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 2GB', 'autovacuum = off', 'work_mem = 64MB', 'jit = off', 'max_parallel_workers_per_gather = 0', 'max_wal_size = 8GB'])->start;
$cluster->create_database('bench', 'operated-shop', $ENV{BENCH_SCALE} // 20);
# The floor is the superuser's: the same tables, past the policies.
$cluster->query('bench', 'VACUUM ANALYZE', timeout => 3600);
my ($big, $small) = split /\n/, $cluster->query('bench', q{(SELECT tenant_id FROM orders."order" GROUP BY 1 ORDER BY count(*) DESC LIMIT 1) UNION ALL (SELECT tenant_id FROM orders."order" GROUP BY 1 ORDER BY count(*) LIMIT 1)});
my %slug = map { split /\|/ } split /\n/, $cluster->query('bench', 'SELECT id, slug FROM opsadmin.tenant');

my %queries = (
    'page of 50 by key' => [400, 'SELECT * FROM %o %w ORDER BY o.tenant_id, o.id LIMIT 50'],
    'count' => [10, 'SELECT count(*) FROM %o %w'],
    'sum' => [10, 'SELECT sum(o.amount) FROM %o %w'],
    'join of three' => [5, 'SELECT p.category_id, sum(i.quantity * i.unit_price) FROM %o JOIN %i ON i.tenant_id = o.tenant_id AND i.order_id = o.id'
        . ' JOIN %p ON p.tenant_id = i.tenant_id AND p.id = i.product_id %w %a o.id < 200000 GROUP BY 1'],
);

my %names = ('%o' => 'orders."order" o', '%i' => 'orders.order_item i', '%p' => 'shop.product p');

sub sql {
    my ($query, $tenant) = @_;
    $query =~ s/(%[oip])/$names{$1}/g;
    $query =~ s/%w/$tenant ? "WHERE o.tenant_id = $tenant" : ''/e;
    $query =~ s/%a/$tenant ? 'AND' : 'WHERE'/e;
    return $query;
}

my $session = $cluster->session('bench');
my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
sub cpu_of {
    my ($sql, $times) = @_;
    $session->query($sql);  # once, so that caches are warm
    my $before = cpu_seconds($pid);
    $session->query("$sql;\n" x $times);
    die $session->error if $session->error =~ /ERROR/;
    return cpu_seconds($pid) - $before;
}

for my $size (['small tenant', $small], ['biggest tenant', $big]) {
    my ($name, $tenant) = @$size;
    for my $query (sort keys %queries) {
        my ($times, $text) = @{ $queries{$query} };
        $times *= 20 if $tenant == $small && $query ne 'page of 50 by key';
        my %cpu;
        for my $round (1 .. $rounds) {
            for my $variant ($round % 2 ? qw(floor partner) : qw(partner floor)) {
                $session->query($variant eq 'floor' ? 'BEGIN' : "BEGIN; SELECT FROM opsadmin.begin_as(tenant => '$slug{$tenant}')");
                push @{ $cpu{$variant} }, cpu_of(sql($text, $variant eq 'floor' ? $tenant : 0), $times);
                $session->query('COMMIT');
            }
        }
        print "$query, $name\n";
        report('floor', %cpu);
    }
}
for my $query (sort keys %queries) {
    my ($times, $text) = @{ $queries{$query} };
    $times = 2 if $query =~ /count|sum/;
    my %cpu;
    for my $round (1 .. $rounds) {
        for my $variant ($round % 2 ? qw(floor internal) : qw(internal floor)) {
            $session->query($variant eq 'floor' ? 'BEGIN' : "BEGIN; SELECT FROM opsadmin.begin_as('ops\@example.com')");
            push @{ $cpu{$variant} }, cpu_of(sql($text, 0), $times);
            $session->query('COMMIT');
        }
    }
    print "$query, internal over all tenants\n";
    report('floor', %cpu);
}
$session->quit;

# --- Binding a context --------------------------------------------------------------------------------

my ($kid, $secret) = split /\|/, $cluster->query('bench', 'SELECT * FROM opsadmin.ticket_key()');
sub ticket {
    my ($number) = @_;
    my $now = time;
    my $signed = join '.', map { encode_base64url($_) } qq({"alg":"HS256","kid":"$kid"}),
        qq({"aud":"opsadmin:partner","db":"bench","iat":$now,"exp":@{[$now + 60]},"jti":"bench-ticket-$now-$number","tenant":"$slug{$small}","name":"Bench"});
    return $signed . '.' . encode_base64url(hmac_sha256($signed, decode_base64url($secret)));
}
my ($outcome, $token) = split /\|/, $cluster->query('bench', "SELECT outcome, session_token FROM opsadmin.sign_in('partner\@example.com', '$ENV{OPSADMIN_PASSWORD}')", user => 'opsadmin_partner_login');
die "signing in: $outcome\n" unless $outcome eq 'ok';

my $login = $cluster->session('bench', user => 'opsadmin_partner_login');
my ($login_pid) = $login->query('SELECT pg_backend_pid()') =~ /(\d+)/;
my $transactions = 2000;
my %bind = (
    'empty transaction' => sub { 'SELECT 1' },
    'begin_request()' => sub { "SELECT opsadmin.begin_request('$token')" },
    'begin_with_ticket()' => sub { "SELECT opsadmin.begin_with_ticket('" . ticket($_[0]) . "')" },
);
my (%cpu, $number);
for my $round (1 .. $rounds) {
    for my $variant (sort { $round % 2 ? $a cmp $b : $b cmp $a } keys %bind) {
        my $text = join '', map { "BEGIN; " . $bind{$variant}->(++$number) . "; COMMIT;\n" } 1 .. $transactions;
        my $before = cpu_seconds($login_pid);
        $login->query($text);
        push @{ $cpu{$variant} }, cpu_seconds($login_pid) - $before;
        die $login->error if $login->error =~ /ERROR/;
    }
}
$login->quit;
print "$transactions transactions (an empty one has SELECT 1 in it)\n";
report('empty transaction', %cpu);
my %median = map { my @sorted = sort { $a <=> $b } @{ $cpu{$_} }; $_ => $sorted[$#sorted / 2] } keys %cpu;
printf "%-26s %8.1f µs over an empty transaction\n", $_, ($median{$_} - $median{'empty transaction'}) / $transactions * 1e6 for grep { !/empty/ } sort keys %median;

# --- The hooks on a session that is of no site ---------------------------------------------------------

my $bare = OpsadminCluster->new(settings => [q{shared_preload_libraries = ''}, 'shared_buffers = 256MB', 'autovacuum = off'])->start;
my $loaded = OpsadminCluster->new(settings => [q{shared_preload_libraries = 'opsadmin'}, 'shared_buffers = 256MB', 'autovacuum = off'])->start;
for my $server ($bare, $loaded) {
    $server->query('postgres', 'CREATE ROLE app LOGIN; CREATE TABLE item AS SELECT n AS id, n AS tenant_id, repeat($$x$$, 100) AS name FROM generate_series(1, 100000) AS n; ALTER TABLE item ADD PRIMARY KEY (id); GRANT SELECT ON item TO app');
    $server->query('postgres', 'VACUUM ANALYZE item');
}
%cpu = ();
my %sessions = ('without the library' => $bare->session('postgres', user => 'app'), 'with its hooks' => $loaded->session('postgres', user => 'app'));
my %pids;
for my $variant (keys %sessions) {
    ($pids{$variant}) = $sessions{$variant}->query('SELECT pg_backend_pid()') =~ /(\d+)/;
    $sessions{$variant}->query('PREPARE one(int) AS SELECT * FROM item WHERE id = $1');
}
my $selects = q{SELECT format('EXECUTE one(%s)', 1 + n * 7919 % 100000) FROM generate_series(1, 5000) AS n \gexec};
for my $round (0 .. 4 * $rounds) {
    for my $variant (sort { $round % 2 ? $a cmp $b : $b cmp $a } keys %sessions) {
        my $before = cpu_seconds($pids{$variant});
        $sessions{$variant}->query($selects);
        push @{ $cpu{$variant} }, cpu_seconds($pids{$variant}) - $before if $round;
    }
}
$_->quit for values %sessions;
print "5,000 prepared SELECTs of one row by key\n";
report('without the library', %cpu);
