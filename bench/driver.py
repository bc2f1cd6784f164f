#!/usr/bin/env python3
"""Runs the benchmark programs in turns and compares hilo with the others.

A program holds the workloads of one implementation and is asked for one measurement at a time:

  PROGRAM list
      one line of JSON a workload:
      {"workload": "yield", "unit": "ns", "carriers": [1, 2], "note": "said below the table"}
      {"workload": "yield", "missing": "why it has none"}
  PROGRAM run WORKLOAD CARRIERS SECONDS [key=value...]
      {"value": 12.5} after the program itself has checked the answer, or {"skip": "why"};
      a wrong answer is a message on standard error and a failure

Every measurement is a process of its own. For each workload the implementations take turns
(A B C, A B C, ...), so that a machine that gets warmer or busier does so for all of them, and the
medians over the rounds are compared. ./dev bench builds the programs and calls this.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

# Measured only when --only names them: they would make the default run longer than 3 minutes.
ON_REQUEST = {"uts_t3"}

# In the order of the table's columns. A program that is not there is left out with a note.
IMPLEMENTATIONS = ["hilo", "hilo_thread", "serial", "tbb", "pthread"]

# The table's last columns: one implementation's median divided by another's. What runs with one
# carrier only is also compared with what runs with more.
RATIOS = [("hilo", "pthread"), ("hilo_thread", "pthread"), ("hilo", "serial"), ("hilo", "tbb")]

# A measurement that takes longer than this hangs.
TIME_LIMIT = 120


@dataclasses.dataclass
class Cell:
    """One workload of one implementation with one number of carriers."""

    workload: str
    implementation: str
    carriers: int
    unit: str
    values: list = dataclasses.field(default_factory=list)
    skipped: str = ""

    def median(self):
        return statistics.median(self.values)

    def as_json(self):
        return {
            "workload": self.workload,
            "impl": self.implementation,
            "carriers": self.carriers,
            "unit": self.unit,
            "median": self.median(),
            "min": min(self.values),
            "max": max(self.values),
            "rounds": len(self.values),
        }


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


def collect(directory, only):
    """Asks each program what it can do: the cells to measure, grouped by workload, and the notes."""
    workloads = {}
    notes = []  # (workload, text), in the order of the programs
    programs = {}
    for name in IMPLEMENTATIONS:
        program = os.path.join(directory, "bench_" + name)
        if not os.path.exists(program):
            notes.append(("", f"{name}: left out, {program} is not built"))
            continue
        programs[name] = program
        for entry in ask([program, "list"]):
            workload = entry["workload"]
            if not re.search(only, workload) or (only == "" and workload in ON_REQUEST):
                continue
            cells = workloads.setdefault(workload, [])
            if "missing" in entry:
                notes.append((workload, f"{workload}, {name}: {entry['missing']}"))
                continue
            for carriers in entry["carriers"]:
                cells.append(Cell(workload, name, carriers, entry["unit"]))
            if entry["note"]:
                notes.append((workload, f"{workload}, {name}: {entry['note']}"))
    order = ["", *workloads]
    notes.sort(key=lambda note: order.index(note[0]))
    return programs, workloads, [text for _, text in notes]


def measure(programs, workloads, options, scratch):
    """Fills the cells, one workload after the other, the implementations in turns."""
    progress = Progress(options.rounds * sum(len(cells) for cells in workloads.values()))
    for workload, cells in workloads.items():
        start = time.monotonic()
        extra = wordcount_arguments(options.tree, scratch) if workload == "wordcount" else []
        for turn in range(options.rounds):
            for cell in cells:
                progress.step(f"{workload}: {cell.implementation}, round {turn + 1}")
                if cell.skipped:
                    continue
                command = [programs[cell.implementation], "run", workload, str(cell.carriers)]
                (answer,) = ask([*command, str(options.seconds), *extra])
                if "skip" in answer:
                    cell.skipped = answer["skip"]
                else:
                    cell.values.append(answer["value"])
        progress.finish(
            f"{workload}: {len(cells)} measurements, {options.rounds} rounds, "
            f"{time.monotonic() - start:.1f} s"
        )


def show(value, unit):
    if unit == "bytes":
        return f"{value:,.0f} B"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def show_ratio(ratio):
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}" if ratio < 0.01 else f"{ratio:.3f}"


def tabulate(workloads, columns):
    """The comparison as rows of text: medians, then their ratios."""
    ratios = [(name, other) for name, other in RATIOS if name in columns and other in columns]
    header = ["workload", "carriers", *columns, *(f"{name}/{other}" for name, other in ratios)]
    rows = []
    for workload, cells in workloads.items():
        for carriers in sorted({cell.carriers for cell in cells}):
            here = {c.implementation: c for c in cells if c.carriers == carriers and c.values}
            row = [workload, str(carriers)]
            for name in columns:
                cell = here.get(name)
                row.append(show(cell.median(), cell.unit) if cell else "-")
            measured = {c.implementation for c in cells if c.carriers > 1}
            alone = {c.implementation: c for c in cells if c.values} if carriers > 1 else {}
            for name, other in ratios:
                below = here.get(other) or (alone.get(other) if other not in measured else None)
                both = name in here and below is not None
                row.append(show_ratio(here[name].median() / below.median()) if both else "-")
            rows.append(row)
    return header, rows


def print_table(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def machine():
    """What the numbers were measured on, in one line."""
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    cpus = len(os.sched_getaffinity(0))
    libc = " ".join(platform.libc_ver())
    return f"{model}, {cpus} CPUs, Linux {platform.release()}, {libc}"


def write_report(path, workloads, header, rows, notes, options):
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        "# hilo benchmarks",
        "",
        f"{when}. {machine()}. Medians of {options.rounds} rounds, the implementations in turns.",
        "docs/benchmarks.md says what each workload does.",
        "",
    ]

    def table(head, body):
        lines.append("| " + " | ".join(head) + " |")
        lines.append("|---|" + "---:|" * (len(head) - 1))
        lines.extend("| " + " | ".join(row) + " |" for row in body)
        lines.append("")

    table(header, rows)
    lines += ["Each measurement:", ""]
    spread = [
        [cell.workload, cell.implementation, str(cell.carriers)]
        + [show(x, cell.unit) for x in (cell.median(), min(cell.values), max(cell.values))]
        for cells in workloads.values()
        for cell in cells
        if cell.values
    ]
    table(["workload", "implementation", "carriers", "median", "min", "max"], spread)
    lines += ["Notes:", ""] + [f"* {note}" for note in notes]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="compares hilo with other ways")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--report", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", metavar="REGEX", help="workloads whose name matches")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds (5; 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="shorter loops and fewer rounds")
    parser.add_argument("--json", metavar="FILE", help="also write the results as JSON")
    parser.add_argument("--tree", default="/usr/include", metavar="DIR", help="for wordcount")
    options = parser.parse_args()
    try:
        re.compile(options.only)
    except re.error as error:
        parser.error(f"--only {options.only}: {error}")
    if options.rounds is None:
        options.rounds = 3 if options.quick else 5
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
    programs, workloads, notes = collect(options.programs, options.only)
    if not any(workloads.values()):
        raise Failure(f"no workload matches {options.only}")
    with tempfile.TemporaryDirectory(prefix="hilo-bench-") as scratch:
        measure(programs, workloads, options, scratch)
    notes += [
        f"{cell.workload}, {cell.implementation}, {cell.carriers} carriers: skipped, {cell.skipped}"
        for cells in workloads.values()
        for cell in cells
        if cell.skipped
    ]
    columns = [name for name in IMPLEMENTATIONS if name in programs]
    header, rows = tabulate(workloads, columns)
    print()
    print_table(header, rows)
    print(f"\n{machine()}; medians of {options.rounds} rounds")
    for note in notes:
        print(f"  {note}")
    write_report(options.report, workloads, header, rows, notes, options)
    print(f"report: {options.report}")
    if options.json:
        results = [cell.as_json() for cells in workloads.values() for cell in cells if cell.values]
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
            file.write("\n")
        print(f"results: {options.json}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"\n{failure}")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
