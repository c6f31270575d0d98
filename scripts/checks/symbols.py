"""The library reaches the system only where scripts/checks/symbols.txt allows it.

Looks at the undefined symbols of every object that went into libspawned.a: no clock, random
number, socket, file, thread or process is reached around the runtime's backend.
"""
import re
import subprocess

CONFIG = "scripts/checks/symbols.txt"


def normal(symbol):
    """`symbol` without what the C library's headers make of it (fortified, 64-bit, C99)."""
    symbol = symbol.split("@")[0]
    symbol = re.sub(r"^__isoc\d\d_", "", symbol)
    symbol = re.sub(r"^__(\w+?)(_chk|64_2|_2)$", r"\1", symbol)
    return re.sub(r"64(_time)?$", "", symbol) if len(symbol) > 4 else symbol


def parse(tree):
    """({symbol: group}, [(path prefix, {groups or symbols}, line)])."""
    groups, allowed = {}, []
    for number, line in enumerate(tree.text(CONFIG).splitlines(), 1):
        line, _, reason = line.partition("#")
        if not line.strip():
            continue
        kind, _, rest = line.strip().partition(" ")
        name, colon, words = (part.strip() for part in rest.partition(":"))
        if kind == "forbid" and colon:
            groups.update({word: name for word in words.split()})
        elif kind == "allow" and colon and reason.strip():
            allowed.append((name, set(words.split()), number))
        else:
            tree.report(CONFIG, number, "not `forbid GROUP: ...` or `allow PATH: ... # reason`")
    return groups, allowed


def objects(tree):
    """Yields (object file, its source below src/) of the archive."""
    base = tree.build / "CMakeFiles/spawned.dir/src"
    for path in sorted(base.rglob("*.o")):
        source = str(path.relative_to(base))[: -len(".o")]
        if (tree.root / "src" / source).exists():
            yield path, source


def undefined(path):
    run = subprocess.run(["nm", "-u", "--no-sort", path], capture_output=True, text=True, check=True)
    return [line.split()[-1] for line in run.stdout.splitlines() if line.split()]


def permit(source, symbol, group, allowed):
    """The entries that allow `symbol` in `source`."""
    for entry in allowed:
        prefix, words, _ = entry
        inside = source == prefix or source.startswith(prefix.rstrip("/") + "/")
        if inside and (symbol in words or group in words):
            yield entry


def check(tree):
    groups, allowed = parse(tree)
    used, count = set(), 0
    for path, source in objects(tree):
        count += 1
        for symbol in sorted({normal(s) for s in undefined(path)}):
            group = groups.get(symbol)
            if group is None:
                continue
            entries = list(permit(source, symbol, group, allowed))
            used.update(entry[2] for entry in entries)
            if not entries:
                tree.report(f"src/{source}", 0, f"uses {symbol} ({group})")
    archive = subprocess.run(
        ["ar", "t", tree.build / "libspawned.a"], capture_output=True, text=True, check=False
    )
    members = len(archive.stdout.split())
    if members == 0 or members > count:
        tree.report("libspawned.a", 0, f"{members} members, {count} objects found: not looked at all")
    for prefix, _, number in allowed:
        if number not in used:
            tree.report(CONFIG, number, f"the exception for {prefix} is not needed")
