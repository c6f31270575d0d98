#!/bin/bash
# Runs every fuzz target of the fuzz preset, together for about the given number of seconds
# (default 60). Starts from fuzz/corpus/<target>; new inputs go to build/fuzz/corpus/<target>,
# an input that crashes to build/fuzz/artifacts. Last line: `N passed, N failed`.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2
seconds=${1-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "usage: $0 [SECONDS]" >&2; exit 2; }

cmake --preset fuzz && cmake --build --preset fuzz -j "$(sh scripts/jobs.sh)" || exit 1
shopt -s nullglob
targets=(build/fuzz/bin/fuzz_*)
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz targets" >&2; exit 1; }
share=$((seconds / ${#targets[@]}))
[ $share -gt 0 ] || share=1
mkdir -p build/fuzz/artifacts

passed=0 failed=0
for target in "${targets[@]}"; do
    name=${target##*/fuzz_}
    mkdir -p "build/fuzz/corpus/$name"
    seeds=()
    [ ! -d "fuzz/corpus/$name" ] || seeds=("fuzz/corpus/$name")
    echo "== $name, $share s"
    if "$target" -max_total_time="$share" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/artifacts/$name-" \
        "build/fuzz/corpus/$name" "${seeds[@]}" 2>&1 | tail -n 30; then
        passed=$((passed + 1))
    else
        echo "FAIL fuzz_$name: see build/fuzz/artifacts"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
