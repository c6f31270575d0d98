#!/usr/bin/env python3
"""bench-peers: ours and the peers beside us, the same work on the same processors.

    run.py --bench PATH/spawned-bench [--short] [--page FILE] [options]

Every run is a process of its own. One round runs each workload, with each number of workers,
in each peer in turn, so that what disturbs the machine for a while disturbs all; the order
turns from round to round. What counts is the median over the rounds, shown with its spread.

Writes to --out: runs.jsonl (every single run), results.jsonl (medians), table.txt, table.md
and chart.svg. A peer that cannot be installed or built is said and left out; one that hangs
or fails in a workload has "timeout" or "exit N" there, and is not tried again.
"""
import argparse
import json
import os
import pathlib
import resource
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import machine  # noqa: E402
import peers as peers_module  # noqa: E402
import report  # noqa: E402
from workloads import FLOOR, FLOOR_OF, SCALING, SERVED, WORKLOADS  # noqa: E402

BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"
TITLES = {report.OURS: "Spawned", **{p.name: p.title for p in peers_module.PEERS.values()}}


# ---- single runs ---------------------------------------------------------------------------------


def value_of(text):
    try:
        return float(text)
    except ValueError:
        return text


def figures_of(output):
    """Lines "METRIC VALUE" of a peer's program."""
    words = (line.split() for line in output.splitlines())
    return {pair[0]: value_of(pair[1]) for pair in words if len(pair) == 2}


def figures_of_json(output):
    """Lines of spawned-bench --json."""
    lines = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return {line["metric"]: line["value"] for line in lines}


class Launcher:
    """Runs commands, each at most `timeout` seconds, behind `wrap` (a command, or none)."""

    def __init__(self, wrap, timeout):
        # Behind a wrapper, which may wait for its turn, coreutils' timeout counts.
        limit = ["timeout", "-k", "2", str(timeout)] if wrap else []
        self.prefix = [*wrap, *limit]
        self.timeout = None if wrap else timeout

    def launch(self, command):
        """Returns (outcome, output)."""
        try:
            child = subprocess.Popen(
                [*self.prefix, *map(str, command)], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                start_new_session=True, env=peers_module.ENV
            )
        except OSError:
            return "exit 127", ""
        try:
            output, _ = child.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return "timeout", ""
        if child.returncode in (124, 137):
            return "timeout", output
        return ("ok" if child.returncode == 0 else f"exit {child.returncode}"), output


class Session:
    """The runs so far, and how to make more."""

    def __init__(self, options, contestants):
        self.options = options
        self.contestants = contestants  # of class Peer
        self.launcher = Launcher(options.wrap.split(), options.timeout)
        self.runs = []
        self.given_up = set()
        self.busy = machine.Busy()
        self.started = time.monotonic()

    def is_over_budget(self):
        budget = self.options.budget
        return budget > 0 and time.monotonic() - self.started > budget

    def keep(self, peer, workload, workers, outcome, figures):
        run = {
            "peer": peer,
            "workload": workload,
            "workers": workers,
            "outcome": outcome,
            "figures": figures,
            "others_busy": None if self.options.wrap else self.busy.share(),
        }
        self.runs.append(run)
        with open(self.options.out / "runs.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        if outcome != "ok":
            self.given_up.add((peer, workload, workers))
            print(f"  {peer} {workload} with {workers} workers: {outcome}", flush=True)

    def our_command(self, workload, workers, size, seconds):
        command = [self.options.bench, workload, "--workers", workers, "--reps", 1, "--json"]
        command += ["--timeout", self.options.timeout]
        command += ["--size", size] if size else []
        return command + (["--seconds", seconds] if seconds else [])

    def launch_ours(self, command):
        outcome, output = self.launcher.launch(command)
        figures = figures_of_json(output)
        status = figures.pop("exit_status", None)
        if status is not None:
            outcome = "timeout" if status == 124 else f"exit {status:.0f}"
        return outcome, figures

    def run_ours(self, workload, workers, size, seconds=0):
        if (report.OURS, workload, workers) not in self.given_up:
            command = self.our_command(workload, workers, size, seconds)
            self.keep(report.OURS, workload, workers, *self.launch_ours(command))

    def run_peer(self, peer, workload, workers, size, seconds):
        if workload not in peer.workloads or (peer.name, workload, workers) in self.given_up:
            return
        command = peer.command(workload, workers, size, seconds)
        if workload in SERVED:
            outcome, figures = self.run_served(command, workload, workers, size)
        else:
            outcome, output = self.launcher.launch(command)
            figures = figures_of(output)
        self.keep(peer.name, workload, workers, outcome, figures)

    def run_served(self, command, workload, workers, size):
        """The peer serves, the client of spawned-bench drives it: (outcome, figures)."""
        server = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, start_new_session=True, env=peers_module.ENV
        )
        try:
            said = select.select([server.stdout], [], [], self.options.timeout)[0]
            port = figures_of(server.stdout.readline()).get("port") if said else None
            if port is None:
                return "no port", {}
            client = self.our_command(workload, workers, size, 0) + ["--connect", f"{port:.0f}"]
            return self.launch_ours(client)
        finally:
            server.stdin.close()  # tells it to end
            try:
                server.wait(2)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
            server.stdout.close()

    def run_workload(self, workload, workers, turn):
        """Ours and all peers, in an order that depends on the round."""
        short = self.options.short
        size, seconds = workload.short if short else 0, workload.seconds[1 if short else 0]
        everybody = [None, *self.contestants]
        turn %= len(everybody)
        for peer in everybody[turn:] + everybody[:turn]:
            if peer:
                self.run_peer(peer, workload.name, workers, size, seconds)
            else:
                self.run_ours(workload.name, workers, size, seconds)
        if workload.name in FLOOR_OF:
            self.run_ours(FLOOR_OF[workload.name], workers, size, seconds)

    def run_floor(self, workers):
        for name, _, short in FLOOR:
            self.run_ours(name, workers, short if self.options.short else 0)

    def run_round(self, number):
        """False: there was no time for all of it."""
        for workload in self.options.workloads:
            if number > 0 and workload.once and self.options.short:
                continue
            for workers in self.options.workers:
                if number > 0 and self.is_over_budget():
                    return False
                self.run_workload(workload, workers, number)
        return True

    def run_all(self):
        for number in range(self.options.rounds):
            if self.options.floor:
                self.run_floor(1)
            done = self.run_round(number)
            took = time.monotonic() - self.started
            print(f"round {number + 1} of {self.options.rounds}, {took:.0f} s", flush=True)
            if not done:
                break
        if self.options.scaling and not self.options.short:
            for _ in range(self.options.rounds):
                self.run_ours("scaling", max(self.options.workers), 0)


