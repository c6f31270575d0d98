"""Every function that a public header exports has a doc block that says what one must know.

A prototype with SP_API is preceded by /** ... */ with a summary and `Context:`; one whose
sp_err must be looked at (SP_NODISCARD) says `Errors:`.
"""
import re

from tree import line_of, strip_comments

PROTOTYPE = re.compile(r"^SP_API\b[^;{]*?;", re.M | re.S)
BLOCK_BEFORE = re.compile(r"/\*\*((?:(?!\*/).)*)\*/\s*\Z", re.S)
NAME = re.compile(r"\b(sp_\w+)\s*\(")


def check_prototype(tree, path, text, match):
    declaration = " ".join(match[0].split())
    name = NAME.search(declaration)
    line = line_of(text, match.start())
    if not name:
        return
    block = BLOCK_BEFORE.search(text[: match.start()])
    if not block:
        tree.report(path, line, f"{name[1]} has no doc block")
        return
    words = re.sub(r"\s*\n\s*\*?\s*", " ", block[1]).strip()
    if re.match(r"(Errors|Ownership|Context|Units|Source):", words) or not words:
        tree.report(path, line, f"{name[1]}: the doc block has no summary")
    if "Context:" not in words:
        tree.report(path, line, f"{name[1]}: the doc block does not say `Context:`")
    fails = re.search(r"\bSP_NODISCARD\b.*\bsp_err\s+\Z", declaration[: name.start()])
    if fails and "Errors:" not in words:
        tree.report(path, line, f"{name[1]} can fail, its doc block has no `Errors:`")


def check(tree):
    for path in tree.files(("include",), (".h",)):
        text = tree.text(path)
        code = strip_comments(text)  # same offsets: a prototype in a comment is none
        for match in PROTOTYPE.finditer(code):
            check_prototype(tree, path, text, match)
