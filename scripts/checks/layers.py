"""A file includes only from its own layer and the layers that src/layers.txt allows it.

Also: the file lists every layer and every public header, has no cycle, and
docs/architecture.md repeats its list of layers word for word.
"""
import re

from tree import strip_comments, line_of

LAYERS = "src/layers.txt"
ARCHITECTURE = "docs/architecture.md"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
UMBRELLA = "spawned/spawned.h"


def parse(tree):
    """({layer: {allowed}}, {public header: layer}) of src/layers.txt."""
    layers, headers, into = {}, {}, None
    for number, line in enumerate(tree.text(LAYERS).splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        if line in ("[layers]", "[headers]"):
            into = line
            continue
        name, colon, rest = (part.strip() for part in line.partition(":"))
        if not colon or into is None:
            tree.report(LAYERS, number, "not `name : words`, or before the first section")
        elif into == "[layers]":
            for lower in rest.split():
                if lower not in layers:
                    tree.report(LAYERS, number, f"{name} may include {lower}, which is not above it")
            layers[name] = set(rest.split()) | {name}
        else:
            headers.update({f"spawned/{header}": name for header in rest.split()})
    return layers, headers


def layer_of(path, layers, headers):
    """The layer of an include path ("base/map.h", "spawned/err.h"), or None."""
    if path.startswith("spawned/"):
        return headers.get(path)
    parts = path.split("/")
    for end in range(len(parts) - 1, 0, -1):
        if "/".join(parts[:end]) in layers:
            return "/".join(parts[:end])
    return None


def check_include(tree, path, line, target, mine, tables):
    layers, headers = tables
    if target.endswith(".c"):
        tree.report(path, line, f"includes a source file, {target}")
        return
    if target.startswith("support/") and path.endswith("_test.c"):
        return
    if target == UMBRELLA:
        tree.report(path, line, f"{UMBRELLA} is for users; include the header of the concept")
        return
    theirs = layer_of(target, layers, headers)
    if theirs is None:
        tree.report(path, line, f'"{target}" is in no layer (paths start at src/ or include/)')
    elif theirs not in layers[mine]:
        tree.report(path, line, f"layer {mine} may not include {target} of layer {theirs}")


def check_file(tree, path, layers, headers):
    inner = path.removeprefix("src/").removeprefix("include/")
    mine = layer_of(inner, layers, headers)
    if mine is None:
        tree.report(path, 0, f"belongs to no layer of {LAYERS}")
        return
    text = strip_comments(tree.text(path))
    for match in INCLUDE.finditer(text):
        line = line_of(text, match.start())
        check_include(tree, path, line, match[1], mine, (layers, headers))


def check_architecture(tree, layers):
    if not (tree.root / ARCHITECTURE).exists():
        tree.report(ARCHITECTURE, 0, "missing")
        return
    lines = {" ".join(line.split()) for line in tree.text(ARCHITECTURE).splitlines()}
    for raw in tree.text(LAYERS).split("[headers]")[0].splitlines():
        line = " ".join(raw.split("#")[0].split())
        if ":" in line and line not in lines:
            tree.report(ARCHITECTURE, 0, f"does not have the line `{line}` of {LAYERS}")
    for line in lines:
        name, colon, rest = (part.strip() for part in line.partition(":"))
        if colon and name in layers and set(rest.split()) | {name} != layers[name]:
            if all(word in layers for word in rest.split()):
                tree.report(ARCHITECTURE, 0, f"says `{line}`, unlike {LAYERS}")


def check(tree):
    layers, headers = parse(tree)
    for path in tree.files(("src", "include"), (".c", ".h", ".S")):
        if path != "include/" + UMBRELLA:
            check_file(tree, path, layers, headers)
    for header in headers:
        if not (tree.root / "include" / header).exists():
            tree.report(LAYERS, 0, f"lists {header}, which does not exist")
    check_architecture(tree, layers)
