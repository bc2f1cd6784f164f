"""Measures a server that speaks RESP, for load.py: redis-benchmark sends requests to it.

Before the load, each key gets a value of its own, and the answers are compared byte by byte. After the
load every key is read: a load that only reads must have changed none of them, and a load that writes
must have left a value of the right length in each. redis-benchmark counts each answer, and an error
among them fails the run.
"""

import csv
import socket
import subprocess

CLIENT = "redis-benchmark"
CONNECTIONS = 64
KEYS = 10_000
LENGTH = 32  # bytes of a value
PROBE = 5_000  # requests that tell how many to send

# The arguments of redis-benchmark, and whether it changes values.
WORKLOADS = {
    "get": (["-t", "get"], False),
    "set": (["-t", "set"], True),
    "pipelined": (["-t", "get", "-P", "16"], False),
}

# One thread for commands, and nothing goes to disk.
REDIS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning"]


class Wrong(Exception):
    pass


def request(*words):
    parts = [f"${len(word)}\r\n{word}\r\n" for word in words]
    return (f"*{len(words)}\r\n" + "".join(parts)).encode()


def key(number):
    return f"key:{number:012}"  # as redis-benchmark names them


def value(number):
    return f"{number:0{LENGTH}}"


class Client:
    """A connection whose answers are checked."""

    def __init__(self, port, patience):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.answers = self.connection.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answers.close()
        self.connection.close()

    def send(self, *words):
        self.connection.sendall(request(*words))

    def bulk(self):
        """One answer that is a text, or None."""
        head = self.answers.readline()
        if head == b"$-1\r\n":
            return None
        if not head.startswith(b"$"):
            raise Wrong(f"no text, but {head!r}")
        length = int(head[1:])
        return self.answers.read(length + 2)[:-2]

    def expect(self, answer, *words):
        self.send(*words)
        got = self.answers.read(len(answer))
        if got != answer:
            raise Wrong(f"{' '.join(words)}: answered {got!r}, not {answer!r}")

    def values(self):
        """The value of each key."""
        self.send("MGET", *map(key, range(KEYS)))
        head = self.answers.readline()
        if head != f"*{KEYS}\r\n".encode():
            raise Wrong(f"MGET of {KEYS} keys answered {head!r}")
        return [self.bulk() for _ in range(KEYS)]


def prepare(port, patience):
    """Checks the answers of a server that has no keys, and gives each key its value."""
    with Client(port, patience) as client:
        client.expect(b":0\r\n", "DBSIZE")
        client.expect(b"+PONG\r\n", "PING")
        client.expect(b":1\r\n", "INCR", "visits")
        client.expect(b"$1\r\n1\r\n", "GET", "visits")
        client.expect(b":1\r\n", "DEL", "visits")
        client.expect(b"$-1\r\n", "GET", "visits")
        for number in range(KEYS):
            client.expect(b"+OK\r\n", "SET", key(number), value(number))
    check_values(port, patience, changed=False)


def check_values(port, patience, changed):
    with Client(port, patience) as client:
        client.expect(f":{KEYS}\r\n".encode(), "DBSIZE")
        for number, got in enumerate(client.values()):
            if got is None or len(got) != LENGTH or (not changed and got != value(number).encode()):
                raise Wrong(f"{key(number)} has the value {got!r} after the load")


def ask(port, arguments, requests, patience, place):
    """Runs redis-benchmark: its figures by their names."""
    numbers = {"-p": port, "-c": CONNECTIONS, "-n": requests, "-r": KEYS, "-d": LENGTH}
    command = [CLIENT, "-e", "--csv", *arguments]
    for option, number in numbers.items():
        command += [option, str(number)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=patience, preexec_fn=place, check=False
    )
    said = done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith('"')]
    if done.returncode != 0 or len(lines) != 2 or "Error from server" in said:
        raise Wrong(f"{' '.join(command)} ended with status {done.returncode}:\n{said}")
    names, values = csv.reader(lines)
    return {name: float(text) for name, text in zip(names[1:], values[1:])}


def load(port, name, seconds, patience, place, spent):
    """The figures of a load that lasts about so many seconds; `spent` reads the server's processor time."""
    arguments, changes = WORKLOADS[name]
    prepare(port, patience)
    rate = ask(port, arguments, PROBE, patience, place)["rps"]
    requests = max(PROBE, int(rate * seconds) // 16 * 16)
    before = spent()
    found = ask(port, arguments, requests, seconds + 2 * patience, place)
    used = spent() - before
    check_values(port, patience, changes)
    return {
        "": used / requests * 1e6,
        "_rate": found["rps"],
        "_p50": found["p50_latency_ms"] * 1e3,
        "_p99": found["p99_latency_ms"] * 1e3,
    }
