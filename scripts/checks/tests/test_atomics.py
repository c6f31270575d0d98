import atomics
from planted import PlantedTest


class AtomicsTest(PlantedTest):
    def test_explicit_order_has_no_findings(self):
        text = "x = atomic_load_explicit(&y, memory_order_acquire); /* atomic_load(&y) */\n"
        self.assertEqual(self.findings(atomics, {"src/a.c": text}), [])

    def test_implicit_order_is_found(self):
        for call in ("atomic_load(&y)", "atomic_fetch_add(&y, 1)", "__sync_fetch_and_add(&y, 1)"):
            self.assert_one(self.findings(atomics, {"src/a.c": f"\nx = {call};\n"}), "src/a.c:2")
