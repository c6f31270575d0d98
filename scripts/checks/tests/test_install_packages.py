"""install-packages.sh, with a made-up dpkg-query, apt-get and user."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2]
LIST = "# list\n[build]\ncmake   # builds\n[test]\nvalgrind # checks\nlcov # counts\n"


class InstallPackagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        shutil.copy(SCRIPTS / "install-packages.sh", self.root)
        (self.root / "packages.txt").write_text(LIST)
        self.program("dpkg-query", 'case "$*" in *" cmake") printf installed ;; *) exit 1 ;; esac')
        self.program("apt-get", f'echo "$@" >>{self.root}/apt.log')
        self.program("sudo", "exit 1")
        self.program("id", 'echo "${FAKE_UID-0}"')

    def program(self, name, body):
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run_script(self, *args, uid="0"):
        env = {**os.environ, "PATH": f"{self.root}/bin:/usr/bin:/bin", "FAKE_UID": uid}
        return subprocess.run(
            ["sh", self.root / "install-packages.sh", *args],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def apt_log(self):
        log = self.root / "apt.log"
        return log.read_text() if log.exists() else ""

    def test_installs_exactly_what_is_missing(self):
        self.assertEqual(self.run_script().returncode, 0)
        self.assertIn("install -y --no-install-recommends valgrind lcov\n", self.apt_log())

    def test_does_nothing_when_nothing_is_missing(self):
        self.assertEqual(self.run_script("build").returncode, 0)
        self.assertEqual(self.apt_log(), "")

    def test_dry_run_only_says_it(self):
        run = self.run_script("--dry-run")
        self.assertEqual((run.returncode, run.stdout), (1, "missing packages: valgrind lcov\n"))
        self.assertEqual(self.apt_log(), "")

    def test_without_rights_it_says_what_it_would_install(self):
        run = self.run_script(uid="1000")
        self.assertEqual(run.returncode, 1)
        self.assertIn("apt-get install -y --no-install-recommends valgrind lcov", run.stderr)
        self.assertEqual(self.apt_log(), "")

    def test_unknown_section_is_an_error(self):
        self.assertEqual(self.run_script("nix").returncode, 2)
