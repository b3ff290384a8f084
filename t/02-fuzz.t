#!/bin/bash
#
# Runs each target of t/fuzz under the sanitizers, two at a time, for
# FUZZ_SECONDS (4) each; "make fuzz" gives them more.  What is found stays in
# build/fuzz.  FUZZ names the targets that are wanted: "range route".

set -u

cd "$(dirname "$0")/.." || exit 1
dir=ngx_http_registry_module
nginx=build/nginx-source
build=build/fuzz
cc=${FUZZ_CC:-clang}
seconds=${FUZZ_SECONDS:-4}

if ! command -v "$cc" > /dev/null; then
    echo "1..1"
    echo "not ok 1 - no $cc: t/bin/packages test installs it"
    exit 1
fi

flags=(-g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer
       -fsanitize=address,undefined -fno-sanitize-recover=all
       -I $dir -I t/fuzz)

mkdir -p $build
rm -f $build/*.o $build/core.a


# one archive: a target takes of it only what it uses

compile()
{
    local src

    for src in $dir/core/*.c $dir/ops/*.c; do
        echo "$src"
    done | xargs -P 2 -I {} sh -c '
        cc=$1 out=$2 src=$3; shift 3
        exec "$cc" "$@" -c -o "$out/$(basename "$src" .c).o" "$src"' \
        - "$cc" $build {} "${flags[@]}" -fsanitize=fuzzer-no-link >&2

    ar rcs $build/core.a $build/*.o
}


# A target that includes a file of the nginx half is linked with nginx's own
# parsers; what else that file would call is not there, and is never called.
# nginx's sources have errors of their own that UBSan would see.

link_target()
{
    local i name=$1
    local -a more=()

    if grep -q '^#include ".*ngx_http_registry_' "t/fuzz/$name.c"; then
        more=(-Wno-unused-parameter -Wno-unused-function
              -fno-sanitize=nonnull-attribute,pointer-overflow,alignment
              -fno-pie -no-pie -Wl,--unresolved-symbols=ignore-all -I $dir
              -I build/source/objs)

        for i in core event event/modules os/unix http http/modules http/v2
        do
            more+=(-I "$nginx/src/$i")
        done

        more+=("$nginx/src/http/ngx_http_parse.c"
               "$nginx"/src/core/ngx_{string,palloc,array,list,buf}.c
               "$nginx/src/os/unix/ngx_alloc.c")
    fi

    "$cc" "${flags[@]}" -fsanitize=fuzzer -o "$build/$name" \
        "t/fuzz/$name.c" "${more[@]}" $build/core.a -lyajl -lcrypto
}


# one_target NUMBER NAME

one_target()
{
    local name=$2 found=$build/corpus-$2
    local -a dict=()

    case $name in
    json | keystone | listing | manifest | referrer)
        dict=(-dict=t/fuzz/json.dict) ;;
    esac

    rm -rf "$found"
    mkdir -p "$found"

    if ! link_target "$name" > "$build/$name.log" 2>&1; then
        echo "not ok $1 - $name: does not compile"
        sed 's/^/# /' "$build/$name.log" | head -n 20

    # the first directory takes what is new: the seeds stay as they are

    elif "$build/$name" -max_total_time="$seconds" -max_len=4096 \
        -timeout=10 -rss_limit_mb=1024 "${dict[@]}" \
        -artifact_prefix="$build/$name-" "$found" "t/fuzz/corpus/$name" \
        > "$build/$name.log" 2>&1
    then
        echo "ok $1 - $name: $(sed -n 's/^Done //p' "$build/$name.log")"

    else
        echo "not ok $1 - $name"
        sed 's/^/# /' "$build/$name.log" | tail -n 40
    fi
}


t/bin/nginx-source $nginx >&2
compile || echo "# core/ does not compile"

names=()
for i in ${FUZZ:-$(basename -a -s .c t/fuzz/*.c)}; do
    names+=("$i")
done

for ((i = 0; i < ${#names[@]}; i += 2)); do
    one_target $((i + 1)) "${names[i]}" > $build/tap.0 &
    if [ -n "${names[i + 1]-}" ]; then
        one_target $((i + 2)) "${names[i + 1]}" > $build/tap.1
    else
        : > $build/tap.1
    fi
    wait
    cat $build/tap.0 $build/tap.1
done | tee $build/tap

awk '{ n += $5 } END { print "# " n + 0 " executions" }' $build/tap
echo "1..${#names[@]}"
! grep -q '^not ok' $build/tap
