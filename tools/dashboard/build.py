#!/usr/bin/env python3
"""Builds the dashboard into dist/, which is committed: users need no node.

    build.py           install what package-lock.json names, build, stamp
    build.py --check   is dist/ built from these sources? (make lint asks, too)
"""
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parents[1] / "scripts/checks"))
import dashboard  # noqa: E402


def main():
    if sys.argv[1:] == ["--check"]:
        same = (FOLDER / dashboard.STAMP).read_text(encoding="utf-8") == dashboard.stamp(FOLDER)
        print("built from these sources" if same else "stale: run build.py")
        return 0 if same else 1
    if sys.argv[1:]:
        sys.exit(__doc__)
    if not (FOLDER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)
    subprocess.run(["npx", "vite", "build"], cwd=FOLDER, check=True)
    (FOLDER / dashboard.STAMP).write_text(dashboard.stamp(FOLDER), encoding="utf-8")
    return 0


sys.exit(main())
