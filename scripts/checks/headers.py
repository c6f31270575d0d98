"""Every public header compiles alone (and twice) as C17 and as C++17, with gcc and clang."""
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Werror", "-fsyntax-only"]
C_ONLY = ["-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"]
COMPILERS = (
    ("gcc", "c", "c17", C_ONLY),
    ("clang", "c", "c17", C_ONLY),
    ("g++", "c++", "c++17", []),
    ("clang++", "c++", "c++17", []),
)


def compile_header(tree, header, compiler):
    program, language, standard, extra = compiler
    include = f'#include "{header.removeprefix("include/")}"\n'
    command = [program, "-x", language, f"-std={standard}", *STRICT, *extra, "-Iinclude", "-"]
    return subprocess.run(
        command, cwd=tree.root, input=include * 2, capture_output=True, text=True, check=False
    )


def check(tree):
    jobs = []
    for compiler in COMPILERS:
        if not shutil.which(compiler[0]):
            tree.report(compiler[0], 0, "compiler is missing")
            continue
        jobs += [(header, compiler) for header in tree.files(("include",), (".h",))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda job: compile_header(tree, *job), jobs)
    for (header, compiler), result in zip(jobs, results):
        if result.returncode:
            first = next((s for s in result.stderr.splitlines() if "error" in s), result.stderr)
            tree.report(header, 0, f"not alone with {compiler[0]} -std={compiler[2]}: {first}")
