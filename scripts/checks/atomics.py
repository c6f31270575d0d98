"""Every atomic operation of the library names its memory order (the _explicit forms)."""
import re

from tree import line_of, strip_literals

IMPLICIT = re.compile(
    r"\b(atomic_(?:load|store|exchange|compare_exchange_(?:weak|strong)"
    r"|fetch_(?:add|sub|or|xor|and)|flag_test_and_set|flag_clear))\s*\("
)
LEGACY = re.compile(r"\b(__sync_\w+)\s*\(")


def check(tree):
    for path in tree.files(("src", "include"), (".c", ".h")):
        if path.endswith("_test.c"):
            continue
        code = strip_literals(tree.text(path))
        for match in list(IMPLICIT.finditer(code)) + list(LEGACY.finditer(code)):
            tree.report(path, line_of(code, match.start()), f"{match[1]} without an order")
