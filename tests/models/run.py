#!/usr/bin/env python3
"""Checks the models of hilo's protocols: exhaustively, and that each finds the faults seeded in it.

usage: run.py [DIRECTORY]     where generated checkers are built; a temporary one by default

A model's first comment says how it is run:

  holds: -DFLAGS              with these flags there is no error in any reachable state
  fault: -DFLAGS  text        with these flags there is the fault that the text names; it must be found

Every statement of a model must be reached by one of its `holds` runs: what is never done proves
nothing. Needs spin and gcc. A run's trail is left in DIRECTORY; to read it, copy the model there and
run `spin -DFLAGS -t -p -g MODEL`. Prints a line a run and, last, a total for ./dev check.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# Safety only: assertions, and states in which nothing moves that are no proper end. pan stores each
# state in full (collapsed), so that no state is taken for another; it fails past the memory limit.
CHECKER = ["-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=1500"]
# What is searched to the end is worth optimising and a large table; a fault is found soon.
OPTIMISE = {"holds": "-O2", "fault": "-O0"}
TABLE = {"holds": "-w24", "fault": "-w20"}
DEPTH = 100_000
PATIENCE = 300  # seconds a run

RUN = re.compile(r"^ \* (holds|fault):((?: -D\S+)*)(?: +(\S.*))?$", flags=re.M)
STATES = re.compile(r"^ *(\S+) states, stored", flags=re.M)
ERRORS = re.compile(r"errors: (\d+)$", flags=re.M)
FOUND = re.compile(r"^pan:\d+: (assertion violated|invalid end state)", flags=re.M)
UNREACHED = re.compile(r"^\t\S+?:(\d+), state \d+, \"(.*)\"$", flags=re.M)
# What ends a search before it saw everything.
CUT_SHORT = ("max search depth too small", "Search not completed", "out of memory", "memory limit")


class Run:
    def __init__(self, model, kind, flags, text):
        self.model, self.kind, self.flags, self.text = model, kind, flags, text
        self.states, self.seconds, self.unreached = 0, 0.0, set()

    def __str__(self):
        return " ".join([os.path.basename(self.model), *self.flags])


def read_runs(model):
    with open(model, encoding="utf-8") as file:
        head = file.read().split("*/", 1)[0]
    return [Run(model, kind, flags.split(), text) for kind, flags, text in RUN.findall(head)]


def tell(command, directory):
    """Runs a command; what it printed."""
    done = subprocess.run(
        command, cwd=directory, text=True, timeout=PATIENCE, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout


def check(run, directory):
    """Generates, compiles and runs one checker; what is wrong, or nothing."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for command in (
        ["spin", *run.flags, "-a", run.model],
        ["gcc", *CHECKER, OPTIMISE[run.kind], "-o", "pan", "pan.c"],
    ):
        status, output = tell(command, directory)
        if status != 0 or not os.path.exists(os.path.join(directory, "pan.c")):
            return f"{command[0]} failed:\n{output}"
    start = time.monotonic()
    _, output = tell(["./pan", f"-m{DEPTH}", TABLE[run.kind]], directory)
    run.seconds = time.monotonic() - start
    states, errors = STATES.search(output), ERRORS.search(output)
    if not states or not errors:
        return f"the checker failed:\n{output}"
    run.states = int(float(states.group(1)))
    found = FOUND.search(output)
    if run.kind == "fault":
        return "" if found else f"the fault is not found: {run.text}"
    if found or errors.group(1) != "0":
        return f"an error; its trail is in {directory}:\n{output}"
    if any(short in output for short in CUT_SHORT):
        return f"not exhaustive:\n{output}"
    run.unreached = {
        (int(line), what) for line, what in UNREACHED.findall(output) if what != "-end-"
    }
    return ""


def try_check(run, directory):
    try:
        return check(run, directory)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def describe(run, wrong):
    if wrong:
        return f"FAILED  {run}: {wrong}"
    outcome = f"finds: {run.text}" if run.kind == "fault" else "holds"
    return f"ok      {run}: {outcome} ({run.states:,} states, {run.seconds:.1f} s)"


def check_all(models, directory):
    runs = [run for model in models for run in read_runs(model)]
    passed = failed = 0
    # The longest first: what must hold is searched to the end.
    runs.sort(key=lambda run: run.kind, reverse=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        places = [os.path.join(directory, str(run).replace(" ", "")) for run in runs]
        for run, wrong in zip(runs, pool.map(try_check, runs, places)):
            print(describe(run, wrong), flush=True)
            passed, failed = passed + (not wrong), failed + bool(wrong)
    for model in models:
        name = os.path.basename(model)
        mine = [run for run in runs if run.model == model]
        for kind in ("holds", "fault"):
            if not any(run.kind == kind for run in mine):
                print(f"FAILED  {name}: there is no line `{kind}:` in its first comment")
                failed += 1
        unreached = [run.unreached for run in mine if run.kind == "holds"]
        never = set.intersection(*unreached) if unreached else set()
        for line, what in sorted(never):
            print(f"FAILED  {name}:{line}: never reached: {what}")
        passed, failed = passed + (not never), failed + bool(never)
    return passed, failed


def main():
    models = sorted(
        os.path.join(HERE, name) for name in os.listdir(HERE) if name.endswith(".pml")
    )
    with tempfile.TemporaryDirectory() as temporary:
        directory = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else temporary
        passed, failed = check_all(models, directory)
    print(f"hilo-tests: {passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
