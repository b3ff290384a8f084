package RegistryTest::Image;

# Images made here, since no test has a network: layers of random data, docker
# archives ("docker load") and OCI layouts ("skopeo copy oci:").

use strict;
use warnings;

use Digest::SHA;
use Exporter 'import';
use File::Copy qw(copy move);
use File::Path qw(make_path);
use JSON::PP;

our @EXPORT_OK = qw(docker_archive oci_layout random_file sha256_file
                    layer_tar write_file read_file);

my $json = JSON::PP->new->canonical;

my %OCI = (
    index => 'application/vnd.oci.image.index.v1+json',
    manifest => 'application/vnd.oci.image.manifest.v1+json',
    config => 'application/vnd.oci.image.config.v1+json',
    layer => 'application/vnd.oci.image.layer.v1.tar+gzip',
);


# Data that no compressor makes smaller, other at each call; some GB/s.

sub random_file {
    my ($path, $bytes) = @_;

    my $key = join '', map { sprintf '%02x', rand 256 } 1 .. 16;

    run("head -c $bytes /dev/zero | openssl enc -aes-128-ctr"
        . " -K $key -iv 0 2>/dev/null > '$path'");
    die "$path is short" if -s $path != $bytes;

    return $path;
}


sub sha256_file {
    my ($path) = @_;

    my ($hex) = split ' ', run("openssl dgst -sha256 -r '$path'");
    return $hex;
}


# A layer with these files: { path => text, or number of random bytes }

sub layer_tar {
    my ($dir, $name, $files) = @_;

    my $root = "$dir/$name.root";

    while (my ($path, $content) = each %$files) {
        my ($folder) = "$root/$path" =~ m{(.*)/};
        make_path($folder);

        if ($content =~ /^\d+$/) {
            random_file("$root/$path", $content);
        } else {
            write_file("$root/$path", $content);
        }
    }

    run("tar -C '$root' --sort=name --owner=0 --group=0 --numeric-owner"
        . " --mtime=\@1 -cf '$dir/$name.tar' . && rm -r '$root'");

    return "$dir/$name.tar";
}


# An archive for "docker load" of these layers, lowest first.

sub docker_archive {
    my ($dir, $tag, @tars) = @_;

    my $image = "$dir/archive";
    make_path($image);

    my @ids = map { sha256_file($_) } @tars;
    my $config = $json->encode(image_config('amd64', @ids));
    my $id = Digest::SHA::sha256_hex($config);

    write_file("$image/$id.json", $config);
    move($tars[$_], "$image/$ids[$_].tar") or die $! for 0 .. $#tars;

    write_file("$image/manifest.json", $json->encode([{
        Config => "$id.json",
        RepoTags => [$tag],
        Layers => [ map { "$_.tar" } @ids ],
    }]));

    run("tar -C '$image' -cf '$image.tar' . && rm -r '$image'");

    return { file => "$image.tar", id => "sha256:$id",
             diff_ids => [ map { "sha256:$_" } @ids ] };
}


# An OCI layout with one index named $tag of an image per architecture; each
# has a layer of its own and one that all share.

sub oci_layout {
    my ($dir, $tag, @architectures) = @_;

    my $shared = layer_tar("$dir.tmp", 'shared', {
        'etc/shared' => "the same in all\n", 'usr/shared.bin' => 3_000_000,
    });

    make_path("$dir/blobs/sha256");
    my @manifests;

    for my $architecture (@architectures) {
        my $own = layer_tar("$dir.tmp", $architecture, {
            'etc/architecture' => "$architecture\n",
            'usr/own.bin' => 1_000_000,
        });

        my @ids = map { sha256_file($_) } $shared, $own;
        my @layers = map { add_layer($dir, $_) } $shared, $own;
        my $config = add_json($dir, $OCI{config},
            image_config($architecture, @ids));

        my $manifest = add_json($dir, $OCI{manifest}, {
            schemaVersion => 2, mediaType => $OCI{manifest},
            config => $config, layers => \@layers,
        });

        push @manifests, { %$manifest,
            platform => { os => 'linux', architecture => $architecture } };
    }

    my $index = add_json($dir, $OCI{index}, {
        schemaVersion => 2, mediaType => $OCI{index},
        manifests => \@manifests,
    });

    write_file("$dir/oci-layout", '{"imageLayoutVersion":"1.0.0"}');
    write_file("$dir/index.json", $json->encode({
        schemaVersion => 2,
        manifests => [{ %$index, annotations => {
            'org.opencontainers.image.ref.name' => $tag } }],
    }));

    run("rm -r '$dir.tmp'");

    return { dir => $dir, index => $index, manifests => \@manifests };
}


sub image_config {
    my ($architecture, @ids) = @_;

    return {
        architecture => $architecture,
        os => 'linux',
        created => '2024-01-01T00:00:00Z',
        config => { Cmd => ['/bin/sh'] },
        history => [ map { { created => '2024-01-01T00:00:00Z',
                             created_by => "layer $_" } } 1 .. @ids ],
        rootfs => { type => 'layers',
                    diff_ids => [ map { "sha256:$_" } @ids ] },
    };
}


sub add_layer {
    my ($dir, $tar) = @_;

    run("gzip -n -1 -c '$tar' > '$dir/layer'");

    my $hex = sha256_file("$dir/layer");
    my $size = -s "$dir/layer";
    move("$dir/layer", "$dir/blobs/sha256/$hex") or die $!;

    return { mediaType => $OCI{layer}, digest => "sha256:$hex",
             size => $size };
}


sub add_json {
    my ($dir, $type, $document) = @_;

    my $bytes = $json->encode($document);
    my $hex = Digest::SHA::sha256_hex($bytes);
    write_file("$dir/blobs/sha256/$hex", $bytes);

    return { mediaType => $type, digest => "sha256:$hex",
             size => length $bytes };
}


sub write_file {
    my ($path, $bytes) = @_;

    open my $fh, '>:raw', $path or die "$path: $!";
    print $fh $bytes;
    close $fh or die "$path: $!";
}


sub read_file {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!";
    local $/;

    return scalar <$fh> // '';
}


sub run {
    my ($command) = @_;

    my $out = `set -e; $command`;
    die "failed: $command" if $?;

    return $out;
}


1;
