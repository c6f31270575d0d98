import layers
from planted import PlantedTest

TABLE = """
[layers]
base    :
runtime : base
process : base runtime
[headers]
base    : err.h
process : process.h
"""
GOOD = {
    "src/layers.txt": TABLE,
    "docs/architecture.md": "    base :\n    runtime : base\n    process : base runtime\n",
    "include/spawned/err.h": "/* */\n",
    "include/spawned/process.h": '#include "spawned/err.h"\n',
    "src/base/a.h": "/* */\n",
    "src/runtime/b.c": '#include "base/a.h"\n#include "spawned/err.h"\n',
}


class LayersTest(PlantedTest):
    def with_file(self, path, text):
        return self.findings(layers, {**GOOD, path: text})

    def test_clean_tree_has_no_findings(self):
        self.assertEqual(self.findings(layers, GOOD), [])

    def test_upward_include_is_found(self):
        found = self.with_file("src/base/c.c", '\n#include "runtime/b.h"\n')
        self.assert_one(found, "src/base/c.c:2", "layer base may not include runtime/b.h")

    def test_upward_include_of_a_public_header_is_found(self):
        found = self.with_file("src/base/c.c", '#include "spawned/process.h"\n')
        self.assert_one(found, "spawned/process.h of layer process")

    def test_public_header_that_includes_upwards_is_found(self):
        found = self.with_file("include/spawned/err.h", '#include "spawned/process.h"\n')
        self.assert_one(found, "include/spawned/err.h:1")

    def test_include_in_a_comment_is_ignored(self):
        found = self.with_file("src/base/c.c", '/*\n#include "runtime/b.h"\n*/\n')
        self.assertEqual(found, [])

    def test_unlisted_header_and_layer_are_found(self):
        self.assert_one(self.with_file("include/spawned/new.h", ""), "belongs to no layer")
        self.plant({"include/spawned/new.h": '/* */'})
        found = self.with_file("src/other/x.c", "")
        self.assertEqual(len(found), 2, found)

    def test_include_of_a_source_file_and_of_the_umbrella_are_found(self):
        self.assert_one(self.with_file("src/base/c.c", '#include "base/a.c"\n'), "source file")
        self.assert_one(self.with_file("src/base/c.c", '#include "spawned/spawned.h"\n'), "users")

    def test_relative_include_is_found(self):
        self.assert_one(self.with_file("src/base/c.c", '#include "a.h"\n'), "in no layer")

    def test_cycle_in_the_table_is_found(self):
        table = TABLE.replace("base    :\n", "base    : process\n", 1)
        doc = GOOD["docs/architecture.md"].replace("base :", "base : process", 1)
        found = self.findings(
            layers, {**GOOD, "src/layers.txt": table, "docs/architecture.md": doc}
        )
        self.assert_one(found, "not above it")

    def test_document_that_differs_is_found(self):
        doc = GOOD["docs/architecture.md"].replace("runtime : base\n", "runtime :\n")
        found = self.findings(layers, {**GOOD, "docs/architecture.md": doc})
        self.assertEqual(len(found), 2, found)
