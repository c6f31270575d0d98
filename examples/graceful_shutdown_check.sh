#!/bin/sh
# Starts the example, puts it under load, and ends it in the middle: what it accepted is answered.
#
#   graceful_shutdown_check.sh PROGRAM...
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/server" "$folder/load"

"$@" 127.0.0.1:0 >"$folder/server" &
server=$!
{
    read -r first
    address=${first##*listening on }
    "$@" --load "$address" >"$folder/load" &
    load=$!
    {
        read -r under_way
        kill -TERM $server
        cat
    } <"$folder/load" >"$folder/load.rest"
    wait $load
    cat
} <"$folder/server" >"$folder/rest"
wait $server # its exit status is ours, through set -e

cat "$folder/rest" "$folder/load.rest"
accepted=$(sed -n 's/^server: \([0-9]*\) accepted.*/\1/p' "$folder/rest")
answered=$(sed -n 's/^server: .* \([0-9]*\) answered/\1/p' "$folder/rest")
got=$(sed -n 's/^load: \([0-9]*\) answered.*/\1/p' "$folder/load.rest")
done=$(sed -n 's/^worker: \([0-9]*\) done, ended with shutdown/\1/p' "$folder/rest")
[ "$under_way" = "under way" ] && [ "$got" -ge 50 ] && [ "$accepted" = "$answered" ] &&
    [ "$answered" = "$got" ] && [ "$done" = "$got" ] && grep -q "^SIGTERM: .* 0 problems" "$folder/rest"
