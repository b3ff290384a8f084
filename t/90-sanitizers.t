#!/usr/bin/env bash
# nginx and the module under AddressSanitizer and UBSan: the suites of the
# endpoints once more on it, or those of SUITES.

set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
echo 1..3

work=$(mktemp -d "${TMPDIR:-/tmp}/registry-asan.XXXXXX")
trap 'rm -rf "$work"' EXIT

# reports are written by workers, which are of another user
chmod 1777 "$work"


# ok STATUS NUMBER NAME LOG: the log is shown when it failed
ok()
{
    if [ "$1" = 0 ]; then
        echo "ok $2 - $3"
    else
        echo "not ok $2 - $3"
        sed 's/^/# /' "$4" | tail -n 60 >&2
    fi
}


t/bin/sanitize >"$work/build.log" 2>&1
ok $? 1 "nginx and the module are built with sanitizers" "$work/build.log"

# two copies of ngx_module_names are how nginx loads modules; what the
# configuration holds is freed by the end of the process
export ASAN_OPTIONS="detect_odr_violation=0:detect_leaks=0"
export ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$work/report"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$work/report"
export NGINX_BINARY=$PWD/build/sanitize/nginx
export TEST_NGINX_BINARY=$NGINX_BINARY
export REGISTRY_MODULE=$PWD/build/sanitize/ngx_http_registry_module.so

# registry-check has sanitizers of its own; pages and docs have no code of ours;
# the runner and Debian 13 run without this nginx, and other modules with theirs
suites=${SUITES:-$(ls t/[1-8]*.t | grep -v -e 25-check -e 28-migration \
                       -e 51-status -e 53-operations -e 54-runner -e 55-setups \
                       -e 60-debian)}

# shellcheck disable=SC2086
prove --timer $suites >"$work/prove.log" 2>&1
ok $? 2 "the suites pass under the sanitizers" "$work/prove.log"

cat "$work"/report* >"$work/reports" 2>/dev/null
[ ! -s "$work/reports" ]
ok $? 3 "the sanitizers report nothing" "$work/reports"
