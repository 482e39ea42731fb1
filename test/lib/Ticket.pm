package Ticket;

# Mints tickets as an application does, with Perl's own HMAC.
#
#   my $key = Ticket::key($cluster, 'company');
#   my $ticket = Ticket::mint($key, 'company', tenant => 'acme', exp => Ticket::now() + 5);

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use Time::HiRes qw(time);

sub now { return time }

# The present key of a cluster.
sub key {
    my ($cluster, $database) = @_;
    my ($kid, $secret) = split /\|/, $cluster->query($database, 'SELECT kid, secret FROM opsadmin.ticket_key()');
    return { kid => $kid, secret => $secret };
}

# A server that has just started refuses what was issued less than five seconds after its start; but the issuer's
# clock may be ahead by as much.
sub mint {
    my ($key, $database, %claims) = @_;
    my %all = (aud => 'opsadmin:partner', db => $database, iat => time + 4.9, exp => time + 60, jti => encode_base64url(pack 'd4', map { rand } 1 .. 4), %claims);
    $all{$_} += 0 for qw(iat exp);
    my $json = JSON::PP->new->canonical->utf8;
    my $signed = join '.', map { encode_base64url($json->encode($_)) } { alg => 'HS256', typ => 'JWT', kid => $key->{kid} }, \%all;
    return $signed . '.' . encode_base64url(hmac_sha256($signed, decode_base64url($key->{secret})));
}

1;
