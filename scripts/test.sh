#!/bin/bash
# Runs the tests of one or more stages and prints the total of all of them as its last line.
#
#   scripts/test.sh STAGE...
#
# Stages: lint, fuzz, the presets release, asan, tsan, clang, aarch64, valgrind, ucontext; all.
# The tests beside the code run everywhere, those of the whole everywhere but under emulation
# (aarch64, valgrind) and in ucontext, unless they carry the label `cross`.
# A stage's log is build/test/STAGE.log. What does not build counts as one failure; whatever
# did build is tested all the same.
set -u
cd "$(dirname "$0")/.." || exit 2

out=build/test
jobs=$(sh scripts/jobs.sh)
passed=0 failed=0 skipped=0
mkdir -p $out
# Two runs would build and test in the same folders.
exec 9>$out/lock
flock --nonblock 9 || { echo "waiting for another run of $0" >&2 && flock 9; }
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}

# Adds the line `N passed, N failed[, N skipped]` that ends file $2 to the total.
add_total() {
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$2" | tail -n 1)
    if [ -z "$line" ]; then
        echo "FAIL $1: no result, see $2"
        line="0 passed, 1 failed"
    elif grep -q '^FAIL build of' "$2"; then
        failed=$((failed + 1))
    fi
    echo "$1: $line (${SECONDS}s since the start)"
    read -r p _ f _ s _ <<<"$line"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + ${s:-0}))
}

build() {
    rm -f "$out/$1.build"
    { cmake --preset "$1" && cmake --build --preset "$1" -j "$jobs" -- -k 0; } >"$out/$1.build" 2>&1 &&
        return
    grep -E '(error|undefined reference to|FAILED):?' "$out/$1.build" | cut -c 1-200 | head -n 10
    echo "FAIL build of $1: see $out/$1.build"
}

# run_ctest PRESET [ctest options]. ThreadSanitizer's runtime cannot place its shadow memory
# if the kernel randomises more than 28 bits of an address: no randomisation there.
run_ctest() {
    local preset=$1 launch=
    shift
    if [ "$preset" = tsan ] && [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ] &&
        setarch -R true 2>/dev/null; then
        launch="setarch -R"
    fi
    rm -f "$out/$preset.xml"
    $launch ctest --preset "$preset" -j 2 --output-junit "$PWD/$out/$preset.xml" \
        --test-output-size-passed 4000000 --test-output-size-failed 4000000 "$@"
    python3 scripts/junit_total.py "$out/$preset.xml"
}

run_stage() {
    case $1 in
    release | asan | tsan | clang) build "$1"; run_ctest "$1" ;;
    aarch64 | ucontext) build "$1"; run_ctest "$1" -L 'unit|cross' ;;
    # Memcheck reports what these do on purpose.
    valgrind) build "$1"; run_ctest "$1" -L 'unit|cross' -E 'fault|exit_reasons' ;;
    lint) build release; python3 scripts/checks/run.py --build build/release ;;
    fuzz) scripts/fuzz.sh 60 ;;
    *) echo "no such stage: $1" ;;
    esac
}

main() {
    local stage total
    [ $# -gt 0 ] || set -- all
    [ "$1" != all ] || set -- release lint asan tsan clang aarch64 valgrind ucontext fuzz
    for stage; do
        echo "== $stage"
        run_stage "$stage" >"$out/$stage.log" 2>&1 </dev/null 9>&-
        grep -E '^(FAIL|not ok) ' "$out/$stage.log" | cut -c 1-600 | head -n 50
        add_total "$stage" "$out/$stage.log"
    done
    total="$passed passed, $failed failed"
    [ $skipped -eq 0 ] || total="$total, $skipped skipped"
    echo "$total"
    [ $failed -eq 0 ]
    exit
}

main "$@"
