#!/usr/bin/env python3
"""Tests hilo::dump, and the signal that has it written.

usage: dumps.py PROGRAM

PROGRAM is dumping_program.
"""

import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import must, run_checks  # noqa: E402

program = os.path.abspath(sys.argv[1])
WORKER = r"^  \d+, thread \d+: \w+.*; \d+ switches, \d+ parks, \d+ stolen, \d+ injected, \d+ spawned, \d+ ended; "


def start(shape, **environment):
    return subprocess.Popen(
        [program, shape], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment})


def function_at(place):
    """The names of the function and of those inlined in it there, by the program's symbols."""
    module, offset = place.rsplit("+", 1)
    said = subprocess.run(["addr2line", "-fiCe", module, offset], capture_output=True, text=True, check=True)
    return " ".join(said.stdout.splitlines()[::2])


def check_picture(text):
    must(re.search(r"^process \d+, hilo \S+, dumped from inside", text, re.M), text)
    must("runtime 1: 2 carriers, 42 fibers\n" in text, text)
    groups = text.split("\n\n")
    readers = [one for one in groups if one.startswith("30 fibers: waiting, channel receive")]
    lockers = [one for one in groups if one.startswith("10 fibers: waiting, mutex")]
    sleepers = [one for one in groups if re.match(r'fiber #\d+ "sleeper": waiting, sleep', one)]
    must([len(readers), len(lockers), len(sleepers)] == [1, 1, 1], text)
    must(re.search(r'"reader" waits to receive from channel 0x\w+ \(0 of 0 values\)', readers[0]), readers[0])
    must(re.search(r'"locker" waits for mutex 0x\w+, held by fiber #1 "main"', lockers[0]), lockers[0])
    must(re.search(r'^  fiber #\d+ "reader", fiber #\d+ "reader".* and 22 more$', readers[0], re.M), readers[0])
    for group, function in ((readers[0], "wait_for_value"), (lockers[0], "wait_for_lock")):
        must(re.search(r"^  spawned at \S+\+0x", group, re.M), group)
        frames = re.findall(r"^ +\d+ (\S+\+0x\w+)$", group, re.M)
        must(len(frames) >= 3, group)
        must(any(function in function_at(one) for one in frames), group)
    must(len(re.findall(WORKER, text, re.M)) >= 2, text)


def here():
    with start("here") as its:
        text, said = its.communicate(timeout=100)
    must(its.returncode == 0 and said == "", f"{its.returncode} {said}")
    check_picture(text)
    mine = [one for one in text.split("\n\n") if re.match(r'fiber #1 "main": running', one)]
    must(len(mine) == 1, text)
    must(any("dump_here" in function_at(one) for one in re.findall(r"^ +\d+ (\S+\+0x\w+)$", mine[0], re.M)), mine[0])


def by_signal(shape, number, times=2, **environment):
    with start(shape, **environment) as its:
        must(its.stdout.readline() == "ready\n", "not ready")
        for _ in range(times):
            its.send_signal(number)
            text = ""
            while not re.search(WORKER + r".*\n" + WORKER.replace("^", "") + r".*\n", text, re.M):
                line = its.stderr.readline()
                must(line != "", "it ended: " + text)
                text += line
            check_picture(text)
        its.stdin.close()
        must(its.wait(100) == 0, str(its.returncode))


def refused(said, expected, shape="signal"):
    with start(shape, HILO_DUMP_SIGNAL=said) as its:
        _, errors = its.communicate(timeout=100)
    must(its.returncode == 1, f"{its.returncode} {errors}")
    must(re.search(expected, errors) and "choose another, such as USR1" in errors, errors)


def refusals():
    for said, expected in (
        ("USR3", r'HILO_DUMP_SIGNAL is "USR3": there is no such signal'),
        ("-1", "there is no such signal"),
        ("10x", "there is no such signal"),
        ("0", "there is no such signal"),
        ("9", "no program can handle that signal"),
        ("SIGSEGV", "no such signal|reports a crash"),
        ("11", "reports a crash"),
        (str(int(signal.SIGURG)), "hilo uses that signal"),
    ):
        refused(said, expected)


def nothing_by_default():
    with start("signal") as its:
        must(its.stdout.readline() == "ready\n", "not ready")
        its.send_signal(signal.SIGUSR1)
        must(its.wait(100) == -signal.SIGUSR1, str(its.returncode))


def all_goes_on():
    with start("all_runs") as its:
        text, said = its.communicate(timeout=300)
    must(its.returncode == 0 and text == "all went on\n" and said == "", f"{its.returncode} {text} {said}")


run_checks("dump from inside", [
    ("a fiber dumps all, and itself", here),
    ("a signal that the environment names", lambda: by_signal("signal", signal.SIGUSR1, HILO_DUMP_SIGNAL="USR1")),
    ("a signal by its number", lambda: by_signal("signal", 12, HILO_DUMP_SIGNAL="12")),
    ("a signal that the options name", lambda: by_signal("option", signal.SIGUSR2)),
    ("a runtime whose monitor has nothing else to do",
     lambda: by_signal("unwatched", signal.SIGUSR1, HILO_DUMP_SIGNAL="SIGUSR1")),
    ("signals that cannot be used are refused", refusals),
    ("a signal that the program handles is refused",
     lambda: refused("USR1", "the program handles signal 10", shape="handles")),
    ("no signal is handled by default", nothing_by_default),
    ("fibers that are dumped again and again go on", all_goes_on),
])
