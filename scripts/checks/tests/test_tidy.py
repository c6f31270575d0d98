import json
import pathlib

import tidy
from planted import PlantedTest

CONFIG = pathlib.Path(__file__).resolve().parents[3] / ".clang-tidy"


class TidyTest(PlantedTest):
    def check_source(self, text):
        source = str(self.root / "src/a.c")
        command = f"gcc -std=c17 -o CMakeFiles/spawned.dir/src/a.c.o -c {source}"
        entry = {"directory": str(self.root), "command": command, "file": source}
        self.plant({"build/x/compile_commands.json": json.dumps([entry])})
        files = {".clang-tidy": CONFIG.read_text(), "src/a.c": text}
        return self.findings(tidy, files, build="build/x")

    def test_good_code_has_no_findings_and_is_remembered(self):
        self.assertEqual(self.check_source("int f(int x);\nint f(int x)\n{\n    return x;\n}\n"), [])
        self.assertEqual(len(list((self.root / "build/lint/tidy").iterdir())), 1)

    def test_null_dereference_is_found(self):
        text = "int f(int x);\nint f(int x)\n{\n    int *p = 0;\n    return x ? 1 : *p;\n}\n"
        self.assert_one(self.check_source(text), "src/a.c:5", "NullDereference")
