#!/usr/bin/env python3
"""Lets gdb unwind a fiber's stack, and the switch at each of its instructions.

usage: unwind.py GDB PROGRAM

A stack ends where the fiber's entry is, or where its carrier began, and nowhere else.
"""

import re
import subprocess
import sys

STEPS = 24  # instructions: the whole switch on each CPU begins and ends within these
ENDS = ("hilo_context_entry", "hilo_sys_clone", "clone", "clone3", "_start")


def run(gdb, program, *commands):
    arguments = [gdb, "-nx", "-batch", "-ex", "set debuginfod enabled off"]
    for command in ("set pagination off", "set print frame-arguments none", *commands):
        arguments += ["-ex", command]
    done = subprocess.run(
        [*arguments, program], capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


def frames(text):
    """The function names of the frames that gdb printed."""
    return re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?([\w:~]+)", text, flags=re.M)


def unwinds_to_the_entry(gdb, program):
    text = run(gdb, program, "break stop_here", "run", "bt")
    found = frames(text)
    if found.count("go_down") != 6 or not found or found[-1] != "hilo_context_entry":
        return f"the fiber's frames are not go_down six times and at last the entry:\n{text}"
    return ""


def unwinds_the_switch(gdb, program):
    # The first switches are to the fibers; from the third on both sides are suspended ones.
    text = run(
        gdb, program, "break hilo_switch_context", "run", "ignore 1 3", "continue",
        *(["bt -1", "stepi"] * STEPS), "bt -1",
    )
    found = [name for name in frames(text) if name not in ("hilo_switch_context",)]
    lost = [name for name in found if name not in ENDS and not name.startswith("hilo::")]
    if "corrupt" in text or "Backtrace stopped" in text or text.count("hilo_context_entry") < STEPS // 2:
        return f"gdb loses its way in the switch:\n{text}"
    if lost:
        return f"stacks end at {lost}:\n{text}"
    return ""


def shows_threads_that_run(gdb, program):
    text = run(gdb, program, "break stop_here", "run", "info threads")
    threads = re.findall(r'^[* ] +\d+ +(Thread 0x[0-9a-f]+ .*)$', text, flags=re.M)
    if len(threads) < 2:
        return ""  # this gdb has no libthread_db for this libc, and shows bare LWPs
    wrong = [one for one in threads if "(Exiting)" in one]
    return f"threads that run are shown as ending ones:\n{text}" if wrong else ""


CHECKS = (unwinds_to_the_entry, unwinds_the_switch, shows_threads_that_run)


def main():
    gdb, program = sys.argv[1:]
    probe = run(gdb, program, "break main", "run")
    passed = failed = skipped = 0
    if "Breakpoint 1, " not in probe:
        reason = (probe.strip().splitlines() or ["gdb said nothing"])[-1]
        print(f"  unwind: gdb ... skipped: gdb cannot run a program here: {reason}")
        skipped = len(CHECKS)
    else:
        for check in CHECKS:
            fault = check(gdb, program)
            failed += bool(fault)
            passed += not fault
            print(f"  unwind: gdb, {check.__name__.replace('_', ' ')} ... {fault or 'ok'}")
    print(f"hilo-tests: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
