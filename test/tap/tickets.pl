# Tickets among several sessions and across restarts: each binds once, whoever races for it; a full memory, a
# server that has started since and a standby refuse; two rotations forget a key; the log holds no ticket.
# topic: tickets
use strict;
use warnings;
use IPC::Run ();
use Test::More;
use OpsadminCluster;
use Ticket;

my $slots = 64;
my $cluster = OpsadminCluster->new->start;
$cluster->create_database('company');
$cluster->query('company', <<'SQL');
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL);
CREATE INDEX ON item (tenant_id);
INSERT INTO item SELECT n, 1 + n % 2 FROM generate_series(1, 100) AS n;
SELECT opsadmin.create_tenant('acme', 'Acme'), opsadmin.create_tenant('globex', 'Globex'), opsadmin.protect('item');
SQL
my $key = Ticket::key($cluster, 'company');
my $partner = 'opsadmin_partner_login';
my %minted;

sub mint { my $ticket = Ticket::mint($key, 'company', tenant => 'acme', @_); $minted{$ticket}++; return $ticket }

# What a session of its own gets for a ticket: the tenant, or the code of the error.
sub redeem {
    my ($ticket, %options) = @_;
    my $on = delete $options{on} // $cluster;
    my ($status, $out, $err) = $on->psql('company', "\\set VERBOSITY verbose\nBEGIN; SELECT FROM opsadmin.begin_with_ticket('$ticket'); SELECT opsadmin.current_tenant(); COMMIT;", user => $partner, %options);
    return $status ? $err =~ /ERROR:  (\w{5}):/ ? $1 : $err : $out;
}

# The server's log of a refusal.
sub reasons { return $cluster->log =~ /LOG:  a ticket was refused: (.*)/g }
sub is_refused {
    my ($ticket, $reason, $name, %options) = @_;
    is(redeem($ticket, %options), 'OA015', $name);
    like((reasons())[-1], $reason, '  for this reason');
}

