"""A source file has at most 1,000 lines and opens with a comment that says what it is.

Where x.h says it, x.c and x_test.c beside it need not repeat it.
"""
import re

LINES_MAX = 1000
FOLDERS = ("src", "include", "tests", "examples", "bench", "fuzz", "tools")


def said_by_header(tree, path):
    stem = re.sub(r"(_test)?\.[cS]$", "", path)
    public = "include/spawned/" + stem.split("/")[-1] + ".h"
    headers = (stem + ".h", public) if not path.endswith(".h") else ()
    return any((tree.root / header).exists() for header in headers)


def check(tree):
    for path in tree.files(FOLDERS, (".c", ".h", ".S")):
        text = tree.text(path)
        lines = text.count("\n")
        if lines > LINES_MAX:
            tree.report(path, 0, f"{lines} lines, more than {LINES_MAX}")
        opens = text.lstrip().startswith(("/*", "//"))
        if not opens and not said_by_header(tree, path):
            tree.report(path, 1, "does not open with a comment that says what it does")
        if text and not text.endswith("\n"):
            tree.report(path, lines + 1, "no newline at the end")
