#!/usr/bin/env python3
"""usage: http_test.py PROGRAM [uring|epoll]

Drives the HTTP server of docs/examples/http and checks what it answers, and when it closes.
"""

import contextlib
import signal
import socket
import struct
import sys
import threading

from served import at_once, check, equal, run, server

HOST = b"Host: test\r\n"


def get(target, *headers, method=b"GET"):
    lines = b"".join(one + b"\r\n" for one in headers)
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n"


def post(body, *headers):
    return get(b"/echo", b"Content-Length: %d" % len(body), *headers, method=b"POST") + body


class Answer:
    """An answer that is read from a connection."""

    def __init__(self, connection, head_only=False):
        lines = connection.until(b"\r\n\r\n").split(b"\r\n")
        version, status, self.reason = lines[0].split(b" ", 2)
        equal(version, b"HTTP/1.1")
        self.status = int(status)
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(b": ", 1)
            if name in self.headers:
                raise AssertionError(f"{name} is there twice")
            self.headers[name] = value
        self.closes = self.headers.get(b"Connection") == b"close"
        self.chunks = []
        if head_only or self.status == 100:
            self.body = b""
        elif b"Content-Length" in self.headers:
            self.body = connection.exactly(int(self.headers[b"Content-Length"]))
        elif self.headers.get(b"Transfer-Encoding") == b"chunked":
            while size := int(connection.until(b"\r\n"), 16):
                self.chunks.append(connection.exactly(size))
                equal(connection.exactly(2), b"\r\n")
            equal(connection.exactly(2), b"\r\n")
            self.body = b"".join(self.chunks)
        else:
            self.body = connection.rest()


def expect(connection, status, body=None, closes=False, head_only=False):
    answer = Answer(connection, head_only)
    equal(answer.status, status)
    if body is not None:
        equal(answer.body, body)
    equal(answer.closes, closes)
    if closes:
        equal(connection.rest(), b"")
    return answer


@check("requests on one connection are answered one after the other")
def keep_alive(program):
    with server(program) as http, http.connect() as client:
        for _ in range(3):
            client.send(get(b"/"))
            answer = expect(client, 200, b"hello\n")
            equal(answer.headers[b"Content-Type"], b"text/plain")
            equal(answer.headers[b"Date"][-4:], b" GMT")
        client.send(get(b"/none"))
        expect(client, 404)
        client.send(get(b"/fail"))  # the handler throws
        expect(client, 500)
        client.send(get(b"/", method=b"DELETE"))
        equal(expect(client, 405).headers[b"Allow"], b"GET, HEAD")
        client.send(get(b"/", b"Connection: close"))
        expect(client, 200, b"hello\n", closes=True)


@check("/metrics has the counts of the runtime")
def metrics(program):
    with server(program, "measure_wakeups=1") as http, http.connect() as client:
        client.send(get(b"/"))
        expect(client, 200, b"hello\n")
        client.send(get(b"/metrics"))
        answer = expect(client, 200)
        equal(answer.headers[b"Content-Type"], b"text/plain; version=0.0.4; charset=utf-8")
        lines = answer.body.decode().splitlines()
        for name, kind in (("fibers", "gauge"), ("parks_total", "counter"), ("wakeup_seconds", "histogram")):
            equal(f"# TYPE hilo_{name} {kind}" in lines, True)
        submitted = [line for line in lines if line.startswith('hilo_io_submitted_total{worker="')]
        equal(sum(int(line.split()[-1]) for line in submitted) >= 1, True)
        client.send(get(b"/metrics", method=b"PUT"))
        expect(client, 405)