# Polls with fresh tickets until one is good.
sub wait_until_good {
    my ($until) = @_;
    for (1 .. 600) {
        return 1 if redeem(mint(exp => $until // Ticket::now() + 8)) eq '1';
        select(undef, undef, undef, 0.1);
    }
    return 0;
}

# --- One ticket, many sessions -----------------------------------------------------------------------

my @tickets = map { mint() } 1 .. 1000;
my $batch = "\\set VERBOSITY sqlstate\n" . join '', map { "BEGIN; SELECT FROM opsadmin.begin_with_ticket('$_'); SELECT 'bound'; COMMIT;\n" } @tickets;
my @sessions = map { $cluster->session('company', user => $partner)->send($batch) } 1 .. 4;
my ($winners, $losers) = (0, 0);
for my $session (@sessions) {
    $winners += () = $session->wait =~ /^bound$/mg;
    $losers += () = $session->error =~ /^ERROR:  OA015$/mg;
    $session->quit;
}
is("$winners $losers", '1000 3000', 'of four sessions that race for each of 1,000 tickets one wins, and the others are told');

# One session, one plan, many tickets: as behind a pool, with what the pool prepared.
my $session = $cluster->session('company');
$session->query("PREPARE bind(text) AS SELECT FROM opsadmin.begin_with_ticket(\$1); SET SESSION AUTHORIZATION $partner; SET plan_cache_mode = force_generic_plan");
my @answers;
for my $number (1 .. 10) {
    my $ticket = mint(tenant => $number % 2 ? 'acme' : 'globex', exp => Ticket::now() + 2);
    push @answers, $session->query("BEGIN; EXECUTE bind('$ticket'); SELECT string_agg(DISTINCT tenant_id::text, ','), count(*) FROM item; COMMIT;");
}
is("@answers", '1|50 2|50 1|50 2|50 1|50 2|50 1|50 2|50 1|50 2|50', 'a prepared statement binds ticket by ticket, and each sees its own rows');
$session->quit;

# --- Two logins --------------------------------------------------------------------------------------

is_refused(mint(), qr/another audience/, 'a partner\'s ticket at the internal login', user => 'opsadmin_internal_login');
is_refused(mint(aud => 'opsadmin:internal'), qr/another audience/, 'a ticket of the internal site at the partner login');
is(redeem(mint(aud => 'opsadmin:internal', exp => Ticket::now() + 2), user => 'opsadmin_internal_login'), '1', 'each login takes its own');
is(redeem(mint(exp => Ticket::now() + 2), user => 'postgres'), 'OA403', 'and others none');

my ($first_of_two, $second_of_two) = map { mint(exp => Ticket::now() + 2) } 1 .. 2;
like(($cluster->psql('company', "BEGIN; SELECT FROM opsadmin.begin_with_ticket('$first_of_two'); SELECT FROM opsadmin.begin_with_ticket('$second_of_two')", user => $partner))[2],
    qr/bound to this transaction already/, 'a second one in a transaction is refused');
is(redeem($second_of_two), '1', 'and is still good');

# --- A full memory -----------------------------------------------------------------------------------

$cluster->query('company', "ALTER SYSTEM SET opsadmin.ticket_slots = $slots");
$cluster->restart;
my $until = Ticket::now() + 15;
ok(wait_until_good($until), 'with fewer slots');
my @fill = map { mint(exp => $until) } 1 .. $slots - 1;
$session = $cluster->session('company', user => $partner);
my $bound = 0;
for my $ticket (@fill) { $bound++ if $session->query("BEGIN; SELECT FROM opsadmin.begin_with_ticket('$ticket'); SELECT 1; ROLLBACK;") eq '1' }
$session->quit;
is($bound, $slots - 1, 'as many tickets as there are slots');
is_refused(mint(), qr/ticket_slots are all taken/, 'a full memory refuses the next one');
is_refused($fill[0], qr/was used before/, 'and forgets nothing that is still good');
ok(wait_until_good(), 'what has expired makes room');
is_refused($fill[0], qr/expired/, 'and is not good again');

# --- Restarts ----------------------------------------------------------------------------------------

my ($used, $unused) = (mint(), mint());
is(redeem($used), '1', 'a ticket is used');
$cluster->restart;
is_refused($used, qr/before the server started/, 'after a restart it is refused, though the memory is empty');
is_refused($unused, qr/before the server started/, 'as is one that may have been used');
ok(wait_until_good(), 'new ones are good again');

($used, $unused) = (mint(), mint());
is(redeem($used), '1', 'a ticket is used');
my $started = $cluster->query('company', 'SELECT pg_postmaster_start_time()');
my $victim = $cluster->session('company');
kill 'KILL', $victim->query('SELECT pg_backend_pid()');
$victim->quit;
$cluster->wait_for('company', 'SELECT true');
is($cluster->query('company', 'SELECT pg_postmaster_start_time()'), $started, 'a backend crashes, and the server goes on');
is_refused($used, qr/before the server started/, 'the used ticket is refused, though the memory is empty');
is_refused($unused, qr/before the server started/, 'as is one that may have been used');
ok(wait_until_good(), 'new ones are good again');

# --- Rotation ----------------------------------------------------------------------------------------

my $file = $cluster->host . '/data/opsadmin.key';
my %old = %$key;
sub bytes_of { open(my $handle, '<:raw', $_[0]) or die "$_[0]: $!"; local $/; return <$handle> }
my $first = bytes_of($file);
# What a rotation left that was cut short.
open(my $left, '>', "$file.new") or die $!;
print $left 'half';
close $left;
my $kid = $cluster->query('company', 'SELECT opsadmin.rotate_key()');
is(bytes_of("$file.old"), $first, 'the old key is kept');
isnt(bytes_of($file), $first, 'the new one is another');
is(join(' ', map { sprintf '%04o', (stat)[2] & 07777 } $file, "$file.old"), '0600 0600', 'both are the server\'s alone');
ok(!-e "$file.new" && !-e "$file.old.new", 'nothing else is left');
is(redeem(mint()), '1', 'a ticket by the old key is good');
$key = Ticket::key($cluster, 'company');
is($key->{kid}, $kid, 'there is a new key to sign with');
is(redeem(mint()), '1', 'as is one by the new key');
my $before = Ticket::mint(\%old, 'company', tenant => 'acme');
$cluster->query('company', 'SELECT opsadmin.rotate_key()');
is_refused($before, qr/key is unknown/, 'after a second rotation the first key is forgotten');
is(redeem(mint()), '1', 'the second one is good');

my @rotators = map { $cluster->session('company')->send('SELECT opsadmin.rotate_key();' x 10) } 1 .. 4;
my %kids = map { $_ => 1 } map { split /\n/, $_->wait } @rotators;
is(join('', map { $_->error } @rotators), '', 'rotations at the same time: no error');
$_->quit for @rotators;
is(scalar keys %kids, 40, 'each makes a key of its own');
$key = Ticket::key($cluster, 'company');
ok($kids{ $key->{kid} }, 'one of them is the key');
is(redeem(mint()), '1', 'and it is good');

# A stop between the two steps: the old key is there twice.
$first = bytes_of($file);
unlink "$file.old";
is(redeem(mint()), '1', 'without a previous key the key is good');
is_refused(Ticket::mint(\%old, 'company', tenant => 'acme'), qr/key is unknown/, 'and others unknown');

# --- A standby ---------------------------------------------------------------------------------------

my $standby = OpsadminCluster->copy_of($cluster)->start;
is(redeem(mint(), on => $standby), 'OA015', 'a standby takes no ticket: it does not know which were used');
$used = mint();
is(redeem($used), '1', 'a ticket is used on the primary');
$cluster->stop;
$standby->query('postgres', 'SELECT pg_promote()');
is(redeem($used, on => $standby), 'OA015', 'and is refused by the standby that took over');
like($standby->log, qr/this server is a standby.*before the server started/s, 'for these reasons');
my $promoted = 0;
for (1 .. 1200) {
    last if $promoted = redeem(mint(), on => $standby) eq '1';
    select(undef, undef, undef, 0.1);
}
ok($promoted, 'which takes new ones');

# --- The log -----------------------------------------------------------------------------------------

my $log = $cluster->log . $standby->log;
cmp_ok(scalar(() = $log =~ /ERROR:  the ticket is not valid/g), '>', 3000, 'refusals are logged');
my @written = grep { my ($signed) = /(.*)\./; index($log, $signed) >= 0 } keys %minted;
is(scalar @written, 0, 'but no ticket, although each was a literal');
is(index($log, $_->{secret}), -1, 'nor a secret') for $key, \%old;
unlike($log, qr/PANIC|signal 11|signal 6/, 'no process died by itself');

done_testing;
