#!/bin/sh
#
# Runs each target of t/fuzz for FUZZ_SECONDS (5) under the sanitizers.  What
# is found stays in build/fuzz.

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
core=$root/ngx_http_registry_module/core
build=$root/build/fuzz
cc=${FUZZ_CC:-clang}

flags="-g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer
       -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"

if ! command -v "$cc" > /dev/null; then
    echo "1..0 # SKIP no $cc"
    exit 0
fi

mkdir -p "$build" || exit 1

count=0
status=0

for src in "$root"/t/fuzz/*.c; do

    name=$(basename "$src" .c)
    count=$((count + 1))
    found=$build/corpus-$name
    dict=

    case $name in
    json|manifest|listing|referrer|keystone) dict=-dict=$root/t/fuzz/json.dict ;;
    esac

    rm -rf "$found" && mkdir -p "$found" || exit 1

    if ! $cc $flags -I "$core" -I "$root/t/fuzz" -o "$build/$name" "$src" \
           "$core/reg_base.c" "$core/reg_name.c" "$core/reg_digest.c" \
           "$core/reg_range.c" "$core/reg_etag.c" "$core/reg_query.c" \
           "$core/reg_json.c" "$core/reg_manifest.c" "$core/reg_media.c" \
           "$core/reg_referrer.c" "$core/reg_listing.c" \
           "$core/reg_route.c" "$core/reg_session.c" \
           "$core/reg_path.c" "$core/reg_object.c" \
           "$core/reg_keystone.c" -lyajl -lcrypto >&2
    then
        echo "not ok $count - $name: does not compile"
        status=1
        continue
    fi

    # the first directory takes what is new: the seeds stay as they are

    if "$build/$name" -max_total_time="${FUZZ_SECONDS:-5}" -runs=2000000 \
           -max_len=4096 -timeout=10 $dict \
           -artifact_prefix="$build/$name-" \
           "$found" "$root/t/fuzz/corpus/$name" > "$build/$name.log" 2>&1
    then
        echo "ok $count - $name: $(sed -n 's/^Done //p' "$build/$name.log")"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$build/$name.log" | tail -n 40
        status=1
    fi
done

echo "1..$count"
exit $status
