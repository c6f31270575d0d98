"""Nothing unfinished and nothing of one machine in the tree.

No open-end markers, no comment that promises to be temporary, no path of a developer's
machine.
"""
import re

MARKERS = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
RULES = (
    (re.compile(r"\b(%s)\b" % "|".join(MARKERS)), "marks unfinished work"),
    (re.compile(r"\bfor" r" now\b(?=[.,;:)]|\s*\*/|$)", re.I), "promises to be temporary"),
    (re.compile(r"(?<![\w.])/(?:wo" r"rk|ho" r"me|ro" r"ot|Us" r"ers)/\w"), "path of one machine"),
    (re.compile(r"(?<!\w)\.\./sha" r"red/|\bsha" r"red/[A-Z]{4,}"), "path outside the tree"),
)
BINARY = (".png", ".jpg", ".gz", ".svg", ".bin")
DATA = ("fuzz/corpus/", "LICENSE")


def check(tree):
    for path in tree.files():
        if path.endswith(BINARY) or path.startswith(DATA):
            continue
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            for pattern, why in RULES:
                match = pattern.search(line)
                if match:
                    tree.report(path, number, f"`{match[0]}` {why}")