# ---- results -------------------------------------------------------------------------------------


def result_lines(rows, versions):
    """One dictionary a peer and row."""
    for row in rows:
        for peer, cell in row.cells.items():
            if cell is None:
                continue
            line = {
                "peer": peer,
                "version": versions.get(peer, "unknown"),
                "workload": row.workload,
                "workers": row.workers,
                "metric": row.figure.metric,
                "unit": row.figure.unit,
            }
            if cell.text:
                line["result"] = cell.text
            else:
                line.update(median=cell.median, min=cell.low, max=cell.high)
            line["runs"] = cell.runs
            if peer == report.OURS and row.ratio is not None:
                line.update(best_peer=row.best, ratio=round(row.ratio, 3))
            yield line


def scaling_lines(runs):
    """Our own speed-up from one worker to more, as (what, figure)."""
    ours = [run for run in runs if run["workload"] == "scaling"]
    lines = []
    for name in SCALING:
        values = [r["figures"][f"{name}_speedup"] for r in ours if f"{name}_speedup" in r["figures"]]
        if values:
            spread = f" ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else ""
            workers = ours[0]["workers"]
            lines.append((f"{name}, 1 to {workers} workers", f"{report.median(values):.2f}{spread}"))
    return lines


def busy_line(runs):
    shares = [run["others_busy"] for run in runs if run.get("others_busy") is not None]
    if not shares:
        return []
    typical, worst = report.median(shares), max(shares)
    return [("other programs meanwhile", f"median {typical:.0%}, at most {worst:.0%} of a processor")]


def pairs_text(title, pairs):
    width = max((len(name) for name, _ in pairs), default=0)
    lines = [f"  {name.ljust(width)}  {value}\n" for name, value in pairs]
    return title + "\n" + "".join(lines) if lines else ""


def pairs_page(head, pairs):
    return "\n" + report.page_table([list(head), *map(list, pairs)]) if pairs else ""


def write_results(out, runs, names, versions, facts, left_out):
    """All files below `out` but runs.jsonl. Returns the text table."""
    rows = report.rows_of(runs, WORKLOADS, names)
    lines = report.table_cells(rows, names, TITLES)
    floor = report.floor_lines(runs, FLOOR, 1) + report.floor_times(rows, runs, FLOOR)
    floor += report.floor_own(rows, runs, FLOOR_OF)
    scaling = scaling_lines(runs)
    facts = [*facts, *busy_line(runs)]
    facts += [(TITLES[name], versions[name]) for name in names if name in versions]
    facts += [(TITLES[name], f"left out: {why}") for name, why in left_out]
    text = report.text_table(lines) + "\n" + pairs_text("the floor", floor)
    text += pairs_text("scaling", scaling) + pairs_text("the machine", facts)
    page = pairs_page(("measured on", ""), facts) + "\n" + report.page_table(lines)
    page += pairs_page(("the floor", ""), floor) + pairs_page(("speed-up", ""), scaling) + "\n"
    with open(out / "results.jsonl", "w", encoding="utf-8") as file:
        for line in result_lines(rows, versions):
            file.write(json.dumps(line) + "\n")
    heading = "Spawned against the best peer: how many times better (logarithmic)"
    (out / "table.txt").write_text(text)
    (out / "table.md").write_text(page)
    (out / "chart.svg").write_text(report.chart(rows, TITLES, heading))
    return text


