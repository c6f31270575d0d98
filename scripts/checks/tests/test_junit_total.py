import pathlib
import sys
import unittest
from xml.etree.ElementTree import fromstring

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import junit_total  # noqa: E402


def count(status, output, inner=""):
    text = f'<testcase status="{status}">{inner}<system-out>{output}</system-out></testcase>'
    return junit_total.count(fromstring(text))


class JunitTotalTest(unittest.TestCase):
    def test_harness_line_is_taken(self):
        self.assertEqual(count("run", "x\n3 passed, 0 failed\n"), (3, 0, 0))
        self.assertEqual(count("fail", "3 passed, 2 failed, 1 skipped\n"), (3, 2, 1))

    def test_last_line_wins(self):
        self.assertEqual(count("run", "1 passed, 1 failed\n5 passed, 0 failed\n"), (5, 0, 0))

    def test_any_other_test_counts_as_one(self):
        self.assertEqual(count("run", "hello"), (1, 0, 0))
        self.assertEqual(count("fail", "hello"), (0, 1, 0))

    def test_failure_outside_the_cases_is_not_lost(self):
        self.assertEqual(count("fail", "3 passed, 0 failed\nleak"), (3, 1, 0))

    def test_test_that_did_not_run_failed_unless_it_was_skipped(self):
        self.assertEqual(count("notrun", ""), (0, 1, 0))
        self.assertEqual(count("notrun", "", '<skipped message="SKIP_RETURN_CODE=77"/>'), (0, 0, 1))
