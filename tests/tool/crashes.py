#!/usr/bin/env python3
"""Tests the crash report: a fiber that crashes is named, with its backtrace, and the process ends as it would have.

usage: crashes.py PROGRAM

PROGRAM is crashing_program.
"""

import os
import platform
import re
import resource
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Skipped, must, run_checks  # noqa: E402

program = os.path.abspath(sys.argv[1])


def run(shape):
    return subprocess.run(
        [program, shape], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))


def crash(shape, number, address=r"0x\w+"):
    done = run(shape)
    must(done.returncode == -number, f"{done.returncode} {done.stderr}")
    first = rf'hilo: {number.name} at address {address} in fiber #2 "faulty", spawned at \S+\+0x\w+; its backtrace'
    must(re.match(first, done.stderr), done.stderr)
    frames = re.findall(r"^hilo: +(\d+) (\S+)\+0x\w+$", done.stderr, flags=re.M)
    must(len(frames) >= 4 and frames[0] == ("0", program), done.stderr)
    must([int(each) for each, _ in frames] == list(range(len(frames))), done.stderr)


def division():
    if platform.machine() != "x86_64":
        raise Skipped("this CPU divides by zero without a fault")
    crash("fpe", signal.SIGFPE)


def own_handler(shape):
    done = run(shape)
    must(done.returncode == 7 and "own handler" in done.stdout, f"{done.returncode} {done.stderr}")
    must(done.stderr == "", done.stderr)


def sent():
    """A signal that a process sent is no fault of the fiber that received it."""
    done = run("sent")
    must(done.returncode == -signal.SIGSEGV and done.stderr == "", f"{done.returncode} {done.stderr}")


run_checks("crash report", [
    ("a wrong address", lambda: crash("segv", signal.SIGSEGV, "0x10")),
    ("a division by zero", division),
    ("an instruction that is not one", lambda: crash("ill", signal.SIGILL)),
    ("a page that its file does not have", lambda: crash("bus", signal.SIGBUS)),
    ("a handler from before the runtime keeps its signal", lambda: own_handler("handler_before")),
    ("a handler from later keeps its signal", lambda: own_handler("handler_after")),
    ("a signal that was sent is not reported", sent),
])
