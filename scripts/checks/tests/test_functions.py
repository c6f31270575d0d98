import subprocess

import functions
from planted import PlantedTest


def function(name, lines, branches=0):
    """A function of so many lines (at least branches + 4) and complexity branches + 1."""
    body = ["    if (x)", "        x++;"] * branches
    body += ["    x--;"] * (lines - 4 - len(body))
    return "\n".join([f"static int {name}(int x)", "{", *body, "    return x;", "}", ""])


class FunctionsTest(PlantedTest):
    def measure(self, text):
        return list(functions.functions(text))

    def test_measures_lines_and_complexity(self):
        self.assertEqual(self.measure(function("f", 20, 3)), [("f", 1, 20, 4)])

    def test_counts_operators_and_loops_but_not_literals_and_comments(self):
        text = 'int f(void)\n{\n    for (;;)\n        g(a && b || c ? "&& if" : 0); /* if */\n}\n'
        self.assertEqual(self.measure(text), [("f", 1, 5, 5)])

    def test_a_switch_counts_once(self):
        text = "int f(int x)\n{\n    switch (x) {\n    case 1:\n    case 2:\n        g();\n    }\n}\n"
        self.assertEqual(self.measure(text)[0][3], 2)

    def test_sees_test_cases_attributes_and_wrapped_signatures(self):
        text = "struct s { int x; };\nstatic int table[] = { 1 };\n"
        text += "TEST(one)\n{\n}\nSP_API SP_NONNULL_ARGS(1) int\nf(int a,\n  int b)\n{\n}\n"
        self.assertEqual([(f[0], f[2]) for f in self.measure(text)], [("one", 3), ("f", 5)])

    def test_only_one_branch_of_a_conditional_counts(self):
        text = "#if A\nint f(int x) {\n#else\nint f(void) {\n#endif\n}\nint g(void)\n{\n}\n"
        self.assertEqual([f[0] for f in self.measure(text)], ["f", "g"])

    def test_limits_are_inclusive(self):
        self.assertEqual(self.findings(functions, {"src/a.c": function("f", 70, 14)}), [])

    def test_long_and_complex_functions_are_found(self):
        text = function("long_one", 71) + function("complex_one", 40, 15)
        found = self.findings(functions, {"src/a.c": text})
        self.assertEqual(len(found), 2, found)
        self.assertIn("src/a.c:1: long_one: 71 lines", found[0])
        self.assertIn("complexity 16", found[1])

    def test_ratchet_excuses_exactly_what_it_says(self):
        source = {"src/a.c": function("f", 80)}
        entry = {functions.RATCHET: "src/a.c f 80 1\n"}
        self.assertEqual(self.findings(functions, {**source, **entry}), [])
        larger = {functions.RATCHET: "src/a.c f 90 1\n"}
        self.assert_one(self.findings(functions, {**source, **larger}), "adapt it")

    def test_stale_entry_is_found(self):
        files = {"src/a.c": function("f", 10), functions.RATCHET: "src/a.c f 80 1\n"}
        self.assert_one(self.findings(functions, files), "remove its entry")

    def git(self, *args):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *args], cwd=self.root, check=True, capture_output=True)

    def test_ratchet_may_not_grow_over_its_first_version(self):
        self.plant({"src/a.c": function("f", 80), functions.RATCHET: "src/a.c f 80 1\n"})
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")
        self.assertEqual(self.findings(functions, {}), [])
        grown = {"src/b.c": function("g", 90)}
        grown[functions.RATCHET] = "src/a.c f 80 1\nsrc/b.c g 90 1\n"
        self.assert_one(self.findings(functions, grown), "only shrinks")
