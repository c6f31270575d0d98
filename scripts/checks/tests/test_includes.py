import includes
from planted import PlantedTest


class IncludesTest(PlantedTest):
    def test_right_order_has_no_findings(self):
        text = '#include "base/a.h"\n\n#include "base/b.h"\n\n#include <stdio.h>\n'
        self.assertEqual(self.findings(includes, {"src/base/a.c": text, "src/base/a.h": ""}), [])

    def test_own_header_that_is_not_first_is_found(self):
        text = '#include "base/b.h"\n#include "base/a.h"\n'
        found = self.findings(includes, {"src/base/a.c": text, "src/base/a.h": ""})
        self.assert_one(found, "src/base/a.c:1", "not base/a.h")

    def test_own_public_header_counts_as_own(self):
        files = {"src/base/err.c": '#include "spawned/err.h"\n', "include/spawned/err.h": ""}
        self.assertEqual(self.findings(includes, files), [])

    def test_ours_after_the_system_is_found(self):
        found = self.findings(includes, {"tests/x_test.c": '#include <stdio.h>\n#include "a.h"\n'})
        self.assert_one(found, "tests/x_test.c:2", "ours come first")
