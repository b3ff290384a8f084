# shellcheck shell=bash
# Tests in bash.  The caller has $work, a folder, and prints the plan from
# $tests.

tests=0


# ok NAME COMMAND...: a test that the command succeeds; else its output is shown
ok()
{
    local what=$1

    shift
    tests=$((tests + 1))

    if "$@" >"$work/log" 2>&1; then
        echo "ok $tests - $what"
    else
        echo "not ok $tests - $what"
        sed 's/^/# /' "$work/log" | tail -n 40 >&2
    fi
}
