# pg_dump and pg_restore of a database in use, into another database of the cluster and into a new cluster:
# everything that was said and done is there and goes on; sessions and the signing key stay behind.
# topic: audit
use strict;
use warnings;
use Test::More;
use OpsadminCluster;

# The strictest guard: a restore must pass it.
my @settings = (settings => ['opsadmin.guard = refuse']);
my $source = OpsadminCluster->new(@settings)->start;
my $fresh = OpsadminCluster->new(@settings)->start;
my $dump = $source->host . '/company.dump';

# --- A database in use --------------------------------------------------------------------------------

$source->create_database('company', 'operated-shop', 0.02);
$source->query('company', <<'SQL');
SELECT opsadmin.define_role('stock_keeper', 'partner', '{product:read,publish:run}');
SELECT opsadmin.create_actor('keeper@example.com', 'Keeper'), opsadmin.grant_role('keeper@example.com', 'stock_keeper', 'haneul-market');
CREATE SCHEMA "Odd ""name""";
CREATE TABLE "Odd ""name"""."Select" (key text PRIMARY KEY, tenant text NOT NULL, gone int, remark text, noise int);
CREATE INDEX ON "Odd ""name"""."Select" (tenant);
SELECT opsadmin.create_tenant('keyed', 'Keyed', key => 'k-1');
SELECT opsadmin.protect('"Odd ""name"""."Select"', 'tenant'), opsadmin.audit('"Odd ""name"""."Select"', redact => '{remark}', ignore => '{noise}');
ALTER TABLE "Odd ""name"""."Select" DROP gone;
ALTER TABLE "Odd ""name"""."Select" RENAME remark TO note;
INSERT INTO "Odd ""name"""."Select" VALUES ('a', 'k-1', 'hidden', 1), ('b', '1', 'hidden', 1);
BEGIN;
SELECT opsadmin.begin_as('partner@example.com');
SELECT opsadmin.run_action('discount', '{"percent":20}', '{"filter":{"column":"stock","op":">","value":0}}');
COMMIT;
CALL opsadmin.run_jobs();
BEGIN;
SELECT opsadmin.begin_as('ops@example.com', 'haneul-market', 'a late order');
UPDATE shop.product SET price = price + 1 WHERE id < 20;
COMMIT;
CREATE TABLE shop.visit (id bigint, tenant_id bigint NOT NULL, at date NOT NULL, product_id bigint REFERENCES shop.product ON DELETE SET NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.visit_2024 PARTITION OF shop.visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
ALTER TABLE shop.visit_2024 ENABLE ROW LEVEL SECURITY;
CREATE TABLE shop.node (id int PRIMARY KEY, tenant_id bigint NOT NULL, parent_id int REFERENCES shop.node DEFERRABLE);
CREATE TABLE shop.leaf (PRIMARY KEY (id)) INHERITS (shop.node);
SELECT opsadmin.protect('shop.visit'), opsadmin.protect('shop.node');
CREATE TABLE shop.visit_2025 PARTITION OF shop.visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY HASH (id);
CREATE TABLE shop.visit_2025_0 PARTITION OF shop.visit_2025 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO shop.visit SELECT n, 1 + n % 2, date '2024-12-30' + n, NULL FROM generate_series(1, 4) AS n;
INSERT INTO shop.leaf VALUES (1, 1), (2, 2);
CREATE TABLE public.doomed (id bigint PRIMARY KEY, tenant_id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON public.doomed (tenant_id);
SELECT opsadmin.protect('public.doomed'), opsadmin.audit('public.doomed'), opsadmin.expose('public.doomed'), opsadmin.define_kpi('doomed', 'public.doomed', 'at');
INSERT INTO public.doomed VALUES (1, 1);
DROP TABLE public.doomed;
SELECT opsadmin.bulk_update('shop.product', 'stock = stock + 1', 'id < 100');
SQL
is($source->query('company', 'SELECT opsadmin.refresh_kpi() > 0'), 't', 'a KPI whose table was dropped does not hold up the others');
is($source->query('company', q{SELECT problem, remedy FROM opsadmin.health() WHERE rule = 'kpi'}),
    q{table "public.doomed" was dropped: the KPI is not refreshed|SELECT opsadmin.drop_kpi('doomed');}, 'and health() tells of it');
my $session = $source->query('company', "SELECT session_token FROM opsadmin.sign_in('partner\@example.com', 'opsadmin-demo')", user => 'opsadmin_partner_login');
ok(length $session, 'somebody is signed in');

# What a table of opsadmin holds, but for its sessions.
my @tables = split /\n/, $source->query('company', <<'SQL');
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'opsadmin'::regnamespace AND c.relkind = 'r' ORDER BY 1
SQL
sub content {
    my ($cluster, $database) = @_;
    my %content;
    for my $table (@tables) {
        my $filter = $table eq 'secret' ? q{WHERE purpose <> 'session'} : '';
        $content{$table} = $cluster->query($database,
            "SET search_path = ''; SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\")) FROM opsadmin.$table AS t $filter");
    }
    $content{'the view audit_log'} = $cluster->query($database, q{SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM opsadmin.audit_log AS t});
    $content{sequences} = $cluster->query($database, q{SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'opsadmin' AND last_value IS NOT NULL ORDER BY 1});
    $content{policies} = $cluster->query($database, 'SELECT schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2, 3');
    $content{'row-level security'} = $cluster->query($database, q{SET search_path = ''; SELECT oid::regclass, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relrowsecurity ORDER BY oid::regclass::text});
    $content{'foreign keys and indexes'} = $cluster->query($database, <<'SQL');
SET search_path = '';
SELECT conrelid::pg_catalog.regclass, conname, pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY conrelid::pg_catalog.regclass::text, conname;
SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384 ORDER BY 1;
SQL
    $content{triggers} = $cluster->query($database, q{SET search_path = ''; SELECT tgrelid::regclass, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname LIKE 'opsadmin%' ORDER BY tgrelid::regclass::text, 3});
    $content{rights} = $cluster->query($database, <<'SQL');
SELECT n.nspname, c.relname, a.grantee::regrole, a.privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) AS a
WHERE a.grantee::regrole::text LIKE 'opsadmin%' ORDER BY 1, 2, a.grantee::regrole::text, 4
SQL
    $content{'rights to functions'} = $cluster->query($database, <<'SQL');
SELECT p.oid::regprocedure, array_to_string(p.proacl, ',') FROM pg_proc p WHERE p.pronamespace IN ('opsadmin'::regnamespace, 'opsadmin_private'::regnamespace) ORDER BY p.oid::regprocedure::text
SQL
    return \%content;
}
my $before = content($source, 'company');

my ($status, $output) = $source->client('pg_dump', '-Fc', '-f', $dump, 'company');
is("$status$output", '0', 'pg_dump says nothing');
(undef, my $text) = $source->client('pg_restore', '-f', '-', $dump);
like($text, qr/^COPY opsadmin\.audit_entry_\d{8} /m, 'the dump has the audit log');
my ($secrets) = $text =~ /^COPY opsadmin\.secret .*?\n(.*?)^\\\.$/ms;
unlike($secrets, qr/\tsession\t/, 'and no session');
like($secrets, qr/\tinvitation\t/, 'but invitations');
$source->query('company', 'CREATE ROLE backup LOGIN BYPASSRLS IN ROLE pg_read_all_data');
($status, $output) = $source->client(qw(pg_dump -U backup -Fc -f), "$dump.backup", 'company');
is("$status$output", '0', 'a role that reads all and bypasses row-level security can dump too');
(undef, my $again) = $source->client('pg_restore', '-f', '-', "$dump.backup");
s/^(?:--|\\(?:un)?restrict).*\n//mg for $text, $again;
ok($again eq $text, 'and dumps the same');
($status, $output) = $source->client(qw(pg_dump -U shop_app -Fc -f), "$dump.app", 'company');
isnt($status, 0, 'the owner of the tables, whom row-level security holds, gets an error and no half of a dump');
open(my $file, '<:raw', $source->host . '/data/opsadmin.key') or die $!;
read($file, my $key, 32);
close $file;
open($file, '<:raw', $dump) or die $!;
my $dumped = do { local $/; <$file> };
ok(index($dumped, $key) < 0 && index($text, unpack('H*', $key)) < 0, 'and no signing key');

# --- Restored -----------------------------------------------------------------------------------------

my (undef, $globals) = $source->client('pg_dumpall', '--globals-only');
$globals =~ s/^(CREATE|ALTER) ROLE postgres.*\n//mg;
$fresh->query('postgres', $globals);

# pg_restore keeps the order of opsadmin's own tables, which refer to one another, only without --jobs.
my @in_parallel = (['--section=pre-data'], ['--section=data', '--schema=opsadmin'], ['--section=data', '--exclude-schema=opsadmin', '--jobs=2'],
    ['--section=post-data', '--jobs=2']);
for my $place (['the same cluster', $source, 'restored', ['--single-transaction']], ['a new cluster', $fresh, 'company', @in_parallel]) {
    my ($name, $cluster, $database, @steps) = @$place;
    $cluster->query('postgres', "CREATE DATABASE $database");
    for my $step (@steps) {
        ($status, $output) = $cluster->client('pg_restore', '--exit-on-error', @$step, '-d', $database, $dump);
        is("$status$output", '0', "$name: pg_restore @$step says nothing");
    }

    my $after = content($cluster, $database);
    is($after->{$_}, $before->{$_}, "$name: $_") for sort keys %$before;
    is($cluster->query($database, q{SELECT count(*) FROM opsadmin.secret WHERE purpose = 'session'}), 0, "$name: nobody is signed in");
    is($cluster->query($database, "SELECT string_agg(rule, ',') FROM opsadmin.health() WHERE rule NOT IN ('cron', 'schedule', 'worker', 'kpi')"), '', "$name: health() has nothing to say");

    is($cluster->query($database, <<'SQL'), 't|f|t', "$name: a partner sees its rows and no others");
BEGIN; SET LOCAL client_min_messages = error;
SELECT FROM opsadmin.begin_as('partner@example.com');
SELECT bool_and(tenant_id = 1), count(*) = 0, count(*) = (SELECT count(*) FROM shop.product WHERE tenant_id = 1) FROM shop.product;
SQL
    is($cluster->query($database, q{BEGIN; SELECT FROM opsadmin.begin_as(tenant => 'keyed'); SELECT string_agg(key, ',') FROM "Odd ""name"""."Select"}), 'a',
        "$name: also by a key of text in a table with an odd name");
    is($cluster->query($database, 'SELECT count(*) > 10 FROM shop.product', user => 'shop_app'), 't', "$name: the shop's own application sees all rows");
    like(($cluster->psql($database, 'SELECT count(*) FROM shop.product', user => 'opsadmin_partner_login'))[2], qr/no context is bound/, "$name: without a context nothing");

    is($cluster->query($database, q{SELECT target, target_pk, (SELECT count(*) FROM opsadmin.target WHERE relation NOT IN (SELECT oid FROM pg_class)) FROM opsadmin.audit_log WHERE target = 'public.doomed'}),
        'public.doomed|{"id": 1}|0', "$name: a table that was dropped is in the log and is no other one");

    # What waits in the queue is done here, under its actor and with the targets of old.
    $cluster->query($database, 'CALL opsadmin.run_jobs()');
    is($cluster->query($database, q{SELECT state, total = changed FROM opsadmin.bulk_job ORDER BY id DESC LIMIT 1}), 'DONE|t', "$name: the job that waited is done");
    $cluster->query($database, q{UPDATE "Odd ""name"""."Select" SET note = 'changed', noise = 2 WHERE key = 'a'; INSERT INTO "Odd ""name"""."Select" (key, tenant) VALUES ('c', '2')});
    is($cluster->query($database, <<'SQL'), "t|t|Odd \"name\".Select|0|{\"note\": \"[redacted]\"}", "$name: the audit log goes on, with the same target and settings");
SELECT bool_and(id > (SELECT max(id) FROM opsadmin.audit_log WHERE target_pk ->> 'key' IN ('a', 'b') AND op = 'INSERT')), count(DISTINCT target) = 1, min(target),
       count(*) FILTER (WHERE before ? 'noise' OR after ->> 'note' = 'changed'), min(after::text) FILTER (WHERE op = 'UPDATE')
FROM opsadmin.audit_log WHERE target_pk ->> 'key' IN ('a', 'c') AND NOT (target_pk ->> 'key' = 'a' AND op = 'INSERT')
SQL
    is($cluster->query($database, <<'SQL'), 't|t', "$name: ids go on where they were");
SELECT opsadmin.create_tenant('new', 'New') > (SELECT max(id) FROM opsadmin.tenant WHERE slug <> 'new'),
       opsadmin.bulk_update('shop.product', 'stock = 0', 'false') > (SELECT max(id) FROM opsadmin.bulk_job WHERE selection <> 'false')
SQL
    is($cluster->query($database, 'SELECT opsadmin.refresh_kpi() > 0'), 't', # one tenant's key is no bigint
        "$name: KPIs are refreshed");
    is($cluster->query($database, "SELECT outcome FROM opsadmin.sign_in('partner\@example.com', 'opsadmin-demo')", user => 'opsadmin_partner_login'), 'ok',
        "$name: people sign in with their passwords");
    like(($cluster->psql($database, "SELECT opsadmin.begin_request('$session')", user => 'opsadmin_partner_login'))[2], qr/the session is unknown/, "$name: old sessions are unknown");
    is($cluster->query($database, 'SELECT opsadmin.unprotect(t.relation) FROM opsadmin.target t JOIN opsadmin.protected_table p ON p.target_id = t.id; SELECT count(*) FROM opsadmin.protected_table') =~ s/\s//gr,
        0, "$name: every protection can be taken away");
}

# Over a database in which everything is there already: what protects the tables is dropped and made again. pg_dump's
# own way with the primary keys of partitions does not survive --clean.
$source->query('postgres', 'CREATE DATABASE cleaned');
$source->client('pg_restore', '-d', 'cleaned', $dump);
$source->query('cleaned', 'DROP TABLE shop.visit');
$before = content($source, 'cleaned');
($status, $output) = $source->client('pg_dump', '-Fc', '-f', $dump, 'cleaned');
is("$status$output", '0', 'a dump to restore over what is there');
for my $step (['--clean', '--if-exists', '--single-transaction'], ['--clean', '--if-exists']) {
    ($status, $output) = $source->client('pg_restore', '--exit-on-error', @$step, '-d', 'cleaned', $dump);
    is("$status$output", '0', "pg_restore @$step says nothing");
    my $after = content($source, 'cleaned');
    is($after->{$_}, $before->{$_}, "@$step: $_") for sort keys %$before;
}
like(($source->psql('cleaned', 'ALTER TABLE shop.product DISABLE ROW LEVEL SECURITY'))[2], qr/takes a protection of "product" away/, 'the guard was there all the time');

my $sign = "SELECT opsadmin_private.sign('test', 'payload')";
isnt($fresh->query('company', $sign), $source->query('company', $sign), 'the new cluster has a key of its own');

done_testing;
