"""Small trees with a planted violation, for the tests of the checks."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from tree import Tree  # noqa: E402


class PlantedTest(unittest.TestCase):
    """Gives each test a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def plant(self, files):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def findings(self, check, files, build=None):
        """What `check` (a module) reports in a tree of `files` ({path: text})."""
        self.plant(files)
        tree = Tree(self.root, self.root / build if build else None)
        check.check(tree)
        return tree.findings

    def compile_archive(self, sources, build="build", flags=()):
        """Builds libspawned.a as CMake would lay it out, from `sources` ({path below src: C})."""
        self.plant({f"src/{name}": text for name, text in sources.items()})
        objects = []
        for name in sources:
            out = self.root / build / "CMakeFiles/spawned.dir/src" / (name + ".o")
            out.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(
                ["gcc", *flags, "-c", self.root / "src" / name, "-o", out], check=True
            )
            objects.append(out)
        subprocess.run(["ar", "rc", self.root / build / "libspawned.a", *objects], check=True)

    def assert_one(self, findings, *parts):
        self.assertEqual(len(findings), 1, findings)
        for part in parts:
            self.assertIn(part, findings[0])
