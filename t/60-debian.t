#!/bin/bash
#
# "make run" on a bare Debian 13, with its own nginx and Ceph: to a push and a
# pull.  With more in DEBIAN, on these ("make test-storages": all three), and
# with DEBIAN_DEB=1 "make deb", too.

set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
. t/bin/lib.sh
. t/lib/tap.sh
set +e

work=$(mktemp -d "${TMPDIR:-/tmp}/registry-debian.XXXXXX")
root=


in_root()
{
    timeout 1200 t/bin/in-root -b "$work/source" "$root" \
        env REGISTRY_PORT="$port" "$@"
}


clean_up()
{
    [ -z "$root" ] \
        || in_root "$work/source/t/bin/stop" --purge >/dev/null 2>&1 </dev/null
    rm -rf "$work"
}

trap clean_up EXIT
trap 'exit 1' INT TERM HUP


# The sources without what was built of them for another system.
copy_sources()
{
    rm -rf "$work/source"
    mkdir "$work/source"
    tar --exclude=./build --exclude=./.git -c . | tar -C "$work/source" -x
}


make_root()
{
    root=$(t/bin/root "$1" system make)
}


# Says how long it took.
make_run()
{
    local since=$SECONDS

    in_root make -C "$work/source" run || return
    echo "# make run on $release: $((SECONDS - since)) s," \
        "$(in_root nginx -v 2>&1), $(in_root ceph -v)" >&3
}


no_warning()
{
    in_root nginx -t -c "$work/source/build/run/nginx.conf"
    ! { in_root nginx -t -c "$work/source/build/run/nginx.conf" 2>&1 \
            | grep '\[warn\]'; } \
        && ! grep -E '\[(warn|crit|alert|emerg)\]' \
            "$work/source/build/run/error.log"
}


http2()
{
    [ "$(curl -s --http2 -o /dev/null -w '%{http_version} %{http_code}' \
        -u foo:foo123 --cacert "$work/source/build/run/certs/ca.crt" \
        "https://localhost:$port/v2/hello/registry/manifests/1")" = "2 200" ]
}


exec 3>&2

for release in ${DEBIAN:-trixie}; do
    port=$(free_port)

    ok "$release: a root" make_root "$release"
    ok "$release: the sources" copy_sources
    ok "$release: make run" make_run
    ok "$release: nginx warns of nothing" no_warning
    ok "$release: HTTP/2" http2
    ok "$release: make stop" in_root make -C "$work/source" stop

    [ "${DEBIAN_DEB-}" != 1 ] \
        || ok "$release: make deb" in_root make -C "$work/source" deb

    in_root "$work/source/t/bin/stop" --purge >/dev/null 2>&1
done

echo "1..$tests"
