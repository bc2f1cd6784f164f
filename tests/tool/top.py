#!/usr/bin/env python3
"""Tests hilo top, as plain text and on a terminal.

usage: top.py HILO PROGRAM STUCK
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Command, Skipped, Target, must, run_checks  # noqa: E402

hilo = Command(sys.argv[1])
program, stuck = sys.argv[2:]
PATIENCE = 100  # seconds


def pictures(text):
    return [one for one in text.split("\n\nprocess ") if one.strip()]


def groups(picture):
    """From (state and reason) to the number of fibers."""
    found = {}
    for count, what in re.findall(r"^ +([\d,]+) +[\d,]+  (\w[\w ]*(?:, [\w ]+)?), spawned at", picture, re.MULTILINE):
        found[what] = found.get(what, 0) + int(count.replace(",", ""))
    return found


def parked():
    with Target(program, "parked", 400) as its:
        said = pictures(hilo.run("top", its.pid, "--every", 0.2, "--count", 3))
    must(len(said) == 3, str(len(said)))
    for one in said:
        must("401 fibers, 401 waiting" in one, one)
        must(groups(one)["waiting, channel receive"] == 60 and groups(one)["waiting, select"] == 20, str(groups(one)))
        must("computing without a switch" not in one, one)
    must(re.search(r"\nwaiting for\n +\d.* m?s  #2 \"endless\": sleep\n", said[2]), said[2])


def computing():
    with Target(program, "spin") as its:
        deadline = time.monotonic() + PATIENCE
        while True:
            said = pictures(hilo.run("top", its.pid, "--every", 0.3, "--count", 3))
            load = re.search(r"^ +\d+ +\d+ +(\d+) % +\S+ +\S+ +\S+ +\d+  running #", said[2], re.MULTILINE)
            must(load, said[2])
            if int(load[1]) > 0:
                break
            must(time.monotonic() < deadline, said[2])  # a busy machine may give it no time for a while
    must(re.search(r"without a switch for\n +\d.* m?s  #\d+ \"spinner\"", said[2]), said[2])


def rates():
    """The ticker sleeps again and again, so its worker switches, and each sleep is a park."""
    with Target(program, "ticker", 100) as its:
        said = pictures(hilo.run("top", its.pid, "--every", 0.3, "--count", 2))
    must(re.search(r"switches 0/s", said[0]), said[0])
    must(not re.search(r", (switches|parks) 0/s", said[1]), said[1])
    must(re.search(r", stolen [\d,]+/s$", said[1], re.MULTILINE), said[1])


def mutexes():
    with subprocess.Popen([stuck], env={**os.environ, "HILO_DEADLOCK": "off"}) as its:
        try:
            hilo.run_until("held by", "top", its.pid, "--every", 0.1, "--count", 2)
        finally:
            its.kill()


def ends():
    """When the process ends, so does hilo top."""
    with Target(program, "parked", 20) as its:
        with subprocess.Popen([hilo.path, "top", str(its.pid), "--every", "0.1"], stdout=subprocess.PIPE, text=True) as top:
            must(top.stdout.readline().startswith("process "), "no picture")
            its.end()
            rest = top.stdout.read()
            must(rest.endswith("has ended\n"), rest[-500:])
            must(top.wait() == 0, str(top.returncode))


def interrupted():
    with Target(program, "parked", 20) as its:
        with subprocess.Popen([hilo.path, "top", str(its.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as top:
            must(top.stdout.readline().startswith("process "), "no picture")
            top.send_signal(signal.SIGINT)
            must(top.wait() == 130, str(top.returncode))
        must(its.state() == "S", its.state())


def fork_on_terminal():
    """As pty.fork(); skips where no pseudoterminal can be made, as in a root without /dev/pts."""
    try:
        os.close(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    except OSError as fault:
        raise Skipped(f"no pseudoterminal can be made here: {fault}") from None
    return pty.fork()


class Terminal:
    """hilo top on a terminal of 100 columns and 40 lines."""

    def __init__(self, pid):
        self.pid, self.terminal = fork_on_terminal()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.environ["COLUMNS"], os.environ["LINES"] = "100", "40"
            os.execv(hilo.path, [hilo.path, "top", str(pid), "--every", "0.2"])
        self.shown = ""

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            must(time.monotonic() < deadline, f"{text!r} is not shown: {self.shown[-2000:]!r}")
            if select.select([self.terminal], [], [], 1)[0]:
                try:
                    self.shown += os.read(self.terminal, 65536).decode(errors="replace")
                except OSError:
                    break
        must(text in self.shown, f"it ended without {text!r}: {self.shown[-2000:]!r}")

    def press(self, key):
        self.shown = ""
        os.write(self.terminal, key.encode())

    def end(self):
        """Its exit code."""
        while True:
            try:
                if not os.read(self.terminal, 65536):
                    break
            except OSError:
                break
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def on_terminal():
    with Target(program, "parked", 400) as its:
        top = Terminal(its.pid)
        top.wait_for("401 fibers, 401 waiting")
        top.wait_for("waiting, channel receive")
        top.press("s")
        top.press("j")
        top.press("\n")
        top.wait_for("go_down at")
        top.wait_for("escape")
        top.press("\x1b")
        top.wait_for("arrows")
        top.press("q")
        must(top.end() == 0, "q does not quit")
        must(its.state() == "S", its.state())


def terminal_ends():
    with Target(program, "parked", 20) as its:
        top = Terminal(its.pid)
        top.wait_for("21 fibers")
        os.kill(top.pid, signal.SIGTERM)
        must(top.end() == 0, "SIGTERM does not quit")


def unknown_terminal():
    with Target(program, "parked", 20) as its:
        pid, terminal = fork_on_terminal()
        if pid == 0:
            os.environ["TERM"] = "no-such-terminal"
            os.execv(hilo.path, [hilo.path, "top", str(its.pid)])
        said = b""
        try:
            while part := os.read(terminal, 65536):
                said += part
        except OSError:
            pass
        os.close(terminal)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        must(code == 3 and b"this terminal is not known" in said, f"{code} {said!r}")


def refused():
    for arguments, text in (
        (["top"], "takes the number of a process"),
        (["top", "1", "2"], "not also"),
        (["top", "1", "--every", "0"], "from 0.1 to 3600"),
        (["top", "1", "--every", "nan"], "from 0.1 to 3600"),
        (["top", "1", "--every"], "takes a number"),
        (["top", "1", "--count", "0"], "takes a number of pictures"),
        (["top", "1", "--fiber"], "no option"),
        (["top", "core"], "hilo dump shows a core"),
    ):
        said = hilo.run(*arguments, code=2)
        must(text in said and "hilo help top" in said, said)
    must("there is no process" in hilo.run("top", 2**22 + 1, code=3), "no such process")
    must("--every SECONDS" in hilo.run("help", "top"), "help")


run_checks("hilo top", [
    ("parked fibers in groups, again and again", parked),
    ("a fiber that computes", computing),
    ("rates", rates),
    ("what the longest waiting wait for", mutexes),
    ("ends with its process", ends),
    ("interrupted", interrupted),
    ("keys on a terminal", on_terminal),
    ("a signal ends it on a terminal", terminal_ends),
    ("a terminal that is not known", unknown_terminal),
    ("wrong usage", refused),
])
