# A partner who keeps the rows of its jobs locked, and is pausing or cancelling these jobs without an end: the workers stay,
# and do the jobs of others as ever.
# topic: jobs
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

my $cluster = OpsadminCluster->new->start;
$cluster->create_database('company');
$cluster->query('company', <<'SQL');
CREATE TABLE item (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, touched int NOT NULL DEFAULT 0);
CREATE TABLE part (LIKE item INCLUDING ALL);
CREATE INDEX ON item (tenant_id);
CREATE INDEX ON part (tenant_id);
INSERT INTO item SELECT n, 1 + n % 2 FROM generate_series(1, 20000) AS n;
INSERT INTO part SELECT * FROM item;
SELECT opsadmin.create_tenant('acme', 'Acme', id => 1), opsadmin.create_tenant('globex', 'Globex', id => 2);
SELECT opsadmin.protect(t), opsadmin.audit(t), opsadmin.expose(t), opsadmin.define_action('touch_' || t::text, t, 'touched = touched + 1')
FROM unnest('{item,part}'::regclass[]) AS t;
SQL
my %tokens;
for my $slug ('acme', 'globex') {
    my ($invitation) = $cluster->query('company', "SELECT opsadmin.create_actor('$slug\@example.com', '$slug')") =~ /#(.*)/;
    $cluster->query('company', "SELECT opsadmin.accept_invitation('$invitation', 'long enough'), opsadmin.grant_role('$slug\@example.com', 'partner_admin', '$slug')");
    $tokens{$slug} = $cluster->query('company', "SELECT session_token FROM opsadmin.sign_in('$slug\@example.com', 'long enough')", user => 'opsadmin_partner_login');
}

# Starts an action on all rows of a tenant and returns the job's id.
sub start {
    my ($slug, $action) = @_;
    my $answer = $cluster->query('company', "BEGIN; SELECT FROM opsadmin.begin_request('$tokens{$slug}'); SELECT opsadmin.run_action('$action', '{}', '{\"filter\":null}'); COMMIT",
        user => 'opsadmin_partner_login');
    my ($job) = $answer =~ /(\d+)/;
    return $job;
}

sub is_done {
    my ($job, $name) = @_;
    eval { $cluster->wait_for('company', "SELECT state FROM opsadmin.bulk_job WHERE id = $job", 'DONE', 20) };
    return is($cluster->query('company', "SELECT state, total, changed FROM opsadmin.bulk_job WHERE id = $job"), 'DONE|10000|10000', $name);
}

for my $function ('pause_job', 'cancel_job') {
    my $holder = $cluster->session('company', user => 'opsadmin_partner_login');
    $holder->query("BEGIN; SELECT FROM opsadmin.begin_request('$tokens{acme}'); SELECT FROM item FOR UPDATE; SELECT FROM part FOR UPDATE");
    my @held = map { start('acme', $_) } 'touch_item', 'touch_part';
    # These are two of a kind that return when the queue is empty, and not before.
    my @workers = map { $cluster->session('company', user => 'opsadmin_worker')->send('CALL opsadmin.run_jobs()') } 1, 2;
    my $locks = join ', ', @held;
    $cluster->wait_for('company', "SELECT count(*) FROM opsadmin.job WHERE id IN ($locks) AND wait_reason LIKE '%lock timeout%'", 2);
    is_done(start('globex', 'touch_item'), "$function: rows are locked, and others' jobs are done");
    $holder->query("SELECT opsadmin.$function($_)") for @held;
    is($holder->error, '', "$function() in a transaction that does not end");
    is_done(start('globex', $_), "$function: the jobs are held, and others' are done, $_") for ('touch_item', 'touch_part') x 2;
    is($cluster->query('company', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL opsadmin.run_jobs%' AND state = 'active'}), 2, "$function: the workers stay");
    $holder->query('ROLLBACK');
    is_done($_, "$function: rolled back, the job is done") for @held;
    $_->wait for @workers;
    is(join('', map { $_->error } @workers), '', "$function: the workers return, without an error");
    $_->quit for $holder, @workers;
}
is($cluster->query('company', 'SELECT min(touched), max(touched) FROM (SELECT * FROM item UNION ALL SELECT * FROM part) AS t WHERE tenant_id = 1'), '2|2', 'each row was changed once by each job');
is($cluster->query('company', 'SELECT count(*), count(DISTINCT (target, job_id, target_pk)) FROM opsadmin.audit_log WHERE tenant_id = 1'), '40000|40000', 'and has one audit entry of each');

done_testing;
