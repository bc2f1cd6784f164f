#!/usr/bin/env python3
"""usage: key_value_test.py PROGRAM

Drives the key-value server of docs/examples: as a client that writes RESP itself, and with redis-cli
where that is installed.
"""

import shutil
import socket
import subprocess
import sys

from served import at_once, check, equal, run, server


def request(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def answer(client):
    head = client.until(b"\r\n")
    kind, rest = head[:1], head[1:]
    if kind == b"$":
        if rest == b"-1":
            return None
        text = client.exactly(int(rest))
        equal(client.exactly(2), b"\r\n")
        return text
    if kind == b"*":
        return [answer(client) for _ in range(int(rest))]
    return int(rest) if kind == b":" else head


def ask(client, *words):
    client.send(request(*words))
    return answer(client)


@check("each command answers as Redis does")
def commands(program):
    with server(program) as store, store.connect() as client:
        equal(ask(client, "PING"), b"+PONG")
        equal(ask(client, "ping", "you"), b"you")
        equal(ask(client, "GET", "a"), None)
        equal(ask(client, "SET", "a", b"\r\n\0*3\r\n"), b"+OK")
        equal(ask(client, "GET", "a"), b"\r\n\0*3\r\n")
        equal(ask(client, "SET", "", ""), b"+OK")
        equal(ask(client, "MGET", "", "none", "a"), [b"", None, b"\r\n\0*3\r\n"])
        equal(ask(client, "EXISTS", "a", "a", "none"), 2)
        equal(ask(client, "INCR", "n"), 1)
        equal(ask(client, "INCRBY", "n", "-43"), -42)
        equal(ask(client, "DBSIZE"), 3)
        equal(ask(client, "DEL", "a", "none", ""), 2)
        equal(ask(client, "DBSIZE"), 1)
        equal(ask(client, "ECHO", "x" * 100_000), b"x" * 100_000)
        client.send(b"set  typed 1\r\n\r\nget typed\n")  # as a person does
        equal([answer(client), answer(client)], [b"+OK", b"1"])


@check("what is wrong gets an error, and the connection goes on")
def mistakes(program):
    with server(program) as store, store.connect() as client:
        equal(ask(client, "GET"), b"-ERR wrong number of arguments for 'GET' command")
        equal(ask(client, "FLY", "away"), b"-ERR unknown command 'FLY'")
        ask(client, "SET", "text", "x")
        for words in (("INCR", "text"), ("INCRBY", "n", "1x"), ("INCRBY", "n", "99999999999999999999")):
            equal(ask(client, *words), b"-ERR value is not an integer or out of range")
        ask(client, "SET", "most", 2**63 - 1)
        equal(ask(client, "INCR", "most"), b"-ERR value is not an integer or out of range")
        equal(ask(client, "GET", "most"), b"%d" % (2**63 - 1))


@check("a frame that is none ends the connection with an error, and others go on")
def broken_frames(program):
    with server(program) as store, store.connect() as other:
        for frame, why in (
            (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
            (b"*1\r\n#1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"*1\r\n$999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
            (b"*2\r\n$3\r\nGETX\r\n", b""),
            (b"x" * 20_000, b"-ERR Protocol error: too big inline request\r\n"),
        ):
            with store.connect() as client:
                client.send(frame)
                try:
                    client.socket.shutdown(socket.SHUT_WR)
                    equal(client.rest(), why)
                except OSError:  # the server had not read all when it closed
                    pass
        equal(ask(other, "PING"), b"+PONG")


@check("requests that come together, or byte by byte, are answered in order")
def pieces(program):
    with server(program) as store, store.connect() as client:
        client.send(b"".join(request("INCR", "n") for _ in range(10_000)))
        equal([answer(client) for _ in range(10_000)], list(range(1, 10_001)))
        client.send_bytewise(request("SET", "k", "value") + request("GET", "k"))
        equal([answer(client), answer(client)], [b"+OK", b"value"])


@check("many clients at once lose no count")
def counting(program):
    with server(program) as store:
        def count():
            with store.connect() as client:
                for _ in range(200):
                    ask(client, "INCR", "visits")

        at_once([count] * 20)
        with store.connect() as client:
            equal(ask(client, "GET", "visits"), b"4000")


@check("a request that was read before SIGTERM is answered")
def graceful_end(program):
    with server(program) as store, store.connect() as client:
        equal(ask(client, "INCR", "n"), 1)
        client.send(request("INCR", "n"))
        equal(answer(client), 2)
        store.signal()
        equal(client.rest(), b"")
        store.end()


@check("redis-cli is served")
def by_redis_cli(program):
    cli = shutil.which("redis-cli")
    if cli is None:
        print("redis-cli is not installed (Debian: redis-tools)")
        return
    with server(program) as store:
        def call(*words):
            return subprocess.run([cli, "-p", str(store.port), *words], capture_output=True, text=True,
                                  check=True, timeout=60).stdout

        equal(call("set", "a", "some words"), "OK\n")
        equal(call("get", "a"), "some words\n")
        equal(call("incr", "n"), "1\n")
        equal(call("mget", "a", "none").splitlines(), ["some words", ""])


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
