# The ids of audit entries go on rising after a restart, also when the clock was set back before it.
# topic: audit
use strict;
use warnings;
use OpsadminCluster;
use Test::More;

my $cluster = OpsadminCluster->new->start;
# In each database entries of a clock that was days ahead, in the second one further.
my %ahead = (shop => 10, other => 17);
for my $database (sort keys %ahead) {
    $cluster->create_database($database, 'empty');
    $cluster->query($database, <<"SQL");
CREATE TABLE item (id int PRIMARY KEY);
SELECT opsadmin.audit('item');
INSERT INTO item VALUES (1);
INSERT INTO opsadmin.audit_entry (id, header_id, tenant_id, row_key, target_id, op)
SELECT opsadmin_private.audit_id_at(date_trunc('week', now()) + interval '$ahead{$database} days'), 1, 0, 7, target_id, 'D' FROM opsadmin.audit_entry;
SQL
}
$cluster->restart;
for my $database (qw(shop other)) {
    $cluster->query($database, 'INSERT INTO item VALUES (2)');
    is($cluster->query($database, 'SELECT row_key FROM opsadmin.audit_entry ORDER BY id DESC LIMIT 1'), 2, "the newest entry of $database has the highest id");
}
$cluster->query('shop', 'INSERT INTO item VALUES (3)');
is($cluster->query('shop', 'SELECT string_agg(row_key::text, \' \' ORDER BY id) FROM opsadmin.audit_entry'), '1 7 2 3', 'and so on');
done_testing;
