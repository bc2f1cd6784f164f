#!/usr/bin/env python3
"""Tests the probes (USDT) with gdb, which counts itself in as bpftrace does.

usage: probes.py GDB PROGRAM LIBRARY
"""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Skipped, must, run_checks  # noqa: E402

gdb, program, library = sys.argv[1:]
NAMES = {"run", "yield", "park", "end", "move", "spawn", "wake", "steal", "hand_over", "take_back", "io_submit",
         "io_complete", "timers"}


def run_gdb(*commands):
    """What gdb says of a run to the end. The program writes its own trace to /dev/null."""
    words = [word for one in commands for word in ("-ex", one)]
    done = subprocess.run(
        [gdb, "-batch", "-nx", "-iex", "set auto-load off", "-ex", "set debuginfod enabled off",
         "-ex", "set breakpoint pending on", *words, "--args", program, "once"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False, timeout=300)
    return done.stdout + done.stderr


def skip_without_probes():
    with open(library, "rb") as file:
        if b"stapsdt" not in file.read():
            raise Skipped("this hilo has no probes")


def listed():
    skip_without_probes()
    said = run_gdb("break main", "run", "info probes stap hilo")
    found = set(re.findall(r"^stap +hilo +(\w+) ", said, re.MULTILINE))
    must(found == NAMES, f"{found ^ NAMES} in {said}")
    # All count in the same word, which is there.
    words = set(re.findall(r"^stap +hilo +\w+ +0x\w+ +(\w+)", said, re.MULTILINE))
    must(len(words) == 1 and words.pop().startswith("0x"), said)


def reached():
    """The first parks, with the numbers of fibers and the reasons."""
    skip_without_probes()
    with tempfile.NamedTemporaryFile("w", suffix=".gdb") as script:
        script.write('break -probe-stap hilo:park\ncommands\nsilent\nprintf "park %lu %s\\n", $_probe_arg0, $_probe_arg1\n'
                     "continue\nend\nignore 1 100\nrun\n")
        script.flush()
        said = run_gdb(f"source {script.name}")
    reasons = re.findall(r"^park \d+ ([a-z_ ]+)$", said, re.MULTILINE)
    must({"channel receive", "sleep"} <= set(reasons), said[-3000:])
    must("exited normally" in said, said[-3000:])


run_checks("probes", [
    ("all are listed", listed),
    ("a probe is reached while a tool looks, with its arguments", reached),
])
