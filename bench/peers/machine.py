"""What the machine is, read from the system: it goes beside every table."""
import os
import pathlib
import platform


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def processor(cpuinfo):
    """The model's name in the text of /proc/cpuinfo (aarch64 has none: its part number)."""
    for key in ("model name", "CPU part"):
        for line in cpuinfo.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return platform.machine()


def clock_mhz(cpuinfo):
    """The frequency in the text of /proc/cpuinfo, or None."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "cpu MHz":
            return float(value)
    return None


def system(os_release):
    for line in os_release.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def describe():
    """Facts of the machine as (name, value)."""
    cpuinfo = read("/proc/cpuinfo")
    mhz = clock_mhz(cpuinfo)
    memory = read("/proc/meminfo").split()
    virtual = "hypervisor" in cpuinfo
    facts = [
        ("processor", processor(cpuinfo) + (", virtual machine" if virtual else "")),
        ("processors", f"{os.cpu_count()}, of which used: {len(os.sched_getaffinity(0))}"),
        ("clock", f"{mhz:.0f} MHz" if mhz else "unknown"),
        ("clock source", read("/sys/devices/system/clocksource/clocksource0/current_clocksource").strip()),
        ("memory", f"{int(memory[1]) / 1048576:.1f} GiB" if len(memory) > 1 else "unknown"),
        ("kernel", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("system", system(read("/etc/os-release"))),
    ]
    return [(name, value) for name, value in facts if value]


class Busy:
    """How much of a processor other programs used between two calls of `share`.

    What all processors did (/proc/stat) less what our own children did. None: cannot be told.
    """

    def __init__(self):
        self.last = self.now()

    def now(self):
        fields = read("/proc/stat").split("\n", 1)[0].split()[1:9]
        if len(fields) < 8:
            return None
        user, nice, kernel, _, _, irq, softirq, steal = (int(f) for f in fields)
        busy = (user + nice + kernel + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return busy - own, times.elapsed

    def share(self):
        now, last = self.now(), self.last
        self.last = now
        if not now or not last or now[1] - last[1] < 0.2:
            return None
        return max(0.0, (now[0] - last[0]) / (now[1] - last[1]))
