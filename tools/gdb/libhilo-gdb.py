"""hilo's fibers in gdb: live and in a core, without a change to any register or memory.

    info fibers            all fibers: number, name, state, what they wait for, where they were spawned
    fiber N                from now on, bt, up, info locals and so on show fiber N; "fiber" alone ends that
    fiber apply N.. CMD    runs a command of gdb for each of these fibers
    fiber apply all CMD    the same for all, for example: fiber apply all bt

gdb loads this file with the library. For a static program: source FILE.

The fibers are found by the ELF note and the root of hilo (runtime/tool/root.hpp), which tell where the
fields lie. So no debug information of hilo is needed.
"""

import re
import struct

import gdb
import gdb.printing
import gdb.unwinder

LAYOUT = 4  # layout_number in runtime/tool/root.hpp

# Join words and stop states below this are no waiters: runtime/sched/fibers/fiber.hpp.
JOIN_ENDED, JOIN_WAITERS = 1, 8

# Where a suspended fiber keeps its registers, and how many bytes that takes: runtime/context/*/switch.S.
SAVED = {
    "i386:x86-64": (
        {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48}, "rsp", "rip", 56),
    "aarch64": ({**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88}, "sp", "pc", 160),
    "riscv:rv64": (
        {"ra": 0, "s0": 8, "s1": 16, **{f"s{i}": 8 + 8 * i for i in range(2, 12)}, "pc": 0}, "sp", "pc", 208),
}


def read(at, size):
    return bytes(gdb.selected_inferior().read_memory(at, size))


def word(at):
    return struct.unpack("<Q", read(at, 8))[0]


def number32(at):
    return struct.unpack("<I", read(at, 4))[0]


def text(raw):
    return raw.split(b"\0", 1)[0].decode(errors="replace")


class Hilo:
    """One hilo of the program: the offsets of its fields, and its runtimes."""

    def __init__(self, note):
        content = note + 20  # behind the header and the name
        root = (content + word(content)) % 2**64
        head = read(root, 72)
        if head[:8] != b"hiloroot":
            raise gdb.GdbError("hilo's root cannot be read; is the program started?")
        layout, _, version, registry, _, _, _, room, count = struct.unpack("<II16sQQQQII", head[8:])
        if layout != LAYOUT:
            raise gdb.GdbError(
                f"this script does not know the structures of hilo {text(version)}; use the script of that version")
        self.at = {}
        for i in range(count):
            entry = read(root + 72 + 32 * i, 32)
            self.at[text(entry[:28])] = struct.unpack("<I", entry[28:])[0]
        self.runtimes = [one for one in struct.unpack(f"<{room}Q", read(registry, 8 * room)) if one]

    def ring(self, at):
        top, bottom = number32(at + self.at["ring_top"]), number32(at + self.at["ring_bottom"])
        capacity = self.at["ring_capacity"]
        slots = struct.unpack(f"<{capacity}Q", read(at + self.at["ring_slots"], 8 * capacity))
        return [slots[i % capacity] for i in range(top, top + (bottom - top) % 2**32)]

    def injected(self, at):
        found, one = [], word(at + self.at["injector_first"])
        while one:
            found.append(one)
            one = word(one + self.at["fiber_next_injected"])
        return found

    def vector(self, at):
        first, last = word(at), word(at + 8)
        return list(struct.unpack(f"<{(last - first) // 8}Q", read(first, last - first)))

    def workers(self, runtime):
        all_of_them = self.vector(runtime + self.at["runtime_workers"])
        return all_of_them[: word(runtime + self.at["runtime_made"])]

    def queued(self, runtime):
        found = set()
        for lane in range(2):
            found.update(self.injected(runtime + self.at["runtime_lanes"] + lane * self.at["injector_bytes"]))
        found.update(self.injected(runtime + self.at["runtime_injector"]))
        for one in self.workers(runtime):
            found.add(word(one + self.at["worker_slot"]))
            found.update(self.ring(one + self.at["worker_spawned"]))
            found.update(self.ring(one + self.at["worker_ready"]))
            found.update(self.injected(one + self.at["worker_mail"]))
        return found

    def blocks(self, runtime):
        """The addresses of all control blocks."""
        for i in range(self.at["pool_count"]):
            pool = word(runtime + self.at["runtime_pools"] + 8 * i)
            if not pool:
                continue
            base, stride = word(pool + self.at["pool_base"]), word(pool + self.at["pool_stride"])
            words = word(pool + self.at["pool_used_words"])
            bits = read(word(pool + self.at["pool_built"]), 8 * words)
            for j, byte in enumerate(bits):
                for k in range(8):
                    if byte >> k & 1:
                        yield word(base + (8 * j + k + 1) * stride - 8)
        yield from self.vector(runtime + self.at["runtime_user_stacks"])

    def fibers(self, runtime):
        """All living fibers. Their states need the queues, and the waiters for ends."""
        queued = self.queued(runtime)
        found = [one for one in (Fiber(self, block) for block in self.blocks(runtime)) if one.join != JOIN_ENDED]
        joining = {one.join for one in found if one.join >= JOIN_WAITERS}
        threads = {}
        for one in self.workers(runtime):
            threads[word(one + self.at["worker_running"])] = number32(one + self.at["worker_thread"])
        for one in found:
            one.thread = threads.get(one.block)
            one.decide_state(queued, joining)
        return found


