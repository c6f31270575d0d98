import sleeps
from planted import PlantedTest


class SleepsTest(PlantedTest):
    def test_sleep_in_a_test_is_found(self):
        found = self.findings(sleeps, {"src/a/b_test.c": "\n    usleep(100);\n"})
        self.assert_one(found, "src/a/b_test.c:2", "usleep()")

    def test_sleep_with_a_reason_and_the_runtime_s_sleep_are_not(self):
        text = "usleep(1); /* sleeps: blocks a thread */\nsp_sleep(sp_ms(1));\ns->sleep(1);\n"
        self.assertEqual(self.findings(sleeps, {"tests/b_test.c": text}), [])
