#!/usr/bin/env python3
"""Tests the gdb script on processes and cores whose fibers are at known places.

usage: gdb_fibers.py GDB PROGRAM STATIC_PROGRAM|- SCRIPT LIBRARY_FOLDER
"""

import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import REASONS, SITES, Skipped, Target, must, run_checks, strip  # noqa: E402

gdb, program, static_program, script, library_folder = sys.argv[1:]
folder = tempfile.TemporaryDirectory()


def run(*commands, arguments=(), load=True):
    """Runs gdb; the script is loaded by itself, or by name for a static program."""
    line = [gdb, "-nx", "-batch", "-iex", "set debuginfod enabled off",
            "-iex", f"add-auto-load-safe-path {library_folder}"]
    if not load:
        commands = (f"source {script}", *commands)
    for one in ("set pagination off", "set width 0", *commands):
        line += ["-ex", one]
    line += arguments  # last, because --args takes all that follows
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300)
    return done.stdout + done.stderr


def check_list(text, fibers):
    lines = re.findall(r'^#(\d+)(?: "(\w+)")?: (.*?); spawned in (.*)$', text, flags=re.M)
    must(len(lines) == fibers + 1, f"{len(lines)} fibers:\n{text[:2000]}")
    must(f"{fibers + 1} fibers\n" in text, text[-200:])
    for reason in set(REASONS):
        wanted = REASONS.count(reason) * (fibers // SITES) + (reason == "sleep")
        got = sum(state == f"waiting, {reason}" for _, _, state, _ in lines)
        must(got == wanted, f"{got} fibers wait for {reason}, not {wanted}:\n{text[:2000]}")
    must(any("park_at_sites" in site for *_, site in lines), text[:500])


def check_backtraces(text, fibers):
    """Each fiber's backtrace goes from its site to the entry."""
    parts = re.split(r"^fiber #\d+.*$", text, flags=re.M)[1:]
    must(len(parts) == fibers + 1, f"{len(parts)} backtraces:\n{text[:2000]}")
    for i in range(SITES):
        got = sum(f"site_{i:02}" in part for part in parts)
        must(got == fibers // SITES, f"site {i} is in {got} backtraces:\n{text[:3000]}")
    whole = sum("hilo_context_entry" in part for part in parts)
    must(whole == len(parts), f"{len(parts) - whole} backtraces do not end at the entry:\n{text[:3000]}")
    must("corrupt" not in text and "Backtrace stopped" not in text, text[:3000])


def live():
    with Target(program, "parked", 40) as its:
        text = run("info fibers", "fiber apply all bt", arguments=["-p", str(its.pid)])
        check_list(text, 40)
        check_backtraces(text, 40)


def one_fiber():
    with Target(program, "deadlock") as its:
        text = run(
            "info registers rip" if os.uname().machine == "x86_64" else "info registers pc", "fiber 3", "bt", "up",
            "fiber", "frame", "info registers rip" if os.uname().machine == "x86_64" else "info registers pc",
            "fiber 4711", "fiber x", arguments=["-p", str(its.pid)])
        must("[fiber #3 " in text and "no fiber is chosen" in text, text)
        must("there is no fiber 4711" in text and "fiber takes the number" in text, text)
        registers = re.findall(r"^(?:rip|pc) +(0x[0-9a-f]+)", text, flags=re.M)
        must(len(registers) == 2 and registers[0] == registers[1], f"registers were changed:\n{text}")


def running():
    with Target(program, "spin") as its:
        text = run("fiber apply all bt", arguments=["-p", str(its.pid)])
        must("spin_here" in text, text)
        deadline = time.monotonic() + 5
        while its.state() not in "SR" and time.monotonic() < deadline:
            time.sleep(0.01)
        must(its.state() in "SR", its.state())


def core():
    with Target(program, "parked", 400, folder=folder.name) as its:
        text = run("info fibers", "fiber apply all bt", arguments=[program, its.core()])
    check_list(text, 400)
    check_backtraces(text, 400)


def static():
    if static_program == "-":
        raise Skipped("no static programs here")
    copy = strip(static_program, folder.name, keep_debug=False)
    for name, backtraces in ((static_program, True), (copy, False)):
        with Target(name, "parked", 40) as its:
            text = run("info fibers", "fiber apply all bt", arguments=["-p", str(its.pid)], load=False)
            must(len(re.findall(r"^#\d+.*waiting", text, flags=re.M)) >= 41, text[:2000])
            if backtraces:
                check_list(text, 40)
                check_backtraces(text, 40)


def printers():
    with Target(program, "deadlock") as its:
        text = run("print accounts", "print journal", "print orders", arguments=["-p", str(its.pid)])
        must(re.search(r"= hilo::mutex, held by fiber #\d+ \"teller\"", text), text)
        must(re.search(r"= hilo::mutex, held by fiber #\d+ \"auditor\"", text), text)
        must("= hilo::channel with 0 of 2 values" in text, text)
    text = run("break show_values", "run", "up", "print numbers", "print open_mutex", "print handle", "print good",
               "print bad", "print empty", "kill", arguments=["--args", program, "values"])
    must("hilo::channel with 3 of 8 values = {7, 8, 9}" in text, text)
    must("hilo::mutex, open" in text, text)
    must(re.search(r'hilo::fiber #\d+ "helper", ', text), text)
    must("hilo::result with 42" in text and "hilo::result: timed_out" in text, text)
    must("hilo::fiber, empty" in text, text)


def refused():
    text = run("info fibers", "fiber 1", "fiber apply all bt", arguments=["/bin/true"], load=False)
    must(text.count("there is no hilo in this program") == 3, text)


def probe():
    with Target(program, "idle") as its:
        text = run("info threads", arguments=["-p", str(its.pid)])
        return "ptrace" not in text and "hilo/" in text, text


works, reason = probe()
checks = [
    ("a live process", live),
    ("one fiber, and no register changes", one_fiber),
    ("a running fiber is its thread", running),
    ("a core", core),
    ("a static program, with and without symbols", static),
    ("values", printers),
    ("a program without hilo", refused),
]
if not works:
    last = (reason.strip().splitlines() or ["gdb said nothing"])[-1]

    def skip():
        raise Skipped(f"gdb cannot attach here: {last}")

    checks = [(name, skip) for name, _ in checks]
run_checks("gdb", checks)
