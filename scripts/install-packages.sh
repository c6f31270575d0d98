#!/bin/sh
# Installs what is missing from scripts/packages.txt. Does nothing if nothing is missing.
# Runs apt-get as root or through sudo; where neither is possible it says what it would
# install and fails. --dry-run only says it (and fails if anything is missing).
set -eu

list=$(dirname "$0")/packages.txt
missing=
# shellcheck disable=SC2013 # a package name is a word
for package in $(sed 's/#.*//' "$list"); do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

case ${1-} in
'') ;;
--dry-run)
    echo "missing packages: $missing"
    exit 1
    ;;
*)
    echo "usage: $0 [--dry-run]" >&2
    exit 2
    ;;
esac

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
