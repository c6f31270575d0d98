#!/bin/sh
# Counts the lines of logs as awk does: of one made here, and of the packages' log where there is one.
#
#   log_pipeline_check.sh PROGRAM...
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
LC_ALL=C
export LC_ALL

# check FILE COLUMN WORKERS PROGRAM...
check() {
    file=$1
    column=$2
    workers=$3
    shift 3
    awk -v column="$column" '{ n[$column == "" ? "(none)" : $column]++ }
        END { for (word in n) print word, n[word] }' "$file" | sort >"$folder/expected"
    "$@" "$file" "$column" "$workers" >"$folder/got"
    diff "$folder/expected" "$folder/got"
}

awk 'BEGIN {
    split("error warning info debug", level)
    for (i = 0; i < 20000; i++)
        printf "2026-01-01 00:%02d:%02d %s node-%d request %d took %d us\n", i / 60 % 60, i % 60,
            level[i * 7 % 4 + 1], i % 13, i, i * 31 % 977
    printf "\n  one\n2026-01-01 01:00:00 last"
}' >"$folder/made.log"

for workers in 1 4; do
    check "$folder/made.log" 3 "$workers" "$@"
    check "$folder/made.log" 4 "$workers" "$@"
done
if [ -r /var/log/dpkg.log ]; then
    cp /var/log/dpkg.log "$folder/packages.log" # it may grow meanwhile
    check "$folder/packages.log" 3 4 "$@"
fi

if "$@" "$folder/nowhere" 1 2>"$folder/err"; then
    echo "a file that is not there was counted"
    exit 1
fi
grep -q 'nowhere: No such file or directory' "$folder/err"
echo "counted $(wc -l <"$folder/made.log") lines"
