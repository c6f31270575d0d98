"""No macro hides a jump: no return, goto, break or continue in the body of a #define.

A macro may define a whole function; jumps inside that function hide nothing.
"""
import re

from tree import line_of, strip_literals

DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:\\\n|[^\n])*)", re.M)
JUMP = re.compile(r"\b(return|goto|break|continue)\b")
# A block that follows `name(parameters)`: a function body, unless the name is a statement's.
FUNCTION_HEAD = re.compile(r"\b(\w+)\s*\([^{};]*\)[\s\\]*\Z")
STATEMENTS = {"if", "for", "while", "switch"}


def without_functions(body):
    """`body` of a macro without the bodies of the functions that it defines."""
    out, depth, inside = "", 0, None
    for char in body:
        if char == "{":
            depth += 1
            head = FUNCTION_HEAD.search(out)
            if inside is None and head and head[1] not in STATEMENTS:
                inside = depth
        if inside is None:
            out += char
        if char == "}":
            inside = None if inside == depth else inside
            depth -= 1
    return out


def check(tree):
    for path in tree.files(("src", "include", "tests", "examples", "bench"), (".c", ".h")):
        code = strip_literals(tree.text(path))
        for match in DEFINE.finditer(code):
            jump = JUMP.search(without_functions(match[2]))
            if jump:
                tree.report(path, line_of(code, match.start()), f"macro {match[1]} contains {jump[1]}")
