#!/bin/sh
# Prints how many jobs a build may run: one per CPU, but no more than one per GiB of memory
# that is free now. SPAWNED_JOBS overrides it.
set -eu
if [ -n "${SPAWNED_JOBS-}" ]; then
    echo "$SPAWNED_JOBS"
    exit
fi
cpus=$(nproc)
gib=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
jobs=$((gib < cpus ? gib : cpus))
echo $((jobs > 0 ? jobs : 1))
