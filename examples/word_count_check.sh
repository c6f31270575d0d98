#!/bin/sh
# Counts the words of a folder as wc does, and of one with a file that cannot be read.
#
#   word_count_check.sh PROGRAM...
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
here=$(dirname "$0")
cp "$here"/*.c "$folder"
: >"$folder/empty"
printf 'no newline  at\tthe end' >"$folder/last"
files=$(find "$folder" -type f | wc -l)
words=$(cat "$folder"/*.c "$folder/empty" | wc -w)
bytes=$(cat "$folder"/* | wc -c)
expected="$files files, $((words + 5)) words, $bytes bytes"

for at_a_time in 1 4 100; do
    out=$("$@" "$folder" $at_a_time)
    [ "$out" = "$expected" ] || {
        echo "got:      $out"
        echo "expected: $expected"
        exit 1
    }
done

if "$@" "$folder/nowhere" 2>"$folder/err"; then
    echo "a folder that is not there was counted"
    exit 1
fi
grep -q 'nowhere: No such file or directory' "$folder/err"
echo "$expected"
