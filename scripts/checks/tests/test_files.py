import files
from planted import PlantedTest


class FilesTest(PlantedTest):
    def test_file_at_the_limit_has_no_findings(self):
        self.assertEqual(self.findings(files, {"src/a.c": "/* a */\n" + "\n" * 999}), [])

    def test_long_file_is_found(self):
        found = self.findings(files, {"src/a.c": "/* a */\n" + "\n" * 1000})
        self.assert_one(found, "src/a.c", "1001 lines")

    def test_file_without_opening_comment_is_found(self):
        self.assert_one(self.findings(files, {"src/a.c": "int a;\n"}), "comment")

    def test_comment_of_the_header_is_enough(self):
        files_ = {"src/a.h": "/* a */\n", "src/a.c": "int a;\n", "src/a_test.c": "int b;\n"}
        self.assertEqual(self.findings(files, files_), [])

    def test_missing_newline_is_found(self):
        self.assert_one(self.findings(files, {"src/a.c": "/* a */\nint a;"}), "newline")
