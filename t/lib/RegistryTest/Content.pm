package RegistryTest::Content;

# Bytes, requests that may fail, and what a registry must say of what it has:
# functions that give '' or what is wrong, as a text.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use JSON::PP;

our @EXPORT = qw(bytes digest ask path blob_is manifest_is no_manifest
    tags_are tags_resolve);


my $filler = join '', map { sha256_hex($_) } 1 .. 40_000;
my $count = 0;


# bytes that nobody else has

sub bytes {
    my ($size) = @_;

    return substr sha256_hex("$$ " . time . rand() . $count++) . $filler,
        0, $size;
}


sub digest { 'sha256:' . sha256_hex($_[0]) }


# A request that may fail: {status => 0, error} then.

sub ask {
    my ($c, @request) = @_;

    my $r = eval { $c->request(@request) };

    return $r // { status => 0, error => $@, content => '', headers => {} };
}


sub path { $_[0] =~ s{^https?://[^/]+}{}r }


# "" or why the blob is neither absent nor whole; "must" be there, when said

sub blob_is {
    my ($c, $name, $bytes, $must) = @_;

    my $path = "/v2/$name/blobs/" . digest($bytes);
    my $head = ask($c, 'HEAD', $path);

    return '' if $head->{status} == 404 && !$must;
    return "HEAD of the blob: $head->{status}" if $head->{status} != 200;
    return "the blob's length is $head->{headers}{'content-length'}"
        if $head->{headers}{'content-length'} != length $bytes;

    my $get = ask($c, 'GET', $path);

    return "GET of the blob: $get->{status}" if $get->{status} != 200;
    return 'the blob has other bytes' if $get->{content} ne $bytes;

    return '';
}


# The same of a manifest and all that it names; several may be right.

sub manifest_is {
    my ($c, $name, $reference, $must, @right) = @_;

    my $r = ask($c, 'GET', "/v2/$name/manifests/$reference");

    return '' if $r->{status} == 404 && !$must;
    return "GET of \"$reference\": $r->{status}" if $r->{status} != 200;
    return "\"$reference\" has other bytes"
        if !grep { $_ eq $r->{content} } @right;

    my $m = decode_json($r->{content});

    for ($m->{config}, @{ $m->{layers} }) {
        my $head = ask($c, 'HEAD', "/v2/$name/blobs/$_->{digest}");
        return "\"$reference\" is there, its blob: $head->{status}"
            if $head->{status} != 200
            || $head->{headers}{'content-length'} != $_->{size};
    }

    return '';
}


sub no_manifest {
    my ($c, $name, $reference) = @_;

    my $r = ask($c, 'GET', "/v2/$name/manifests/$reference");

    return $r->{status} == 404 ? '' : "\"$reference\" is $r->{status}";
}


sub tags_are {
    my ($c, $name, @tags) = @_;

    my $r = ask($c, 'GET', "/v2/$name/tags/list");
    my $got = eval { join ' ', @{ decode_json($r->{content})->{tags} } } // '';

    return $got eq "@tags" ? '' : "tags are \"$got\", not \"@tags\"";
}


# Each listed tag is there: what is listed can be pulled.

sub tags_resolve {
    my ($c, $name) = @_;

    my $r = ask($c, 'GET', "/v2/$name/tags/list");
    return '' if $r->{status} == 404;

    my $tags = eval { decode_json($r->{content})->{tags} };

    for (@{ $tags // [] }) {
        my $m = ask($c, 'GET', "/v2/$name/manifests/$_");
        return "tag \"$_\" is listed and $m->{status}"
            if $m->{status} != 200;
    }

    return '';
}


1;
