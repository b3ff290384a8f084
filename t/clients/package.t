#!/usr/bin/env bash
# The Debian package: built, looked at by lintian, and installed, upgraded,
# removed and purged with dpkg, while nginx runs as Debian runs it.
#
# The machine's own system is not touched: all is done on a layer above it,
# which is in memory and seen by these processes alone.

set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1

name=libnginx-mod-http-registry
link=/etc/nginx/modules-enabled/50-mod-http-registry.conf
so=/usr/lib/nginx/modules/ngx_http_registry_module.so


# On a machine's own system, nginx is what Debian starts: by /etc/init.d.
in_system()
{
    local status

    export DEBIAN_FRONTEND=noninteractive
    rm -f /usr/sbin/policy-rc.d /etc/nginx/sites-enabled/default
    dpkg --purge "$name" >/dev/null 2>&1

    ok "nginx is as Debian has it" nginx -t

    # the state to come back to: what is in the layer so far
    layer >"$work/before"

    ok "dpkg installs it" dpkg -i "$work/deb/$name"_*.deb
    ok "it is enabled" test -L "$link"
    ok "nginx loads it" nginx -t
    ok "registry-check runs" registry-check --help

    configure
    ok "nginx takes a location with its directives" nginx -t
    ok "nginx starts" /etc/init.d/nginx start
    ok "the registry answers" answers

    ok "dpkg upgrades it while nginx runs" dpkg -i "$work/deb/next.deb"
    ok "the registry answers" answers
    ok "its reload keeps the old module" kept
    ok "nginx goes over to the new module without a stop" \
        /etc/init.d/nginx upgrade
    ok "the registry answers" answers
    ok "it is the new module that nginx has mapped" mapped

    rm "$link" /etc/nginx/conf.d/registry.conf
    ok "what an admin disabled stays so in an upgrade" \
        eval "dpkg -i '$work/deb/$name'_*.deb && [ ! -e $link ]"
    ln -s /usr/share/nginx/modules-available/mod-http-registry.conf "$link"

    ok "dpkg removes it" dpkg --remove "$name"
    ok "it is not enabled any more" test ! -e "$link"
    ok "nginx goes on without it" eval 'nginx -t && /etc/init.d/nginx reload'
    ok "dpkg installs it again" dpkg -i "$work/deb/$name"_*.deb
    ok "it is enabled again" test -L "$link"

    ok "dpkg purges it" dpkg --purge "$name"
    /etc/init.d/nginx stop >/dev/null 2>&1

    rm -f /etc/nginx/registry.key
    layer >"$work/after"
    ok "nothing is left" diff "$work/before" "$work/after"

    echo "1..$tests"
}


# What differs from the machine's system but the books of dpkg and logs.
layer()
{
    find "$work/fs/upper" ! -type d -printf '/%P\n' \
        | grep -vE '^/var/(lib/dpkg|log|cache|lib/systemd)/' | sort
}


configure()
{
    (umask 077 && printf %s "$RGW_SECRET_KEY" >/etc/nginx/registry.key)

    cat >/etc/nginx/conf.d/registry.conf <<END
upstream rgw { server ${RGW_ENDPOINT:-$(rgw_endpoint)}; keepalive 4; }
server {
    listen 127.0.0.1:$port;
    location /v2/ {
        registry_pass           http://rgw;
        registry_auth_url       $RGW_AUTH_URL;
        registry_auth_user      $RGW_USER;
        registry_auth_key_file  /etc/nginx/registry.key;
        registry_container      test-package-none;
    }
}
END
}


answers()
{
    wait_for 10 eval "curl -sf http://127.0.0.1:$port/v2/ | grep -qx '{}'"
}


# The master has the old file mapped, which has no name any more.  This is what
# docs/operations.md tells to "upgrade" for.
kept()
{
    sleep 1
    grep " $so (deleted)\$" "/proc/$(cat /run/nginx.pid)/maps"
}


# Its old master and workers end when the new ones are there.
mapped()
{
    wait_for 20 test ! -e /run/nginx.pid.oldbin || return
    grep " $so\$" "/proc/$(cat /run/nginx.pid)/maps"
}


# The same package with a higher version.
make_next()
{
    dpkg-deb -R "$work/deb/$name"_*.deb "$work/next" \
        && sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control" \
        && dpkg-deb -b "$work/next" "$work/deb/next.deb"
}


# CHANGES and debian/changelog begin with the version of the header.
versions_agree()
{
    local version

    version=$(sed -n 's/^#define NGX_HTTP_REGISTRY_VERSION *"\(.*\)"/\1/p' \
        ngx_http_registry_module/base/ngx_http_registry.h)
    echo "the header has $version"

    [ "$(sed -n '/./{p;q}' CHANGES)" \
        = "Changes with ngx_http_registry_module $version" ] \
        && [[ $(dpkg-parsechangelog -S Version) == "$version"-* ]]
}


. t/bin/lib.sh
. t/lib/tap.sh
set +e

if [ "${1-}" = in-system ]; then
    work=$2 port=$3 tests=$4
    in_system
    exit
fi

if [ -z "${RGW_AUTH_URL-}" ]; then
    echo "Bail out! RGW_AUTH_URL is not set: see t/bin/test"
    exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/registry-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
port=$(free_port)

ok "the version is the same everywhere" versions_agree
ok "the package is built, and lintian has no complaints" t/bin/deb "$work/deb"
ok "there is a next version" make_next

if ! ls "$work/deb/next.deb" >/dev/null 2>&1; then
    echo "1..$tests"
    exit 1
fi

# mounts and processes are of these namespaces and end with them
mkdir "$work/fs"
export work
unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount -t tmpfs tmpfs "$work/fs"
    mkdir "$work"/fs/{upper,work,root}
    mount -t overlay overlay "$work/fs/root" \
        -o "lowerdir=/,upperdir=$work/fs/upper,workdir=$work/fs/work"
    root=$work/fs/root
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root$1" "$root$work"
    mount --bind "$1" "$root$1"
    mount --rbind "$work" "$root$work"
    cd "$root$1"
    exec chroot "$root" "$1/t/clients/package.t" in-system "$work" "$2" "$3"
' - "$PWD" "$port" "$tests" </dev/null
