#!/usr/bin/env python3
"""Compiles and runs the C programs in README.md and docs/.

    run.py --cc COMPILER --include DIR --lib FILE [FILE.md...]

Every block ```c that contains `int main(` is a program: it must compile without a warning,
run, and exit with 0 within a minute. If the next block is ```output, that is what it must
print. A block ```c without main only has to compile when its first line is `/* compiles */`.
A block that follows a line `<!-- PATH -->` must be that file of the tree, word for word.
The last line of the output is `N passed, N failed`.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = "-std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -g".split()
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```[ \t]*$", re.M | re.S)
COPY = re.compile(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```[ \t]*$", re.M | re.S)


def snippets(text):
    """Yields (line, code, expected output or None, is a program)."""
    blocks = [(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in BLOCK.finditer(text)]
    for i, (language, code, line) in enumerate(blocks):
        program = "int main(" in code
        if language != "c" or not (program or code.startswith("/* compiles */")):
            continue
        following = blocks[i + 1] if i + 1 < len(blocks) else ("", "", 0)
        yield line, code, following[1] if following[0] == "output" else None, program


def copies(text, root):
    """Yields (line, why it is not a copy of its file, or None)."""
    for match in COPY.finditer(text):
        path = root / match[1]
        same = path.exists() and path.read_text() == match[2]
        yield text.count("\n", 0, match.start()) + 1, None if same else f"differs from {match[1]}"


def failure(code, expected, program, args):
    """Why the snippet fails, or None."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = f"{folder}/snippet.c", f"{folder}/snippet"
        pathlib.Path(source).write_text(code)
        command = [args.cc, *FLAGS, f"-I{args.include}", source, "-o", binary]
        command += [args.lib, "-pthread"] if program else ["-c"]
        build = subprocess.run(command, capture_output=True, text=True, check=False)
        if build.returncode:
            return build.stderr
        if not program:
            return None
        try:
            run = subprocess.run(
                [binary], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            return "still running after 60 s"
    if run.returncode:
        return f"exit status {run.returncode}: {run.stdout}{run.stderr}"
    if expected is not None and run.stdout != expected:
        return f"printed {run.stdout!r}, the text says {expected!r}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--include", default=ROOT / "include")
    parser.add_argument("--lib", required=True)
    parser.add_argument("--root", default=ROOT, type=pathlib.Path, help="of the copied files")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    passed = failed = 0
    for path in args.files or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text()
        results = list(copies(text, args.root))
        results += [(line, failure(*rest, args)) for line, *rest in snippets(text)]
        for line, why in results:
            passed += why is None
            failed += why is not None
            print(f"ok   {path.name}:{line}" if why is None else f"FAIL {path.name}:{line}: {why}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
