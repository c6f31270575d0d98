import macros
from planted import PlantedTest


class MacrosTest(PlantedTest):
    def test_plain_macros_have_no_findings(self):
        text = '#define A(x) ((x) + 1) /* return */\n#define B "return"\n#define returns_b 1\n'
        self.assertEqual(self.findings(macros, {"src/a.h": text}), [])

    def test_each_jump_is_found_on_any_line_of_the_body(self):
        for jump in ("return 1", "goto out", "break", "continue"):
            text = f"\n#define A(x) \\\n    do {{ \\\n        {jump}; \\\n    }} while (0)\n"
            found = self.findings(macros, {"src/a.h": text})
            self.assert_one(found, "src/a.h:2", jump.split()[0])

    def test_function_that_a_macro_defines_may_return(self):
        text = "#define F(n) \\\n    static int n(int x) \\\n    { \\\n        return x; \\\n    }\n"
        self.assertEqual(self.findings(macros, {"src/a.h": text}), [])

    def test_statement_with_parentheses_is_no_function(self):
        text = "#define A(x) if (f(x)) { return 1; }\n"
        self.assert_one(self.findings(macros, {"src/a.h": text}), "macro A contains return")
