"""The built dashboard (tools/dashboard/dist) belongs to its sources.

tools/dashboard/build.py writes a hash of the sources, and of what it built from them, beside
what it built; whoever changes one of them builds anew.
"""
import hashlib

FOLDER = "tools/dashboard"
STAMP = "dist/BUILT_FROM"
SOURCES = ("package.json", "package-lock.json", "vite.config.js", "index.html")


def files(folder, parts):
    """Files below `folder`, of these names or in these folders, in order."""
    for part in parts:
        path = folder / part
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file())


def digest(folder, parts):
    total = hashlib.sha256()
    for path in files(folder, parts):
        body = path.read_bytes()
        total.update(f"{path.relative_to(folder)} {len(body)}\n".encode())
        total.update(body)
    return total.hexdigest()


def stamp(folder):
    """What the stamp of these sources and this build is."""
    built = [p.relative_to(folder) for p in files(folder, ["dist"]) if p != folder / STAMP]
    return (f"sources {digest(folder, SOURCES + ('src', 'public'))}\n"
            f"built   {digest(folder, built)}\n")


def check(tree):
    folder = tree.root / FOLDER
    if not folder.exists():
        return
    path = folder / STAMP
    if not path.exists() or path.read_text(encoding="utf-8") != stamp(folder):
        tree.report(f"{FOLDER}/{STAMP}", 0, f"is stale: run {FOLDER}/build.py")
