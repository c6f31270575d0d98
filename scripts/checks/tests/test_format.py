import pathlib

import format as format_check
from planted import PlantedTest

CONFIG = pathlib.Path(__file__).resolve().parents[3] / ".clang-format"


class FormatTest(PlantedTest):
    def check_text(self, text):
        files = {".clang-format": CONFIG.read_text(), "src/a.c": text}
        return self.findings(format_check, files)

    def test_formatted_file_has_no_findings(self):
        self.assertEqual(self.check_text("int f(void)\n{\n    return 1;\n}\n"), [])

    def test_unformatted_file_is_found_once(self):
        found = self.check_text("int f(void)\n{\n  return 1;\n  }\n")
        self.assert_one(found, "src/a.c:", "not formatted")
