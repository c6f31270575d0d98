import pathlib
import tempfile
import unittest

import dashboard
from tree import Tree


class DashboardTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.root.name) / dashboard.FOLDER
        for name in dashboard.SOURCES + ("src/main.jsx", "public/icon.svg", "dist/dashboard.js"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        (self.folder / dashboard.STAMP).write_text(dashboard.stamp(self.folder))

    def tearDown(self):
        self.root.cleanup()

    def findings(self):
        tree = Tree(self.root.name)
        dashboard.check(tree)
        return tree.findings

    def test_built_from_its_sources(self):
        self.assertEqual(self.findings(), [])

    def test_a_changed_source_is_told(self):
        (self.folder / "src/main.jsx").write_text("changed")
        self.assertEqual(len(self.findings()), 1)

    def test_a_new_source_is_told(self):
        (self.folder / "src/more.jsx").write_text("more")
        self.assertEqual(len(self.findings()), 1)

    def test_a_changed_build_is_told(self):
        (self.folder / "dist/dashboard.js").write_text("by hand")
        self.assertEqual(len(self.findings()), 1)

    def test_a_missing_stamp_is_told(self):
        (self.folder / dashboard.STAMP).unlink()
        self.assertEqual(len(self.findings()), 1)
