#!/usr/bin/env python3
"""What metrics and tracing cost spawned-kv: one server, switched by CONFIG SET while it runs.

    bench/kv_observe.py [--kv build/release/bin/spawned-kv] [--rounds 7] [--requests 100000]

Each round measures every load with all four settings, in an order that turns from round to round. Printed, as JSON
lines: requests a second and the server's CPU time for one (medians, least and most), and the median over the rounds of
how much more CPU time a setting takes than none in the same round, in percent: rates differ by more than that from run to
run. The client is redis-benchmark (Debian: redis-tools)."""
import argparse
import json
import pathlib
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


def cpu_ns(pid):
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def one(pid, port, load, requests):
    """Requests a second, and microseconds of the server's CPU for one."""
    count = requests * 10 if load.endswith("p16") else requests
    before = cpu_ns(pid)
    run = subprocess.run(["redis-benchmark", "-p", port, "-n", str(count), "-r", "100000", "-c", "50", "--csv", *LOADS[load]],
                         capture_output=True, text=True, check=True)
    rate = float(run.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))
    return rate, (cpu_ns(pid) - before) / count / 1000


def measure(pid, port, rounds, requests):
    found = {(load, name): [] for load in LOADS for name in SETTINGS}
    for turn in range(rounds):
        names = list(SETTINGS)
        names = names[turn % len(names):] + names[:turn % len(names)]
        for load in LOADS:
            for name in names:
                metrics, tracing = SETTINGS[name]
                client(port, "CONFIG", "SET", "metrics", metrics, "tracing", tracing)
                found[load, name].append(one(pid, port, load, requests))
    return found


def spread(name, values, digits):
    return {name: round(statistics.median(values), digits), f"{name}_min": round(min(values), digits),
            f"{name}_max": round(max(values), digits)}


def report(found, workers):
    for load in LOADS:
        for name in SETTINGS:
            rates, cpu = zip(*found[load, name])
            percent = [100 * (on / off - 1) for on, (_, off) in zip(cpu, found[load, "off"])]
            print(json.dumps({"workload": "kv_observe", "load": load, "setting": name, "workers": workers,
                              **spread("per_second", rates, 0), **spread("cpu_us", cpu, 3),
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
                report(measure(server.pid, port, options.rounds, options.requests), workers)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
