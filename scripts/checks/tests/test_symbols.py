import symbols
from planted import PlantedTest

CONFIG = "forbid clock: clock_gettime time\nforbid file: read open\n"
CLOCK = "#include <time.h>\ntime_t f(void) { return time(0); }\n"


class SymbolsTest(PlantedTest):
    def check_sources(self, sources, config=CONFIG):
        self.compile_archive(sources)
        return self.findings(symbols, {symbols.CONFIG: config}, build="build")

    def test_pure_code_has_no_findings(self):
        self.assertEqual(self.check_sources({"base/a.c": "int f(int x) { return x; }\n"}), [])

    def test_forbidden_symbol_is_found(self):
        found = self.check_sources({"base/a.c": CLOCK})
        self.assert_one(found, "src/base/a.c: uses time (clock)")

    def test_exception_by_folder_and_by_symbol(self):
        for entry in ("allow base: clock # reason\n", "allow base/a.c: time # reason\n"):
            self.assertEqual(self.check_sources({"base/a.c": CLOCK}, CONFIG + entry), [])

    def test_exception_for_another_file_does_not_help(self):
        found = self.check_sources({"base/a.c": CLOCK}, CONFIG + "allow base/ab.c: time # reason\n")
        self.assertEqual(len(found), 2, found)
        self.assertIn("is not needed", found[1])

    def test_exception_without_a_reason_is_found(self):
        found = self.check_sources({"base/a.c": CLOCK}, CONFIG + "allow base: clock\n")
        self.assertIn("# reason", found[0])

    def test_symbols_of_the_c_library_s_headers_are_recognised(self):
        for symbol in ("__read_chk", "open64", "__open64_2", "__open_2", "read@GLIBC_2.2.5"):
            self.assertIn(symbols.normal(symbol), ("read", "open"))

    def test_archive_whose_objects_are_missing_is_found(self):
        self.compile_archive({"base/a.c": "int f;\n"})
        (self.root / "src/base/a.c").unlink()
        found = self.findings(symbols, {symbols.CONFIG: CONFIG}, build="build")
        self.assert_one(found, "not looked at")
