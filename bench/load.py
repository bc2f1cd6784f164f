#!/usr/bin/env python3
"""Measures a server from outside, and speaks the driver's protocol (driver.py) for it:

  load.py PROGRAMS IMPLEMENTATION list
  load.py PROGRAMS IMPLEMENTATION run WORKLOAD 1 SECONDS

The server runs on one CPU and its client on another: wrk, or redis-benchmark (key_value.py). A load
is a number of connections that each send a request when they have got the answer to the last one.
What counts is the processor time that the server took for a request, the kernel's work in its name
included: a server that is not busy all the time is not slower for that. Accepting the connections is
part of it.

The answer is compared byte by byte before the load, and while it runs wrk counts failures and bytes:
as many whole answers as requests, and at most one begun on each connection.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import key_value

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CONNECTIONS = (1, 64, 1000, 10000)
IDLE = 10000
SPARE_DESCRIPTORS = 64  # of a server or client beside its connections
PATIENCE = 10  # seconds until something that hangs is given up

FIGURES = {"": "us", "_rate": "/s", "_p50": "us", "_p90": "us", "_p99": "us", "_p999": "us", "_memory": "bytes"}
IDLE_FIGURES = {"": "bytes", "_cpu": "ms"}
KEY_VALUE_FIGURES = {"": "us", "_rate": "/s", "_p50": "us", "_p99": "us", "_memory": "bytes"}

NGINX = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr error;
events {{ worker_connections {room}; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  default_type text/plain;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 "Hello, World!\\n"; }}
  }}
}}
"""


class Failure(Exception):
    pass


class Skipped(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Server:
    """How to start one: a program of the benchmarks' directory, or an installed one."""

    program: str = ""
    installed: str = ""
    arguments: tuple = ()
    environment: tuple = ()
    body: bytes = b"Hello, World!\n"
    note: str = ""


URING = (("HILO_IO", "uring"),)
EPOLL = (("HILO_IO", "epoll"),)
HTTP = {"arguments": (f"connections={2 * IDLE}",), "body": b"hello\n"}  # connections: at most
BARE = Server("serve_bare", note="an epoll loop with a constant answer, which is the reference")

KEY_VALUE = "keyvalue"

# A family of workloads is servers that do the same: of each implementation one.
FAMILIES = {
    # A constant answer to each read of a connection.
    "echo": {
        "bare": BARE,
        "hilo": Server("serve_hilo", environment=URING),
        "hilo_epoll": Server("serve_hilo", environment=EPOLL),
        "pthread": Server("serve_pthread", note="a thread a connection"),
        "go": Server("serve_go", note="a goroutine a connection, package net"),
        "nginx": Server(installed="nginx", note="parses the request; return 200"),
    },
    # The request is parsed, and headers are made. For hilo it is the server of docs/examples.
    "http": {
        "bare": BARE,
        "hilo": Server("serve_http", environment=URING, note="docs/examples/http", **HTTP),
        "hilo_epoll": Server("serve_http", environment=EPOLL, **HTTP),
        "go": Server("serve_http_go", note="package net/http"),
        "nginx": Server(installed="nginx", note="return 200"),
    },
    # Keys and values in memory.
    KEY_VALUE: {
        "hilo": Server("serve_key_value", environment=URING, note="docs/examples/key_value.cpp"),
        "hilo_epoll": Server("serve_key_value", environment=EPOLL),
        "redis": Server(installed="redis-server", note="one thread, writes nothing to disk"),
    },
}

IMPLEMENTATIONS = {name for servers in FAMILIES.values() for name in servers}

# What a run needs beside the compiler: commands, and the packages that have them.
NEEDS = {
    "wrk": "wrk",
    "nginx": "nginx",
    "go": "golang-go",
    "redis-server": "redis-server",
    key_value.CLIENT: "redis-tools",
}
HEADERS = {"http_parser.h": "libhttp-parser-dev"}  # the same of headers


def workloads(family):
    if family == KEY_VALUE:
        return [f"{family}_{name}" for name in key_value.WORKLOADS]
    return [*(f"{family}_{count}" for count in CONNECTIONS), f"{family}_idle"]


def all_workloads():
    return [name for family in FAMILIES for name in workloads(family)]


def figures(workload):
    of = IDLE_FIGURES if workload.endswith("_idle") else FIGURES
    if workload.startswith(KEY_VALUE):
        of = KEY_VALUE_FIGURES
    return {workload + name: unit for name, unit in of.items()}


def find_command(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def missing(family, server, programs):
    """Why a server cannot be measured."""
    client = key_value.CLIENT if family == KEY_VALUE else "wrk"
    if not find_command(client):
        return f"{client} is not installed"
    if len(os.sched_getaffinity(0)) < 2:
        return f"{client} needs a CPU beside the server's, and there is one in all"
    if server.installed:
        return "" if find_command(server.installed) else f"{server.installed} is not installed"
    built = os.path.exists(os.path.join(programs, server.program))
    return "" if built else f"{server.program} is not built"


def cpu_seconds(pid):
    """The processor time of a process and its threads, those that ended included: the number of
    its clock is what clock_getcpuclockid(3) makes of it."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Rss:\s+(\d+) kB", file.read(), re.MULTILINE)[1]) * 1024


def place(cpu, descriptors):
    """For a child: on its CPU, with so many descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptors + SPARE_DESCRIPTORS

    def prepare():
        os.sched_setaffinity(0, {cpu})
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(wanted, 1024), most), most))

    return prepare


