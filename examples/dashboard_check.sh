#!/bin/sh
# Starts the example on a free port, asks it a question, and ends it.
#
#   dashboard_check.sh PROGRAM...
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkfifo "$folder/out"

"$@" 127.0.0.1:0 100 >"$folder/out" &
program=$!
{
    read -r _ url
    python3 - "$url" <<'EOF' || bad=1
import json, sys, urllib.request
answer = json.load(urllib.request.urlopen(sys.argv[1] + "api/processes?search=idler", timeout=60))
page = urllib.request.urlopen(sys.argv[1], timeout=60).read()
sys.exit(answer["matched"] != 100 or b"dashboard.js" not in page)
EOF
    kill -INT $program
    cat
} <"$folder/out"
wait $program # its exit status is ours, through set -e
exit "${bad-0}"
