#!/bin/bash
#
# Static analysis without a finding: cppcheck over all, gcc -fanalyzer over
# core/, the nginx half and check/.  With ANALYZE=all ("make analyze")
# clang-tidy, too, which takes minutes; .clang-tidy says what it looks for.
#
# What is left out of the analyzer of gcc 12:
#   of check/, leaks: pools and what lives to the end of the program
#   of the nginx half, uninitialized values: of ngx_event_t it takes bit
#       fields for the bytes around them

set -u

cd "$(dirname "$0")/.." || exit 1
dir=ngx_http_registry_module
log=$(mktemp)
trap 'rm -f "$log"' EXIT

nginx=(-I build/source/objs -I $dir)
for i in core event event/modules os/unix http http/modules http/v2; do
    nginx+=(-I "build/source/src/$i")
done

count=0
status=0


# ok STATUS NAME: the log is shown when it failed, or has anything
ok()
{
    count=$((count + 1))
    if [ "$1" = 0 ] && [ ! -s "$log" ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/# /' "$log" | head -n 60
        status=1
    fi
}


# each FILE... -- COMMAND...: two at a time
each()
{
    local -a files=()

    while [ "$1" != -- ]; do
        files+=("$1")
        shift
    done
    shift

    printf '%s\0' "${files[@]}" | xargs -0 -P 2 -n 1 "$@" >"$log" 2>&1
}


analyze=(gcc -fanalyzer -O1 -Wall -Wextra -c -o /dev/null -I $dir)

cppcheck --quiet --std=c99 --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 -j 2 -DNGX_HTTP_SSL=1 \
    -DNGX_HTTP_CACHE=1 -I $dir $dir >"$log" 2>&1
ok $? "cppcheck"

each $dir/{core,ops}/*.c -- "${analyze[@]}"
ok $? "gcc -fanalyzer: core and ops"

each $dir/check/*.c -- "${analyze[@]}" -Wno-analyzer-malloc-leak
ok $? "gcc -fanalyzer: check"

each $dir/*.c $dir/{base,shared,client,storage,calls,handlers,conf}/*.c \
    -- "${analyze[@]}" "${nginx[@]}" -Wno-unused-parameter \
    -Wno-analyzer-use-of-uninitialized-value
ok $? "gcc -fanalyzer: the nginx half"

if [ "${ANALYZE:-}" = all ]; then

    each $dir/{core,ops,check}/*.c -- bash -o pipefail -c \
        'clang-tidy --quiet "$1" -- -D_GNU_SOURCE -I "$0" 2>&1 \
             | sed "/warnings\\? generated/d"' $dir
    ok $? "clang-tidy: core, ops and check"
fi

echo "1..$count"
exit $status
