#!/usr/bin/env python3
"""usage: load_test.py bench

The checks of a key-value server's answers find a server that loses or changes a value.
"""

import os
import sys
import threading
import socketserver
import unittest

sys.path[:0] = [sys.argv[1], os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]

import key_value  # noqa: E402
from unittests import run_tests  # noqa: E402

PATIENCE = 100


class Answering(socketserver.StreamRequestHandler):
    """The commands that the checks use. `spoil` may change a value that is read."""

    def handle(self):
        keys, spoil = self.server.keys, self.server.spoil
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2])
            name, given = words[0], words[1:]
            match name:
                case b"PING":
                    answer = b"+PONG\r\n"
                case b"DBSIZE":
                    answer = b":%d\r\n" % len(keys)
                case b"SET":
                    keys[given[0]] = given[1]
                    answer = b"+OK\r\n"
                case b"INCR":
                    keys[given[0]] = b"1"
                    answer = b":1\r\n"
                case b"DEL":
                    del keys[given[0]]
                    answer = b":1\r\n"
                case b"GET":
                    answer = self.text(keys.get(given[0]))
                case b"MGET":
                    answer = b"*%d\r\n" % len(given)
                    answer += b"".join(self.text(spoil(key, keys.get(key))) for key in given)
            self.wfile.write(answer)

    @staticmethod
    def text(value):
        return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


class Checks(unittest.TestCase):
    def served(self, spoil):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering)
        server.daemon_threads = True
        server.keys, server.spoil = {}, spoil
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server, server.server_address[1]

    def test_a_server_that_keeps_its_values_passes(self):
        server, port = self.served(lambda _, value: value)
        key_value.prepare(port, PATIENCE)
        server.keys[b"key:000000000007"] = b"x" * key_value.LENGTH  # as a load that writes leaves it
        key_value.check_values(port, PATIENCE, changed=True)

    def test_a_value_that_a_load_of_reads_changed_is_found(self):
        server, port = self.served(lambda _, value: value)
        key_value.prepare(port, PATIENCE)
        server.keys[b"key:000000000007"] = b"x" * key_value.LENGTH
        with self.assertRaisesRegex(key_value.Wrong, "key:000000000007"):
            key_value.check_values(port, PATIENCE, changed=False)

    def test_a_lost_value_a_cut_value_and_a_key_too_many_are_found(self):
        for spoil in (lambda _, __: None, lambda _, value: value[1:]):
            _, port = self.served(spoil)
            with self.assertRaises(key_value.Wrong):
                key_value.prepare(port, PATIENCE)
        server, port = self.served(lambda _, value: value)
        key_value.prepare(port, PATIENCE)
        server.keys[b"more"] = b""
        with self.assertRaisesRegex(key_value.Wrong, "DBSIZE"):
            key_value.check_values(port, PATIENCE, changed=True)


if __name__ == "__main__":
    run_tests()
