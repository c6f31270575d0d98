#!/bin/sh
# Each planted bug is found under its fault, again from its file, and not without it.
# usage: check.sh PROGRAM; exits with 0 when all of that is so.
set -u

if [ $# -ne 1 ]; then
    echo "usage: check.sh PROGRAM" >&2
    exit 2
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

# The schedule that passes (.pass.sim) lies beside the one that fails.
fails_again() {
    rm -f "$dir"/*.pass.sim
    "$1" --replay "$dir/$test"-*.sim >"$dir/again"
    [ $? -eq 1 ]
}

tests=$("$1" --list) || exit 1
for test in $tests; do
    fault=net-${test%_}
    rm -f "$dir"/*.sim
    if ! "$1" --filter "$test" --faults none --runs 500 >"$dir/log"; then
        echo "FAIL  $test: without any fault"
        cat "$dir/log"
        failed=1
    elif "$1" --filter "$test" --faults "none,$fault" --output "$dir" >"$dir/log"; then
        echo "FAIL  $test: not found"
        failed=1
    elif ! fails_again "$1"; then
        echo "FAIL  $test: not found again"
        failed=1
    else
        echo "ok    $test: $(grep -m 1 '^found' "$dir/log")"
    fi
done
exit "$failed"
