import subprocess

import sections
from planted import PlantedTest

RENAME = ["objcopy", "--rename-section", ".text=sp_text,contents,alloc,load,readonly,code"]


class SectionsTest(PlantedTest):
    def check_source(self, text):
        self.compile_archive({"base/a.c": text})
        subprocess.run([*RENAME, self.root / "build/libspawned.a"], check=True)
        return self.findings(sections, {}, build="build")

    def test_renamed_code_has_no_findings(self):
        self.assertEqual(self.check_source("int f(int x) { return x; }\n"), [])

    def test_code_in_another_section_is_found(self):
        cold = '__attribute__((section(".text.unlikely"))) int g(int x) { return x; }\n'
        found = self.check_source("int f(int x) { return x; }\n" + cold)
        self.assert_one(found, "a.c.o has", ".text.unlikely")

    def test_archive_that_was_not_renamed_is_found(self):
        self.compile_archive({"base/a.c": "int f(int x) { return x; }\n"})
        found = self.findings(sections, {}, build="build")
        self.assertEqual(len(found), 2, found)
