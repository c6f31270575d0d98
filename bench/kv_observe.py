#!/usr/bin/env python3
"""What metrics and tracing cost spawned-kv: one server, switched by CONFIG SET while it runs.

    bench/kv_observe.py [--kv build/release/bin/spawned-kv] [--rounds 7] [--requests 100000]

Each round measures every load with all four settings, in an order that turns from round to round. Printed, as JSON
lines: requests a second (medians, least and most), and the median over the rounds of what a setting takes from the
rate without it in the same round, in percent. The client is redis-benchmark (Debian: redis-tools)."""
import argparse
import json
import shutil
import statistics
import subprocess
import sys

SETTINGS = {"off": ("no", "no"), "metrics": ("yes", "no"), "ids": ("no", "yes"), "both": ("yes", "yes")}
LOADS = {"set": ["-t", "set"], "get": ["-t", "get"], "set_p16": ["-t", "set", "-P", "16"],
         "get_p16": ["-t", "get", "-P", "16"]}


def client(port, *args):
    run = subprocess.run(["redis-cli", "-p", port, *args], capture_output=True, text=True, check=True)
    if run.stdout.strip() != "OK":
        sys.exit(f"{' '.join(args)}: {run.stdout}")


def rate(port, load, requests):
    count = str(requests * 10 if load.endswith("p16") else requests)
    run = subprocess.run(["redis-benchmark", "-p", port, "-n", count, "-r", "100000", "-c", "50", "--csv", *LOADS[load]],
                         capture_output=True, text=True, check=True)
    return float(run.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))


def measure(port, rounds, requests):
    rates = {(load, name): [] for load in LOADS for name in SETTINGS}
    for turn in range(rounds):
        names = list(SETTINGS)
        names = names[turn % len(names):] + names[:turn % len(names)]
        for load in LOADS:
            for name in names:
                metrics, tracing = SETTINGS[name]
                client(port, "CONFIG", "SET", "metrics", metrics, "tracing", tracing)
                rates[load, name].append(rate(port, load, requests))
    return rates


def report(rates, workers):
    for load in LOADS:
        for name in SETTINGS:
            values = rates[load, name]
            percent = [100 * (1 - on / off) for on, off in zip(values, rates[load, "off"])]
            print(json.dumps({"workload": "kv_observe", "load": load, "setting": name, "workers": workers,
                              "per_second": statistics.median(values), "min": min(values), "max": max(values),
                              "cost_percent": round(statistics.median(percent), 2)}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kv", default="build/release/bin/spawned-kv")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=100000)
    options = parser.parse_args()
    for tool in ("redis-benchmark", "redis-cli"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed: apt install redis-tools")
    for workers in options.workers:
        with subprocess.Popen([options.kv, "--port", "0", "--workers", str(workers)], stdout=subprocess.PIPE,
                              text=True) as server:
            try:
                port = server.stdout.readline().split("ready on ")[1].split(",")[0].rsplit(":", 1)[1]
                report(measure(port, options.rounds, options.requests), workers)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
