#!/usr/bin/env python3
"""Compiles every misuse in this folder and looks at what the compiler says.

    run.py [--cc COMPILER]... [--include DIR]... [--lib FILE]... [FILE...]

A case is a C file with these comments:

    // expect: REGEX          the message; a case may have several, all must appear
    // expect-gcc: REGEX      only where this compiler is used (also expect-clang)
    // here                   at the end of the line that the message must name
    // stage: link            the mistake shows when the program is linked

and the misuse itself inside `#ifndef FIXED`. With -DFIXED the case must compile without a
warning: so it is the misuse that fails, and nothing else in the file. The last line of the
output is `N passed, N failed`; a case counts once for each compiler.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = "-std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -g".split()


class Case:
    """What one file promises."""

    def __init__(self, path, compiler):
        self.path = path
        family = "clang" if "clang" in pathlib.Path(compiler).name else "gcc"
        lines = path.read_text().splitlines()
        self.link = any(re.match(r"\s*// stage: link\s*$", s) for s in lines)
        pattern = re.compile(rf"\s*// expect(?:-{family})?: (.*)")
        self.expected = [m[1].strip() for m in map(pattern.match, lines) if m]
        self.here = [n for n, s in enumerate(lines, 1) if re.search(r"// here\s*$", s)]
        self.has_fix = any("FIXED" in s for s in lines)


def compile_case(case, compiler, args, fixed):
    """Returns (exit status, diagnostics)."""
    command = [compiler, *FLAGS, *(f"-I{d}" for d in args.include)]
    command += ["-DFIXED"] if fixed else []
    with tempfile.TemporaryDirectory() as folder:
        if case.link:
            command += [case.path, "-o", f"{folder}/case", *args.lib, "-pthread"]
        else:
            command += ["-c", case.path, "-o", f"{folder}/case.o"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def names_line(output, case):
    """True if a diagnostic names a line marked `here` in the case's file."""
    found = re.findall(rf"{re.escape(case.path.name)}:(\d+)", output)
    return bool(set(map(int, found)) & set(case.here))


def problems(case, compiler, args):
    """What is wrong with `case`, as a list of sentences."""
    if not case.expected or not case.here or not case.has_fix:
        return ["needs `// expect: REGEX`, `// here` and `#ifndef FIXED`"]
    found = []
    status, output = compile_case(case, compiler, args, fixed=False)
    if status == 0:
        found.append("compiles, but must not")
    for regex in case.expected:
        if not re.search(regex, output):
            found.append(f"no message matches `{regex}`")
    if status != 0 and not names_line(output, case):
        found.append(f"no message names line {case.here}")
    if found:
        found.append("the compiler said:\n" + output)
    status, output = compile_case(case, compiler, args, fixed=True)
    if status != 0:
        found.append("does not compile with -DFIXED:\n" + output)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cc", action="append", help="compilers; those that are missing fail")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--lib", action="append", default=[])
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    passed = failed = 0
    for path in args.files or sorted(HERE.glob("*.c")):
        for compiler in args.cc or ["gcc", "clang"]:
            missing = not shutil.which(compiler)
            found = ["compiler is missing"] if missing else problems(Case(path, compiler), compiler, args)
            passed += not found
            failed += bool(found)
            print(f"{'FAIL' if found else 'ok  '} {path.name} ({compiler})")
            for problem in found:
                print("  " + problem.replace("\n", "\n    "))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
