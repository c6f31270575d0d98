#!/bin/sh
# Starts the example, presses Ctrl-C when it says so, and looks at what it prints.
#
#   signals_check.sh PROGRAM...
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/out"

"$@" >"$folder/out" &
program=$!
{
    read -r first
    kill -INT $program
    cat
} <"$folder/out" >"$folder/rest"
wait $program # its exit status is ours, through set -e

[ "$(sed 's/[0-9][0-9]* ticks/N ticks/' "$folder/rest" | sort)" = "both have ended
fast: N ticks, ends: normal
slow: N ticks, ends: normal" ] || {
    cat "$folder/rest"
    exit 1
}
echo "$first, done"
