#!/bin/sh
# Runs the tests of the coverage preset and writes build/coverage/html and a summary.
set -eu
cd "$(dirname "$0")/.."
dir=build/coverage
cmake --preset coverage
cmake --build --preset coverage -j "$(sh scripts/jobs.sh)"
lcov -q --zerocounters --directory $dir
ctest --preset coverage || failed=1
lcov -q --capture --directory $dir --rc lcov_branch_coverage=1 --output-file $dir/all.info
lcov -q --extract $dir/all.info "$PWD/src/*" "$PWD/include/*" --rc lcov_branch_coverage=1 \
    --output-file $dir/raw.info
lcov -q --remove $dir/raw.info '*_test.c' --rc lcov_branch_coverage=1 --output-file $dir/library.info
genhtml -q --branch-coverage --output-directory $dir/html $dir/library.info
lcov --summary $dir/library.info --rc lcov_branch_coverage=1
echo "report: $dir/html/index.html"
exit "${failed-0}"
