#!/usr/bin/env python3
"""Runs the benchmark programs in turns and compares hilo with the others.

A program holds the workloads of one implementation and is asked for one measurement at a time:

  PROGRAM list
      one line of JSON a workload, with the unit of each figure it gives:
      {"workload": "yield", "figures": {"yield": "ns"}, "carriers": [1, 2], "note": "for the reader"}
      {"workload": "yield", "missing": "why it has none"}
  PROGRAM run WORKLOAD CARRIERS SECONDS [key=value...]
      {"yield": 12.5}, each figure's value, after the program itself has checked the answer, or
      {"skip": "why"}; a wrong answer is a message on standard error and a failure; the argument
      cpus=N makes it use so many CPUs instead of as many as there are carriers

Servers are measured from outside, by load.py, which speaks the same for each implementation.

Every measurement is a process of its own. For each workload the implementations take turns
(A B C, A B C, ...), so that a machine that gets warmer or busier does so for all of them, and the
medians over the rounds are compared. ./dev bench builds the programs and calls this.

Before each measurement with two carriers or more bench_distance tells how far apart the CPUs are:
{"round_trip": 45.1}, in nanoseconds. Only rounds at like distance are compared (results.py).
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import compare
import load
import results as recorded
from conditions import conditions
from report import IMPLEMENTATIONS, PROGRAMS, markdown, print_report, print_table
from results import Cell, Results

# Implementations from elsewhere, measured with --peers.
PEERS = {"go": "golang-go", "boost": "libboost-fiber1.81-dev", "tbb": "libtbb-dev"}

# Measured with --peers or when --only names them: the default run stays under 3 minutes without.
LONG = {"uts_t3", "memory_1m", "idle", "file_read", "file_copy", *load.all_workloads()}

# Measured in one round, since it takes its time and gives the same every time.
ONCE = {"memory_1m"}

# Measured also with more carriers, by --peers or when --only names them: the numbers, and what is
# measured so. Carriers beyond the CPUs share them.
MORE_CARRIERS = (4, 8)
SCALING = {"skynet", "channel_4x4", "mutex_8", "fib_fork_join", "nqueens"}

# The rounds that a run of which docs/results/ is made has at least.
PUBLISHED_ROUNDS = 5

# A measurement that takes longer than this hangs.
TIME_LIMIT = 120


@dataclasses.dataclass
class Entry:
    """One workload of one implementation with one number of carriers."""

    implementation: str
    program: list  # the command that measures it
    carriers: int
    cells: dict  # of each figure
    skipped: str = ""
    failed: str = ""  # what went wrong: then none of its figures counts, since one may be wrong too
    extra: tuple = ()  # arguments

    def fail(self, text):
        self.failed = text
        for cell in self.cells.values():
            cell.values.clear()
            cell.distances.clear()


class Failure(Exception):
    pass


class Progress:
    """One line that is rewritten on a terminal; a line for each workload elsewhere."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.start = time.monotonic()
        self.live = sys.stdout.isatty()

    def step(self, text):
        self.done += 1
        if self.live:
            spent = time.monotonic() - self.start
            left = spent / self.done * (self.total - self.done)
            line = f"[{self.done}/{self.total}] {text}, about {left:.0f} s left"
            print(f"\r\033[K{line}", end="", flush=True)

    def finish(self, text):
        print(f"\r\033[K{text}" if self.live else text, flush=True)


def ask(command):
    """Runs a program and returns its lines of JSON."""
    shown = " ".join(command)
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{shown}: still running after {TIME_LIMIT} s") from None
    if result.returncode != 0:
        end = (
            f"killed by signal {-result.returncode}"
            if result.returncode < 0
            else f"exit status {result.returncode}"
        )
        raise Failure(f"{shown}: {end}\n{result.stderr.strip()}")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def wordcount_arguments(tree, directory):
    """What the wordcount programs need to check themselves against find, cat and wc."""
    environment = dict(os.environ, LC_ALL="C")
    order = os.path.join(directory, "wordcount.order")
    with open(order, "wb") as file:
        subprocess.run(["find", tree, "-type", "f", "-print0"], stdout=file, check=True)
    words = subprocess.run(
        'find "$TREE" -type f -exec cat {} + | wc -w',
        shell=True,
        env=dict(environment, TREE=tree),
        capture_output=True,
        check=True,
    ).stdout
    # Newer versions of wc count a word made of unprintable bytes only; try this one.
    probe = subprocess.run(["wc", "-w"], input=b"\xff", env=environment, capture_output=True,
                           check=True).stdout
    rule = "any" if int(probe) == 1 else "printable"
    return [f"tree={tree}", f"order={order}", f"words={rule}", f"expect={int(words)}"]