class Fiber:
    def __init__(self, hilo, block):
        self.block = block
        raw = read(block, hilo.at["fiber_bytes"])

        def field(name, form):
            return struct.unpack_from("<" + form, raw, hilo.at[name])[0]

        self.number = field("fiber_id", "Q")
        self.name = text(field("fiber_name", "24s"))
        self.join = field("fiber_join", "Q")
        self.sp = field("fiber_sp", "Q")
        self.spawned_at = field("fiber_spawned_at", "Q")
        self.on_cpu = field("fiber_on_cpu", "I") != 0
        self.parked_on = field("fiber_parked_on", "Q")
        self.started = field("fiber_started", "B") != 0
        self.linked = field("fiber_linked", "B") != 0
        self.waiter = block + hilo.at["fiber_waiter"]
        self.thread = None
        self.state = "waiting"

    reasons = {}

    def decide_state(self, queued, joining):
        if self.on_cpu:
            self.state = "running"
        elif not self.started:
            self.state = "not started"
        elif not self.linked and self.waiter not in joining and self.block in queued:
            self.state = "runnable"
        elif self.parked_on:
            if self.parked_on not in Fiber.reasons:
                try:
                    Fiber.reasons[self.parked_on] = gdb.Value(self.parked_on).cast(
                        gdb.lookup_type("char").pointer()).string()
                except gdb.error:
                    Fiber.reasons[self.parked_on] = "unknown"
            self.state = "waiting, " + Fiber.reasons[self.parked_on]

    def label(self):
        return f'#{self.number} "{self.name}"' if self.name else f"#{self.number}"

    def registers(self):
        """The registers with which it goes on; and the names of the stack pointer and of the pc."""
        kept, sp, pc, size = machine()
        raw = read(self.sp, size)
        values = {name: struct.unpack_from("<Q", raw, at)[0] for name, at in kept.items()}
        values[sp] = self.sp + size
        return values


def machine():
    name = gdb.selected_inferior().architecture().name()
    if name not in SAVED:
        raise gdb.GdbError(f"hilo's script does not know the registers of {name}")
    return SAVED[name]


def all_hilos():
    notes = re.findall(r"(0x[0-9a-f]+) - 0x[0-9a-f]+ is \.note\.hilo\b", gdb.execute("info files", to_string=True))
    found = [Hilo(int(one, 16)) for one in sorted(set(notes))]
    if not found:
        raise gdb.GdbError("there is no hilo in this program, or it is not loaded yet")
    return found


def all_fibers():
    Fiber.reasons = {}
    return [fiber for hilo in all_hilos() for runtime in hilo.runtimes for fiber in hilo.fibers(runtime)]


def spawn_site(fiber, known={}):  # pylint: disable=dangerous-default-value
    """The function that spawned it: the innermost one that is not of hilo or of the standard library."""
    at = fiber.spawned_at - 1
    if at not in known:
        symbol = gdb.execute(f"info symbol {at}", to_string=True).strip()
        known[at] = hex(at) if symbol.startswith("No symbol") else symbol.split(" in section")[0]
        block = gdb.block_for_pc(at)
        while block is not None:
            if block.function is not None and not re.match(r"(hilo|std)::", block.function.print_name):
                # The name of a lambda's function says nothing, but the symbol says where the lambda is.
                if block.function.print_name != "operator()":
                    known[at] = block.function.print_name
                break
            block = block.superblock
    return known[at]


