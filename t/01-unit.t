#!/bin/sh
#
# Builds core/ and ops/ with each t/unit/test_*.c under the sanitizers and runs
# them.
#
# UNIT_FLAGS replaces the sanitizers, UNIT_BUILD the folder; UNIT_RUN is a
# command that runs each of them.

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
dir=$root/ngx_http_registry_module
build=${UNIT_BUILD:-$root/build/unit}

cc=${CC:-cc}
flags="-fsanitize=address,undefined -fno-sanitize-recover=all"
flags="-g -O1 -Wall -Wextra -Wconversion -Werror -fno-omit-frame-pointer
       ${UNIT_FLAGS-$flags}"

mkdir -p "$build" || exit 1

# one archive: a test takes of it only what it uses

rm -f "$build"/*.o "$build/core.a"

for src in "$dir"/core/*.c "$dir"/ops/*.c; do
    (cd "$build" && $cc $flags -I "$dir" -c "$src") >&2 \
        || echo "# $(basename "$src") does not compile"
done

ar rcs "$build/core.a" "$build"/*.o || exit 1

count=0
status=0

for src in "$root"/t/unit/test_*.c; do

    name=$(basename "$src" .c)

    if $cc $flags -I "$dir" -I "$root/t/unit" -o "$build/$name" "$src" \
           "$build/core.a" -lyajl -lcrypto >&2
    then
        # shellcheck disable=SC2086
        ${UNIT_RUN-} "$build/$name" > "$build/$name.tap"
        rc=$?
    else
        : > "$build/$name.tap"
        rc="the compiler's error"
    fi

    awk -v n="$count" -v name="$name" '
        /^ok / || /^not ok / {
            sub(/ok [0-9]+ - /, "ok " ++n " - " name ": ")
            print
        }' "$build/$name.tap"

    lines=$(grep -c -E '^(not )?ok ' "$build/$name.tap")
    plan=$(sed -n 's/^1\.\.//p' "$build/$name.tap")
    count=$((count + lines + 1))

    if [ "$rc" = 0 ] && [ "$lines" = "$plan" ]; then
        echo "ok $count - $name: went to its end"
    else
        echo "not ok $count - $name: ended with $rc"
        status=1
    fi
done

echo "1..$count"
exit $status
