#!/usr/bin/env python3
"""Compiles every block of C in README.md and docs/, and runs the programs among them.

    run.py --cc COMPILER --include DIR --lib FILE [FILE.md...]

A block ```c that contains `int main(` is a program: it must compile without a warning, run, and
exit with 0 within a minute. If the next block is ```output, that is what it must print. A block
whose first line is `/* compiles */` is a source file that only has to compile.

Any other block is a fragment. The fragments of NAME.md are compiled together, in
tests/snippets/context/NAME.c, which declares what they use: a line `/* @1 */` in it stands for the
first fragment, and each must be there once. One that cannot be compiled follows a line
`<!-- not compiled: WHY -->`, and has no number.

A block that follows a line `<!-- PATH -->` must be that file of the tree, word for word.
The last line of the output is `N passed, N failed`.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = "-std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -g".split()
# A fragment need not use what it declares.
FRAGMENT_FLAGS = [f"-Wno-unused-{what}" for what in ("variable", "function", "const-variable")]
BLOCK = re.compile(r"^(?:<!-- (?P<mark>.*?) -->\n)?```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```[ \t]*$", re.M | re.S)
NOT_COMPILED = re.compile(r"not compiled: \S")
PLACE = re.compile(r"^[ ]*/\* @(\d+) \*/\n", re.M)


class Block:
    """A fenced block of a chapter: its text, and what it is."""

    def __init__(self, match, text):
        self.code, self.language, self.mark = match["code"], match["language"], match["mark"] or ""
        self.line = text.count("\n", 0, match.start("code")) + 1
        self.expected = None  # what it must print
        self.program = "int main(" in self.code
        self.file = self.program or self.code.startswith("/* compiles */")


def blocks_of(text):
    blocks = [Block(m, text) for m in BLOCK.finditer(text)]
    for block, following in zip(blocks, blocks[1:]):
        if following.language == "output":
            block.expected = following.code
    return blocks


def copies(blocks, root):
    """Yields (line, why it is not a copy of its file, or None)."""
    for block in blocks:
        if re.fullmatch(r"\S+", block.mark):
            path = root / block.mark
            same = path.exists() and path.read_text() == block.code
            yield block.line, None if same else f"differs from {block.mark}"


def compiled(source, output, flags, args):
    """What the compiler says, or None."""
    command = [args.cc, *FLAGS, f"-I{args.include}", source, "-o", output, *flags]
    build = subprocess.run(command, capture_output=True, text=True, check=False)
    return build.stderr if build.returncode else None


def failure(block, args):
    """Why the file or program fails, or None."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = f"{folder}/snippet.c", f"{folder}/snippet"
        pathlib.Path(source).write_text(block.code)
        why = compiled(source, binary, [args.lib, "-pthread"] if block.program else ["-c"], args)
        if why is not None or not block.program:
            return why
        try:
            run = subprocess.run(
                [binary], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            return "still running after 60 s"
    if run.returncode:
        return f"exit status {run.returncode}: {run.stdout}{run.stderr}"
    if block.expected is not None and run.stdout != block.expected:
        return f"printed {run.stdout!r}, the text says {block.expected!r}"
    return None


def fragments_failure(fragments, path, args):
    """Why the fragments of this chapter fail in their context, or None."""
    context = args.context / f"{path.stem}.c"
    if not context.exists():
        return f"has fragments and no {context.name} in {args.context}"
    text = context.read_text()
    places = [int(number) for number in PLACE.findall(text)]
    if sorted(places) != list(range(1, len(fragments) + 1)):
        return f"has {len(fragments)} fragments, {context} has places for {places}"

    def filled(match):
        block = fragments[int(match[1]) - 1]
        back = text.count("\n", 0, match.end()) + 1
        return f'#line {block.line} "{path}"\n{block.code}#line {back} "{context}"\n'

    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "fragments.c"
        source.write_text(f'#line 1 "{context}"\n' + PLACE.sub(filled, text))
        return compiled(source, f"{folder}/fragments.o", ["-c", *FRAGMENT_FLAGS], args)


def results_of(path, args):
    """Yields (line, why it fails, or None) for all that is to be tested in this chapter."""
    blocks = blocks_of(path.read_text())
    yield from copies(blocks, args.root)
    code = [b for b in blocks if b.language == "c" and not NOT_COMPILED.match(b.mark)]
    yield from ((block.line, failure(block, args)) for block in code if block.file)
    fragments = [block for block in code if not block.file]
    if fragments:
        yield fragments[0].line, fragments_failure(fragments, path, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("--include", default=ROOT / "include")
    parser.add_argument("--lib", required=True)
    parser.add_argument("--root", default=ROOT, type=pathlib.Path, help="of the copied files")
    parser.add_argument("--context", default=ROOT / "tests/snippets/context", type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    passed = failed = 0
    for path in args.files or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for line, why in results_of(path, args):
            passed += why is None
            failed += why is not None
            print(f"ok   {path.name}:{line}" if why is None else f"FAIL {path.name}:{line}: {why}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