def wanted(workload, figures, options):
    if options.only:
        return any(re.search(options.only, name) for name in (workload, *figures))
    return options.peers or workload not in LONG


def programs(options, notes):
    """The commands that measure something, each with its implementation."""
    for name in IMPLEMENTATIONS:
        if name in load.IMPLEMENTATIONS:
            yield name, [sys.executable, load.__file__, options.programs, name]
        if name not in PROGRAMS:
            continue
        program = os.path.join(options.programs, "bench_" + name)
        if name in PEERS and not options.peers:
            notes.append(("", f"bench_{name}: measured with --peers"))
        elif not os.path.exists(program):
            package = f"; it needs {PEERS[name]}" if name in PEERS else ""
            notes.append(("", f"{name}: left out, {program} is not built{package}"))
        else:
            yield name, [program]


def more_carriers(workload, carriers, options):
    many = workload in SCALING and (options.peers or options.only)
    return list(MORE_CARRIERS) if many and len(carriers) > 1 else []


def collect(options):
    """Asks each program what it can do: the entries of each workload to measure, and the notes."""
    workloads = {}
    notes = []  # (workload, text), in the order of the programs
    for name, command in programs(options, notes):
        for listed in ask([*command, "list"]):
            workload = listed["workload"]
            if not wanted(workload, listed.get("figures", ()), options):
                continue
            entries = workloads.setdefault(workload, [])
            if "missing" in listed:
                notes.append((workload, f"{workload}, {name}: {listed['missing']}"))
                continue
            for carriers in listed["carriers"] + more_carriers(workload, listed["carriers"], options):
                cells = {f: Cell(f, name, carriers, u) for f, u in listed["figures"].items()}
                cpus = min(carriers, len(os.sched_getaffinity(0)))
                extra = (f"cpus={cpus}",) if carriers in MORE_CARRIERS else ()
                entries.append(Entry(name, command, carriers, cells, extra=extra))
            if listed["note"]:
                notes.append((workload, f"{workload}, {name}: {listed['note']}"))
    order = ["", *workloads]
    notes.sort(key=lambda note: order.index(note[0]))
    return workloads, [text for _, text in notes]


def measure_distance(options):
    """The nanoseconds that a cache line takes to the other CPU and back; nothing where there is no other."""
    (answer,) = ask([os.path.join(options.programs, "bench_distance")])
    return answer.get("round_trip")


def measure(workloads, options, scratch):
    """Fills the cells, one workload after the other, the implementations in turns."""
    rounds = {name: 1 if name in ONCE else options.rounds for name in workloads}
    progress = Progress(sum(rounds[name] * len(entries) for name, entries in workloads.items()))
    for workload, entries in workloads.items():
        start = time.monotonic()
        extra = wordcount_arguments(options.tree, scratch) if workload == "wordcount" else []
        for turn in range(rounds[workload]):
            for entry in entries:
                progress.step(f"{workload}: {entry.implementation}, round {turn + 1}")
                if entry.skipped or entry.failed:
                    continue
                command = [*entry.program, "run", workload, str(entry.carriers)]
                try:
                    distance = measure_distance(options) if entry.carriers > 1 else None
                    (answer,) = ask([*command, str(options.seconds), *entry.extra, *extra])
                except Failure as failure:
                    entry.fail(str(failure))
                    continue
                if "skip" in answer:
                    entry.skipped = answer["skip"]
                    continue
                for figure, value in answer.items():
                    entry.cells[figure].values.append(value)
                    if distance:
                        entry.cells[figure].distances.append(distance)
        progress.finish(
            f"{workload}: {len(entries)} x {rounds[workload]} measurements, "
            f"{time.monotonic() - start:.1f} s"
        )


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="compares hilo with other ways")
    parser.add_argument("--programs", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)  # the directory of the reports
    parser.add_argument("--results", help=argparse.SUPPRESS)  # the directory of --publish
    parser.add_argument("--needs", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", metavar="REGEX", help="workloads whose name matches")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds (5; 3 with --quick)")
    parser.add_argument("--peers", action="store_true", help="measure the peers, and all workloads")
    parser.add_argument("--quick", action="store_true", help="shorter loops and fewer rounds")
    parser.add_argument("--json", metavar="FILE", help="also write the results as JSON")
    parser.add_argument("--compare", metavar="OLD.json", help="say what changed since an older run")
    parser.add_argument(
        "--publish", action="store_true", help="renew docs/results/; measures everything, as --peers"
    )
    parser.add_argument("--from", dest="source", metavar="FILE", help="report an older run, measure nothing")
    parser.add_argument("--tree", default="/usr/include", metavar="DIR", help="for wordcount")
    options = parser.parse_args()
    try:
        re.compile(options.only)
    except re.error as error:
        parser.error(f"--only {options.only}: {error}")
    if options.publish:
        if options.only or options.quick:
            parser.error("--publish takes a full run: it does not go with --only or --quick")
        options.peers = True
    if options.rounds is None:
        options.rounds = 3 if options.quick else 5
    if options.publish and options.rounds < PUBLISHED_ROUNDS:
        parser.error(f"--rounds {options.rounds}: --publish takes at least {PUBLISHED_ROUNDS}")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    options.seconds = 0.03 if options.quick else 0.12
    if options.json and not os.path.isdir(os.path.dirname(os.path.abspath(options.json))):
        parser.error(f"--json {options.json}: there is no such directory")
    if not os.path.isdir(options.tree):
        parser.error(f"--tree {options.tree}: not a directory")
    return options


