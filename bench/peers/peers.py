"""The peers: how each is installed, built and run. Debian's packages and tools only.

A peer's program is called as `PROGRAM WORKLOAD WORKERS SIZE SECONDS` and prints
"METRIC VALUE" lines.
"""
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Debian's compilers, whatever else the user has installed.
ENV = {**os.environ, "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}

COMMON = "pingpong ring spawn idle_memory skynet fanin big call call_c1000 timers fairness".split()


class Unavailable(Exception):
    """Why a peer is left out."""


def run_logged(command, log, cwd=None, env=None):
    """Runs a command; what it says goes to the end of the file `log`."""
    with open(log, "a", encoding="utf-8") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        try:
            return subprocess.run(
                command, cwd=cwd, env=env or ENV, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, check=False, timeout=1800
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            out.write(f"{error}\n")
            return 127


def package_version(package):
    """The upstream version of an installed package, or None."""
    run = subprocess.run(
        ["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True, check=False
    ) if shutil.which("dpkg-query") else None
    if not run or run.returncode:
        return None
    return re.sub(r"^\d+:|[-+~].*$", "", run.stdout.strip())


class Peer:
    name = ""  # also its folder
    title = ""
    package = ""  # whose version is shown
    workloads = COMMON

    def __init__(self, out):
        self.folder = HERE / self.name
        self.out = out / self.name
        self.log = self.out / "build.log"
        self.version = "unknown"

    def prepare(self, install):
        """Installs and builds. Raises Unavailable."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        script = ROOT / "scripts" / "install-packages.sh"
        section = f"peer-{self.name}"
        command = ["sh", script, section] if install else ["sh", script, "--dry-run", section]
        if run_logged(command, self.log, env=os.environ):
            raise Unavailable(f"its packages cannot be installed, see {os.path.relpath(self.log)}")
        if self.build():
            raise Unavailable(f"does not build, see {os.path.relpath(self.log)}")
        self.version = package_version(self.package) or "unknown"

    def build(self):
        """Returns 0, or not if it fails."""
        raise NotImplementedError

    def command(self, workload, workers, size, seconds):
        raise NotImplementedError


class Erlang(Peer):
    name, title, package = "erlang", "Erlang/OTP", "erlang-base"
    workloads = COMMON + ["selective_receive", "registry", "pg_broadcast"]

    def build(self):
        return run_logged(["erlc", "-o", self.out, *sorted(self.folder.glob("*.erl"))], self.log)

    def command(self, workload, workers, size, seconds):
        return [
            "erl", "+S", f"{workers}:{workers}", "+P", "4000000", "-noshell", "-pa", str(self.out),
            "-s", "bench", "main", workload, str(size), str(seconds),
        ]


class Compiled(Peer):
    """A peer whose program is one executable."""

    def program(self):
        return self.out / "bench"

    def command(self, workload, workers, size, seconds):
        return [str(self.program()), workload, str(workers), str(size), str(seconds)]


class Go(Compiled):
    name, title, package = "go", "Go", "golang-go"
    workloads = COMMON + ["mailbox_bounded", "tcp_echo"]

    def build(self):
        env = {**ENV, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
        command = ["go", "build", "-o", self.program(), "."]
        return run_logged(command, self.log, cwd=self.folder, env=env)


class Tokio(Compiled):
    name, title, package = "tokio", "tokio", "librust-tokio-dev"
    workloads = COMMON + ["mailbox_bounded", "tcp_echo"]

    def program(self):
        return self.out / "target" / "release" / "bench"

    def build(self):
        """From Debian's crates, offline: cargo never asks a registry."""
        shutil.copytree(self.folder, self.out, dirs_exist_ok=True)
        config = self.out / ".cargo" / "config.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(
            '[source.crates-io]\nreplace-with = "debian"\n'
            '[source.debian]\ndirectory = "/usr/share/cargo/registry"\n'
        )
        env = {**ENV, "RUSTFLAGS": "-C target-cpu=native", "CARGO_HOME": str(self.out / "home")}
        env.pop("RUSTUP_TOOLCHAIN", None)
        return run_logged(["cargo", "build", "--release", "--offline"], self.log, self.out, env)


class Caf(Compiled):
    name, title, package = "caf", "CAF", "libcaf-dev"

    def build(self):
        source = self.folder / "bench.cpp"
        if self.program().exists() and self.program().stat().st_mtime > source.stat().st_mtime:
            return 0
        flags = ["-std=c++17", "-O3", "-DNDEBUG", "-march=native"]
        libraries = ["-lcaf_core", "-pthread"]
        return run_logged(["g++", *flags, source, "-o", self.program(), *libraries], self.log)


PEERS = {peer.name: peer for peer in (Erlang, Go, Tokio, Caf)}
