#!/usr/bin/env python3
"""The driver itself: a case that compiles, says something else or elsewhere must fail."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

DRIVER = pathlib.Path(__file__).resolve().parent / "run.py"
GOOD = """// expect: undeclared
int f(void)
{
#ifndef FIXED
    return nowhere; // here
#else
    return 1;
#endif
}
"""


class DriverTest(unittest.TestCase):
    def run_case(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "case.c"
            path.write_text(text)
            run = subprocess.run(
                [sys.executable, DRIVER, path], capture_output=True, text=True, check=False
            )
        return run.returncode, run.stdout

    def assert_fails(self, text, message):
        status, output = self.run_case(text)
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)
        self.assertIn("0 passed, 2 failed", output)

    def test_good_case_passes_with_both_compilers(self):
        status, output = self.run_case(GOOD)
        self.assertEqual(status, 0, output)
        self.assertIn("2 passed, 0 failed", output)

    def test_case_that_compiles_fails(self):
        self.assert_fails(GOOD.replace("nowhere", "2"), "compiles, but must not")

    def test_other_message_fails(self):
        self.assert_fails(GOOD.replace("undeclared", "too many"), "no message matches")

    def test_message_on_another_line_fails(self):
        moved = GOOD.replace(" // here", "").replace("int f(void)", "int f(void) // here")
        self.assert_fails(moved, "no message names line")

    def test_case_that_is_broken_otherwise_fails(self):
        self.assert_fails(GOOD.replace("return 1", "return other"), "with -DFIXED")

    def test_case_without_promises_fails(self):
        self.assert_fails(GOOD.replace("// expect: undeclared", ""), "needs")

    def test_mistake_may_show_at_the_link(self):
        text = "// stage: link\n// expect: undefined reference to .missing'\n"
        text += "int missing(void);\nint main(void)\n{\n#ifndef FIXED\n"
        text += "    return missing(); // here\n#else\n    return 0;\n#endif\n}\n"
        status, output = self.run_case(text)
        self.assertEqual(status, 0, output)


if __name__ == "__main__":
    unittest.main()
