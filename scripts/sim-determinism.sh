#!/bin/sh
# Are simulated runs determined? Of each program, every test is run from many seeds, each run twice
# under another layout of memory, other garbage in it, and another environment; then the same
# tests built by both compilers, with and without optimisation, must make the same runs.
#
#     sim-determinism.sh [--runs N] [--builds]     from the root of the tree, after `make build`
#
# Exit status: 0 everything is the same.
set -eu

runs=10000
builds=no
while [ $# -gt 0 ]; do
    case $1 in
    --runs) runs=$2; shift 2 ;;
    --builds) builds=yes; shift ;;
    *) echo "usage: sim-determinism.sh [--runs N] [--builds]" >&2; exit 2 ;;
    esac
done

status=0
for program in sim_cases sim_net sim_kv sim_chat_room sim_tutorial; do
    out=$(build/release/bin/$program --check-determinism --keep-going --runs "$runs" --time 3600) || status=1
    echo "$out" | grep -v "^ok\|^ *[0-9]* of them failed" || true
    echo "$program: $(echo "$out" | grep -c '^ok') tests, every run twice"
done
[ $builds = yes ] || exit $status

# Without floating point in the programs, nothing is left to a compiler.
digest() {
    "$1/bin/sim_cases" --digest --keep-going --runs 300 | grep '^digest'
}
expected=$(digest build/release)
for compiler in gcc clang; do
    for level in 0 2; do
        folder=build/digest-$compiler-O$level
        cmake -S . -B "$folder" -G Ninja -DCMAKE_C_COMPILER=$compiler -DCMAKE_BUILD_TYPE=None \
            -DCMAKE_C_FLAGS="-O$level -g" -DSPAWNED_BUILD_BENCH=OFF >"$folder.log" 2>&1 ||
            { cat "$folder.log"; exit 2; }
        cmake --build "$folder" --target sim_cases >>"$folder.log" 2>&1 || { tail -20 "$folder.log"; exit 2; }
        if [ "$(digest "$folder")" = "$expected" ]; then
            echo "$compiler -O$level: the same runs"
        else
            echo "$compiler -O$level: OTHER runs"
            status=1
        fi
    done
done
exit $status
