"""All code of libspawned.a is in the section sp_text.

The fault handler decides by address whether a fault was in the library (then the program
must end) or in user code (then the process alone ends). Code left in another section would
be taken for the user's.
"""
import re
import subprocess

SECTION = re.compile(r"^\s*\d+\s+(\S+)\s+([0-9a-f]+)\s.*\n\s+(.*)$", re.M)
MEMBER = re.compile(r"^(\S+):\s+file format", re.M)


def stray_code(listing):
    """Yields (member, section, size) of code outside sp_text in the output of objdump -h."""
    parts = MEMBER.split(listing)
    for member, body in zip(parts[1::2], parts[2::2]):
        for name, size, flags in SECTION.findall(body):
            if "CODE" in flags.split(", ") and int(size, 16) > 0 and name != "sp_text":
                yield member, name, int(size, 16)


def check(tree):
    archive = tree.build / "libspawned.a"
    run = subprocess.run(["objdump", "-h", archive], capture_output=True, text=True, check=False)
    if run.returncode:
        tree.report(archive, 0, run.stderr.strip())
        return
    if "sp_text" not in run.stdout:
        tree.report(archive, 0, "has no section sp_text")
    for member, name, size in stray_code(run.stdout):
        tree.report("libspawned.a", 0, f"{member} has {size} bytes of code in {name}")
