"""Processes and cores for the tests of the hilo command and of the gdb script."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

class Skipped(Exception):
    """Why a check cannot be made here."""


def must(condition, text):
    if not condition:
        raise AssertionError(text)


SITES = 20
# The reason of the fibers at each site of parked_program.cpp.
REASONS = [
    "channel receive", "channel receive", "channel receive", "channel send", "channel send", "mutex", "mutex",
    "mutex", "event", "event", "semaphore", "semaphore", "latch", "condition_variable", "sleep", "join",
    "shared_mutex shared", "io", "shared_mutex", "select",
]


def take_default_signals(core_limit):
    """In a new process: what a shell's background job ignores ends it again, with a core if the limit allows one."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (core_limit, resource.getrlimit(resource.RLIMIT_CORE)[1]))


class Target:
    """A parked_program that is ready, until the end of a with statement."""

    def __init__(self, program, *arguments, folder=None):
        # Cores are wanted in a folder of the test only.
        most = resource.getrlimit(resource.RLIMIT_CORE)[1] if folder else 0
        self.process = subprocess.Popen(
            [os.path.abspath(program), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=folder,
            preexec_fn=lambda: take_default_signals(most),
        )
        self.pid = self.process.pid
        self.folder = folder
        self.said = ""
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.process.kill()
            raise RuntimeError(f"{program} is not ready: {line!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Lets it end; the rest of its output is in said."""
        if self.process.returncode is None:
            os.kill(self.pid, signal.SIGCONT)
            self.process.stdin.close()
            self.said += self.process.stdout.read()
            self.process.wait()

    def state(self, thread=None):
        path = f"/proc/{self.pid}/task/{thread or self.pid}/stat"
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def wait_for(self, state):
        """Waits until the main thread has a state; T: until each thread has stopped, which takes its CPU."""
        threads = [None] if state != "T" else os.listdir(f"/proc/{self.pid}/task")
        deadline = time.monotonic() + 100
        while any(self.state(one) != state for one in threads) and time.monotonic() < deadline:
            time.sleep(0.01)

    def core(self):
        """Ends it with a core, and returns the core's path. Needs a folder."""
        os.kill(self.pid, signal.SIGQUIT)
        self.process.stdin.close()
        self.process.wait()
        found = [name for name in os.listdir(self.folder) if name.startswith("core")]
        if not found:
            with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
                raise Skipped(f"the kernel writes no core into the directory (core_pattern is {file.read().strip()})")
        return os.path.join(self.folder, found[0])


class Command:
    """The hilo command."""

    def __init__(self, path):
        self.path = path

    def run(self, *arguments, code=0, **how):
        done = subprocess.run(
            [self.path, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=300, **how)
        if done.returncode != code:
            raise AssertionError(
                f"hilo {' '.join(map(str, arguments))} ended with {done.returncode}, not {code}:\n"
                f"{done.stdout[-3000:]}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def run_until(self, text, *arguments):
        """Runs it again and again on a process that has just been started, which may not have loaded hilo yet."""
        said = ""
        deadline = time.monotonic() + 100
        while text not in said:
            must(time.monotonic() < deadline, f"{text!r} is not shown: {said[-3000:]}")
            try:
                said = self.run(*arguments)
            except AssertionError as fault:
                must("has not loaded it" in str(fault), str(fault))
        return said

    def dump(self, which, *arguments):
        return json.loads(self.run("dump", which, "--json", *arguments))


def strip(program, folder, *, keep_debug):
    """A copy of a program without symbols; with keep_debug they are in a file beside it."""
    copy = os.path.join(folder, "stripped_" + os.path.basename(program))
    shutil.copy(program, copy)
    if keep_debug:
        debug = copy + ".debug"
        subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
        subprocess.run(["strip", copy], check=True)
        subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", copy], check=True, cwd=folder)
    else:
        subprocess.run(["strip", copy], check=True)
    return copy


def run_checks(subject, checks):
    """Runs functions, prints a line for each and the total, and returns the exit code."""
    passed = failed = skipped = 0
    for name, check in checks:
        try:
            check()
            outcome = "ok"
            passed += 1
        except Skipped as reason:
            outcome = f"skipped: {reason}"
            skipped += 1
        except Exception as fault:  # pylint: disable=broad-except
            outcome = f"FAILED: {type(fault).__name__}: {fault}"
            failed += 1
        print(f"  {subject}: {name} ... {outcome}", flush=True)
    print(f"hilo-tests: {passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)
