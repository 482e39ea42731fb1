# Changes that logical replication applies are recorded when that was asked for, each once, also those of the first
# copy; the subscriber's own changes are recorded as ever.
# topic: audit
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

my $publisher = OpsadminCluster->new(settings => ['wal_level = logical'])->start;
my $subscriber = OpsadminCluster->new->start;
my $tables = <<'SQL';
CREATE TABLE item (id int PRIMARY KEY, name text);
CREATE TABLE unasked (id int PRIMARY KEY, name text);
CREATE TABLE visit (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (10);
CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM (10) TO (20);
SQL
for my $cluster ($publisher, $subscriber) {
    $cluster->query('postgres', 'CREATE DATABASE shop');
    $cluster->query('shop', $tables);
}
$publisher->query('shop', q{INSERT INTO item VALUES (1, 'copied'); INSERT INTO visit VALUES (1, 1); CREATE PUBLICATION shop FOR ALL TABLES});
$subscriber->query('shop', <<'SQL');
SET client_min_messages = error;
CREATE EXTENSION opsadmin;
SELECT opsadmin.audit('item', replicated => true), opsadmin.audit('visit', replicated => true), opsadmin.audit('unasked');
SQL
$subscriber->query('shop', sprintf "CREATE SUBSCRIPTION shop CONNECTION 'host=%s port=5432 user=postgres dbname=shop' PUBLICATION shop", $publisher->host);
$subscriber->wait_for('shop', q{SELECT count(*) = 4 AND bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel});

sub caught_up {
    my $lsn = $publisher->query('shop', 'SELECT pg_current_wal_lsn()');
    $publisher->wait_for('shop', "SELECT bool_and(replay_lsn >= '$lsn') FROM pg_stat_replication WHERE application_name = 'shop'");
}
my $mark = 0;
sub entries {
    my ($target) = @_;
    my $lines = $subscriber->query('shop', "SELECT op, target_pk, before, after FROM opsadmin.audit_log WHERE target = 'public.$target' AND id > $mark ORDER BY id");
    return $lines;
}

is(entries('item'), 'INSERT|{"id": 1}||{"id": 1, "name": "copied"}', 'the first copy, once');
is(entries('visit'), 'INSERT|{"at": 1, "id": 1}||{"at": 1, "id": 1}', 'of a partition, too');
$mark = $subscriber->query('shop', 'SELECT max(id) FROM opsadmin.audit_log');
$publisher->query('shop', q{INSERT INTO item VALUES (2, 'b'), (3, 'c'); UPDATE item SET name = 'B' WHERE id = 2; DELETE FROM item WHERE id = 3; INSERT INTO visit VALUES (2, 11); INSERT INTO unasked VALUES (1)});
caught_up();
is(entries('item'), qq{INSERT|{"id": 2}||{"id": 2, "name": "b"}
INSERT|{"id": 3}||{"id": 3, "name": "c"}
UPDATE|{"id": 2}|{"name": "b"}|{"name": "B"}
DELETE|{"id": 3}|{"id": 3, "name": "c"}|}, 'INSERT, UPDATE and DELETE that are applied');
is(entries('visit'), 'INSERT|{"at": 11, "id": 2}||{"at": 11, "id": 2}', 'in a partition');
is(entries('unasked'), '', 'not when nobody has asked');
$mark = $subscriber->query('shop', 'SELECT max(id) FROM opsadmin.audit_log');
$publisher->query('shop', 'TRUNCATE item');
caught_up();
is(entries('item'), 'TRUNCATE|||', 'TRUNCATE');
$mark = $subscriber->query('shop', 'SELECT max(id) FROM opsadmin.audit_log');
$subscriber->query('shop', q{INSERT INTO item VALUES (9, 'own'); SET session_replication_role = replica; UPDATE item SET name = 'replica'});
is(entries('item'), qq{INSERT|{"id": 9}||{"id": 9, "name": "own"}
UPDATE|{"id": 9}|{"name": "own"}|{"name": "replica"}}, 'the own changes once, also as a replica');
$subscriber->query('shop', 'DROP SUBSCRIPTION shop');
done_testing;
