"""Shell scripts pass shellcheck, Python scripts compile."""
import shutil
import subprocess


def check(tree):
    scripts = [p for p in tree.files() if p.endswith(".sh") or p == ".ci/run"]
    if scripts and not shutil.which("shellcheck"):
        tree.report("shellcheck", 0, "is missing")
    elif scripts:
        run = subprocess.run(
            ["shellcheck", "--format=gcc", *scripts],
            cwd=tree.root,
            capture_output=True,
            text=True,
            check=False,
        )
        for line in run.stdout.splitlines():
            tree.report(line, 0, "")
    for path in tree.files(suffixes=(".py",)):
        try:
            compile(tree.text(path), path, "exec")
        except SyntaxError as error:
            tree.report(path, error.lineno, str(error))
