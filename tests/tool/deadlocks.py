#!/usr/bin/env python3
"""Tests the deadlock report: each deadlock has one, and programs that only wait have none.

usage: deadlocks.py PROGRAM WAITING

PROGRAM is deadlocked_program, and WAITING is waiting_program. HILO_SEED is the first of its seeds, and HILO_SEEDS
their number.
"""

import concurrent.futures
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import must, run_checks  # noqa: E402

program = os.path.abspath(sys.argv[1])
waiting = os.path.abspath(sys.argv[2])

# What each report must contain, in this order.
DEADLOCKS = {
    "two_mutexes": [
        "hilo: deadlock: nothing can run again. 3 fibers wait, and 1 kernel thread waits",
        "cycle:",
        r'fiber #2 "teller" waits for mutex 0x\w+, held by fiber #3 "auditor"',
        r'fiber #1 "main" waits for the end of fiber #2 "teller"; spawned at \S+\+0x',
        "the process ends",
    ],
    "nobody_sends": [
        r'fiber #1 "main" waits for the end of fiber #\d+ "reader"',
        r'"reader" waits to receive from channel 0x\w+ \(0 of 4 values\); spawned at \S+\+0x',
    ],
    "joins_in_a_circle": ["cycle:", r'"hen" waits for the end of fiber #\d+ "egg"'],
    "holder_has_ended": [r'"main" waits for mutex 0x\w+, held by fiber #\d+ "keeper", which has ended'],
    "two_runtimes": ["2 fibers wait, and 1 kernel thread waits", '"abroad" waits for event', '"here" waits for event'],
}
WAITS = [
    "timer", "deadline", "descriptor", "foreign_thread", "main_thread", "blocking_call", "system_call",
    "signal_handler", "signal_wait", "forked_child",
]


def start(shape, **environment):
    return subprocess.Popen(
        [program, shape], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment}, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))


def deadlock(shape):
    with start(shape) as process:
        output, report = process.communicate(timeout=60)
    must(process.returncode == -signal.SIGABRT, f"ended with {process.returncode}: {report}")
    must("went on" not in output, output)
    must(re.search(".*".join(DEADLOCKS[shape]), report, flags=re.S), report)
    return report


def cycle_is_closed():
    """A cycle of two mutexes names the two holders, and nobody else."""
    report = deadlock("two_mutexes")
    cycle = re.search(r"  cycle:\n((?:    .*\n)+)", report)[1]
    must(sorted(re.findall(r'^    fiber #\d+ "(\w+)"', cycle, flags=re.M)) == ["auditor", "teller"], report)


def stays():
    with start("two_mutexes", HILO_DEADLOCK="report") as process:
        first = process.stderr.readline()
        must("deadlock" in first, first)
        time.sleep(2)
        must(process.poll() is None, "it ended")
        process.kill()
        rest = process.stderr.read()
        must("the process stays" in rest and "deadlock:" not in rest, rest)


def is_off():
    with start("nobody_sends", HILO_DEADLOCK="off") as process:
        time.sleep(3)
        must(process.poll() is None, "it ended")
        process.kill()
        must(process.stderr.read() == "", "it reported")


def is_refused():
    with start("timer", HILO_DEADLOCK="maybe") as process:
        _, said = process.communicate(timeout=60)
        must(process.returncode != 0 and "set it to abort, report or off" in said, said)


def only_waits(shape):
    with start(shape) as process:
        output, said = process.communicate(timeout=60)
    must(process.returncode == 0 and "went on" in output and said == "", f"{process.returncode} {output} {said}")


def seeds_only_wait():
    """Programs of random waits, of which each ends with a wait for something outside."""
    first = int(os.environ.get("HILO_SEED") or str(random.randrange(1, 2**31)), 0)

    def ends_well(seed):
        done = subprocess.run([waiting, str(seed)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=100)
        right = done.returncode == 0 and done.stdout == "went on\n" and done.stderr == ""
        return None if right else f"HILO_SEED={seed}: {done.returncode} {done.stdout} {done.stderr}"

    with concurrent.futures.ThreadPoolExecutor(8) as several:
        seeds = range(first, first + int(os.environ.get("HILO_SEEDS") or 24))
        wrong = [text for text in several.map(ends_well, seeds) if text]
    must(not wrong, "; ".join(wrong))


def checks():
    for shape in DEADLOCKS:
        yield shape.replace("_", " ") + ": a deadlock is reported", lambda shape=shape: deadlock(shape)
    yield "the cycle names those who hold and wait", cycle_is_closed
    yield "with report the process stays, and the report comes once", stays
    yield "with off nothing happens", is_off
    yield "an unknown word is refused", is_refused
    for shape in WAITS:
        name = shape.replace("_", " ") + ": a program that only waits is left alone"
        yield name, lambda shape=shape: only_waits(shape)
    yield "random programs that only wait are left alone", seeds_only_wait


run_checks("deadlock report", list(checks()))
