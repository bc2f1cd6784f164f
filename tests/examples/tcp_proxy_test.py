#!/usr/bin/env python3
"""usage: tcp_proxy_test.py PROGRAM

Drives the TCP proxy of docs/examples between clients and a server that are both here.
"""

import contextlib
import os
import signal
import socket
import struct
import sys
import time

from served import PATIENCE, Connection, at_once, check, equal, run, server


class Proxied:
    """A proxy, and the server behind it."""

    def __init__(self, program, *options):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.server = server(program, "0", "127.0.0.1", str(self.listener.getsockname()[1]),
                             *options)
        self.proxy = None

    def __enter__(self):
        self.proxy = self.server.__enter__()
        return self

    def __exit__(self, *error):
        self.listener.close()
        return self.server.__exit__(*error)

    @contextlib.contextmanager
    def connection(self):
        """Both ends of one that goes through the proxy."""
        with self.proxy.connect() as client, Connection(self.listener.accept()[0]) as behind:
            yield client, behind


@check("bytes pass both ways at once, unchanged")
def both_ways(program):
    with Proxied(program) as proxied, proxied.connection() as (client, behind):
        up, down = os.urandom(1_000_000), os.urandom(2_000_000)

        def send(to, data):
            to.send(data)
            to.socket.shutdown(socket.SHUT_WR)

        at_once([lambda: send(client, up), lambda: send(behind, down),
                 lambda: equal(client.rest() == down, True),
                 lambda: equal(behind.rest() == up, True)])


@check("either side may end first, and still receives")
def half_close(program):
    with Proxied(program) as proxied:
        for turn in range(2):
            with proxied.connection() as ends:
                first, last = ends[turn], ends[1 - turn]
                first.send(b"question")
                first.socket.shutdown(socket.SHUT_WR)
                equal(last.rest(), b"question")
                last.send_bytewise(b"answer")
                last.socket.shutdown(socket.SHUT_WR)
                equal(first.rest(), b"answer")


def ends(connection):
    """Waits for the connection's end, in order or by a reset."""
    try:
        equal(connection.rest(), b"")
    except ConnectionResetError:
        pass


@check("who resets a connection, or is not there, ends it for the other")
def broken(program):
    with Proxied(program) as proxied:
        for turn in range(2):
            with proxied.connection() as pair:
                pair[turn].send(b"x")
                equal(pair[1 - turn].exactly(1), b"x")
                linger = struct.pack("ii", 1, 0)
                pair[turn].socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                pair[turn].socket.close()
                ends(pair[1 - turn])
    with Proxied(program) as proxied:
        proxied.listener.close()
        with proxied.proxy.connect() as client:
            ends(client)
        proxied.proxy.signal()
        proxied.proxy.end("(ECONNREFUSED)")


@check("an idle connection is given up, one that is used in one direction is not")
def idle(program):
    def unused():
        with Proxied(program, "300") as proxied, proxied.connection() as (client, behind):
            ends(client)
            ends(behind)

    def unread():
        with Proxied(program, "300") as proxied, proxied.connection() as (client, _):
            with contextlib.suppress(ConnectionError):
                while True:
                    client.send(bytes(100_000))

    def used():
        patience = 2.0
        while True:  # until this program itself was quick enough
            with Proxied(program, "2000") as proxied, proxied.connection() as (client, behind):
                begin = last = time.monotonic()
                longest = 0
                while last - begin < patience * 1.2 and longest < patience / 4:
                    behind.send(b"x")
                    equal(client.exactly(1), b"x")
                    time.sleep(0.01)
                    longest = max(longest, time.monotonic() - last)
                    last = time.monotonic()
                if longest >= patience / 4:
                    continue
                client.send(b"y")
                equal(behind.exactly(1), b"y")
                return

    at_once([unused, unread, used])


@check("connections beyond the limit wait until one has ended")
def limit(program):
    with Proxied(program, "60000", "1") as proxied:
        with proxied.connection() as (client, behind):
            with proxied.proxy.connect() as second:
                second.send(b"x")
                for _ in range(20):
                    client.send(b"y")
                    equal(behind.exactly(1), b"y")
                client.socket.close()
                equal(behind.rest(), b"")
                behind.socket.close()
                with Connection(proxied.listener.accept()[0]) as other:
                    equal(other.exactly(1), b"x")


@check("SIGTERM leaves connections to end, a second signal ends them")
def stop(program):
    for again in (False, True):
        with Proxied(program) as proxied, proxied.connection() as (client, behind):
            proxied.proxy.signal()
            proxied.proxy.wait_refusing()
            client.send(b"x")
            equal(behind.exactly(1), b"x")
            if again:
                proxied.proxy.signal(signal.SIGINT)
                ends(client)
                ends(behind)
            else:
                client.socket.shutdown(socket.SHUT_WR)
                behind.socket.shutdown(socket.SHUT_WR)
                equal(client.rest() + behind.rest(), b"")
            equal(proxied.proxy.end(), "")


sys.exit(run(sys.argv[1]))
