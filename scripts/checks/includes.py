"""Includes come in order: a source file's own header, then ours, then the system's."""
import re

from tree import strip_comments, line_of

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def own_headers(tree, path):
    """What may come first in `path`: its own header, internal or public."""
    stem = re.sub(r"(_test)?\.c$", "", path.removeprefix("src/"))
    names = [stem + ".h", "spawned/" + stem.split("/")[-1] + ".h"]
    return [n for n in names if any((tree.root / d / n).exists() for d in ("src", "include"))]


def check_file(tree, path):
    text = strip_comments(tree.text(path))
    includes = [(m[1], m[2], line_of(text, m.start())) for m in INCLUDE.finditer(text)]
    own = own_headers(tree, path) if path.startswith("src/") and not path.endswith("_test.c") else []
    if path.endswith(".c") and includes and own and includes[0][1] not in own:
        tree.report(path, includes[0][2], f"the first include is not {' or '.join(own)}")
    seen_system = None
    for kind, name, line in includes:
        if kind == "<":
            seen_system = name
        elif seen_system:
            tree.report(path, line, f'"{name}" after <{seen_system}>: ours come first')


def check(tree):
    for path in tree.files(("src", "include", "tests", "examples", "bench"), (".c", ".h")):
        check_file(tree, path)
