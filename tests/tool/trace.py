#!/usr/bin/env python3
"""Tests traces: of hilo::trace, of HILO_TRACE and of hilo trace.

usage: trace.py HILO PROGRAM PARKED
"""

import collections
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Command, Skipped, Target, must, run_checks  # noqa: E402

hilo = Command(os.path.abspath(sys.argv[1]))
program, parked = sys.argv[2:]
folder = tempfile.TemporaryDirectory(prefix="hilo-trace-")
PATIENCE = 100  # s

SLICES = re.compile(r'fiber #\d+( ".*")?|running|runnable|parked: [a-z_][\w :-]*')
INSTANTS = {"spawn", "steal", "hand-over", "keeps its place", "I/O submitted", "I/O completed", "timers"}
COUNTERS = re.compile(r"queue of worker \d+|injector")
NAMES = {"process_name", "process_sort_index", "thread_name"}


def path_of(name):
    return os.path.join(folder.name, name)


class Trace:
    """A file, checked against the Trace Event Format and against what hilo promises of it."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            whole = json.load(file)
        must(set(whole) == {"displayTimeUnit", "traceEvents", "otherData"}, str(set(whole)))
        self.events = whole["traceEvents"]
        self.count, self.lost = whole["otherData"]["events"], whole["otherData"]["events lost"]
        self.names = collections.Counter()
        self.slices = collections.defaultdict(list)  # of a track: begin, end, event
        self.titles = {}  # of a track
        self.flows = collections.defaultdict(dict)
        for one in self.events:
            self.look_at(one)
        self.check_tracks()
        self.check_flows()

    def look_at(self, one):
        must(isinstance(one["pid"], int) and isinstance(one["tid"], int) and one["ts"] >= 0, str(one))
        track, phase, name = (one["pid"], one["tid"]), one["ph"], one["name"]
        self.names[name] += 1
        # Of microseconds with three digits the sums of floats would differ.
        begin = round(one["ts"] * 1000)
        if phase == "M":
            must(name in NAMES, str(one))
            if name == "thread_name":
                self.titles[track] = one["args"]["name"]
        elif phase == "X":
            must(SLICES.fullmatch(name) and one["dur"] >= 0, str(one))
            self.slices[track].append((begin, begin + round(one["dur"] * 1000), one))
        elif phase == "i":
            must(name in INSTANTS and one["s"] == "t", str(one))
        elif phase == "C":
            must(COUNTERS.fullmatch(name) and one["args"]["fibers"] >= 0, str(one))
        else:
            must(phase in ("s", "f") and one["cat"] == "wake", str(one))
            must(phase not in self.flows[one["id"]], f"two ends of arrow {one['id']}")
            must(phase == "s" or one["bp"] == "e", str(one))
            self.flows[one["id"]][phase] = (track, begin)

    def check_tracks(self):
        for track, slices in self.slices.items():
            must(track in self.titles, f"{track} has no name")
            for before, after in zip(slices, slices[1:]):
                must(before[1] <= after[0] + 1, f"slices overlap: {before} {after}")

    def check_flows(self):
        for number, ends in self.flows.items():
            must(set(ends) == {"s", "f"}, f"arrow {number} has {set(ends)}")
            must(ends["s"][1] <= ends["f"][1], f"arrow {number} goes back in time")
            for track, _ in ends.values():
                must(self.titles[track].startswith("worker "), f"arrow {number} is not on a worker's track")

    def fibers(self, name):
        """The tracks of fibers with a name."""
        return [track for track, title in self.titles.items() if re.fullmatch(rf'fiber #\d+ "{name}"', title)]

    def states(self, track):
        return {one["name"] for _, _, one in self.slices[track]}

    def check_everything(self):
        """What all modes of the program do."""
        for name in ("spawn", "hand-over", "I/O submitted", "I/O completed", "timers", "injector"):
            must(self.names[name] > 0, f"there is no {name}: {self.names}")
        must(self.flows, "there are no arrows")
        for name, state in (("sender", "parked: sleep"), ("taker", "parked: channel receive"),
                            ("reader", "parked: io"), ("blocker", "parked: sleep")):
            must(any(state in self.states(track) for track in self.fibers(name)), f"{name} is never {state}")
        children = self.fibers("child")
        must(len(children) > 5, f"{len(children)} children")
        # A child is runnable, runs, yields, and runs again.
        must(any({"running", "runnable"} == self.states(track) for track in children), "no child runs")


def inside():
    path = path_of("inside.json")
    said = subprocess.run([program, "inside", path], capture_output=True, text=True, check=True).stdout
    trace = Trace(path)
    trace.check_everything()
    must(said == f"{trace.count} {trace.lost}\n" and trace.count > 1000, said)


def inside_refused():
    for path, text in (("/dev/full", "no room is left on the disk"), ("/no such folder/x", "No such file")):
        done = subprocess.run([program, "inside", path], capture_output=True, text=True, check=False)
        must(done.returncode == 1 and text in done.stderr and path in done.stderr, done.stderr)


def run_with(value, **how):
    return subprocess.run([os.path.abspath(program), "once"], capture_output=True, text=True, check=False,
                          env={**os.environ, "HILO_TRACE": value}, **how)


def environment():
    """The path is of the folder in which the program began; %p is its number."""
    done = run_with("of-%p.json", cwd=folder.name)
    must(done.returncode == 0 and done.stdout == "done\n", str(done))
    found = [name for name in os.listdir(folder.name) if re.fullmatch(r"of-\d+\.json", name)]
    must(len(found) == 1, str(found))
    trace = Trace(path_of(found[0]))
    trace.check_everything()
    must(any("of runtime 2" in one["args"]["name"] for one in trace.events if one["name"] == "process_name"),
         "the second runtime is not there")


def environment_refused():
    done = run_with("/no such folder/x")
    must(done.returncode == 1 and "HILO_TRACE" in done.stderr and "No such file" in done.stderr, str(done))
    done = run_with("/dev/full")
    must(done.returncode == 0 and "cannot write the trace to HILO_TRACE=/dev/full" in done.stderr, str(done))


def quiet():
    """Nobody asks: nothing is written."""
    done = run_with("")
    must(done.returncode == 0 and not done.stderr, str(done))


def outside():
    path = path_of("outside.json")
    with Target(program, "forever") as its:
        # On a machine that is busy, little may happen in one second.
        deadline = time.monotonic() + PATIENCE
        while True:
            said = hilo.run("trace", its.pid, "-t", 1, "-o", path)
            trace = Trace(path)
            try:
                trace.check_everything()
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
        must(re.match(re.escape(path) + r": [\d,]+ events of \d+ workers in ", said), said)
        must(("lost" in said) == (trace.lost != 0), said)
        # The place of a spawn is a line of the source.
        must(any("spawn_children" in one["args"]["at"] for one in trace.events if one["name"] == "spawn"), "no place")
    must(its.said == "done\n", its.said)


def default_file():
    with Target(program, "forever") as its:
        hilo.run("trace", its.pid, "-t", 0.2, cwd=folder.name)
        Trace(path_of(f"trace-{its.pid}.json"))


def idle():
    with Target(parked, "parked", 20) as its:
        said = hilo.run("trace", its.pid, "-t", 0.2, "-o", path_of("idle.json"))
        must(Trace(path_of("idle.json")).count < 100, said)
        must(its.state() == "S", its.state())


class Recorder:
    """hilo trace while it records; its file is not empty any more."""

    def __init__(self, pid, path):
        self.path = path
        self.process = subprocess.Popen([hilo.path, "trace", str(pid), "-t", "3600", "-o", path],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(path) or os.path.getsize(path) == 0:
            must(time.monotonic() < deadline and self.process.poll() is None, "it records nothing")
            time.sleep(0.01)

    def end(self, code):
        out, error = self.process.communicate(timeout=PATIENCE)
        must(self.process.returncode == code, f"{self.process.returncode} {out} {error}")
        return out + error


def interrupted():
    with Target(program, "forever") as its:
        for number in (signal.SIGINT, signal.SIGTERM):
            recorder = Recorder(its.pid, path_of(f"{number}.json"))
            recorder.process.send_signal(number)
            said = recorder.end(128 + number)
            must("interrupted; " + recorder.path in said, said)
            must(Trace(recorder.path).count > 0, said)
    must(its.said == "done\n", its.said)


def killed():
    """Nothing stays on for long, and only one command reads at a time."""
    with Target(program, "forever") as its:
        recorder = Recorder(its.pid, path_of("killed.json"))
        with open(path_of("second.json"), "w", encoding="utf-8") as file:
            file.write("an older trace")
        said = hilo.run("trace", its.pid, "-o", path_of("second.json"), code=3)
        must("another hilo trace reads" in said, said)
        with open(path_of("second.json"), encoding="utf-8") as file:
            must(file.read() == "an older trace", "the file of the refused command is empty")
        recorder.process.kill()
        recorder.end(-signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while subprocess.run([hilo.path, "trace", str(its.pid), "-t", "0.1", "-o", path_of("second.json")],
                             capture_output=True, check=False).returncode != 0:
            must(time.monotonic() < deadline, "it stays on")
        Trace(path_of("second.json"))


def target_ends():
    with Target(program, "forever") as its:
        recorder = Recorder(its.pid, path_of("ends.json"))
        its.process.kill()
        its.process.wait()
        said = recorder.end(0)
        must(f"process {its.pid} has ended" in said, said)
        must(Trace(recorder.path).count > 0, said)


def full_disk():
    with Target(program, "forever") as its:
        said = hilo.run("trace", its.pid, "-t", 0.2, "-o", "/dev/full", code=3)
        must("cannot write /dev/full: No space left on device" in said, said)
        # It is off: another one may begin at once.
        hilo.run("trace", its.pid, "-t", 0.1, "-o", path_of("after.json"))
        said = hilo.run("trace", its.pid, "-o", "/no such folder/x", code=3)
        must("cannot write /no such folder/x: No such file" in said, said)


def refused():
    for arguments, text in (
        (["trace"], "takes the number of a process"),
        (["trace", "1", "2"], "not also"),
        (["trace", "core"], 'not "core"'),
        (["trace", "0"], 'not "0"'),
        (["trace", "1", "-t", "0"], "from 0.1 to 3600"),
        (["trace", "1", "-t", "nan"], "from 0.1 to 3600"),
        (["trace", "1", "-t"], "takes a number of seconds"),
        (["trace", "1", "-o"], "takes a file"),
        (["trace", "1", "--json"], "no option"),
    ):
        said = hilo.run(*arguments, code=2)
        must(text in said and "hilo help trace" in said, said)
    must("there is no process" in hilo.run("trace", 2**22 + 1, code=3), "no such process")
    must("-t SECONDS" in hilo.run("help", "trace"), "help")
    with subprocess.Popen(["sleep", "1000"]) as its:
        try:
            must("there is no hilo in" in hilo.run("trace", its.pid, code=1), "no hilo")
        finally:
            its.kill()


def no_permission():
    if os.geteuid() != 0:
        raise Skipped("only root can become another user")
    with Target(program, "forever") as its, tempfile.TemporaryDirectory() as here:
        # A copy that another user may run.
        copy = os.path.join(here, "hilo")
        shutil.copy(hilo.path, copy)
        os.chmod(here, 0o755)
        said = Command(copy).run("trace", its.pid, code=3, user=pwd.getpwnam("nobody").pw_uid, cwd="/")
        must("no permission to read process" in said and "ptrace_scope" in said, said)


run_checks("trace", [
    ("from inside", inside),
    ("from inside, to a file that cannot be written", inside_refused),
    ("by the environment", environment),
    ("by the environment, to a file that cannot be written", environment_refused),
    ("not asked for", quiet),
    ("from outside", outside),
    ("to the default file", default_file),
    ("of parked fibers", idle),
    ("interrupted", interrupted),
    ("the command is killed", killed),
    ("the process ends", target_ends),
    ("a full disk", full_disk),
    ("wrong usage", refused),
    ("no permission", no_permission),
])