def write_page(page, out):
    """The table and the chart of `out` into a page that has the two markers."""
    text = report.splice(page.read_text(), BEGIN, END, (out / "table.md").read_text())
    page.write_text(text)
    page.with_suffix(".svg").write_text((out / "chart.svg").read_text())


# ---- the command line ----------------------------------------------------------------------------


def words(text):
    return [word for word in text.split(",") if word]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--bench", help="the program spawned-bench")
    parser.add_argument("--out", type=pathlib.Path, default="build/bench-peers")
    parser.add_argument("--short", action="store_true", help="little work, under 3 minutes")
    parser.add_argument("--rounds", type=int, help="5; 3 if short")
    parser.add_argument("--budget", type=float, help="no further round after so many seconds")
    parser.add_argument("--timeout", type=int, help="seconds for a run: 60; 8 if short")
    parser.add_argument("--workers", type=words, default="1,2")
    parser.add_argument("--workloads", type=words, help="default: all")
    parser.add_argument("--peers", type=words, help="default: all; none: only ours")
    parser.add_argument("--cpus", type=words, help="processors to use: the first ones")
    parser.add_argument("--wrap", default="", help="command before each run")
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("--no-floor", dest="floor", action="store_false")
    parser.add_argument("--no-scaling", dest="scaling", action="store_false")
    parser.add_argument("--append", action="store_true", help="keep the runs of before")
    parser.add_argument("--report", action="store_true", help="only from the runs of before")
    parser.add_argument("--page", type=pathlib.Path, help="write the table into this page")
    return complete(parser, parser.parse_args())


def complete(parser, options):
    """Defaults that depend on others, and names that must exist."""
    short = options.short
    options.rounds = options.rounds or (3 if short else 5)
    options.timeout = options.timeout or (8 if short else 60)
    if options.budget is None:
        options.budget = 150 if short else 0
    options.workers = [int(count) for count in options.workers]
    known = {workload.name: workload for workload in WORKLOADS}
    wanted = options.workloads or list(known)
    names = options.peers if options.peers is not None else list(peers_module.PEERS)
    names = [] if names == ["none"] else names
    for name in [n for n in wanted if n not in known] + [n for n in names if n not in TITLES]:
        parser.error(f"no workload or peer {name}")
    if not options.report and not options.bench:
        parser.error("--bench is wanted")
    options.workloads = [known[name] for name in wanted]
    options.peers = names
    return options


def pin(options):
    """Everything runs on the same processors: as many as the largest number of workers. And all
    may have as many connections as the system allows."""
    allowed = sorted(os.sched_getaffinity(0))
    cpus = [int(cpu) for cpu in options.cpus] if options.cpus else allowed[: max(options.workers)]
    os.sched_setaffinity(0, cpus)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def prepare(options):
    """The peers that are there, and (name, why) of those left out."""
    ready, left_out = [], []
    for name in options.peers:
        peer = peers_module.PEERS[name](options.out)
        try:
            print(f"{peer.title}: installing and building", flush=True)
            peer.prepare(not options.no_install)
            ready.append(peer)
        except peers_module.Unavailable as why:
            print(f"{peer.title} is left out: {why}", flush=True)
            left_out.append((name, str(why)))
    return ready, left_out


def our_version(bench):
    run = subprocess.run(
        [bench, "floor_clock", "--size", "1", "--reps", "1", "--workers", "1", "--json"],
        capture_output=True, text=True, check=True,
    )
    return json.loads(run.stdout.splitlines()[0])["version"]


def main():
    options = parse()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    log, about = options.out / "runs.jsonl", options.out / "about.json"
    if not options.report:
        ready, left_out = prepare(options)
        pin(options)
        versions = {report.OURS: our_version(options.bench), **{p.name: p.version for p in ready}}
        day = time.strftime("%Y-%m-%d", time.gmtime())
        facts = [*machine.describe(), ("day", day), ("mode", "short" if options.short else "full")]
        if options.append and about.exists():
            versions = {**json.loads(about.read_text())["versions"], **versions}
        about.write_text(
            json.dumps({"versions": versions, "facts": facts, "left_out": left_out}) + "\n"
        )
        if not options.append:
            log.unlink(missing_ok=True)
        Session(options, ready).run_all()
    runs = [json.loads(line) for line in log.read_text().splitlines()]
    known = json.loads(about.read_text())
    names = [report.OURS, *(name for name in peers_module.PEERS if name in known["versions"])]
    text = write_results(
        options.out, runs, names, known["versions"], known["facts"], known["left_out"]
    )
    print("\n" + text)
    print(f"ratio: how many times better Spawned is than the best peer. Files: {options.out}")
    if options.page:
        write_page(options.page, options.out)


if __name__ == "__main__":
    main()
