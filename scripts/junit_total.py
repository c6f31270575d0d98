#!/usr/bin/env python3
"""Sums up a ctest run: reads its JUnit file and prints `N passed, N failed[, N skipped]`.

A program of the test harness says how many cases it ran; its line is taken. Any other test
counts as one. A program that fails without a failed case (it crashed at exit, it printed no
total) adds one failure, so that no failure is lost in the sum.
"""
import re
import sys
import xml.etree.ElementTree

TOTAL = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


def count(case):
    """(passed, failed, skipped) of one <testcase>."""
    output = case.findtext("system-out") or ""
    status = case.get("status")
    if status in ("notrun", "disabled"):
        return (0, 0, 1) if case.find("skipped") is not None else (0, 1, 0)
    totals = TOTAL.findall(output)
    if not totals:
        return (0, 1, 0) if status == "fail" else (1, 0, 0)
    passed, failed, skipped = (int(n or 0) for n in totals[-1])
    if status == "fail" and failed == 0:
        failed = 1
    return passed, failed, skipped


def main(path):
    cases = xml.etree.ElementTree.parse(path).getroot().findall("testcase")
    sums = [0, 0, 0]
    for case in cases:
        counts = count(case)
        sums = [a + b for a, b in zip(sums, counts)]
        if counts[1]:
            print(f"FAIL {case.get('name')}: {counts[1]} failed")
    if not cases:
        print("FAIL: no test ran")
        sums[1] += 1
    print(f"{sums[0]} passed, {sums[1]} failed" + (f", {sums[2]} skipped" if sums[2] else ""))
    return 1 if sums[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
