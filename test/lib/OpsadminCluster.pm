package OpsadminCluster;

# A private cluster for one TAP test: made by test/lib/cluster, stopped when the object goes, also when the
# test dies. make check sets OPSADMIN_STAGE (the installed extension) and OPSADMIN_TEST_DIR.
#
#   my $cluster = OpsadminCluster->new(settings => ['max_connections = 40'])->start;
#   $cluster->create_database('shop', 'operated-shop', 0.05);   # empty, shop or operated-shop
#   my $rows = $cluster->query('shop', 'SELECT 1');             # dies with the error's text
#   my ($status, $out, $err) = $cluster->psql('shop', 'SELECT 1 / 0');
#   my $session = $cluster->session('shop'); $session->send('BEGIN'); ... $session->quit;

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IPC::Run ();

my $lib = dirname(abs_path(__FILE__));

sub new {
    my ($class, %options) = @_;
    for my $variable (qw(OPSADMIN_STAGE OPSADMIN_TEST_DIR)) {
        die "$variable is not set; run the test by make check T=<its name>\n" unless $ENV{$variable};
    }
    my $self = bless { dir => tempdir('tXXXXXX', DIR => $ENV{OPSADMIN_TEST_DIR}), owner => $$ }, $class;
    $self->_cluster('create', 'fsync = off', @{ $options{settings} // [] });
    return $self;
}

# A standby of a cluster that runs; it is not started.
sub copy_of {
    my ($class, $primary) = @_;
    my $self = bless { dir => tempdir('tXXXXXX', DIR => $ENV{OPSADMIN_TEST_DIR}), owner => $$ }, $class;
    $self->_cluster('copy', $primary->{dir});
    return $self;
}

# The directory: PGHOST of the clients.
sub host { $_[0]{dir} }

sub start { $_[0]->_cluster('start') }
sub stop { $_[0]->_cluster('stop', $_[1] // 'fast') }
sub restart { $_[0]->stop($_[1])->start }

# kill -9 of the postmaster and all its children: a power failure, as far as processes can have one.
sub kill9 { $_[0]->_cluster('kill') }

# The server's log up to now.
sub log {
    my ($self) = @_;
    open(my $file, '<', "$self->{dir}/log") or die "$self->{dir}/log: $!";
    local $/;
    return <$file>;
}

sub create_database {
    my ($self, $name, $kind, $scale) = @_;
    $self->_run("$lib/database", $name, $kind // 'empty', $scale // 0.05);
    return $self;
}

# Runs SQL in one psql, for at most timeout seconds, as a user and with more of an environment; returns its exit status,
# output and error text.
sub psql {
    my ($self, $database, $sql, %options) = @_;
    my ($out, $err) = ('', '');
    local %ENV = ($self->_environment($options{user}), %{ $options{environment} // {} });
    IPC::Run::run(['psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $database], \$sql, \$out, \$err, IPC::Run::timeout($options{timeout} // 120));
    my $status = $? >> 8;
    chomp($out, $err);
    return ($status, $out, $err);
}

# As psql(), but returns the output and dies on an error.
sub query {
    my ($self, $database, $sql, %options) = @_;
    my ($status, $out, $err) = $self->psql($database, $sql, %options);
    die "psql: $err\n" if $status;
    return $out;
}

# Runs a client program such as pg_dump; returns its exit status and all its output.
sub client {
    my ($self, @command) = @_;
    my $output = '';
    local %ENV = $self->_environment;
    IPC::Run::run(\@command, '<', \undef, '>&', \$output, IPC::Run::timeout(120));
    return ($? >> 8, $output);
}

# Polls until the query answers what is expected (default t), or dies.
sub wait_for {
    my ($self, $database, $sql, $expected, $seconds) = @_;
    $expected //= 't';
    my $deadline = time + ($seconds // 60);
    my $answer;
    while (time < $deadline) {
        my ($status, $out) = $self->psql($database, $sql);
        $answer = $out unless $status;
        return if defined $answer && $answer eq $expected;
        select(undef, undef, undef, 0.05);
    }
    die "waited for \"$expected\", last answer \"" . ($answer // 'an error') . "\": $sql\n";
}

# A psql that stays open. With a port it goes to what listens there instead of the server.
sub session {
    my ($self, $database, %options) = @_;
    my %environment = $self->_environment($options{user});
    $environment{PGPORT} = $options{port} if $options{port};
    return OpsadminCluster::Session->new($database, %environment);
}

sub _environment {
    my ($self, $user) = @_;
    my %environment = map { $_ => $ENV{$_} } grep { !/^PG/ || $_ eq 'PG_CONFIG' } keys %ENV;
    return (%environment, PGHOST => $self->{dir}, PGPORT => 5432, PGUSER => $user // 'postgres');
}

sub _cluster {
    my ($self, $command, @arguments) = @_;
    $self->_run("$lib/cluster", $command, $self->{dir}, @arguments);
    return $self;
}

sub _run {
    my ($self, @command) = @_;
    local %ENV = $self->_environment;
    system(@command) == 0 or die "@command failed\n";
}

# A forked child must not stop its parent's cluster.
sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@);
    eval { $self->stop('immediate') };
}

package OpsadminCluster::Session;

use strict;
use warnings;

sub new {
    my ($class, $database, %environment) = @_;
    my $self = bless { in => '', out => '', err => '', number => 0 }, $class;
    local %ENV = %environment;
    $self->{timer} = IPC::Run::timeout(120);
    $self->{psql} = IPC::Run::start(['psql', '-X', '-q', '-A', '-t', '-d', $database],
        '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, $self->{timer});
    return $self;
}

# Sends SQL and waits until it has ended; returns its output. error() then has what went to stderr.
sub query {
    my ($self, $sql) = @_;
    $self->send($sql);
    return $self->wait;
}

# Sends SQL and does not wait for it.
sub send {
    my ($self, $sql) = @_;
    @$self{qw(out err)} = ('', '');
    $self->{mark} = 'opsadmin-session-' . ++$self->{number};
    $self->{in} .= "$sql\n;\n\\echo $self->{mark}\n\\warn $self->{mark}\n";
    # psql ends with its connection.
    eval { $self->{psql}->pump_nb; 1 } or $self->{err} = "the session has ended\n";
    return $self;
}

# Waits for what send() has sent; returns its output.
sub wait {
    my ($self) = @_;
    $self->{timer}->start(120);
    my $mark = qr/^\Q$self->{mark}\E\n/m;
    $self->{psql}->pump until ($self->{out} =~ $mark && $self->{err} =~ $mark) || !$self->{psql}->pumpable;
    s/$mark.*//s for @$self{qw(out err)};
    chomp(my $out = $self->{out});
    return $out;
}

sub error { $_[0]{err} }

# Ends the session; a server that has gone away is no error.
sub quit {
    my ($self) = @_;
    local $SIG{PIPE} = 'IGNORE';
    $self->{in} .= "\\q\n";
    eval { $self->{psql}->finish };
    return;
}

1;
