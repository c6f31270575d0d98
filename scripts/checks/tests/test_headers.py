import headers
from planted import PlantedTest

GOOD = "#ifndef A_H\n#define A_H\n#include <stddef.h>\nsize_t a(void);\n#endif\n"


class HeadersTest(PlantedTest):
    def test_header_that_stands_alone_has_no_findings(self):
        self.assertEqual(self.findings(headers, {"include/spawned/a.h": GOOD}), [])

    def test_header_that_needs_another_is_found_by_all_compilers(self):
        text = GOOD.replace("#include <stddef.h>\n", "")
        found = self.findings(headers, {"include/spawned/a.h": text})
        self.assertEqual(len(found), 4, found)

    def test_header_that_is_not_cplusplus_is_found(self):
        text = GOOD.replace("size_t a(void);", "static inline char *a(void *p) { return p; }")
        found = self.findings(headers, {"include/spawned/a.h": text})
        self.assertEqual(len(found), 2, found)
        self.assertIn("c++17", found[0])

    def test_header_without_guard_is_found(self):
        found = self.findings(headers, {"include/spawned/a.h": "struct a { int x; };\n"})
        self.assertEqual(len(found), 4, found)
