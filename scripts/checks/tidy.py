"""clang-tidy (.clang-tidy) finds nothing in the sources of the library and of its tool.

A file's result is kept under build/lint, by the hash of what the compiler sees and of the
configuration, so that only what changed is looked at again.
"""
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

FILE_TIMEOUT = 300  # seconds
FINDING = re.compile(r"^(.*?):(\d+):\d+: (?:warning|error): (.*)$", re.M)


def commands(tree):
    """{source: compile command} of the static libraries and of the tool."""
    found = {}
    for entry in json.loads((tree.build / "compile_commands.json").read_text()):
        path = os.path.relpath(entry["file"], tree.root.resolve())
        target = re.search(r"CMakeFiles/spawned(_http|_otlp|_tool)?\.dir/", entry["command"])
        if path.startswith(("src/", "tools/")) and path.endswith(".c") and target:
            found[path] = entry
    return found


def clang_flags(entry):
    """The options of the entry's command as clang takes them: no output, none of gcc's own."""
    words = shlex.split(entry["command"])[1:]
    for option in ("-o", "-c", "-MF", "-MT"):
        if option in words:
            at = words.index(option)
            del words[at : at + 2]
    return [w for w in words if w != "-MD" and not w.startswith(("-fno-reorder", "-fno-lto"))]


def fingerprint(tree, entry):
    run = subprocess.run(
        ["clang", *clang_flags(entry), "-E", entry["file"]],
        cwd=entry["directory"],
        capture_output=True,
        check=False,
    )
    config = (tree.root / ".clang-tidy").read_bytes()
    return hashlib.sha256(run.stdout + config).hexdigest()


def examine(tree, path, entry):
    """The findings of clang-tidy in one file, [(path, line, text)]."""
    keep = tree.build.parent / "lint" / "tidy" / fingerprint(tree, entry)
    if keep.exists():
        return []
    try:
        run = subprocess.run(
            ["clang-tidy", "--quiet", entry["file"], "--", *clang_flags(entry)],
            cwd=tree.root,
            capture_output=True,
            text=True,
            timeout=FILE_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [(path, 0, f"clang-tidy took more than {FILE_TIMEOUT} s")]
    root = str(tree.root.resolve()) + "/"
    findings = [(p.replace(root, ""), n, t) for p, n, t in FINDING.findall(run.stdout)]
    if run.returncode and not findings:
        findings = [(path, 0, "clang-tidy failed: " + run.stderr.strip()[:300])]
    if not findings:
        keep.parent.mkdir(parents=True, exist_ok=True)
        keep.touch()
    return findings


def check(tree):
    if not shutil.which("clang-tidy"):
        tree.report("clang-tidy", 0, "is missing")
        return
    sources = commands(tree)
    if not sources:
        tree.report("compile_commands.json", 0, "lists no source of the library")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda item: examine(tree, *item), sorted(sources.items()))
        for finding in sorted({f for findings in results for f in findings}):
            tree.report(*finding)