def check_descriptors(connections):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < connections + SPARE_DESCRIPTORS:
        raise Skipped(f"{connections:,} connections are more than RLIMIT_NOFILE lets us: {most:,}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def ask(connection, wanted):
    """One request; the bytes of its answer, whose head says how long it is."""
    connection.sendall(REQUEST)
    got = b""
    while True:
        head, found, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)^content-length: *(\d+)\r?$", head, re.MULTILINE) if found else None
        if length and len(body) >= int(length[1]):
            break
        more = connection.recv(4096)
        if not more:
            raise Failure(f"the server closed a connection after {got!r}")
        got += more
    if not head.startswith(b"HTTP/1.1 200 OK\r\n") or body != wanted:
        raise Failure(f"a wrong answer: {got!r}")
    return len(got)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def nginx(directory, port, connections):
    """The command that starts it."""
    config = os.path.join(directory, "nginx.conf")
    with open(config, "w", encoding="ascii") as file:
        # Of those that are kept alive it closes some when a sixteenth of the room is left.
        room = 2 * connections + SPARE_DESCRIPTORS
        file.write(NGINX.format(directory=directory, port=port, room=room))
    return [find_command("nginx"), "-p", directory, "-e", "stderr", "-c", config]


def redis(directory, port, _):
    """The same."""
    return [find_command("redis-server"), "--port", str(port), "--dir", directory, *key_value.REDIS]


INSTALLED = {"nginx": nginx, "redis-server": redis}