class FiberUnwinder(gdb.unwinder.Unwinder):
    """While a fiber is chosen, the frames of its stack follow the newest frame of the selected thread.

    gdb asks for the caller of that frame and is told the registers that the fiber keeps. Nothing is written.
    """

    def __init__(self):
        super().__init__("hilo fiber")
        self.fiber = None

    def choose(self, fiber):
        self.fiber = None
        gdb.invalidate_cached_frames()
        if fiber is not None:
            _, sp, pc, _ = machine()
            newest = gdb.newest_frame()
            self.at_sp, self.at_pc = int(newest.read_register(sp)), int(newest.read_register(pc))
            self.values = fiber.registers()
            self.fiber = fiber
            gdb.invalidate_cached_frames()

    def is_newest(self, frame):
        """Whether this is the thread's own frame, or a function that is inlined there."""
        _, sp, pc, _ = machine()
        found = int(frame.read_register(sp)), int(frame.read_register(pc))
        return self.fiber is not None and found == (self.at_sp, self.at_pc)

    def __call__(self, pending):
        if self.fiber is None or not self.is_newest(pending):
            return None
        # The identity of the thread's frame lies on the fiber's stack: gdb wants each frame below its caller.
        kind = gdb.lookup_type("unsigned long")
        identity = FrameIdentity(gdb.Value(self.fiber.sp).cast(kind), gdb.Value(self.at_pc).cast(kind))
        found = pending.create_unwind_info(identity)
        for name, value in self.values.items():
            found.add_saved_register(name, gdb.Value(value).cast(kind))
        return found


class FrameIdentity:
    """What gdb wants of a frame's identity."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class FiberFilter:
    """Leaves the frame of the thread, which is not the fiber's, out of backtraces."""

    def __init__(self):
        self.name = "hilo fiber"
        self.priority = 1000
        self.enabled = True

    def filter(self, frames):
        for one in frames:
            if unwinder.fiber is None or not unwinder.is_newest(one.inferior_frame()):
                yield one


unwinder = FiberUnwinder()


def choose(fiber):
    """Makes gdb show a fiber: the thread that runs it, or its stack."""
    unwinder.choose(None)
    if fiber is None:
        return
    if fiber.on_cpu:
        for thread in gdb.selected_inferior().threads():
            if fiber.thread in thread.ptid[1:]:
                thread.switch()
                return
        raise gdb.GdbError(f"fiber {fiber.label()} runs, and gdb has no thread {fiber.thread}")
    unwinder.choose(fiber)
    frame = gdb.newest_frame()
    while frame is not None and unwinder.is_newest(frame):
        frame = frame.older()
    if frame is None:
        unwinder.choose(None)
        raise gdb.GdbError(f"the stack of fiber {fiber.label()} cannot be read")
    frame.select()


class InfoFibers(gdb.Command):
    """Lists all fibers: number, name, state, what they wait for, where they were spawned."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        found = sorted(all_fibers(), key=lambda one: one.number)
        lines = [f"{one.label()}: {one.state}; spawned in {spawn_site(one)}\n" for one in found]
        gdb.write("".join(lines))
        gdb.write(f"{len(found)} fiber{'' if len(found) == 1 else 's'}\n")


class FiberCommand(gdb.Command):
    """fiber N: lets bt, up, info locals and so on show the stack of fiber N.
fiber: lets them show the thread again.
fiber apply N.. COMMAND, fiber apply all COMMAND: runs a command for each of the fibers."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)

    def invoke(self, argument, from_tty):
        if not argument.strip():
            choose(None)
            gdb.write("no fiber is chosen\n")
            return
        fiber = find_fiber(argument.strip(), all_fibers())
        choose(fiber)
        gdb.write(f"[fiber {fiber.label()}: {fiber.state}]\n")
        gdb.execute("frame")


def find_fiber(wanted, fibers):
    if not re.fullmatch(r"\d+", wanted):
        raise gdb.GdbError("fiber takes the number of a fiber: see info fibers")
    for one in fibers:
        if one.number == int(wanted):
            return one
    raise gdb.GdbError(f"there is no fiber {wanted}: see info fibers")


