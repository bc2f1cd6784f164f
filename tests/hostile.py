#!/usr/bin/env python3
"""Runs a command and meanwhile freezes threads of the programs that it starts, one after another and at random.

usage: hostile.py [--seed N] [--slots N] [--load N] --under DIRECTORY COMMAND...

Only programs whose file lies under DIRECTORY are touched: each slot picks one of their threads, lets it stand still
for 1 ms to 0.6 s, most often shortly, and lets it go on. So anything can happen between two instructions of a test,
as on a machine that has too much to do. Beside them N processes compute, by default one for each CPU. Threads are
frozen by the freezer of cgroups, of version 1 or 2; that takes root. Ends as the command ends, and says last how many
threads were frozen and by which seed.
"""

import argparse
import math
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

SHORTEST, LONGEST = 0.001, 0.6  # seconds
ROOT = pathlib.Path("/sys/fs/cgroup")


def write(path, text):
    """Whether the kernel took it; a thread may have ended meanwhile."""
    try:
        path.write_text(text, encoding="ascii")
        return True
    except OSError:
        return False


class Slots:
    """The groups of one run: threads are moved into one, frozen there, and moved back."""

    def __init__(self, count):
        name = f"hilo-hostile-{os.getpid()}"
        first = ROOT / "freezer"
        self.second = not (first / "tasks").exists()
        if self.second:
            first = ROOT if (ROOT / "cgroup.controllers").exists() else ROOT / "unified"
            self.members, self.switch, self.on, self.off = "cgroup.threads", "cgroup.freeze", "1", "0"
        else:
            self.members, self.switch, self.on, self.off = "tasks", "freezer.state", "FROZEN", "THAWED"
        self.home = first / name
        try:
            self.home.mkdir()
            if self.second:
                (self.home / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
            self.slots = [self.home / f"slot{i}" for i in range(count)]
            for slot in self.slots:
                slot.mkdir()
                if self.second:
                    (slot / "cgroup.type").write_text("threaded", encoding="ascii")
        except OSError as error:
            sys.exit(f"hostile.py: cannot freeze threads here: {error}; this takes root and the freezer of cgroups")

    def hold(self, slot, thread, seconds):
        """Freezes a thread for a time; whether it did."""
        if not write(slot / self.members, thread):
            return False
        write(slot / self.switch, self.on)
        time.sleep(seconds)
        write(slot / self.switch, self.off)
        write(self.home / self.members, thread)
        return True

    def remove(self):
        for slot in self.slots:
            write(slot / self.switch, self.off)
            slot.rmdir()
        if self.second:
            write(self.home.parent / "cgroup.procs", str(os.getpid()))
        try:
            self.home.rmdir()
        except OSError:
            pass  # of version 1: an empty group that a process is still leaving


def threads_under(directory):
    """The threads of all processes whose program lies there."""
    found = []
    for process in os.listdir("/proc"):
        if not process.isdigit():
            continue
        try:
            if os.readlink(f"/proc/{process}/exe").startswith(directory):
                found += os.listdir(f"/proc/{process}/task")
        except OSError:
            continue  # ended, or a kernel thread
    return found


def disturb(slots, slot, directory, choose, done, counts, index):
    while not done.is_set():
        threads = threads_under(directory)
        seconds = math.exp(choose.uniform(math.log(SHORTEST), math.log(LONGEST)))
        if threads and slots.hold(slot, choose.choice(threads), seconds):
            counts[index] += 1
        else:
            time.sleep(SHORTEST)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[2][7:])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--slots", type=int, default=3)
    parser.add_argument("--load", type=int, default=os.cpu_count())
    parser.add_argument("--under", required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    options.command = options.command[options.command[:1] == ["--"] :]
    if not options.command:
        parser.error("no command")
    directory = os.path.realpath(options.under) + os.sep
    slots = Slots(options.slots)
    done = threading.Event()
    counts = [0] * options.slots
    hands = [
        threading.Thread(
            target=disturb,
            args=(slots, slot, directory, random.Random(options.seed + i), done, counts, i),
        )
        for i, slot in enumerate(slots.slots)
    ]
    for hand in hands:
        hand.start()
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.load)]
    try:
        status = subprocess.run(options.command, check=False).returncode
    finally:
        done.set()
        for process in load:
            process.kill()
            process.wait()
        for hand in hands:
            hand.join()
        slots.remove()
    print(f"hostile: froze {sum(counts)} threads, --seed {options.seed}")
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
