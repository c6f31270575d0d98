#!/bin/sh
# spawned-sim-lint names what each planted leak asks for, and nothing of what is allowed.
#     lint.sh LINT OBJECT...
set -u
lint=$1
shift
out=$("$lint" --allow fopen "$@")
[ $? -eq 1 ] || { echo "it found nothing"; exit 1; }
for symbol in rand getpid pthread_create opendir socket nanosleep setitimer; do
    echo "$out" | grep -q ": $symbol: " || { echo "$symbol was not found:"; echo "$out"; exit 1; }
done
if echo "$out" | grep -q ": fopen: "; then
    echo "fopen was allowed"
    exit 1
fi
"$lint" --list | grep -q "^rand " || { echo "--list"; exit 1; }
"$lint" /dev/null 2>/dev/null
[ $? -eq 2 ] || { echo "a file that is no object"; exit 1; }
