"""What the tests of the example servers share: a server that is started for a check, connections to
it, and a run of all checks of a file, each of which is a function that raises when it fails.
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

# Nothing here waits as long as this unless something is broken.
PATIENCE = 60

checks = []


def check(promise):
    """Marks a function as the check of a promise."""
    def mark(function):
        checks.append((promise, function))
        return function
    return mark


class Server:
    """A program that says "listening on ADDRESS:PORT" and ends well on SIGTERM."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        first = self.process.stdout.readline()
        if not first.startswith("listening on "):
            raise AssertionError(f"it began with {first!r}; {self.process.communicate()[1]}")
        self.port = int(first.rsplit(":", 1)[1])

    def connect(self):
        return Connection(socket.create_connection(("127.0.0.1", self.port), PATIENCE))

    def wait_refusing(self):
        """Waits until it accepts no connection any more. One made to find out might still be let
        in, and served, so the kernel is asked."""
        listening = re.compile(rf" 0100007F:{self.port:04X} [0-9A-F:]+ 0A ")
        while listening.search(pathlib.Path("/proc/net/tcp").read_text(encoding="ascii")):
            time.sleep(0.001)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def end(self, may_say=None):
        """Waits until it has ended, and checks how; returns what it printed after its first line.
        On standard error it may have written lines that end with `may_say`, and no others but hilo's
        report of a fiber that computes for long: on a busy machine, with a sanitizer, an answer may take so long."""
        printed, errors = self.process.communicate(timeout=PATIENCE)
        wrong = [line for line in errors.splitlines()
                 if not (may_say is not None and line.endswith(may_say)) and " has kept carrier " not in line]
        if self.process.returncode != 0 or wrong:
            raise AssertionError(f"it ended with {self.process.returncode}: {errors}")
        return printed


@contextlib.contextmanager
def server(program, *options):
    """One that is stopped in the end, unless the check did so itself."""
    one = Server(program, *options)
    try:
        yield one
        if one.process.poll() is None and not one.process.stdout.closed:
            one.signal()
        if not one.process.stdout.closed:
            one.end()
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


class Connection:
    """A socket, and what was received of what is wanted."""

    def __init__(self, its):
        self.socket = its
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(PATIENCE)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_bytewise(self, data):
        for at in range(len(data)):
            self.socket.sendall(data[at : at + 1])

    def _more(self, wanted):
        got = self.socket.recv(65536)
        if not got:
            raise AssertionError(f"the connection ended after {self.buffer!r}, before {wanted}")
        self.buffer += got

    def until(self, end):
        while end not in self.buffer:
            self._more(end)
        taken, self.buffer = self.buffer.split(end, 1)
        return taken

    def exactly(self, size):
        while len(self.buffer) < size:
            self._more(f"{size} bytes")
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def rest(self):
        """All until the peer ends its side."""
        while got := self.socket.recv(65536):
            self.buffer += got
        taken, self.buffer = self.buffer, b""
        return taken

    def is_silent(self):
        """Whether nothing is there to be received now."""
        self.socket.setblocking(False)
        try:
            return not self.buffer and self.socket.recv(1, socket.MSG_PEEK) is None
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


def at_once(functions):
    """Calls them in a thread each; raises what one of them raised."""
    errors = []

    def call(function):
        try:
            function()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=call, args=(one,)) for one in functions]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if errors:
        raise errors[0]


def run(program, driver=None):
    """Runs all checks, with the program as argument, and prints the total for tests/total.py. With
    a driver, the program does its I/O by that one."""
    if driver is not None:
        os.environ["HILO_IO"] = driver
    # Otherwise every program waits a second for races at its end.
    os.environ["TSAN_OPTIONS"] = os.environ.get("TSAN_OPTIONS", "") + ":atexit_sleep_ms=0"
    failed = 0
    for promise, function in checks:
        begin = time.monotonic()
        try:
            function(program)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED: {promise}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"{promise}: {time.monotonic() - begin:.2f} s")
    print(f"hilo-tests: {len(checks) - failed} passed, {failed} failed, 0 skipped")
    return int(failed != 0)
