# shellcheck shell=bash
# Shared by the scripts of this folder: messages, ports, waiting, stopping.
# Sourced, never run; the caller has set -euo pipefail.

# One line on stderr that says what failed and where to mend it, then the end.
die()
{
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

say()
{
    printf '%s: %s\n' "${0##*/}" "$*"
}

# die, with the end of the log that tells the reason.
die_log()
{
    local log=$1

    shift
    if [ -s "$log" ]; then
        printf -- '---- last lines of %s\n' "$log" >&2
        tail -n 25 "$log" >&2
        printf -- '----\n' >&2
    else
        printf -- '---- %s is empty\n' "$log" >&2
    fi
    die "$*"
}

# A listener on loopback is there.
port_busy()
{
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Prints a port of loopback that nothing listens on.  The range lies below the
# kernel's ephemeral ports, the choice is random: parallel runs do not collide.
# In a run of t/bin/test nobody else is given it, as by RegistryTest::Port.
free_port()
{
    local i port taken=${TEST_WORK:+$TEST_WORK/ports}

    [ -z "$taken" ] || mkdir -p "$taken"

    for i in {1..100}; do
        port=$((18000 + SRANDOM % 14000))
        if ! port_busy "$port" \
            && { [ -z "$taken" ] || mkdir "$taken/$port" 2>/dev/null; }
        then
            echo "$port"
            return
        fi
    done

    die "found no free port between 18000 and 32000 on 127.0.0.1"
}

# listens PIDFILE PORT: this very process listens there, not another one that
# took the port in the meantime.
listens()
{
    local hex inode pid

    read -r pid <"$1"
    printf -v hex ':%04X' "$2"
    inode=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p="$hex" \
        '$2 ~ p "$" && $4 == "0A" { print $10; exit }')

    [ -n "$inode" ] && find "/proc/$pid/fd" -lname "socket:\\[$inode\\]" \
        -print -quit 2>/dev/null | grep -q .
}

# wait_for SECONDS COMMAND...: repeats the command until it is true.
wait_for()
{
    local end=$((SECONDS + $1))

    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# is_ours PIDFILE WORD: the process is alive and WORD is in its command line.
# An id that was given to another program meanwhile is never ours.
is_ours()
{
    local pid

    [ -s "$1" ] && read -r pid <"$1" && [ -r "/proc/$pid/cmdline" ] \
        && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# stop_pid PIDFILE WORD [SIGNAL [SECONDS]]: ends the process and waits for it,
# 10 seconds; an id that is not ours is only forgotten.
stop_pid()
{
    local i pid seconds=${4:-10}

    if is_ours "$1" "$2"; then
        read -r pid <"$1"
        kill "-${3:-TERM}" "$pid" 2>/dev/null || true
        for ((i = 0; i < seconds * 20; i++)); do
            is_ours "$1" "$2" || break
            sleep 0.05
        done
        if is_ours "$1" "$2"; then
            say "process $pid did not stop within $seconds s, killed it"
            kill -KILL "$pid" 2>/dev/null || true
            sleep 0.2
        fi
    fi

    rm -f "$1"
}

# RGW_AUTH_URL, RGW_USER and RGW_SECRET_KEY yield a token.  The key goes through
# stdin: arguments are seen by every user of the machine.
rgw_token_works()
{
    local key=${RGW_SECRET_KEY//\\/\\\\}

    printf 'header = "X-Auth-Key: %s"\n' "${key//\"/\\\"}" \
        | curl -sf -m 10 -o /dev/null -K - -H "X-Auth-User: $RGW_USER" \
            "$RGW_AUTH_URL"
}

# Prints host:port of the RGW: RGW_ENDPOINT, or that of RGW_AUTH_URL.
rgw_endpoint()
{
    [[ $RGW_AUTH_URL =~ ^https?://([^/]+)/ ]] \
        || die "RGW_AUTH_URL=\"$RGW_AUTH_URL\" is no URL; use a form like\
 http://rgw.example.com:7480/auth/v1.0"
    echo "${RGW_ENDPOINT:-${BASH_REMATCH[1]}}"
}

os_codename()
{
    # shellcheck source=/dev/null
    (. /etc/os-release && echo "${VERSION_CODENAME-}")
}

# Prints the suite by which this machine's apt knows its release.  What is not
# released has a codename that says which release it will be, and sources that
# say sid.
os_suite()
{
    local suite names=()

    # shellcheck source=/dev/null
    [ -n "$(. /etc/os-release && echo "${VERSION_ID-}")" ] \
        || names=(sid unstable testing)

    for suite in "$(os_codename)" ${names[@]+"${names[@]}"}; do
        if [ -n "$(debian_mirrors "$suite")" ]; then
            echo "$suite"
            return
        fi
    done

    die "found no mirror of Debian $(os_codename) main in the apt sources; add\
 one to /etc/apt/sources.list"
}

# debian_mirrors SUITE...: prints "URI SUITE" of each of these suites of Debian
# that this machine's apt uses, whatever the form of its sources.
debian_mirrors()
{
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' \
        'Created-By: Packages' \
        | awk -v suites=" $* " '$1 == "main" && index(suites, " " $2 " ") \
            { print $3, $2 }' \
        | sort -u -k2,2
}
