import words
from planted import PlantedTest


class WordsTest(PlantedTest):
    def test_ordinary_text_has_no_findings(self):
        text = "todo_list, a hack, for now_ms in x; see shared/memory and https://x.org/home/a\n"
        self.assertEqual(self.findings(words, {"docs/a.md": text}), [])

    def test_markers_are_found(self):
        for marker in words.MARKERS:
            self.assert_one(self.findings(words, {"src/a.c": f"\n// {marker}: later\n"}), "src/a.c:2")

    def test_promises_and_machine_paths_are_found(self):
        for text in ("/* enough for " + "now. */", "cd /ho" + "me/me/x", "see ../sha" + "red/X.md"):
            self.assert_one(self.findings(words, {"src/a.c": text + "\n"}), "src/a.c:1")
