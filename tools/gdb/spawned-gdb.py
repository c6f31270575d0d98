"""Spawned in gdb: the processes of a running program, or of a core file.

    spawned ps [TEXT]          the live processes; those whose name or label contains TEXT
    spawned info PROCESS       everything that is known of one
    spawned mailbox PROCESS    the messages that wait in its mailbox, oldest first
    spawned bt PROCESS|all     where it is: also of one that is suspended and on no thread
    spawned in PROCESS COMMAND any command of gdb in its innermost frame: `spawned in 3 info locals`

PROCESS is a number of the first column, a pid as <0.3.1>, or a registered name. Nothing of the
program is called or changed. It is part of libspawned's debug information; gdb loads it where it
may: `add-auto-load-safe-path /path/of/the/program`, or `source spawned-gdb.py`.
"""

import gdb
import gdb.unwinder

# Of the state word of an actor (runtime/actor.h), and of a serial (process/process.h).
QUEUED, RECEIVING, CLOSED = 1, 1 << 30, 16
SUSPENDED = 8192  # of sp_process.shared
SERIAL_DEAD = 1 << 63
# Of a message's flags (runtime/message.h), and what a call puts before its payload.
MESSAGE_CALL = 1
LIST_MAX = 1000000  # elements of a list that was damaged


class SpawnedError(gdb.GdbError):
    """What the user is told."""


def number(value):
    """The integer of a value; of an _Atomic one, too."""
    return int(value.cast(gdb.lookup_type("unsigned long")))


def pointer(value, type_name):
    """`value`, plain or _Atomic, as a pointer to the named type."""
    address = number(value)
    return gdb.Value(address).cast(gdb.lookup_type(type_name).pointer())


def text(value, absent=None):
    """The C string a pointer leads to."""
    if number(value) == 0:
        return absent
    try:
        return value.cast(gdb.lookup_type("char").pointer()).string(errors="replace", length=-1)
    except gdb.MemoryError:
        return "?"


def struct(name):
    """A type, where the library has debug information."""
    try:
        return gdb.lookup_type(name)
    except gdb.error as error:
        raise SpawnedError("spawned: libspawned has no debug information here (%s)" % error)


def runtimes():
    """Every runtime of the program."""
    struct("struct sp_runtime")
    try:
        at = gdb.parse_and_eval("sp__debugger_runtimes")
    except gdb.error:
        raise SpawnedError("spawned: no program with libspawned is loaded")
    for _ in range(LIST_MAX):
        if number(at) == 0:
            return
        yield at.dereference()
        at = at["debugger_next"]


class Process:
    """A slot of the process table that is in use."""

    def __init__(self, index, value):
        self.index = index
        self.value = value
        self.state = number(value["actor"]["state"])
        self.serial = number(value["serial"])
        self.slot = number(value["slot"])

    def extra(self):
        """struct sp__extra, or None."""
        extra = pointer(self.value["extra"], "struct sp__extra")
        return extra.dereference() if number(extra) != 0 else None

    def pid(self):
        return "<0.%d.%d>" % (self.slot, self.serial & ~SERIAL_DEAD)

    def name(self):
        extra = self.extra()
        return text(extra["name"]) if extra is not None else None

    def server(self):
        """struct sp__server, or None."""
        symbol = gdb.lookup_global_symbol("sp__server_behaviour")
        if symbol is None or symbol.value().address != self.value["behaviour"]:
            return None
        return pointer(self.value["data"], "struct sp__server").dereference()

    def label(self):
        server = self.server()
        if server is not None:
            return text(server["class"]["name"], "server")
        extra = self.extra()
        label = text(extra["label"]) if extra is not None else None
        return label or text(self.value["behaviour"]["label"], "process")

    def operation(self):
        """What its handler is at, or None."""
        server = self.server()
        if server is None or number(server["frame"]) == 0:
            return None
        message = server["frame"]["message"]
        return text(message["type"]["name"]) if number(message) != 0 else None

    def length(self):
        return ((self.state >> 32) - number(self.value["actor"]["taken"])) & 0xFFFFFFFF

    def status(self, on_threads):
        """`on_threads` as running() gives it."""
        if self.state & CLOSED:
            return "exiting"
        if int(self.value.address) in on_threads:
            return "running"
        if number(self.value["shared"]) & SUSPENDED:
            return "suspended"
        if self.state & RECEIVING:
            return "idle"
        return "runnable" if self.state & QUEUED else "waiting"

    def fiber(self):
        fiber = pointer(self.value["actor"]["fiber"], "struct sp__fiber")
        return fiber.dereference() if number(fiber) != 0 else None

    def messages(self):
        """What waits in the mailbox, oldest first."""
        yield from self.saved()
        direct = self.value["actor"]["direct"]
        if number(direct) != 0:
            yield direct.dereference()
        yield from chain(pointer(self.value["actor"]["head"], "struct sp_message"), None)

    def saved(self):
        last = self.value["saved"]
        if number(last) != 0:
            first = pointer(last["next"], "struct sp_message")
            yield from chain(first, number(last))


