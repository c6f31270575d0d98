"""Functions have at most 70 lines and a complexity of at most 15.

Complexity is one, plus one for each if, for, while, switch, ?, && and ||. A switch counts
once however many cases it has: a flat list of cases reads like a table.

scripts/checks/functions.txt lists the exceptions, `path function lines complexity`. It only
shrinks: an entry must be exactly what the function measures today, and the file may hold
nothing that its first version in git did not hold with the same or larger numbers.
"""
import re
import subprocess

from tree import line_of, strip_literals

LINES_MAX = 70
COMPLEXITY_MAX = 15
RATCHET = "scripts/checks/functions.txt"
FOLDERS = ("src", "include", "tests", "examples", "bench", "fuzz", "tools")
BRANCH = re.compile(r"\b(?:if|for|while|switch)\b|&&|\|\||\?")
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")
TEST = re.compile(r"^\s*TEST\s*\(\s*(\w+)")
# What may stand between the parameters and the body, or before the name.
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)|\bSP_\w+\s*\([^()]*\)")


def blank_preprocessor(code):
    """`code` without preprocessor lines; of #if ... #else ... #endif the first branch stays."""
    out, depth_skip, stack, continued = [], 0, [], False
    for line in code.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line) if not continued else None
        is_preprocessor = continued or directive
        continued = bool(is_preprocessor and line.endswith("\\"))
        word = directive[1] if directive else ""
        if word in ("if", "ifdef", "ifndef"):
            stack.append(False)
        elif word in ("else", "elif") and stack and not stack[-1]:
            stack[-1] = True
            depth_skip += 1
        elif word == "endif" and stack and stack.pop():
            depth_skip -= 1
        out.append("" if is_preprocessor or depth_skip else line)
    return "\n".join(out)


def function_name(signature):
    test = TEST.match(signature)
    if test:
        return test[1]
    name = NAME.search(ATTRIBUTE.sub(" ", signature))
    return name[1] if name else "?"


def functions(text):
    """Yields (name, first line, lines, complexity) of the functions defined in `text`."""
    code = blank_preprocessor(strip_literals(text))
    depth, head, start = 0, 0, None
    for match in re.finditer(r"[{};]", code):
        char, at = match[0], match.start()
        if char == "{":
            if depth == 0 and code[head:at].rstrip().endswith(")"):
                start = at
            depth += 1
        elif char == "}":
            depth = max(depth - 1, 0)
        if depth == 0 and char in "};":
            if start is not None and char == "}":
                signature = code[head:start]
                first = line_of(code, head + len(signature) - len(signature.lstrip()))
                lines = line_of(code, at) - first + 1
                complexity = 1 + len(BRANCH.findall(code[start:at]))
                yield function_name(signature), first, lines, complexity
                start = None
            head = at + 1


def parse_ratchet(text):
    entries = {}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words:
            path, name, lines, complexity = words
            entries[path, name] = int(lines), int(complexity)
    return entries


def first_ratchet(tree):
    """The ratchet as first committed, or None (no git, or not committed yet)."""

    def git(*args):
        run = subprocess.run(
            ["git", *args], cwd=tree.root, capture_output=True, text=True, check=False
        )
        return run.stdout if run.returncode == 0 else ""

    commits = git("log", "--diff-filter=A", "--format=%H", "--", RATCHET).split()
    return parse_ratchet(git("show", f"{commits[-1]}:{RATCHET}")) if commits else None


def check_ratchet(tree, ratchet):
    first = first_ratchet(tree)
    for key, numbers in ratchet.items():
        allowed = first.get(key, (0, 0)) if first is not None else numbers
        if numbers[0] > allowed[0] or numbers[1] > allowed[1]:
            tree.report(RATCHET, 0, f"{' '.join(key)} is new or grew; this file only shrinks")


def check(tree):
    has_ratchet = (tree.root / RATCHET).exists()
    ratchet = parse_ratchet(tree.text(RATCHET)) if has_ratchet else {}
    check_ratchet(tree, ratchet)
    stale = dict(ratchet)
    for path in tree.files(FOLDERS, (".c", ".h")):
        for name, line, lines, complexity in functions(tree.text(path)):
            if lines <= LINES_MAX and complexity <= COMPLEXITY_MAX:
                continue
            stale.pop((path, name), None)
            if ratchet.get((path, name)) == (lines, complexity):
                continue
            limits = f"limits {LINES_MAX} and {COMPLEXITY_MAX}"
            if (path, name) in ratchet:
                limits = "{} and {} in the ratchet: adapt it".format(*ratchet[path, name])
            tree.report(path, line, f"{name}: {lines} lines, complexity {complexity} ({limits})")
    for path, name in stale:
        tree.report(RATCHET, 0, f"{path} {name} keeps the limits now: remove its entry")
