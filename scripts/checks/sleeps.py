"""No test sleeps to wait for something.

Where sleeping is what is tested (work that blocks a thread), the line says so:
`usleep(1000); /* sleeps: reason */`.
"""
import re

from tree import line_of, strip_literals

SLEEP = re.compile(r"(?<![\w.>])(sleep|usleep|nanosleep|clock_nanosleep)\s*\(")


def check(tree):
    for path in tree.files(("src", "tests", "examples"), ("_test.c",)):
        text = tree.text(path)
        code = strip_literals(text)
        lines = text.splitlines()
        for match in SLEEP.finditer(code):
            line = line_of(code, match.start())
            if "/* sleeps: " not in lines[line - 1]:
                tree.report(path, line, f"{match[1]}() in a test: wait for the event itself")
