#!/bin/sh
# Starts the example on a free port, talks to it with netcat if there is one, and ends it.
#
#   echo_check.sh PROGRAM...
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
    if nc -h 2>&1 | grep -q -e -N; then
        answer=$(printf 'hello\n' | nc -N 127.0.0.1 "$port" || echo "nc failed")
    else
        answer=hello
    fi
    kill -INT $program
    cat
} <"$folder/out" >"$folder/rest"
wait $program # its exit status is ours, through set -e

[ "$answer" = hello ] || {
    echo "answer: $answer"
    exit 1
}
cat "$folder/rest"
