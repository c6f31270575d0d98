#!/usr/bin/env python3
"""The command `spawned` against real nodes, against servers that are none, and in a terminal.

    run.py SPAWNED SPAWNED-KV DASHBOARD [CASE...]

Last line: `N passed, N failed`.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unicodedata

from fake import Fake, http, page, process
from screen import Screen

SPAWNED, KV, DASHBOARD = sys.argv[1:4]
PATIENCE = 120  # seconds; a guard
TOKEN = "0123456789abcdef-token"
UTF8 = "C.UTF-8"

CASES = []


def case(function):
    CASES.append(function)
    return function


def environment(**more):
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("SPAWNED_", "LC_", "NO_COLOR"))}
    return keep | {"LANG": UTF8, "LC_ALL": UTF8, "TERM": "xterm"} | more


def run(*words, address=None, status=0, **more):
    """Runs the command; its standard output, or with another `status` its standard error."""
    if address:
        more["SPAWNED_ADDRESS"] = address
    done = subprocess.run(
        [SPAWNED, *words], env=environment(**more), capture_output=True, timeout=PATIENCE
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"{words}: status {done.returncode}\n{out}\n{err}"
    return err if status else out


class Node:
    """A program with an endpoint; `address` is where."""

    def __init__(self, *command, lines=1, **more):
        self.program = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=environment(**more), text=True
        )
        text = ""
        for _ in range(lines):
            text += self.program.stdout.readline()
        self.said = text
        self.address = re.search(r"http://([^/\s]+)/|(unix:\S+)", text)
        self.address = self.address[1] or self.address[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.send_signal(signal.SIGINT)
        self.program.communicate(timeout=PATIENCE)


def kv(folder):
    return Node(KV, "--port", "0", "--workers", "2", "--http", f"unix:{folder}/socket", lines=2)


def dashboard(idlers=0, **more):
    return Node(DASHBOARD, "127.0.0.1:0", str(idlers), **more)


def printable(text):
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"]
    assert not bad, f"{bad!r} in {text!r}"


def contains(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


def answers(body, **how):
    """A server that answers everything with this."""
    return Fake(lambda _path: http(body, **how))


# ---- real nodes ----


@case
def ps_lists_sorts_searches_and_bounds():
    with dashboard() as node:
        at = {"address": node.address}
        contains(run("ps", **at), "PID", "worker 0 (worker)", "http (sp_http)")
        answer = json.loads(run("ps", "--json", **at))
        assert answer["total"] == len(answer["processes"]) == answer["matched"]
        assert {"pid", "name", "label", "status", "mailbox", "memory"} <= set(answer["processes"][0])
        names = [p["name"] for p in json.loads(run("ps", "--json", "-q", "WORKER ", "-s", "name", "-r", **at))["processes"]]
        assert names == ["worker 3", "worker 2", "worker 1", "worker 0"], names
        assert len(run("ps", "--limit=2", **at).splitlines()) == 3
        contains(run("ps", "--kind", "supervisor", **at), "supervisor")
        assert "worker 0" not in run("ps", "--kind", "supervisor", **at)
        contains(run("ps", "--sort", "bulk", status=2, **at), "none of its words")


@case
def ps_goes_through_all_pages():
    with dashboard(3500) as node:
        lines = run("ps", address=node.address).splitlines()
        assert len(lines) > 3500, len(lines)
        pids = [line.split()[0] for line in lines[1:]]
        assert len(set(pids)) == len(pids)
        answer = json.loads(run("ps", "--json", "--search", "idler", address=node.address))
        assert len(answer["processes"]) == answer["matched"] == 3500
        assert len(run("ps", "-s", "memory", "-n", "1500", address=node.address).splitlines()) == 1501


@case
def ps_into_head_ends_quietly():
    with dashboard(20000) as node:
        for words in (["ps"], ["ps", "--json"], ["tree", "-n", "10000"]):
            program = subprocess.Popen(
                [SPAWNED, *words, "-a", node.address], env=environment(),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            program.stdout.read(10)
            program.stdout.close()
            assert program.stderr.read() == b""
            assert program.wait(PATIENCE) == 0


@case
def tree_is_drawn_as_the_locale_can():
    nodes = [process("0.1.1", "main"), process("0.2.1", "top", parent="0.1.1", children=1),
             process("0.3.1", "low", parent="0.2.1"), process("0.4.1", "last", parent="0.1.1")]
    with answers(json.dumps({"truncated": False, "total": len(nodes), "nodes": nodes})) as node:
        whole = [line.split(" 0.")[0].rstrip() for line in run("tree", address=node.address).splitlines()]
        assert whole == ["main (server)", "├─ top (server)", "│  └─ low (server)", "└─ last (server)"], whole
        plain = run("tree", address=node.address, LC_ALL="C", LANG="C")
        table = str.maketrans({"├": "|", "└": "`", "─": "-", "│": "|"})
        assert [line.split(" 0.")[0].rstrip() for line in plain.splitlines()] == [line.translate(table) for line in whole], plain
        assert plain.isascii()


@case
def tree_of_a_node_and_of_a_part():
    with dashboard() as node:
        whole = run("tree", address=node.address)
        contains(whole, "├─ ", "└─ ", "worker 0 (worker)", "office (supervisor)")
        part = run("tree", "worker 0", address=node.address)
        assert len(part.splitlines()) == 1, part
        nodes = json.loads(run("tree", "--json", address=node.address))["nodes"]
        assert {"pid", "parent", "name", "label"} <= set(nodes[0])
        contains(run("tree", "nobody", status=1, address=node.address), "no process is called nobody")


@case
def info_finds_by_name_and_by_pid():
    with dashboard() as node:
        at = {"address": node.address}
        by_name = json.loads(run("info", "worker 0", "--json", **at))
        pid = by_name["pid"]
        for name in (pid, f"<{pid}>"):
            assert json.loads(run("info", "--json", name, **at))["name"] == "worker 0"
        contains(run("info", pid, **at), "worker 0", "mailbox", "linked")
        contains(run("info", "0.99999.77", status=1, **at), "no such process")
        contains(run("info", "worker", status=1, **at), "no process is called worker")
        contains(run("info", status=2, **at), "PID|NAME")


@case
def kill_ends_a_process_and_its_supervisor_starts_another():
    with dashboard() as node:
        at = {"address": node.address}
        before = json.loads(run("info", "worker 1", "--json", **at))["pid"]
        contains(run("kill", "worker 1", **at), "killed " + before, "worker 1")
        end = time.monotonic() + PATIENCE
        while True:
            page_now = json.loads(run("ps", "--json", "-q", "worker 1", **at))["processes"]
            if page_now and page_now[0]["pid"] != before:
                break
            assert time.monotonic() < end
        contains(run("kill", before, status=1, **at), "no such process")


@case
def options_may_come_before_the_command():
    with dashboard() as node:
        for first in (["--address", node.address], [f"--address={node.address}"], ["-a", node.address, "--json"]):
            contains(run(*first, "ps", "-q", "worker 1", address="127.0.0.1:1"), "worker 1")
        contains(run("--json", "info", "worker 1", address=node.address), '"name":"worker 1"')
    contains(run("--address", status=2), "no such command")
    contains(run("--json", status=2), "no such command")
    contains(run("--nonsense", "ps", status=2), "no such command")


@case
def servers_are_held_and_looked_into():
    with dashboard() as node:
        at = {"address": node.address}
        contains(run("suspend", "worker 1", **at), "suspended ", "worker 1")
        contains(run("ps", "-S", "suspended", **at), "worker 1", "suspended")
        contains(run("resume", "worker 1", **at), "resumed ", "worker 1")
        contains(run("stats", "worker 1", status=1, **at), "not measured")
        contains(run("measure", "worker 1", **at), "measured: ", "worker 1")
        contains(run("stats", "worker 1", **at), "in handlers", "longest")
        assert json.loads(run("stats", "--json", "worker 1", **at))["handled"] >= 0
        contains(run("measure", "--off", "worker 1", **at), "no longer measured: ")
        contains(run("state", "worker 1", **at), "jobs")
        assert "jobs" in json.loads(run("state", "worker 1", "--json", **at))["state"]


@case
def messages_of_a_server_are_traced():
    with dashboard() as node:
        at = {"address": node.address}
        lines = run("trace", "--messages", "-n", "3", "-d", "0.1", "worker 1", **at).splitlines()
        contains(lines[0], " taken ", " from 0.")
        contains(lines[1], " handled ", "OK")
        contains(lines[-1], "ended")
        assert len(lines) == 7
        name = lines[0].split(" taken ")[1].split()[0].rstrip(",")
        events = [json.loads(line) for line in
                  run("trace", "-m", "-n", "2", "--type", name, "--json", "worker 1", **at).splitlines()]
        assert [event["what"] for event in events] == ["taken", "handled"] * 2 + ["ended"]
        assert {event["operation"] for event in events[:-1]} == {name}
        assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
        contains(run("trace", "-m", "nobody", status=1, **at), "no process is called nobody")
        contains(run("trace", "-m", "main", status=4, **at), "no server")
        # Ended by who looks: nothing is traced any more.
        program = subprocess.Popen([SPAWNED, "trace", "-m", "-F", "worker 1", "-a", node.address],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "worker 1" not in run("ps", "-q", "worker 1", **at):
            pass
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=60)


@case
def graph_tells_waits():
    with tempfile.TemporaryDirectory() as folder, kv(folder) as node:
        at = {"address": node.address}
        contains(run("graph", **at), "waits for")
        dot = run("graph", "--dot", "--links", **at)
        contains(dot, "digraph", " -> ", "label=")
        assert dot.count("{") == dot.count("}") == 1
        assert json.loads(run("graph", "--json", **at))["available"] is True


@case
def metrics_are_text_and_json():
    with dashboard() as node:
        text = run("metrics", address=node.address)
        contains(text, "# TYPE spawned_processes gauge", "\nspawned_processes ")
        few = run("metrics", "messages_sent", address=node.address)
        assert 0 < len(few.splitlines()) < len(text.splitlines())
        families = json.loads(run("metrics", "--json", address=node.address))["families"]
        assert families["spawned_processes"]["type"] == "gauge"
        assert families["spawned_processes"]["samples"][0]["value"] > 0


@case
def dump_writes_a_whole_file_or_none():
    with tempfile.TemporaryDirectory() as folder, kv(folder) as node:
        at = {"address": node.address}
        path = pathlib.Path(folder) / "trace.json"
        contains(run("dump", "-o", str(path), **at), "bytes in")
        assert json.loads(path.read_text())["traceEvents"]
        contains(run("dump", "-o", str(path), status=6, **at), "--force")
        told = json.loads(run("dump", "-o", str(path), "--force", "--json", **at))
        assert told["bytes"] == path.stat().st_size
        assert json.loads(run("dump", "-o", "-", **at))["traceEvents"]
        contains(run("dump", "-o", "/nowhere/x", status=6, **at), "cannot write")
    error = json.dumps({"error": {"code": "empty", "text": "nothing was recorded"}})
    for fake, status in ((answers(error, status="404 Not Found"), 1), (answers("{}", length=99), 5)):
        with tempfile.TemporaryDirectory() as folder, fake:
            path = pathlib.Path(folder) / "trace.json"
            run("dump", "-o", str(path), status=status, address=fake.address)
            assert not list(pathlib.Path(folder).iterdir())


@case
def trace_tells_what_a_process_does():
    with tempfile.TemporaryDirectory() as folder, kv(folder) as node:
        at = {"address": node.address}
        port = int(re.search(r"ready on 127.0.0.1:(\d+)", node.said)[1])
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(b"SET key value\r\n")
            client.recv(100)
        shards = json.loads(run("ps", "-q", "kv_shard", "-s", "handled", "--json", **at))["processes"]
        busy, other = shards[0]["name"], shards[1]["name"]
        events = [json.loads(line) for line in run("trace", busy, "--once", "--json", **at).splitlines()]
        assert events and {"seq", "kind", "pid", "text"} <= set(events[0])
        seqs = [event["seq"] for event in events]
        assert seqs == sorted(seqs)
        types = [event["text"].split(",")[0] for event in events if event["kind"] == "handle"]
        contains(run("trace", busy, "--once", "--type", types[0], **at), types[0])
        assert run("trace", busy, "--once", "--type", "nothing such", **at) == ""
        assert len(run("trace", busy, "--once", "-n", "1", **at).splitlines()) == 1
        contains(run("trace", "0.9999.1", status=1, **at), "no such process")
        # Live: it ends when the process does.
        program = subprocess.Popen([SPAWNED, "trace", busy, "-a", node.address, "-d", "0.1"],
                                   env=environment(), stdout=subprocess.PIPE, text=True)  # fmt: skip
        program.stdout.readline()
        run("kill", busy, **at)
        program.communicate(timeout=PATIENCE)
        assert program.returncode == 0
        # Nobody reads any more, and nothing happens either.
        program = subprocess.Popen([SPAWNED, "trace", other, "-a", node.address],
                                   env=environment(), stdout=subprocess.PIPE, text=True)  # fmt: skip
        program.stdout.close()
        assert program.wait(PATIENCE) == 0
    off = json.dumps({"available": False, "why": "nothing was recorded"})
    with answers(off) as fake:
        contains(run("trace", "0.1.1", status=1, address=fake.address), "nothing was recorded")


@case
def health_is_told_by_the_status_too():
    with dashboard() as node:
        contains(run("health", address=node.address), "healthy, ready")
        assert json.loads(run("health", "--json", address=node.address))["ready"] is True

    def sick(path):
        if path == "/readyz":
            return http("not ready\n", status="503 Service Unavailable", kind="text/plain")
        check = {"pid": "0.1.1", "name": "disk", "status": "unhealthy", "text": "full\x1b[2J"}
        return http(json.dumps({"status": "unhealthy", "checks": [check]}))

    with Fake(sick) as fake:
        done = subprocess.run([SPAWNED, "health", "-a", fake.address], env=environment(),
                              capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
        assert (done.returncode, done.stderr) == (1, "")
        contains(done.stdout, "unhealthy, not ready", "disk: full")
        printable(done.stdout)


@case
def a_unix_socket_is_an_address():
    with tempfile.TemporaryDirectory() as folder, kv(folder) as node:
        contains(run("ps", "-a", node.address), "shard 0")
        contains(run("ps", "--address=" + node.address.removeprefix("unix:")), "shard 0")
    contains(run("ps", "-a", f"unix:{folder}/gone", status=3), "cannot reach")


@case
def tokens_come_from_anywhere_and_are_not_seen():
    with dashboard(DASHBOARD_TOKEN=TOKEN) as node, tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "token"
        path.write_text(TOKEN + "\n")
        at = {"address": node.address}
        contains(run("ps", status=4, **at), "unauthorized")
        contains(run("ps", "-t", "wrong-wrong-wrong", status=4, **at), "unauthorized")
        for words, more in (
            (["--token", TOKEN], {}),
            (["--token=" + TOKEN], {}),
            (["-T", str(path)], {}),
            ([], {"SPAWNED_TOKEN": TOKEN}),
            ([], {"SPAWNED_TOKEN_FILE": str(path)}),
        ):
            contains(run("ps", *words, **more, **at), "worker 0")
        contains(run("ps", "-T", "/nowhere", status=2, **at), "token-file")
        contains(run("ps", SPAWNED_TOKEN="a b", status=2, **at), "SPAWNED_TOKEN")
    gate = threading.Event()

    def slow(_path):
        gate.wait(PATIENCE)
        return http("{}")

    for words in (["--token", TOKEN], ["--token=" + TOKEN], ["-t" + TOKEN]):
        gate.clear()
        with Fake(slow) as fake:
            program = subprocess.Popen(
                [SPAWNED, "ps", *words, "-a", fake.address], env=environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            while not fake.requests:
                assert program.poll() is None
            seen = pathlib.Path(f"/proc/{program.pid}/cmdline").read_bytes()
            assert TOKEN.encode() not in seen, seen
            contains(fake.requests[0], "Bearer " + TOKEN)
            gate.set()
            program.wait(PATIENCE)


# ---- servers that are none ----


@case
def who_does_not_answer_is_told():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = "127.0.0.1:%d" % closed.getsockname()[1]
    contains(run("ps", address=address, status=3), "cannot reach", address)
    contains(run("ps", "-a", "nowhere.invalid:1", status=3), "cannot reach")
    stop = threading.Event()
    with Fake(lambda _path: (stop.wait(PATIENCE), b"")[1:]) as fake:
        contains(run("ps", "-w", "1", address=fake.address, status=3), "does not answer within 1 s")
        stop.set()


@case
def garbage_is_no_node():
    for fake, text in (
        (Fake(lambda _path: b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP"),
        (Fake(lambda _path: b""), "without an answer"),
        (answers("<html>hello</html>", kind="text/html"), "no Spawned endpoint"),
        (answers("not here", status="404 Not Found"), "no Spawned endpoint"),
        (answers("", status="302 Found"), "no Spawned endpoint"),
        (answers("[1, 2]"), "no Spawned endpoint"),
        (answers('{"processes": {"a": 1}}'), "not what was asked"),
        (answers('{"processes": [' + "1," * 2000 + "1]}"), "not what was asked"),
        (answers('{"processes": []}', length=1000), "cut off"),
        (answers("[" * 100000), "no Spawned endpoint"),
    ):
        with fake:
            contains(run("ps", address=fake.address, status=5), text)


@case
def too_much_is_not_taken():
    def endless(_path):
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
        for _ in range(1000):
            yield b" " * 1024 * 1024

    with Fake(endless) as fake:
        contains(run("ps", address=fake.address, status=5), "over 32 MiB")
    with answers("a" * 200000, kind="text/plain") as fake:
        contains(run("metrics", address=fake.address, status=5), "no metrics")


@case
def answers_of_other_types_harm_nobody():
    odd = {"pid": 7, "name": {}, "label": [], "status": 1e300, "mailbox": "x", "uptime_ms": None}
    node = {"nodes": [odd, 5, None, "x"], "edges": [odd, 5, {"kind": "wait"}, {"kind": 1}],
            "cycles": [[], [1], 5, None], "total": "many"} | page(odd, 5, None)  # fmt: skip
    with answers(json.dumps(node)) as fake:
        for words in (["ps"], ["tree"], ["graph"], ["graph", "--dot", "-l"], ["info", "1.2.3"],
                      ["top", "--once"]):  # fmt: skip
            for more in ([], ["--json"]):
                run(*words, *more, address=fake.address)
        run("kill", "1.2.3", address=fake.address, status=5)


@case
def a_circle_of_parents_is_drawn_once():
    nodes = [process("0.1.1", "a", parent="0.2.1"), process("0.2.1", "b", parent="0.1.1"),
             process("0.3.1", "self", parent="0.3.1")]  # fmt: skip
    deep = [process(f"0.{i + 10}.1", f"d{i}", parent=f"0.{i + 9}.1") for i in range(5000)]
    with answers(json.dumps({"nodes": nodes + deep})) as fake:
        text = run("tree", address=fake.address)
    assert len(text.splitlines()) == 5003, text
    contains(text, "d4999")


@case
def deadlocks_are_told():
    edges = [{"from": "0.1.1", "to": "0.2.1", "kind": "wait", "wait": "call", "operation": "get",
              "for_ms": 1500.0}, {"from": "0.2.1", "to": "0.1.1", "kind": "wait"}]  # fmt: skip
    nodes = [process("0.1.1", 'a"b\\', label=None), process("0.2.1", "c")]
    body = json.dumps({"nodes": nodes, "edges": edges, "cycles": [["0.1.1", "0.2.1"]]})
    with answers(body) as fake:
        text = run("graph", address=fake.address)
        contains(text, 'a"b\\ 0.1.1 waits for c (server) 0.2.1: call get, 1.5s', "deadlock:")
        contains(run("graph", "--dot", address=fake.address), 'label="a\\"b\\\\"', "color=red")


HOSTILE = [
    "\x1b]0;title\x07", "\x1b[2J", "a\rb", "a\nb", "\x9b31m", "\x00", "\x7f", "\u202egnp", "\u2066x",
    "日本語のとても長い名前です、本当に長い", "e\u0301tude", "😀 ok", "\u2028line", "tab\there", "\ufeffbom",
]  # fmt: skip


@case
def names_of_others_never_reach_the_terminal_raw():
    many = [process(f"0.{i}.1", name, label=name) for i, name in enumerate(HOSTILE)]
    edges = [{"from": f"0.{i}.1", "to": f"0.{i + 1}.1", "kind": "wait", "wait": name, "operation": name}
             for i, name in enumerate(HOSTILE[:-1])]  # fmt: skip
    overview = {"program": HOSTILE[0], "version": HOSTILE[1]}
    body = {"nodes": many, "edges": edges, "cycles": [["0.1.1", "0.2.1"]]} | overview | page(*many)
    body |= many[0]
    with answers(json.dumps(body)) as fake:
        for words in (["ps"], ["tree"], ["graph", "-l"], ["graph", "--dot", "-l"], ["info", "1.2.3"],
                      ["top", "--once"], ["kill", "1.2.3"]):  # fmt: skip
            for locale in (UTF8, "C"):
                text = run(*words, address=fake.address, LC_ALL=locale)
                printable(text)
                assert locale != "C" or text.isascii(), text
            printable(run(*words, "--json", address=fake.address))
        screen = Screen([SPAWNED, "ps", "-a", fake.address], environment())
        screen.until(lambda s: "tab" in s.text(), "the last rows")  # it fails on control characters
        assert screen.wait() == 0
        rows = [line for line in screen.lines()[1:] if line]
        assert len(rows) == len(HOSTILE)
        for line in rows:
            assert "idle" in line and line.endswith("1.5ms"), line
    bad = {"error": {"code": "\x1b[31m", "text": "\x1b]0;x\x07\n"}}
    with answers(json.dumps(bad), status="403 Forbidden") as fake:
        printable(run("ps", address=fake.address, status=4))
    with answers("# HELP a \x1b[2J\na{b=\"\x1b\"} 1\n", kind="text/plain") as fake:
        printable(run("metrics", address=fake.address))
        family = json.loads(run("metrics", "--json", address=fake.address))["families"]["a"]
        assert family["samples"] == [{"name": "a", "labels": {"b": "\x1b"}, "value": 1.0}], family


# ---- the command line ----


@case
def usage_is_told():
    contains(run("--help"), "ps", "top", "Exit status")
    contains(run("--version"), "spawned ")
    contains(run(status=2), "")
    contains(run("dance", status=2), "no such command")
    for command in re.findall(r"^  (\w+) ", run("--help"), re.M):
        contains(run(command, "--help"), f"Usage: spawned {command}", "--json", "--address")
    for words in (["ps", "--nope"], ["ps", "-n"], ["ps", "-n", "0"], ["ps", "-n", "x"], ["ps", "extra"],
                  ["ps", "--json=1"], ["top", "-d", "0"], ["info"], ["kill"], ["ps", "-w", "0"],
                  ["ps", "--color", "blue"], ["ps", "-a", ""], ["ps", "--token", ""]):  # fmt: skip
        contains(run(*words, status=2), "spawned " + words[0])


@case
def completions_are_known_to_their_shells():
    folder = pathlib.Path(__file__).resolve().parents[2] / "tools/spawned/completion"
    files = {"bash": "spawned.bash", "zsh": "_spawned", "fish": "spawned.fish"}
    for shell, name in files.items():
        if shutil.which(shell):
            subprocess.run([shell, "-n", str(folder / name)], check=True, timeout=PATIENCE)
    for words, wanted in (("spawned t", "top tree trace"), ("spawned ps --sor", "--sort"), ("spawned ps -s mai", "mailbox"),
                          ("spawned info worker", "worker")):  # fmt: skip
        script = (
            "source %s; _spawned_names() { echo worker; }; COMP_WORDS=(%s); COMP_CWORD=%d; _spawned; echo ${COMPREPLY[@]}"
            % (folder / files["bash"], words, len(words.split()) - 1)
        )
        out = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=PATIENCE)
        assert out.stdout.strip() == wanted, (words, out)
    listed = " ".join((folder / name).read_text() for name in files.values())
    for command in re.findall(r"^  (\w+) ", run("--help"), re.M):
        assert listed.count(command) >= 3, command
        page_of = (folder.parents[2] / "man/spawned.1").read_text()
        contains(page_of, ".SH SPAWNED " + command.upper())


@case
def what_cannot_be_written_is_told():
    with dashboard() as node, open("/dev/full", "wb") as full:
        done = subprocess.run([SPAWNED, "ps", "-a", node.address], env=environment(), stdout=full,
                              stderr=subprocess.PIPE, timeout=PATIENCE)  # fmt: skip
        assert done.returncode == 6
        contains(done.stderr.decode(), "cannot write: No space left")


@case
def colours_are_for_terminals():
    with dashboard() as node:
        assert "\x1b" not in run("ps", address=node.address)
        contains(run("ps", "--color=always", address=node.address), "\x1b[1mPID")
        for words, more, colored in (
            ([], {}, True),
            ([], {"NO_COLOR": "1"}, False),
            ([], {"TERM": "dumb"}, False),
            (["--color", "never"], {}, False),
            (["--color", "always"], {"NO_COLOR": "1"}, True),
        ):
            screen = Screen([SPAWNED, "ps", "-a", node.address, *words], environment(**more))
            assert screen.wait() == 0
            contains(screen.text(), "worker 0")
            assert (b"\x1b[" in screen.raw) == colored, (words, more)


# ---- top ----


def top(node, *words, **size):
    return Screen([SPAWNED, "top", "-a", node.address, "-d", "0.2", *words], environment(), **size)


def shown(screen):
    return screen.lines()[5:-1]


@case
def top_fits_80x24_and_takes_keys():
    with dashboard(200) as node:
        screen = top(node)
        screen.until(lambda s: "sent/s" in s.text() and "quit" in s.text(), "the screen")
        assert screen.alternate and screen.cursor_hidden
        lines = screen.lines()
        contains(lines[0], "dashboard example", "up ")
        contains(lines[1], "processes 2", "cpu ", "memory ")
        assert re.match(r"PID +NAME +STATUS +MAILBOX +MEMORY HANDLED/s +UPTIME$", lines[4]), lines[4]
        assert all(shown(screen)), screen.text()
        assert all(len(line) <= 80 for line in lines)
        contains(lines[23], "sort: handled")
        screen.until(lambda s: re.search(r"worker \d.* \d[\d.]*k? +[\d.]+s", s.text()), "a rate")
        screen.keys("s")
        screen.until(lambda s: "sort: mailbox" in s.lines()[23], "another order")
        screen.keys("r")
        screen.until(lambda s: "(reversed)" in s.lines()[23], "the other way round")
        screen.keys("/worker")
        screen.until(lambda s: "search: worker_  (4 of " in s.lines()[3], "four found")
        screen.keys("\r")
        screen.until(lambda s: "search: worker  (" in s.lines()[3], "the search is entered")
        assert len([line for line in shown(screen) if line]) == 4, screen.text()
        screen.keys("\x1b")
        screen.until(lambda s: s.lines()[3] == "" and all(shown(s)), "all again")
        screen.keys("q")
        assert screen.wait() == 0
        assert screen.is_as_before()


@case
def top_scrolls_and_freezes():
    with dashboard(200) as node:
        screen = top(node, "--sort", "name")
        screen.until(lambda s: any("idler" in line for line in shown(s)), "the processes")
        first = shown(screen)[0].split()[0]
        screen.keys("\x1b[B")
        screen.until(lambda s: shown(s)[0].split()[0] != first, "one further")
        screen.keys("\x1b[6~\x1b[F")
        screen.until(lambda s: "worker 3" in s.text(), "the end")
        screen.keys("\x1b[H")
        screen.until(lambda s: shown(s)[0].split()[0] == first, "the beginning")
        screen.keys("f")
        screen.until(lambda s: "FROZEN" in s.lines()[0], "frozen")
        up = screen.lines()[0]
        for _ in range(10):
            screen.read(0.1)
        assert screen.lines()[0] == up
        screen.keys("f")
        screen.until(lambda s: "FROZEN" not in s.lines()[0] and s.lines()[0] != up, "going on")
        screen.resize(10, 60)
        screen.until(lambda s: "quit" in s.lines()[9] and "PID" in s.lines()[4], "the smaller screen")
        screen.resize(40, 120)
        screen.until(lambda s: "quit" in s.lines()[39] and all(shown(s)), "the larger screen")
        screen.keys("q")
        assert screen.wait() == 0


@case
def top_gives_the_terminal_back_on_every_way_out():
    with dashboard() as node:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
            screen = top(node)
            screen.until(lambda s: "quit" in s.text(), "the screen")
            os.kill(screen.pid, number)
            status = screen.wait()
            # The address sanitizer ends a crash with a report of its own, in place of our handler.
            assert status == -number or number == signal.SIGSEGV, (number, status)
            assert screen.is_as_before(), number
        screen = top(node)
        screen.until(lambda s: "quit" in s.text(), "the screen")
        screen.keys("\x03")
        assert screen.wait() == 0
        assert screen.is_as_before()
        screen = top(node)
        screen.until(lambda s: "quit" in s.text(), "the screen")
        os.kill(screen.pid, signal.SIGTSTP)
        screen.until(lambda s: s.is_as_before(), "stopped, the terminal given back")
        os.kill(screen.pid, signal.SIGCONT)
        screen.until(lambda s: s.alternate and "quit" in s.text(), "going on")
        screen.keys("q")
        assert screen.wait() == 0


@case
def top_tells_that_the_node_is_gone():
    with dashboard() as node:
        screen = top(node)
        screen.until(lambda s: "quit" in s.text(), "the screen")
    screen.until(lambda s: "cannot reach" in s.lines()[3], "that it is gone")
    contains(screen.text(), "dashboard example")
    screen.keys("q")
    assert screen.wait() == 0
    screen = top(node)  # nobody is there from the beginning
    assert screen.wait() == 3
    assert screen.is_as_before()


@case
def top_ends_at_once_while_the_node_does_not_answer():
    stop = threading.Event()
    with Fake(lambda _path: (stop.wait(PATIENCE), b"")[1:]) as fake:
        screen = Screen([SPAWNED, "top", "-a", fake.address, "-w", "100"], environment())
        screen.until(lambda s: fake.requests, "a question")
        screen.keys("q")
        assert screen.wait(30) == 0
        assert screen.is_as_before()
        stop.set()


@case
def top_once_is_for_scripts():
    with dashboard() as node:
        contains(run("top", "--once", "-n", "3", address=node.address), "dashboard example", "HANDLED")
        answer = json.loads(run("top", "--json", address=node.address))
        assert answer["overview"]["program"] == "dashboard example"
        assert answer["page"]["processes"]
        contains(run("top", status=2, address=node.address), "--once")


def main():
    wanted = sys.argv[4:]
    passed = failed = 0
    for one in CASES:
        if wanted and one.__name__ not in wanted:
            continue
        begin = time.monotonic()
        try:
            one()
            passed += 1
            print(f"ok   {one.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception:  # whatever a case stumbles over
            failed += 1
            print(f"FAIL {one.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
