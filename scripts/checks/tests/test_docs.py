import docs
from planted import PlantedTest

GOOD = """
/** Frobs it.
 *  Errors: NOMEM.
 *  Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err sp_frob(int x,
                                                      int y);

/** The name. Context: any. */
SP_API const char *sp_name(void);
"""


class DocsTest(PlantedTest):
    def check_text(self, text):
        return self.findings(docs, {"include/spawned/a.h": text})

    def test_complete_blocks_have_no_findings(self):
        self.assertEqual(self.check_text(GOOD), [])

    def test_missing_block_is_found(self):
        found = self.check_text("\nSP_API void sp_frob(void);\n")
        self.assert_one(found, "include/spawned/a.h:2", "sp_frob has no doc block")

    def test_block_of_the_previous_function_does_not_count(self):
        found = self.check_text(GOOD + "SP_API void sp_other(void);\n")
        self.assert_one(found, "sp_other has no doc block")

    def test_missing_errors_and_context_are_found(self):
        self.assert_one(self.check_text(GOOD.replace(" *  Errors: NOMEM.\n", "")), "Errors:")
        self.assert_one(self.check_text(GOOD.replace(" Context: any. */\nSP_API const", " */\nSP_API const")), "Context:")

    def test_missing_summary_is_found(self):
        found = self.check_text(GOOD.replace("Frobs it.", ""))
        self.assert_one(found, "sp_frob: the doc block has no summary")