@check("HTTP/1.0 closes, unless the client asks to keep the connection")
def old_version(program):
    with server(program) as http, http.connect() as client:
        client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        equal(expect(client, 200, b"hello\n").headers[b"Connection"], b"keep-alive")
        client.send(b"GET /count/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        expect(client, 200, b"1\n2\n3\n", closes=True)


@check("pipelined requests are answered in their order, and together")
def pipelining(program):
    with server(program) as http, http.connect() as client:
        client.send(b"".join(post(b"%d" % i) for i in range(5)))
        client.socket.recv(1, socket.MSG_PEEK)
        client.buffer = client.socket.recv(65536)
        for i in range(5):
            expect(client, 200, b"%d" % i)
        equal(client.buffer, b"")  # all came with what was received first
        count = 2000
        batch = b"".join(post(b"%d" % i * (i % 50)) for i in range(count))
        writer = threading.Thread(target=client.send, args=(batch,))
        writer.start()
        for i in range(count):
            expect(client, 200, b"%d" % i * (i % 50))
        writer.join()


@check("a request may come byte by byte, and with a line end too many")
def bytewise(program):
    with server(program) as http, http.connect() as client:
        client.send_bytewise(post(b"slow and steady", b"X-Padding:  \t some value \t "))
        expect(client, 200, b"slow and steady")
        client.send_bytewise(b"\r\n" + get(b"/"))
        expect(client, 200, b"hello\n")
        client.send_bytewise(get(b"/echo", b"Transfer-Encoding: chunked", method=b"POST") +
                             b"3\r\nabc\r\nA;why=not\r\n0123456789\r\n0\r\nX-Sum: 13\r\n\r\n")
        expect(client, 200, b"abc0123456789")


@check("bodies come with a length or in chunks, up to the limit")
def bodies(program):
    with server(program, "body=100000") as http, http.connect() as client:
        chunked = get(b"/echo", b"Transfer-Encoding: chunked", method=b"POST")
        big = bytes(range(256)) * 390
        client.send(post(b"") + post(big) + chunked + b"0\r\n\r\n")
        expect(client, 200, b"")
        expect(client, 200, big)
        expect(client, 200, b"")
        pieces = [big[at : at + 1000] for at in range(0, len(big), 1000)]
        client.send(chunked + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) +
                    b"0\r\n\r\n" + get(b"/"))
        expect(client, 200, big)
        expect(client, 200, b"hello\n")
        client.send(chunked + b"186a1\r\n" + bytes(100001))
        expect(client, 413, closes=True)
        with http.connect() as other:  # the length alone decides
            other.send(get(b"/echo", b"Content-Length: 100001", method=b"POST"))
            expect(other, 413, closes=True)


@check("answers of unknown length are chunked")
def chunked_answers(program):
    with server(program) as http, http.connect() as client:
        client.send(get(b"/count/3") + get(b"/count/30000") + get(b"/count/0") + get(b"/"))
        equal(expect(client, 200).chunks, [b"1\n", b"2\n", b"3\n"])
        expect(client, 200, b"".join(b"%d\n" % i for i in range(1, 30001)))
        expect(client, 200, b"")
        expect(client, 200, b"hello\n")


@check("HEAD gets the head alone")
def head(program):
    with server(program) as http, http.connect() as client:
        client.send(get(b"/", method=b"HEAD") + get(b"/count/9", method=b"HEAD") + get(b"/"))
        equal(expect(client, 200, head_only=True).headers[b"Content-Length"], b"6")
        chunked = expect(client, 200, head_only=True)
        equal(chunked.headers[b"Transfer-Encoding"], b"chunked")
        expect(client, 200, b"hello\n")


@check("a head that is too long gets 431, however it comes")
def long_heads(program):
    with server(program, "head=4096") as http:
        for request in (
            get(b"/", b"X-Long: " + b"x" * 4000)[:-1] + b"\n",
            get(b"/" + b"x" * 4096),
            get(b"/", b"X-Endless: " + b"x" * 100000)[:-4],
            get(b"/", *(b"X-%d: y" % i for i in range(101))),
        ):
            with http.connect() as client:
                fits = len(request) <= 4096 and request.count(b"\n") < 100
                client.send(request)
                expect(client, 200 if fits else 431, closes=not fits)
        with http.connect() as client:
            client.send(get(b"/", b"X-Long: " + b"x" * (4096 - len(get(b"/", b"X-Long: ")))))
            expect(client, 200, b"hello\n")
            client.send(get(b"/", b"X-Long: " + b"x" * (4097 - len(get(b"/", b"X-Long: ")))))
            expect(client, 431, closes=True)


