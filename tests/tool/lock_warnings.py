#!/usr/bin/env python3
"""Tests the warnings about locks: each fault has one, once, and programs that only wait have none.

usage: lock_warnings.py PROGRAM [LOCKS]

PROGRAM is warned_program, and LOCKS is locks.so, where it is built.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Skipped, must, run_checks  # noqa: E402

program = os.path.abspath(sys.argv[1])
locks = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None

CYCLES = {
    "cycle_while_one_runs": ('"teller" waits for mutex', '"auditor" waits for mutex'),
    "cycle_while_one_naps": ('"teller" waits for mutex', '"auditor" waits for mutex'),
    "cycle_beside_a_timer": ('"egg" waits for the end of fiber #', '"hen" waits for mutex'),
}


def run(shape, **environment):
    """What it says on standard error. A shape asks for the warnings itself."""
    done = subprocess.run([program, shape], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          env={**os.environ, **environment}, timeout=60)
    must(done.returncode == 0 and done.stdout == "went on\n", f"{done.returncode}: {done.stdout}{done.stderr}")
    return done.stderr


def preloaded(shape):
    if locks is None:
        raise Skipped("locks.so is not built here")
    return run(shape, LD_PRELOAD=locks)


def cycle(shape):
    said = run(shape)
    first, second = CYCLES[shape]
    must(said.count("these fibers wait for each other") == 1, said)
    must(re.search(rf"^  fiber #\d+ {first}.*; spawned at \S+\+0x\w+$", said, re.MULTILINE), said)
    must(re.search(rf"^  fiber #\d+ {second}.*; spawned at \S+\+0x\w+$", said, re.MULTILINE), said)
    must(len(said.splitlines()) == 3, said)


def nothing(shape):
    said = run(shape) if locks is None else preloaded(shape)
    must(said == "", said)


def parks():
    said = preloaded("parks_under_pthread_mutex")
    must(re.match(r'hilo: warning: fiber #\d+ "clerk" leaves its carrier \(channel receive\) while it holds pthread '
                  r"mutex 0x\w+, locked at \S+\+0x\w+\. ", said), said)
    must(said.count("warning") == 1, said)
    must(len(re.findall(r"^ +\d+ \S*warned_program\+0x\w+$", said, re.MULTILINE)) >= 1, said)


def yields():
    said = preloaded("yields_under_pthread_mutex")
    must("leaves its carrier (yield) while it holds pthread mutex" in said and said.count("warning") == 1, said)


def not_asked():
    """Without the library, nothing is known of pthread mutexes."""
    must(run("parks_under_pthread_mutex") == "", "a warning")


def unknown_word():
    done = subprocess.run([program, "yields_under_pthread_mutex"], capture_output=True, text=True, check=False,
                          env={**os.environ, "HILO_WARN": "lock"}, timeout=60)
    must(done.returncode != 0, "it ran")
    must('HILO_WARN is "lock"; set it to locks, or not at all' in done.stderr, done.stderr)


run_checks("lock warnings", [
    *((f"{shape} is reported once", lambda shape=shape: cycle(shape)) for shape in CYCLES),
    *((f"nothing is said of {shape}", lambda shape=shape: nothing(shape))
      for shape in ("cycle_with_a_deadline", "much_contention", "unlocks_before_it_parks")),
    ("a fiber that parks under a pthread mutex is reported once", parks),
    ("a fiber that yields under a pthread mutex is reported", yields),
    ("without locks.so nothing is said of pthread mutexes", not_asked),
    ("an unknown word in HILO_WARN is refused", unknown_word),
])