def main():
    options = parse_arguments()
    if options.needs:  # for ./dev: what is needed of commands and headers, with its package
        if any(wanted(name, load.figures(name), options) for name in load.all_workloads()):
            for command, package in load.NEEDS.items():
                if not load.find_command(command):
                    print("needs command", command, package)
            for header, package in load.HEADERS.items():
                print("needs header", header, package)
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise Failure(f"the report needs matplotlib for {sys.executable} (Debian: python3-matplotlib)")
    old = recorded.read(options.compare) if options.compare else None
    results, failures = (recorded.read(options.source), []) if options.source else measured(options)
    if not results.run:
        raise Failure(f"{options.source} has no record of its run; build/bench/results.json has")
    print_report(results)
    if old:
        print_comparison(results, old)
    # A long run is reported also if one of its programs failed.
    options.publish = options.publish and not failures
    write_reports(results, old, options)
    if failures:
        raise Failure("\n".join([f"{len(failures)} of what was to be measured failed and is not in the report:", *failures]))


def measured(options):
    """Runs everything that was asked for: the results, and what failed."""
    run = conditions(options.programs)
    workloads, notes = collect(options)
    if not any(workloads.values()):
        raise Failure(f"no workload matches {options.only}")
    there = {entry.implementation for entries in workloads.values() for entry in entries}
    lacking = [name for name in IMPLEMENTATIONS if name not in there]
    if options.publish and lacking:
        raise Failure(f"--publish takes a full run, and these cannot be measured here: {', '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="hilo-bench-") as scratch:
        measure(workloads, options, scratch)
    every = [(name, entry) for name, entries in workloads.items() for entry in entries]
    notes += [
        f"{name}, {entry.implementation}, {entry.carriers} carriers: skipped, {entry.skipped}"
        for name, entry in every
        if entry.skipped
    ]
    failures = [entry.failed for _, entry in every if entry.failed]
    found = {entry.implementation for _, entry in every if not entry.skipped}
    run["rounds"] = options.rounds
    run["seconds"] = options.seconds
    run["full"] = (
        not failures
        and bool(options.peers and not options.only and not options.quick)
        and options.rounds >= PUBLISHED_ROUNDS
        and found == set(IMPLEMENTATIONS)
    )
    if len(failures) == len(every):
        raise Failure("\n".join(failures))
    return Results((cell for _, entry in every for cell in entry.cells.values()), run, notes), failures


def print_comparison(results, old):
    found = compare.changes(results, old)
    print()
    print_table(compare.changes_table(found), left_columns=2)
    for text in compare.facts(results, old, found):
        print(text)


def write_reports(results, old, options):
    import page  # here, because matplotlib takes a second to load
    import publish

    files = {name: os.path.join(options.output, name) for name in ("results.json", "report.md", "report.html")}
    if options.source is None:
        recorded.record(files["results.json"], results)
    with open(files["report.md"], "w", encoding="utf-8") as file:
        file.write(markdown(results))
    drawn = page.draw(results)
    page.write(files["report.html"], results, drawn, old)
    print(f"report: {files['report.html']}, and as text {files['report.md']}")
    if options.json:
        recorded.write_json(options.json, results.listed())
        print(f"results: {options.json}")
    if options.publish:
        try:
            names = publish.publish(results, drawn, options.results)
        except publish.Refused as refused:
            raise Failure(str(refused)) from None
        print(f"published: {len(names)} files in {options.results}")


if __name__ == "__main__":
    try:
        main()
    except (Failure, recorded.Unreadable) as failure:
        sys.exit(f"\n{failure}")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