def chain(at, last):
    """Messages linked by `next`, up to the one at the address `last`."""
    for _ in range(LIST_MAX):
        if number(at) == 0:
            return
        yield at.dereference()
        if number(at) == last:
            return
        at = pointer(at["next"], "struct sp_message")


def processes():
    """Every process of every runtime."""
    index = 0
    for runtime in runtimes():
        slab = runtime["processes"]
        if number(slab) == 0:
            continue
        slab = slab.dereference()
        size = number(slab["item_size"])
        base = number(slab["items"])
        for slot in range(number(slab["high"])):
            value = pointer(gdb.Value(base + slot * size), "struct sp_process").dereference()
            serial = number(value["serial"])
            if serial != 0 and not serial & SERIAL_DEAD:
                index += 1
                yield Process(index, value)


def contexts():
    """Every context (struct sp__context) of every runtime."""
    offset = next(f.bitpos // 8 for f in struct("struct sp__context").fields() if f.name == "link")
    for runtime in runtimes():
        head = runtime["contexts"]
        at = head["next"]
        for _ in range(LIST_MAX):
            if at == head.address:
                break
            yield pointer(gdb.Value(number(at) - offset), "struct sp__context").dereference()
            at = at["next"]


def stack_of(context):
    """(low, high) of the stack on which a context runs, or None: the thread's own."""
    fiber = pointer(context["fiber"], "struct sp__fiber")
    if number(fiber) == 0:
        return None
    low, high = number(fiber["stack"]["low"]), number(fiber["stack"]["high"])
    return (low, high) if high > low else None


def running():
    """{address of a process: thread of gdb} of those on a thread just now."""
    found = {}
    selected = gdb.selected_thread()
    frame = gdb.selected_frame() if selected is not None else None
    pointers = {}
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        pointers[thread] = int(gdb.newest_frame().read_register("sp"))
    for context in contexts():
        current = number(context["current"])
        bounds = stack_of(context)
        if current == 0:
            continue
        for thread, sp in pointers.items():
            if bounds is not None and bounds[0] <= sp <= bounds[1]:
                found[current] = thread
    if selected is not None:
        selected.switch()
        frame.select()
    return found


def find(word):
    """The process a word of the user means."""
    for process in processes():
        if word in (str(process.index), process.pid(), process.name()):
            return process
    raise SpawnedError("spawned: there is no process %s; see `spawned ps`" % word)


# ---- a stack that no thread is on ----


class Registers:
    """Where a fiber was left: see struct fiber_switch_frame in fiber_x86_64.c, fiber_aarch64.c."""

    def __init__(self, fiber):
        arch = gdb.selected_frame().architecture().name()
        context = fiber["context"]
        if "sp" not in [field.name for field in context.type.fields()]:
            raise SpawnedError("spawned: stacks of a build with SPAWNED_UCONTEXT are not shown")
        sp = number(context["sp"])
        if "x86-64" in arch:
            self.values = {"rsp": sp + 24, "rbp": word(sp + 8), "rip": word(sp + 16)}
            self.sp, self.pc = sp + 24, self.values["rip"]
        elif "aarch64" in arch:
            self.values = {"sp": sp + 176, "pc": word(sp + 8)}
            for place, register in enumerate([29, 30] + list(range(19, 29))):
                self.values["x%d" % register] = word(sp + 8 * place)
            self.sp, self.pc = sp + 176, self.values["pc"]
        else:
            raise SpawnedError("spawned: stacks on %s are not shown" % arch)


def word(address):
    return number(pointer(gdb.Value(address), "unsigned long").dereference())


class FrameId:
    def __init__(self, sp, pc):
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class FiberUnwinder(gdb.unwinder.Unwinder):
    """While on, the frame above the innermost one of the selected thread is that of a fiber; works
    on a core file, too, whose registers cannot be written."""

    def __init__(self):
        super().__init__("spawned")
        self.enabled = True
        self.fiber = None
        self.at = None

    def __call__(self, pending):
        if self.fiber is None:
            return None
        sp = int(pending.read_register("sp"))
        pc = int(pending.read_register("pc"))
        if (sp, pc) != self.at:
            return None
        info = pending.create_unwind_info(FrameId(sp, pc))
        for name, value in self.fiber.values.items():
            old = pending.read_register(name)
            info.add_saved_register(name, gdb.Value(value).cast(old.type))
        return info


unwinder = FiberUnwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


class on_fiber:
    """`with on_fiber(fiber):` the selected frame is the innermost one of the suspended fiber."""

    def __init__(self, fiber):
        self.registers = Registers(fiber)

    def __enter__(self):
        self.frame = gdb.newest_frame()
        unwinder.at = (int(self.frame.read_register("sp")), int(self.frame.read_register("pc")))
        unwinder.fiber = self.registers
        gdb.invalidate_cached_frames()
        gdb.newest_frame().older().select()

    def __exit__(self, *unused):
        unwinder.fiber = None
        gdb.invalidate_cached_frames()
        gdb.newest_frame().select()


class on_thread:
    """`with on_thread(thread):` the selected frame is the innermost one of the thread."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        self.before = gdb.selected_thread()
        self.thread.switch()
        gdb.newest_frame().select()

    def __exit__(self, *unused):
        self.before.switch()


def place_of(process, on_threads):
    """What to enter to look at its stack; None: it has none."""
    thread = on_threads.get(int(process.value.address))
    if thread is not None:
        return on_thread(thread)
    fiber = process.fiber()
    return on_fiber(fiber) if fiber is not None else None


def in_process(process, command):
    """Run `command` where the process is."""
    place = place_of(process, running())
    if place is None:
        raise SpawnedError("spawned: %s is between two messages: it has no stack" % process.pid())
    with place:
        gdb.execute(command)


def backtrace(process):
    """Its frames, up to where its fiber began."""
    on_threads = running()
    print("%s %s (%s), %s" % (process.pid(), process.name() or "without a name", process.label(),
                              process.status(on_threads)))
    place = place_of(process, on_threads)
    if place is None:
        print("    no stack: it is between two messages")
        return
    with place:
        frames(gdb.selected_frame())


def frames(frame):
    level = 0
    while frame is not None and frame.is_valid() and level < 200:
        name = frame.name() or "?"
        if name in ("fiber_main", "sp__fiber_context_start"):
            return
        sal = frame.find_sal()
        where = ""
        if sal.symtab is not None:
            where = " at %s:%d" % (sal.symtab.filename, sal.line)
        print("#%-3d %s%s" % (level, name, where))
        frame = frame.older()
        level += 1


# ---- commands ----


class Spawned(gdb.Command):
    __doc__ = __doc__

    def __init__(self):
        super().__init__("spawned", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE, True)


class Ps(gdb.Command):
    """spawned ps [TEXT]: the live processes, or those whose name or label contains TEXT."""

    def __init__(self):
        super().__init__("spawned ps", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        row = "%5s  %-14s %-18s %-18s %-9s %8s %10s  %s"
        print((row % ("no", "pid", "name", "label", "status", "mailbox", "handled",
                      "operation")).rstrip())
        on_threads = running()
        for process in processes():
            name, label = process.name() or "", process.label()
            if argument and argument not in name and argument not in label:
                continue
            print((row % (process.index, process.pid(), name, label, process.status(on_threads),
                          process.length(), number(process.value["handled"]),
                          process.operation() or "")).rstrip())


class Info(gdb.Command):
    """spawned info PROCESS: everything that is known of one."""

    def __init__(self):
        super().__init__("spawned info", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        process = find(argument.strip())
        value = process.value
        waits = number(value["waits_slot"])
        parent = number(value["parent_serial"])
        extra = process.extra()
        lines = [
            ("pid", process.pid()),
            ("name", process.name() or "none"),
            ("label", process.label()),
            ("status", process.status(running())),
            ("operation", process.operation() or "none"),
            ("mailbox", "%d of %d" % (process.length(), number(value["actor"]["mailbox_max"]))),
            ("handled", number(value["handled"])),
            ("parent", "<0.%d.%d>" % (number(value["parent_slot"]), parent) if parent else "none"),
            ("waits for", "slot %d" % (waits - 1) if waits else "nobody"),
            ("memory", "%d bytes" % (number(extra["memory"]) if extra is not None else 0)),
            ("struct", "(struct sp_process *)%#x" % int(value.address)),
        ]
        server = process.server()
        if server is not None:
            lines.append(("state", "%#x, of %d bytes" % (int(server["state"].address),
                                                         number(server["class"]["state_size"]))))
        for what, said in lines:
            print("%-10s %s" % (what, said))


class Mailbox(gdb.Command):
    """spawned mailbox PROCESS: the messages that wait, oldest first."""

    def __init__(self):
        super().__init__("spawned mailbox", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        process = find(argument.strip())
        count = 0
        for message in process.messages():
            count += 1
            sender = message["from"]
            what = "call" if number(message["flags"]) & MESSAGE_CALL else "message"
            print("%4d  %-7s %-24s %6d bytes  from <%d.%d.%d>  (struct sp_message *)%#x"
                  % (count, what, text(message["type"]["name"], "?"), number(message["size"]),
                     number(sender["node"]), number(sender["slot"]), number(sender["serial"]),
                     int(message.address)))
        if count == 0:
            print("empty")


class Backtrace(gdb.Command):
    """spawned bt PROCESS|all: where it is, or where they all are."""

    def __init__(self):
        super().__init__("spawned bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument.strip() != "all":
            backtrace(find(argument.strip()))
            return
        for process in processes():
            backtrace(process)


class In(gdb.Command):
    """spawned in PROCESS COMMAND: any command of gdb in its innermost frame."""

    def __init__(self):
        super().__init__("spawned in", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        who, _, command = argument.strip().partition(" ")
        if not command:
            raise SpawnedError("usage: spawned in PROCESS COMMAND")
        in_process(find(who), command)


for command in (Spawned, Ps, Info, Mailbox, Backtrace, In):
    command()