@check("what is no request gets 400 and the end")
def bad_requests(program):
    both = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"
    bad = {
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": 400,
        b"GET / HTTP/1.1\r\n\r\n": 400,
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n": 400,
        b"GET / HTTP/1.1\r\n" + HOST + b"No colon\r\n\r\n": 400,
        b"GET / HTTP/1.1\r\n" + HOST + b"X-Folded: a\r\n b\r\n\r\n": 400,
        b"GET / HTTP/x.1\r\n" + HOST + b"\r\n": 400,
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n": 400,
        b"POST /echo HTTP/1.1\r\n" + HOST + both + b"\r\n": 400,
        b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n": 400,
        b"GET / HTTP/2.0\r\n" + HOST + b"\r\n": 505,
        b"CONNECT test:80 HTTP/1.1\r\n" + HOST + b"\r\n": 501,
    }
    with server(program) as http:
        for request, status in bad.items():
            with http.connect() as client:
                client.send(get(b"/") + request + get(b"/"))
                expect(client, 200, b"hello\n")  # what came before it was good
                expect(client, status, closes=True)


@check("a client that expects 100 (Continue) gets it when its body is welcome")
def expectations(program):
    expecting = b"Expect: 100-continue"
    with server(program, "body=1000") as http:
        with http.connect() as client:
            client.send(get(b"/") + get(b"/echo", b"Content-Length: 3", expecting, method=b"POST"))
            expect(client, 200, b"hello\n")
            expect(client, 100)
            client.send(b"abc")
            expect(client, 200, b"abc")
            client.send(post(b"not waited", expecting))
            expect(client, 200, b"not waited")
            client.send(get(b"/echo", b"Content-Length: 1001", expecting, method=b"POST"))
            expect(client, 413, closes=True)
        with http.connect() as client:
            client.send(post(b"abc", b"Expect: wonders"))
            expect(client, 417, closes=True)


@check("a client that ends its side is answered first")
def half_close(program):
    with server(program) as http:
        with http.connect() as client:
            client.send(get(b"/") + get(b"/count/2"))
            client.socket.shutdown(socket.SHUT_WR)
            expect(client, 200, b"hello\n")
            expect(client, 200, b"1\n2\n")
            equal(client.rest(), b"")
        with http.connect() as client:
            client.send(get(b"/")[:-3])
            client.socket.shutdown(socket.SHUT_WR)
            equal(client.rest(), b"")


def dribble(client, data):
    """Sends byte by byte, slowly, until there is an answer."""
    client.socket.settimeout(0.05)
    for at in range(len(data)):
        try:
            client.buffer = client.socket.recv(65536)
            break
        except TimeoutError:
            client.send(data[at : at + 1])
    else:
        raise AssertionError("it was never cut off")
    client.socket.settimeout(60)


@check("slow clients are told so, idle ones are left, and those that do not read are cut off")
def slow_clients(program):
    def slow_head():
        with server(program, "head_time=1500") as http:
            with http.connect() as silent, http.connect() as half, http.connect() as slow:
                half.send(get(b"/")[:-1])
                dribble(slow, get(b"/", *[b"X: y"] * 99))
                expect(slow, 408, closes=True)
                expect(half, 408, closes=True)
                equal(silent.rest(), b"")

    def slow_second_head():
        with server(program, "head_time=1500") as http:
            with http.connect() as later:
                later.send(get(b"/") + get(b"/")[:-1])
                expect(later, 200, b"hello\n")
                expect(later, 408, closes=True)

    def slow_body():
        with server(program, "body_time=500") as http:
            with http.connect() as client:
                client.send(post(b"abc")[:-1])
                expect(client, 408, closes=True)

    def idle():
        with server(program, "idle_time=300") as http, http.connect() as client:
            client.send(get(b"/"))
            expect(client, 200, b"hello\n")
            equal(client.rest(), b"")

    def unread():
        with server(program, "connections=1", "write_time=300") as http:
            with http.connect() as greedy, http.connect() as next_one:
                greedy.send(get(b"/count/100000000"))
                next_one.send(get(b"/", b"Connection: close"))  # served once the first is gone
                expect(next_one, 200, b"hello\n", closes=True)

    at_once([slow_head, slow_second_head, slow_body, idle, unread])


