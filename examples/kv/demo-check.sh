#!/bin/sh
# Drives a fresh spawned-kv with redis-cli: values, messages, a shard that crashes and comes back.
# usage: demo-check.sh PROGRAM [ARGUMENT...]; exits with 0 when everything was as it should be.
set -u

if [ $# -eq 0 ]; then
    echo "usage: demo-check.sh PROGRAM" >&2
    exit 2
fi

dir=$(mktemp -d) || exit 1
server=
listener=

finish() {
    status=$?
    trap - EXIT INT TERM
    [ -z "$listener" ] || kill "$listener" 2>/dev/null
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT INT TERM

fail() {
    echo "FAILED: $*" >&2
    cat "$dir/log" >&2
    exit 1
}

# await TEXT FILE: until TEXT is in FILE, ten seconds at most.
await() {
    turns=0
    until grep -q "$1" "$2" 2>/dev/null; do
        turns=$((turns + 1))
        [ "$turns" -le 100 ] || fail "\"$1\" did not come"
        sleep 0.1
    done
}

say() {
    printf '\n== %s\n' "$1"
}

# try EXPECTED COMMAND...
try() {
    expected=$1
    shift
    printf '> %s\n' "$*"
    reply=$(redis-cli -p "$port" "$@" </dev/null)
    printf '%s\n' "$reply"
    [ "$reply" = "$expected" ] || fail "$*: expected \"$expected\""
}

lines() {
    printf '%b' "$1"
}

"$@" --port 0 --shards 4 >"$dir/log" 2>&1 &
server=$!
await ': ready on ' "$dir/log"
port=$(sed -n 's/.*ready on [^ ]*:\([0-9]*\),.*/\1/p' "$dir/log")
cat "$dir/log"

say "strings and numbers"
try PONG ping
try OK set greeting hello
try hello get greeting
try 1 incr visits
try 11 incrby visits 10
try "$(lines 'hello\n11')" mget greeting visits

say "lists and hashes"
try 3 rpush jobs one two three
try one lpop jobs
try "$(lines 'two\nthree')" lrange jobs 0 -1
try "$(lines 'jobs\ntwo')" blpop nothing jobs 1
try 2 hset user name ada born 1815
try ada hget user name

say "a key that expires"
try OK set brief gone px 50
sleep 0.2
try "" get brief

say "publish and subscribe"
redis-cli -p "$port" subscribe news </dev/null >"$dir/news" &
listener=$!
await subscribe "$dir/news"
try 1 publish news "something happened"
await "something happened" "$dir/news"
kill "$listener"
wait "$listener" 2>/dev/null
listener=

say "a hundred keys, then a crash"
for i in $(seq 100); do echo "set key:$i $i"; done | redis-cli -p "$port" >/dev/null
before=$(redis-cli -p "$port" dbsize)
echo "keys before: $before"
try OK debug crash-shard 2
await 'fault: SIGSEGV' "$dir/log"
grep 'fault\|restarted' "$dir/log"
after=$(redis-cli -p "$port" dbsize)
echo "keys after: $after"
[ "$after" -lt "$before" ] || fail "the shard that crashed still has its keys"
[ "$after" -gt 0 ] || fail "the other shards lost their keys"
redis-cli -p "$port" info shards | grep -q '^shard_crashes:1' || fail "INFO does not tell"
redis-cli -p "$port" info shards

say "every shard takes keys again"
for i in $(seq 100); do echo "set key:$i $i"; done | redis-cli -p "$port" >/dev/null
[ "$(redis-cli -p "$port" exists $(seq -f 'key:%g' 100))" = 100 ] || fail "keys are missing"

say "the tree of processes"
redis-cli -p "$port" debug tree

say "stop"
redis-cli -p "$port" shutdown >/dev/null 2>&1
wait "$server" || fail "it ended with status $?"
server=
echo "all is well"
