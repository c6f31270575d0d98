#!/usr/bin/env python3
"""The metrics of a program under load: checked by promtool, scraped by a real Prometheus.

    run.py PROGRAM

PROGRAM is bin/spawned-kv. Prints `ok` or `FAIL` for each case. Without Prometheus it says so and ends with 77.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PATIENCE_S = 60  # a guard: nothing waits so long
LOOK_S = 0.05    # between two looks whether something is there
OPEN_TYPE = "application/openmetrics-text"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def fetch(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def until(what, look):
    """The first result of `look` that is something."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            found = look()
            if found:
                return found
        except (urllib.error.URLError, ConnectionError):
            pass
        pause.wait(LOOK_S)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")


def load(port):
    with socket.create_connection(("127.0.0.1", port)) as one:
        for i in range(200):
            one.sendall(f"SET key{i} value\r\n".encode())
            assert one.recv(64).startswith(b"+OK")


def case_promtool(metrics):
    kind, text = fetch(metrics)
    assert kind.startswith("text/plain; version=0.0.4"), kind
    assert "spawned_type_messages_total{" in text
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                             capture_output=True, check=False)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr


def case_openmetrics(metrics):
    kind, text = fetch(metrics, OPEN_TYPE + "; version=1.0.0")
    assert kind.startswith(OPEN_TYPE), kind
    assert text.endswith("# EOF\n")
    assert "# UNIT spawned_type_handler_seconds seconds\n" in text


def query(prometheus, text):
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": text})
    return json.loads(fetch(url)[1])["data"]["result"]


def case_scraped(metrics, folder):
    """A Prometheus scrapes it and answers questions about it; as OpenMetrics, which it asks for."""
    port = free_port()
    config = pathlib.Path(folder) / "prometheus.yml"
    target = urllib.parse.urlsplit(metrics).netloc
    config.write_text("global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
                      "scrape_configs:\n  - job_name: kv\n    static_configs:\n"
                      f"      - targets: ['{target}']\n")
    with open(pathlib.Path(folder) / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        up = until("the first scrape", lambda: query(base, 'up{job="kv"} == 1'))
        assert len(up) == 1
        messages = until("counts", lambda: query(base, "sum(spawned_type_messages_total)"))
        assert float(messages[0]["value"][1]) > 200, messages
        p99 = until("a quantile", lambda: query(
            base, "histogram_quantile(0.99, sum by (le) (spawned_type_handler_seconds_bucket))"))
        assert 0 < float(p99[0]["value"][1]) < 60, p99
    finally:
        process.terminate()
        process.wait()


def main():
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        print("SKIPPED: there is no prometheus, or no promtool (Debian package prometheus)")
        return 77
    port, http = free_port(), free_port()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        kv = subprocess.Popen([os.path.abspath(sys.argv[1]), "--port", str(port), "--http",
                               f"127.0.0.1:{http}"], stdout=subprocess.DEVNULL)
        metrics = f"http://127.0.0.1:{http}/metrics"
        try:
            until("the program", lambda: fetch(metrics))
            load(port)
            for name, case in (("promtool", lambda: case_promtool(metrics)),
                               ("openmetrics", lambda: case_openmetrics(metrics)),
                               ("scraped", lambda: case_scraped(metrics, folder))):
                try:
                    case()
                    print(f"ok   {name}")
                except AssertionError as error:
                    failed += 1
                    print(f"FAIL {name}: {error}")
        finally:
            kv.terminate()
            kv.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
