#!/bin/sh
# The simulated acceptance cases, about SECONDS long together, each time from another seed, which is
# printed: with --seed N the same campaign comes again.
#
#   scripts/soak-sim.sh SECONDS [SEED]
set -u
cd "$(dirname "$0")/.." || exit 2
seconds=${1:?seconds} seed=${2:-$(date +%s)} failed=0 tests=0
bins=$(ls build/release/bin/sim_acceptance_*) || exit 2
for bin in $bins; do
    tests=$((tests + $("$bin" --list | wc -l)))
done
each=$(((seconds + tests - 1) / tests))
echo "$tests simulated cases, $each s each, seed $seed"
for bin in $bins; do
    "$bin" --seed "$seed" --time "$each" --runs 1000000000 --output build || failed=1
done
exit $failed
