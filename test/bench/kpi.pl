# What KPIs cost, on the sample shop's orders (BENCH_SCALE 1: 300,000 of them): statements with and without the triggers that
# note late changes; a refresh of 1,000 dirty tenants' days beside one of everything; one day of all tenants beside a ranged pass
# over it; reading 14 days of five KPIs. CPU, rounds interleaved, medians.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use OpsadminBench;
use OpsadminCluster;

my $scale = $ENV{BENCH_SCALE} // 1;
my $rounds = $ENV{BENCH_ROUNDS} // 5;
my $cluster = OpsadminCluster->new(settings => ['shared_buffers = 1GB', 'autovacuum = off', 'max_wal_size = 8GB', 'checkpoint_timeout = 1h'])->start;
$cluster->create_database('bench', 'shop', $scale);
$cluster->query('bench', <<'SQL');
SET client_min_messages = error;
SELECT opsadmin.create_tenant(slug, name, time_zone, id) FROM accounts.customer;
SELECT opsadmin.protect('orders."order"', trusted_roles => '{shop_app}'), opsadmin.protect('accounts.user_account', trusted_roles => '{shop_app}'), opsadmin.protect('accounts.login_event', trusted_roles => '{shop_app}');
SELECT opsadmin.define_kpi('orders', 'orders."order"', 'created_at');
SELECT opsadmin.define_kpi('revenue', 'orders."order"', 'created_at', 'sum(amount)', 'status = ''PAID''', 'money');
SELECT opsadmin.define_kpi('buyers', 'orders."order"', 'created_at', 'count(DISTINCT user_id)');
SELECT opsadmin.define_kpi('dearest', 'orders."order"', 'created_at', 'max(amount)', unit => 'money');
SELECT opsadmin.define_kpi('refunds', 'orders."order"', 'created_at', filter => 'status = ''REFUNDED''');
SQL
$cluster->query('bench', 'CALL opsadmin.run_kpis()', timeout => 600) while $cluster->query('bench', 'SELECT count(*) FROM opsadmin.kpi_backlog WHERE not_before < now()') > 0;
$cluster->query('bench', 'VACUUM ANALYZE');
print $cluster->query('bench', q{SELECT format('%s orders of %s tenants, %s values stored', (SELECT count(*) FROM orders."order"), (SELECT count(*) FROM opsadmin.tenant), (SELECT count(*) FROM opsadmin.daily_kpi))}), "\n";

my $session = $cluster->session('bench');
my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
my ($tenant, $shop, $user) = split /\|/, $session->query('SELECT tenant_id, shop_id, user_id FROM orders."order" ORDER BY id LIMIT 1');

sub switch_triggers {
    my ($variant) = @_;
    my $verb = $variant eq 'tracked' ? 'ENABLE ALWAYS' : 'DISABLE';
    $session->query(join ';', 'SET opsadmin.guard = off', map { "ALTER TABLE orders.\"order\" $verb TRIGGER opsadmin_kpi_$_" } qw(insert update delete truncate));
}

# --- Statements: CPU of the backend ----------------------------------------------------------------------

my $insert = 'INSERT INTO orders."order" (tenant_id, shop_id, user_id, amount, status, created_at)';
my $source = "SELECT tenant_id, shop_id, user_id, 10, 'PAID'";
$session->query(<<"SQL");
PREPARE today AS $insert VALUES ($tenant, $shop, $user, 10, 'PAID', now());
PREPARE late(int) AS $insert VALUES ($tenant, $shop, $user, 10, 'PAID', now() - \$1 * interval '1 day');
PREPARE changed AS UPDATE orders."order" SET amount = amount + 1 WHERE id = (SELECT max(id) FROM orders."order");
PREPARE thousand_today AS $insert $source, clock_timestamp() FROM (SELECT * FROM orders."order" ORDER BY id LIMIT 1000) AS o;
PREPARE thousand_late AS $insert $source, now() - (2 + random() * 85) * interval '1 day' FROM (SELECT * FROM orders."order" ORDER BY id LIMIT 1000) AS o;
SQL
my @cases = (
    ['one row of today', 2000, sub { 'EXECUTE today' }],
    ['one row of today updated', 2000, sub { 'EXECUTE changed' }],
    ['one late row', 2000, sub { 'EXECUTE late(' . (2 + $_[0] % 80) . ')' }],
    ['1,000 rows of today', 20, sub { 'EXECUTE thousand_today' }],
    ['1,000 late rows', 20, sub { 'EXECUTE thousand_late' }],
);
for my $case (@cases) {
    my ($name, $count, $statement) = @$case;
    my $block = join '', map { $statement->($_) . ";\n" } 1 .. $count;
    my %cpu;
    for my $round (0 .. 3 * $rounds) {
        for my $variant ($round % 2 ? qw(plain tracked) : qw(tracked plain)) {
            switch_triggers($variant);
            $session->query($statement->(1));
            my $before = cpu_seconds($pid);
            $session->query($block);
            push @{ $cpu{$variant} }, cpu_seconds($pid) - $before if $round;
            die $session->error if $session->error =~ /ERROR/;
        }
    }
    print "$name, $count times, prepared\n";
    report('plain', %cpu);
}
switch_triggers('tracked');
$cluster->query('bench', 'CALL opsadmin.run_kpis()', timeout => 600) for 1 .. 2;
$cluster->query('bench', 'DELETE FROM orders."order" WHERE created_at > now() - interval \'10 minutes\'', timeout => 600);
$cluster->query('bench', 'CALL opsadmin.run_kpis()', timeout => 600);
$cluster->query('bench', 'VACUUM ANALYZE', timeout => 600);

