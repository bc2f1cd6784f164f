#!/usr/bin/env python3
"""Tests the probes (USDT) with gdb, which counts itself in as bpftrace does, and the book's commands with bpftrace.

usage: probes.py GDB PROGRAM LIBRARY
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Skipped, Target, must, run_checks  # noqa: E402

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


PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/debugging.md")
# What each command of the book prints of traced_program, in their order.
ANSWERS = [
    r"@\[channel receive\]: [1-9]",
    r"(?s)@us:.*\[\d+, \d+\) +[1-9]",
    r"@\[.*spawn_children.*\]: [1-9]",
]


def read_commands():
    """The words of each bpftrace command in the book."""
    with open(PAGE, encoding="utf-8") as file:
        fences = re.findall(r"^```[^\n]*\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    text = next(fence for fence in fences if "bpftrace -p" in fence)
    return [shlex.split(one) for one in re.findall(r"^bpftrace .*?'$", text, re.MULTILINE | re.DOTALL)]


def run_bpftrace(words, target):
    """What bpftrace says of two seconds. It ends by itself: a SIGINT between two of its waits is lost (bpftrace 0.17)."""
    here = [word.replace("PID", str(target.pid)).replace("LIB", os.path.realpath(library)) for word in words]
    here[-1] += " interval:s:2 { exit(); }"
    done = subprocess.run(here, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, timeout=100)
    must(done.returncode == 0, f"{words}: {done.stdout}")
    return done.stdout


def answered():
    skip_without_probes()
    if not shutil.which("bpftrace"):
        raise Skipped("there is no bpftrace")
    here = subprocess.run(["bpftrace", "-e", "BEGIN { exit(); }"], capture_output=True, text=True, check=False, timeout=60)
    if here.returncode != 0:
        raise Skipped(f"bpftrace does not work here: {here.stderr.strip()[:200]}")
    commands = read_commands()
    must(len(commands) == len(ANSWERS), commands)
    with Target(program, "forever") as target:
        for words, answer in zip(commands, ANSWERS):
            said = run_bpftrace(words, target)
            must(re.search(answer, said), f"{words}: {said}")


run_checks("probes", [
    ("all are listed", listed),
    ("a probe is reached while a tool looks, with its arguments", reached),
    ("the book's bpftrace commands answer", answered),
])
