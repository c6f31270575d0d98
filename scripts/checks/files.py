"""A source file has at most 1,000 lines and opens with a comment that says what it is."""

LINES_MAX = 1000
FOLDERS = ("src", "include", "tests", "examples", "bench", "fuzz")


def check(tree):
    for path in tree.files(FOLDERS, (".c", ".h", ".S")):
        text = tree.text(path)
        lines = text.count("\n")
        if lines > LINES_MAX:
            tree.report(path, 0, f"{lines} lines, more than {LINES_MAX}")
        if not text.lstrip().startswith(("/*", "//")):
            tree.report(path, 1, "does not open with a comment that says what it does")
        if text and not text.endswith("\n"):
            tree.report(path, lines + 1, "no newline at the end")