# --- Refreshes -----------------------------------------------------------------------------------------

my ($first, $last) = split /\|/, $session->query(q{SELECT min(day), max(day) FROM opsadmin.daily_kpi});
my $dirty = q{INSERT INTO opsadmin.kpi_dirty SELECT s.target_id, d.tenant_id::text, opsadmin_private.day_start(d.day, t.time_zone) + interval '8 hours'
    FROM opsadmin.kpi_source s, (SELECT DISTINCT tenant_id, day FROM opsadmin.daily_kpi WHERE final) AS d JOIN opsadmin.tenant t ON t.id = d.tenant_id ORDER BY random() LIMIT 1000};
my %refresh;
for my $round (0 .. $rounds) {
    $session->query($dirty);
    for my $variant ('1,000 dirty pairs', 'everything', 'nothing but today') {
        my $before = cpu_seconds($pid);
        $session->query($variant eq 'everything' ? "SELECT opsadmin.refresh_kpi(first_day => '$first', last_day => '$last')" : 'SELECT opsadmin.refresh_kpi()');
        push @{ $refresh{$variant} }, cpu_seconds($pid) - $before if $round;
        die $session->error if $session->error =~ /ERROR/;
    }
}
print "Refreshing five KPIs\n";
report('1,000 dirty pairs', %refresh);

my $day = $session->query("SELECT DATE '$last' - 20");
my $pass = qq{SELECT tenant_id, count(*), sum(amount) FILTER (WHERE status = 'PAID'), count(DISTINCT user_id), max(amount), count(*) FILTER (WHERE status = 'REFUNDED') FROM orders."order"
    WHERE tenant_id IN (SELECT id FROM opsadmin.tenant) AND created_at >= '$day' AND created_at < DATE '$day' + 1 GROUP BY tenant_id};
my %day;
for my $round (0 .. 2 * $rounds) {
    for my $variant ('a ranged pass', 'a day of all tenants') {
        my $statement = $variant eq 'a ranged pass' ? $pass : "SELECT opsadmin.refresh_kpi(first_day => '$day', last_day => '$day')";
        my $before = cpu_seconds($pid);
        $session->query("$statement;\n" x 10);
        push @{ $day{$variant} }, cpu_seconds($pid) - $before if $round;
        die $session->error if $session->error =~ /ERROR/;
    }
}
print "One day of all tenants, 10 times\n";
report('a ranged pass', %day);

# --- Reading -------------------------------------------------------------------------------------------

my %reading;
for my $round (0 .. $rounds) {
    for my $tenant ('one tenant', 'all tenants') {
        $session->query('BEGIN; SELECT opsadmin_private.bind_actor(' . ($tenant eq 'one tenant' ? q{'partner', NULL, 1} : q{'internal', NULL, NULL}) . ", '{*}')");
        my $before = cpu_seconds($pid);
        $session->query("SELECT opsadmin.kpi_summary();\n" x 20);
        push @{ $reading{"kpi_summary, $tenant"} }, (cpu_seconds($pid) - $before) / 20 if $round;
        $session->query('ROLLBACK');
        die $session->error if $session->error =~ /ERROR/;
    }
}
print "Reading 14 days of five KPIs\n";
report('kpi_summary, one tenant', %reading);
