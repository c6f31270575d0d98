#!/usr/bin/env python3
"""The snippet runner: what it must accept and what it must find."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

RUNNER = pathlib.Path(__file__).resolve().parent / "run.py"
PROGRAM = '#include <stdio.h>\nint main(void)\n{\n    puts("hi");\n    return 0;\n}\n'


class RunnerTest(unittest.TestCase):
    def run_text(self, text, context=None):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.md"
            path.write_text(text)
            (path.parent / "copied.c").write_text(PROGRAM)
            if context is not None:
                (path.parent / "a.c").write_text(context)
            command = [sys.executable, RUNNER, "--lib=-lc", "--root", folder, "--context", folder, path]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
        return run.returncode, run.stdout

    def test_program_with_its_output_passes(self):
        status, output = self.run_text(f"x\n```c\n{PROGRAM}```\n\n```output\nhi\n```\n")
        self.assertEqual(status, 0, output)
        self.assertIn("1 passed, 0 failed", output)

    def test_other_output_warning_and_status_fail(self):
        wrong = f"```c\n{PROGRAM}```\n```output\nho\n```\n"
        warns = f"```c\n{PROGRAM.replace('return 0', 'int x; return 0')}```\n"
        fails = f"```c\n{PROGRAM.replace('return 0', 'return 3')}```\n"
        for text in (wrong, warns, fails):
            self.assertIn("0 passed, 1 failed", self.run_text(text)[1])

    def test_file_without_main_only_compiles(self):
        text = "```c\n/* compiles */\nint x = y;\n```\n"
        self.assertIn("0 passed, 1 failed", self.run_text(text)[1])
        self.assertIn("1 passed, 0 failed", self.run_text(text.replace("y", "1"))[1])

    def test_fragments_compile_in_their_context(self):
        text = "```c\nx = y;\n```\n```c\nint unused;\n```\n"
        context = "static void f(int y)\n{\n    int x;\n/* @1 */\n    (void)x;\n}\n/* @2 */\n"
        self.assertIn("1 passed, 0 failed", self.run_text(text, context)[1])
        wrong = self.run_text(text.replace("x = y", "x = yy"), context)[1]
        self.assertIn("0 passed, 1 failed", wrong)
        self.assertIn("a.md:2:", wrong)  # the chapter's line, not that of what was compiled

    def test_fragment_without_context_or_place_fails(self):
        text = "```c\nint x;\n```\n"
        self.assertIn("has fragments and no a.c", self.run_text(text)[1])
        for context in ("", "/* @1 */\n/* @1 */\n", "/* @2 */\n", "/* @1 */\n/* @2 */\n"):
            self.assertIn("has 1 fragments", self.run_text(text, context)[1])

    def test_fragment_that_says_why_it_is_not_compiled_needs_no_place(self):
        text = f"<!-- not compiled: wrong on purpose -->\n```c\nx = y;\n```\n```c\n{PROGRAM}```\n"
        self.assertIn("1 passed, 0 failed", self.run_text(text)[1])
        self.assertIn("0 failed", self.run_text(text)[1])
        self.assertIn("1 failed", self.run_text(text.replace("wrong on purpose", ""))[1])

    def test_copy_must_be_equal_to_its_file(self):
        copy = f"<!-- copied.c -->\n```c\n{PROGRAM}```\n"
        self.assertIn("2 passed, 0 failed", self.run_text(copy)[1])
        self.assertIn("differs from copied.c", self.run_text(copy.replace("hi", "ho"))[1])
        self.assertIn("differs from gone.c", self.run_text(copy.replace("copied", "gone"))[1])

    def test_text_without_a_program_fails(self):
        self.assertEqual(self.run_text("nothing\n")[0], 1)


if __name__ == "__main__":
    unittest.main()
