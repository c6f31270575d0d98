#!/bin/sh
# Starts the chat room on a free port, says something in it with netcat if there is one, and
# ends it.
#
#   check.sh PROGRAM...
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/out"

"$@" 127.0.0.1:0 >"$folder/out" &
program=$!
{
    read -r first
    port=${first##*127.0.0.1:}
    port=${port%%,*}
    answer=hello
    if nc -h 2>&1 | grep -q -e -N; then
        answer=$(printf 'ann\nhello\n' | nc -N 127.0.0.1 "$port" || echo "nc failed")
    fi
    kill -INT $program
    cat
} <"$folder/out" >"$folder/rest"
wait $program # its exit status is ours, through set -e

case $answer in
*hello* | *ann*) ;;
*)
    echo "answer: $answer"
    exit 1
    ;;
esac
cat "$folder/rest"
