#!/usr/bin/env bash
# What tools/gdb/spawned-gdb.py says of tests/gdb/target.c, alive and as a core file. It comes with the
# program, as gdb's own auto-loading finds it.
#
#   check.sh PROGRAM
set -eu

program=$(realpath "$1")
command -v gdb >/dev/null || {
    echo "gdb is not installed"
    exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/look" <<'END'
spawned ps
spawned ps cle
spawned info clerk
spawned mailbox clerk
spawned mailbox picky
spawned mailbox idle
spawned bt clerk
spawned bt asker
spawned bt main
spawned bt idle
spawned in clerk frame function clerk_on_work
spawned in clerk up
spawned bt nobody
END
look() {
    gdb -nx -nh -batch -iex "add-auto-load-safe-path $(dirname "$program")" \
        -iex "set debuginfod enabled off" "$@" 2>&1
}
# One that fails does not end the others.
while read -r line; do
    printf '%s\n' "echo == $line\\n" python "try: gdb.execute('$line')" \
        "except gdb.error as error: print(error)" end
done <"$folder/look" >"$folder/script"

look -ex "break target_ready" -ex run -x "$folder/script" \
    -ex kill "$program" >"$folder/live" || true
files=live
# The system's own core file: gdb's generate-core-file leaves out stacks with guards.
(cd "$folder" && ulimit -c unlimited && "$program" die) 2>"$folder/said" || true
core=$(ls "$folder"/core* 2>/dev/null || true)
if [ -n "$core" ]; then
    look -x "$folder/script" "$program" "$core" >"$folder/post" || true
    files="live post"
fi

fail=0
expect() { # FILE TEXT
    grep -qE -- "$2" "$folder/$1" || {
        echo "missing in what gdb says of the program ($1): $2"
        fail=1
    }
}
for file in $files; do
    expect "$file" '^ +[0-9]+ +<0\.[0-9]+\.[0-9]+> +clerk +clerk +waiting +3 +[0-9]+ +work$'
    expect "$file" ' asker +process +waiting +0 '
    expect "$file" ' idle +clerk +idle +0 '
    expect "$file" ' main +[a-z]+ +running +0 '
    expect "$file" '^mailbox +3 of 65536$'
    expect "$file" '^operation +work$'
    expect "$file" '^ +1 +message +note +4 bytes +from <0\.'
    expect "$file" '^ +3 +message +note '
    expect "$file" '^ +1 +message +unwanted '
    expect "$file" '^empty$'
    expect "$file" '^#[0-9]+ +target_rest at .*tests/gdb/target\.c:[0-9]+$'
    expect "$file" '^#[0-9]+ +clerk_on_work at '
    expect "$file" '^#[0-9]+ +asker_main at '
    expect "$file" '^#[0-9]+ +target_main at '
    expect "$file" 'no stack: it is between two messages'
    expect "$file" 'clerk_on_work \(.*self='
    expect "$file" 'there is no process nobody'
done
if [ $fail != 0 ]; then
    echo "---- alive"
    cat "$folder/live"
    echo "---- core file"
    cat "$folder/post" 2>/dev/null || cat "$folder/said"
    exit 1
fi
sed -n '/== spawned ps$/,/== spawned bt main/p' "$folder/live"
[ "$files" != live ] || {
    echo "the part about core files is left out: the system put none into the current folder"
    echo "(/proc/sys/kernel/core_pattern: $(cat /proc/sys/kernel/core_pattern))"
    exit 77
}
