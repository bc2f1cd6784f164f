#!/usr/bin/env python3
"""usage: chat_test.py PROGRAM

Drives the chat server of docs/examples with several clients.
"""

import socket
import sys

from served import check, equal, run, server


def enter(chat, name, *others):
    """A client that all the others have seen come."""
    client = chat.connect()
    equal(client.until(b"\n"), b"your name?")
    client.send(name + b"\n")
    client.send(b"/who\n")
    equal(name in client.until(b"\n").split(), True)
    for one in others:
        equal(one.until(b"\n"), b"* " + name + b" joined")
    return client


@check("what one says all others hear, in order")
def conversation(program):
    with server(program) as chat:
        ada = enter(chat, b"ada")
        bob = enter(chat, b"bob", ada)
        eve = enter(chat, b"eve", ada, bob)
        ada.send(b"".join(b"%d\r\n" % i for i in range(50)))
        for one in (bob, eve):
            for i in range(50):
                equal(one.until(b"\n"), b"ada: %d" % i)
        bob.send(b"hello\n/who\n")
        equal(bob.until(b"\n"), b"* ada bob eve")
        for one in (ada, eve):
            equal(one.until(b"\n"), b"bob: hello")
        bob.send(b"/quit\n")
        equal(bob.rest(), b"")
        eve.socket.close()
        left = {ada.until(b"\n"), ada.until(b"\n")}
        equal(left, {b"* bob left", b"* eve left"})
        for one in (ada, bob):
            one.socket.close()


@check("a name is one client's")
def names(program):
    with server(program) as chat:
        ada = enter(chat, b"ada")
        with chat.connect() as other:
            other.send(b"ada\n")
            equal(other.rest(), b"your name?\n* somebody is called ada already\n")
        ada.send(b"/quit\n")
        equal(ada.rest(), b"")
        enter(chat, b"ada").socket.close()
        ada.socket.close()


@check("a line that is too long ends its client")
def long_line(program):
    with server(program) as chat:
        ada = enter(chat, b"ada")
        bob = enter(chat, b"bob", ada)
        bob.send(b"x" * 2000)
        equal(ada.until(b"\n"), b"* bob left")
        ada.socket.close()
        bob.socket.close()


@check("a client that does not read is dropped, and nobody waits for it")
def slow_client(program):
    with server(program, "0", "300") as chat:
        ada = enter(chat, b"ada")
        bob = enter(chat, b"bob", ada)
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", chat.port))
        slow.sendall(b"slow\n")
        for one in (ada, bob):
            equal(one.until(b"\n"), b"* slow joined")
        line = b"x" * 1000
        gone = False
        while not gone:
            ada.send((line + b"\n") * 32)
            heard = 0
            while heard < 32:
                found = bob.until(b"\n")
                if found == b"* slow was too slow":
                    gone = True
                else:
                    equal(found, b"ada: " + line)
                    heard += 1
        for one in (ada, bob, slow):
            (one if one is slow else one.socket).close()


@check("SIGTERM says goodbye")
def stop(program):
    with server(program) as chat:
        ada = enter(chat, b"ada")
        with chat.connect() as nameless:
            equal(nameless.until(b"\n"), b"your name?")
            chat.signal()
            equal(ada.rest(), b"* the server stops\n")
            equal(nameless.rest(), b"")
        ada.socket.close()
        equal(chat.end(), "")


sys.exit(run(sys.argv[1]))