@contextlib.contextmanager
def serving(server, programs, connections, cpu):
    """Runs a server; gives its process and its port."""
    with tempfile.TemporaryDirectory(prefix="hilo-bench-") as directory:
        port = 0
        if server.program:
            command = [os.path.join(programs, server.program), *server.arguments]
        else:
            port = free_port()
            command = INSTALLED[server.installed](directory, port, connections)
        process = subprocess.Popen(
            command,
            env=dict(os.environ, **dict(server.environment)),
            stdout=subprocess.PIPE,
            preexec_fn=place(cpu, connections),
        )
        try:
            if not port:
                said = process.stdout.readline().decode()
                last = re.search(r"(\d+)$", said.strip())
                if not last:
                    raise Failure(f"{server.program} did not say its port, but: {said!r}")
                port = int(last[1])
            yield process, port
            if process.poll() is not None:
                raise Failure(f"{command[0]} ended with status {process.returncode}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def first_connection(port):
    """A connection, once the server is up."""
    limit = time.monotonic() + PATIENCE
    while True:
        try:
            return connect(port)
        except ConnectionRefusedError:
            if time.monotonic() > limit:
                raise Failure(f"nobody listens on port {port}") from None
            time.sleep(0.01)


def first_answer(port, wanted):
    """The length of an answer, once the server is up and gives the right one twice."""
    with first_connection(port) as connection:
        length = ask(connection, wanted)
        if ask(connection, wanted) != length:
            raise Failure("two answers differ in length")
        return length


def load(server, programs, connections, seconds):
    check_descriptors(connections)
    cpus = sorted(os.sched_getaffinity(0))
    with serving(server, programs, connections, cpus[0]) as (process, port):
        length = first_answer(port, server.body)
        before = cpu_seconds(process.pid)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={PATIENCE}s"]
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.lua")
        with subprocess.Popen(
            [*command, "-s", script, f"http://127.0.0.1:{port}/"],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=place(cpus[1], connections),
        ) as wrk:
            time.sleep(0.75 * seconds)  # all are connected
            resident = resident_bytes(process.pid)
            text, _ = wrk.communicate(timeout=seconds + 2 * PATIENCE)
        spent = cpu_seconds(process.pid) - before
    told = [line for line in text.splitlines() if line.startswith("{")]
    if wrk.returncode != 0 or not told:
        raise Failure(f"wrk ended with status {wrk.returncode}:\n{text}")
    seen = json.loads(told[0])
    requests = seen["requests"]
    if not requests:
        raise Failure(f"no request was answered in {seconds} s")
    if seen["failed"]:
        raise Failure(f"{seen['failed']} of {requests} requests failed")
    if not requests * length <= seen["bytes"] <= (requests + connections) * length:
        raise Failure(f"{requests} answers of {length} bytes came to {seen['bytes']}")
    return {
        "": spent / requests * 1e6,
        "_rate": requests / seen["us"] * 1e6,
        **{f"_{name}": seen[name] for name in ("p50", "p90", "p99", "p999")},
        "_memory": resident,
    }


def idle(server, programs):
    """Connections that were answered once: their memory, and what a second of their silence costs."""
    check_descriptors(IDLE)
    cpus = sorted(os.sched_getaffinity(0))
    with serving(server, programs, IDLE, cpus[0]) as (process, port), contextlib.ExitStack() as open_:
        place(cpus[1], IDLE)()
        first_answer(port, server.body)
        before = resident_bytes(process.pid)
        for _ in range(IDLE):
            ask(open_.enter_context(connect(port)), server.body)
        resident = resident_bytes(process.pid) - before
        spent = cpu_seconds(process.pid)
        time.sleep(1)
        spent = cpu_seconds(process.pid) - spent
    return {"": resident / IDLE, "_cpu": spent * 1e3}


def load_keys(server, programs, name, seconds):
    cpus = sorted(os.sched_getaffinity(0))
    connections = key_value.CONNECTIONS
    with serving(server, programs, connections, cpus[0]) as (process, port):
        first_connection(port).close()
        spent = lambda: cpu_seconds(process.pid)
        found = key_value.load(port, name, seconds, PATIENCE, place(cpus[1], connections), spent)
        return {**found, "_memory": resident_bytes(process.pid)}


def measure(family, implementation, programs, name, seconds):
    server = FAMILIES[family][implementation]
    if family == KEY_VALUE:
        return load_keys(server, programs, name, seconds)
    if name == "idle":
        return idle(server, programs)
    return load(server, programs, int(name), seconds)


def describe(programs, implementation):
    for family, servers in FAMILIES.items():
        if implementation not in servers:
            continue
        server = servers[implementation]
        why = missing(family, server, programs)
        if why:
            print(json.dumps({"workload": workloads(family)[0], "missing": why}))
            continue
        for workload in workloads(family):
            note = server.note if workload == workloads(family)[0] else ""
            answer = {"workload": workload, "figures": figures(workload), "carriers": [1]}
            print(json.dumps({**answer, "note": note}))


def main():
    parser = argparse.ArgumentParser(description="measures a server for bench/driver.py")
    parser.add_argument("programs")
    parser.add_argument("implementation")
    parser.add_argument("what", choices=("list", "run"))
    parser.add_argument("workload", nargs="?")
    parser.add_argument("carriers", nargs="?", type=int)
    parser.add_argument("seconds", nargs="?", type=float)
    options = parser.parse_args()
    if options.what == "list":
        describe(options.programs, options.implementation)
        return
    family, name = options.workload.split("_")
    # wrk counts in whole seconds. A tenth of a second is enough for a loop, and too little here.
    seconds = 2 if options.seconds >= 0.1 else 1
    try:
        got = measure(family, options.implementation, options.programs, name, seconds)
        print(json.dumps({options.workload + figure: value for figure, value in got.items()}))
    except Skipped as reason:
        print(json.dumps({"skip": str(reason)}))


if __name__ == "__main__":
    try:
        main()
    except (Failure, key_value.Wrong, OSError, subprocess.TimeoutExpired) as failure:
        sys.exit(str(failure))
