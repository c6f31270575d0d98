#!/usr/bin/env python3
"""Runs the checks of this folder over the tree, after the checks' own tests.

    run.py [--build DIR] [--no-self-test] [CHECK...]

A check is a module with a docstring and `check(tree)`, which calls tree.report() for every
finding. Prints `ok` or `FAIL` for each, and last `N passed, N failed`.
"""
import argparse
import importlib
import io
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = (
    "layers includes headers docs files functions macros atomics sleeps words format dashboard "
    "shell symbols sections tidy"
).split()
NEED_BUILD = {"symbols", "sections", "tidy"}

sys.path.insert(0, str(HERE))
from tree import Tree  # noqa: E402


def self_test():
    """Runs tests/test_*.py; returns (passed, failed)."""
    suite = unittest.defaultTestLoader.discover(HERE / "tests")
    output = io.StringIO()
    result = unittest.TextTestRunner(stream=output, verbosity=0).run(suite)
    failed = len(result.failures) + len(result.errors)
    if failed:
        print("FAIL tests of the checks\n" + output.getvalue())
    else:
        print(f"ok   tests of the checks ({result.testsRun})")
    return result.testsRun - failed - len(result.skipped), failed


def run_check(name, root, build):
    """Runs one check; true if it found nothing."""
    tree = Tree(root, build)
    start = time.monotonic()
    importlib.import_module(name).check(tree)
    took = time.monotonic() - start
    for finding in tree.findings:
        print("  " + finding)
    word = "FAIL" if tree.findings else "ok  "
    print(f"{word} {name} ({took:.1f} s)", flush=True)
    return not tree.findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", help="folder of a finished build (release)")
    parser.add_argument("--no-self-test", action="store_true")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=" ".join(CHECKS))
    args = parser.parse_args()
    unknown = set(args.checks) - set(CHECKS)
    if unknown:
        parser.error("no such check: " + " ".join(sorted(unknown)))
    selected = args.checks or CHECKS
    if not args.build and NEED_BUILD & set(selected):
        parser.error("--build is needed for: " + " ".join(sorted(NEED_BUILD & set(selected))))

    passed, failed = (0, 0) if args.no_self_test else self_test()
    for name in selected:
        if run_check(name, HERE.parent.parent, args.build):
            passed += 1
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
