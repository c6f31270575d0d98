"""The source tree as the checks see it: files, C text without comments, findings."""
import pathlib
import re
import subprocess

C_CODE = (".c", ".h")
_SKIP = {".git", "build", "__pycache__"}
_TOKEN = re.compile(
    r"""/\*.*?\*/            # block comment
      | //[^\n]*             # line comment
      | "(?:\\.|[^"\\\n])*"  # string
      | '(?:\\.|[^'\\\n])*'  # character
    """,
    re.S | re.X,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def strip_comments(text):
    """`text` with comments blanked; lines and columns stay where they are."""
    return _TOKEN.sub(lambda m: _blank(m[0]) if m[0][0] == "/" else m[0], text)


def strip_literals(text):
    """`text` with comments and the content of literals blanked."""

    def blank(match):
        token = match[0]
        if token[0] == "/":
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]

    return _TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


class Tree:
    """A tree below `root`. `build` is the folder of a finished build, or None."""

    def __init__(self, root, build=None):
        self.root = pathlib.Path(root)
        self.build = pathlib.Path(build) if build else None
        self.findings = []
        self._files = None

    def report(self, path, line, message):
        where = f"{path}:{line}" if line else str(path)
        self.findings.append(f"{where}: {message}")

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def _list(self):
        if (self.root / ".git").exists():
            command = ["git", "ls-files", "-co", "--exclude-standard"]
            out = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)
            names = out.stdout.splitlines()
        else:
            paths = (p.relative_to(self.root) for p in self.root.rglob("*"))
            names = [str(p) for p in paths if not _SKIP & set(p.parts)]
        return sorted(n for n in set(names) if (self.root / n).is_file())

    def files(self, folders=(), suffixes=()):
        """Paths (strings, relative) below `folders`, ending in `suffixes`; empty: all."""
        if self._files is None:
            self._files = self._list()
        prefixes = tuple(f + "/" for f in folders)
        for name in self._files:
            if (not prefixes or name.startswith(prefixes)) and (
                not suffixes or name.endswith(tuple(suffixes))
            ):
                yield name