@check("connections beyond the limit wait until one has ended")
def limit(program):
    with server(program, "connections=2") as http:
        with http.connect() as first, http.connect() as second:
            for client in (first, second):
                client.send(get(b"/"))
                expect(client, 200)
            with http.connect() as third:
                third.send(get(b"/"))
                for _ in range(20):
                    second.send(get(b"/"))
                    expect(second, 200)
                equal(third.is_silent(), True)
                first.send(get(b"/", b"Connection: close"))
                expect(first, 200, closes=True)
                first.socket.close()
                expect(third, 200)


@check("many connections are served at once, and those that are reset do no harm")
def many_connections(program):
    with server(program) as http, contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(http.connect()) for _ in range(400)]
        for number, client in enumerate(clients):
            client.send(post(b"%d" % number))
        for number, client in enumerate(clients):
            expect(client, 200, b"%d" % number)
        for client in clients[:200]:
            client.send(get(b"/count/1000"))
            linger = struct.pack("ii", 1, 0)  # close sends a reset
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.socket.close()
        for client in clients[200:]:
            client.send(get(b"/"))
        for client in clients[200:]:
            expect(client, 200, b"hello\n")


def begin_waiting(client, milliseconds, *others):
    """Sends a request that is answered later, and others; returns when it is being served."""
    client.send(get(b"/wait/%d" % milliseconds) + b"".join(others))
    client.until(b"\r\n\r\n8\r\nwaiting\n\r\n")


@check("SIGTERM lets running requests end, and refuses new connections")
def graceful_stop(program):
    with server(program) as http:
        with http.connect() as idle, http.connect() as busy, http.connect() as reading:
            idle.send(get(b"/"))
            expect(idle, 200)
            reading.send(get(b"/") + post(b"abc")[:-1])
            expect(reading, 200)
            begin_waiting(busy, 1000, get(b"/"))
            http.signal()
            equal(idle.rest(), b"")
            http.wait_refusing()
            reading.send(b"c")
            expect(reading, 200, b"abc", closes=True)
            equal(busy.until(b"0\r\n\r\n"), b"5\r\ndone\n\r\n")
            expect(busy, 200, b"hello\n", closes=True)  # it had been read
        equal(http.end(), "stopped\n")


@check("a stop waits no longer than it was told, and not at all after a second signal")
def forced_stop(program):
    def stop(*options, again):
        with server(program, *options) as http:
            with http.connect() as first, http.connect() as second:
                for client in (first, second):
                    begin_waiting(client, 1000000)
                http.signal()
                if again:
                    http.signal(signal.SIGINT)
                for client in (first, second):
                    equal(client.until(b"0\r\n\r\n"), b"11\r\nthe server stops\n\r\n")
                    equal(client.rest(), b"")
            equal(http.end(), "stopped\n")

    at_once([lambda: stop("stop_time=300", again=False),
             lambda: stop("stop_time=1000000", again=True)])


@check("SIGTERM under load loses no answer")
def stop_under_load(program):
    with server(program, "carriers=2", "grace_time=20000") as http:
        clients = [http.connect() for _ in range(16)]
        ready = threading.Barrier(len(clients) + 1, timeout=60)
        answered = [0] * len(clients)

        def ask(number):
            with clients[number] as client:
                batch = 1 + number % 3
                while True:
                    client.send(get(b"/") * batch)
                    for i in range(batch):
                        answer = Answer(client)
                        equal((answer.status, answer.body), (200, b"hello\n"))
                        answered[number] += 1
                        if answer.closes:
                            equal(i, batch - 1)
                            return
                    if answered[number] == 20 * batch:
                        ready.wait()

        def stop():
            ready.wait()
            late = [http.connect() for _ in range(8)]
            for one in late:
                one.send(get(b"/"))
            http.signal()
            for one in late:
                with one:
                    equal(Answer(one).body, b"hello\n")

        at_once([stop] + [lambda i=i: ask(i) for i in range(len(clients))])
        equal(http.end(), "stopped\n")
        equal(min(answered) >= 20, True)


sys.exit(run(*sys.argv[1:]))