class FiberApply(gdb.Command):
    """fiber apply N.. COMMAND, fiber apply all COMMAND: runs a command for each of the fibers."""

    def __init__(self):
        super().__init__("fiber apply", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        parts = re.fullmatch(r"\s*(all|\d+(?:\s+\d+)*)\s+(.+)", argument)
        if parts is None:
            raise gdb.GdbError("usage: fiber apply all COMMAND, or fiber apply N.. COMMAND")
        fibers = sorted(all_fibers(), key=lambda one: one.number)
        if parts[1] != "all":
            fibers = [find_fiber(one, fibers) for one in parts[1].split()]
        before = (unwinder.fiber, gdb.selected_thread())
        try:
            for one in fibers:
                gdb.write(f"\nfiber {one.label()}: {one.state}\n")
                try:
                    choose(one)
                    gdb.execute(parts[2])
                except gdb.error as error:
                    gdb.write(f"{error}\n")
        finally:
            unwinder.choose(None)
            if before[1] is not None:
                before[1].switch()
            choose(before[0])


# --- Printers of values ----------------------------------------------------------------------------


def elements_of(channel):
    """The buffered values of a channel, the oldest first."""
    kind = channel.type.strip_typedefs().template_argument(0)
    core = channel["core_"]
    ring = core["ring"].reinterpret_cast(kind.pointer())
    for i in range(int(core["count"])):
        yield (ring + (int(core["first"]) + i) % int(core["room"])).dereference()


class ChannelPrinter:
    def __init__(self, value):
        self.value = value
        self.core = value["core_"]
        self.capacity = int(self.core["capacity"])

    def to_string(self):
        bound = "unbounded" if self.capacity == 2**64 - 1 else f"of {self.capacity}"
        closed = ", closed" if self.core["closed"] else ""
        return f"hilo::channel with {int(self.core['count'])} {bound} values{closed}"

    def children(self):
        for i, one in enumerate(elements_of(self.value)):
            yield f"[{i}]", one

    def display_hint(self):
        return "array"


class MutexPrinter:
    def __init__(self, value):
        self.holder = int(value["holder_"]["_M_i"]) & ~1  # the lowest bit: fibers wait

    def to_string(self):
        if self.holder == 0:
            return "hilo::mutex, open"
        for one in all_fibers():
            if one.block == self.holder:
                return f"hilo::mutex, held by fiber {one.label()}"
        return "hilo::mutex, held by a kernel thread"


class HandlePrinter:
    def __init__(self, value):
        work = value["work_"]
        self.block = int(work["owner"]) if int(work) != 0 else None

    def to_string(self):
        if self.block is None:
            return "hilo::fiber, empty"
        for one in all_fibers():
            if one.block == self.block:
                return f"hilo::fiber {one.label()}, {one.state}"
        return "hilo::fiber, ended"


class ResultPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        why = str(self.value["why_"]).rsplit("::", 1)[-1]
        if why != "ok":
            return f"hilo::result: {why}"
        fields = {field.name for field in self.value.type.fields()}
        return f"hilo::result with {self.value['value_']}" if "value_" in fields else "hilo::result: ok"


class IncompletePrinter:
    """For a type that the program's debug information only declares, as clang does for the library's own."""

    def __init__(self, kind):
        self.kind = kind

    def to_string(self):
        return f"{self.kind}, whose members are not in the debug information (clang: -fstandalone-debug)"


def where_complete(printer):
    def choose_printer(value):
        try:
            return printer(value)
        except gdb.error:
            return IncompletePrinter(value.type)

    return choose_printer


def register(objfile):
    printers = gdb.printing.RegexpCollectionPrettyPrinter("hilo")
    printers.add_printer("channel", r"^hilo::channel<.*>$", where_complete(ChannelPrinter))
    printers.add_printer("mutex", r"^hilo::mutex$", where_complete(MutexPrinter))
    printers.add_printer("fiber", r"^hilo::fiber<.*>$", where_complete(HandlePrinter))
    printers.add_printer("result", r"^hilo::result<.*>$", where_complete(ResultPrinter))
    gdb.printing.register_pretty_printer(objfile, printers, replace=True)
    gdb.unwinder.register_unwinder(None, unwinder, replace=True)
    gdb.frame_filters["hilo fiber"] = FiberFilter()
    gdb.events.cont.connect(lambda event: setattr(unwinder, "fiber", None))
    InfoFibers()
    FiberCommand()
    FiberApply()


register(gdb.current_objfile())
