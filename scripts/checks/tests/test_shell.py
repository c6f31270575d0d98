import shell
from planted import PlantedTest


class ShellTest(PlantedTest):
    def test_good_scripts_have_no_findings(self):
        files = {"a.sh": '#!/bin/sh\necho "$1"\n', "a.py": "print(1)\n"}
        self.assertEqual(self.findings(shell, files), [])

    def test_unquoted_variable_is_found(self):
        found = self.findings(shell, {"a.sh": "#!/bin/sh\nrm $1\n"})
        self.assert_one(found, "a.sh:2", "SC2086")

    def test_python_that_does_not_compile_is_found(self):
        self.assert_one(self.findings(shell, {"a.py": "def f(:\n"}), "a.py:1")
