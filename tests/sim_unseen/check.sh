#!/bin/sh
# Each planted bug is found and again from its file, and its corrected twin passes.
# usage: check.sh PROGRAM RUNS; exits with 0 when all of that is so.
set -u

if [ $# -ne 2 ]; then
    echo "usage: check.sh PROGRAM RUNS" >&2
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

twins=$("$1" --filter _twin --list) || exit 1
for twin in $twins; do
    test=${twin%_twin}
    if ! "$1" --filter "$twin" --runs "$2" --output "$dir" >"$dir/log"; then
        echo "FAIL  $twin: corrected, and fails"
        cat "$dir/log"
        failed=1
    elif "$1" --filter "$test" --runs 1000 --output "$dir" >"$dir/log"; then
        echo "FAIL  $test: not found"
        failed=1
    elif ! fails_again "$1"; then
        echo "FAIL  $test: not found again"
        failed=1
    else
        echo "ok    $test: $(grep -m 1 '^found' "$dir/log")"
    fi
done

# A name that no test has must not pass for a test that passed.
"$1" --filter no_such_test >"$dir/log" 2>&1
if [ $? -ne 2 ]; then
    echo "FAIL  no_such_test: something was tried"
    failed=1
fi
exit "$failed"
