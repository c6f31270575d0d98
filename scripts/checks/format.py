"""clang-format agrees with every C file (.clang-format; `make format` applies it)."""
import re
import shutil
import subprocess

FOLDERS = ("src", "include", "tests", "examples", "bench", "fuzz", "tools")
WARNING = re.compile(r"^(.*?):(\d+):\d+: (?:error|warning): code should be clang-formatted", re.M)


def check(tree):
    if not shutil.which("clang-format"):
        tree.report("clang-format", 0, "is missing")
        return
    files = list(tree.files(FOLDERS, (".c", ".h")))
    if not files:
        return
    run = subprocess.run(
        ["clang-format", "--dry-run", "--style=file", *files],
        cwd=tree.root,
        capture_output=True,
        text=True,
        check=False,
    )
    seen = set()
    for path, line in WARNING.findall(run.stderr):
        if path not in seen:
            seen.add(path)
            tree.report(path, line, "not formatted, first here")
    if run.returncode:
        tree.report("clang-format", 0, run.stderr.strip()[:500])
