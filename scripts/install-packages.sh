#!/bin/sh
# Installs what is missing from scripts/packages.txt: of the named sections, or of all. Does
# nothing if nothing is missing. Runs apt-get as root or through sudo; where neither is
# possible it says what it would install and fails.
#
#   install-packages.sh [--dry-run] [SECTION...]
#
# --dry-run says what is missing and fails if anything is.
set -eu

list=$(dirname "$0")/packages.txt
dry_run=
if [ "${1-}" = --dry-run ]; then
    dry_run=1
    shift
fi
for section; do
    grep -qxF "[$section]" "$list" || {
        echo "usage: $0 [--dry-run] [SECTION...]; no section $section in $list" >&2
        exit 2
    }
done

# packages SECTION...: the names in these sections, or all names.
packages() {
    awk -v wanted=" $* " '
        { sub(/#.*/, "") }
        /^\[/ { section = substr($1, 2, length($1) - 2); next }
        NF && (wanted ~ /^ *$/ || index(wanted, " " section " ")) { print $1 }' "$list"
}

command -v dpkg-query >/dev/null || {
    echo "$0: not a Debian system, cannot tell what is installed" >&2
    exit 0
}
missing=
for package in $(packages "$@"); do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

if [ -n "$dry_run" ]; then
    echo "missing packages: $missing"
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
elif command -v sudo >/dev/null && [ -t 0 ]; then
    as_root=sudo
else
    echo "cannot install packages: not root, and no sudo. As root, run:" >&2
    echo "    apt-get update && apt-get install -y --no-install-recommends $missing" >&2
    exit 1
fi
echo "installing: $missing"
$as_root apt-get -q update
# RUNLEVEL=1 keeps the Redis service from being started: tests start their own.
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -q install -y --no-install-recommends $missing
