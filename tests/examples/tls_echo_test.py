#!/usr/bin/env python3
"""usage: tls_echo_test.py PROGRAM

Drives the TLS server and client of docs/examples: against each other, and against Python's ssl, curl
and openssl s_client where these are installed.
"""

import contextlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

from served import PATIENCE, Connection, at_once, check, equal, run, server

folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
CERTIFICATE = os.path.join(folder.name, "cert.pem")
KEY = os.path.join(folder.name, "key.pem")


def call(*words, code=0, **options):
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False, **options)
    if done.returncode != code:
        raise AssertionError(f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def make_certificate():
    call("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", KEY, "-out", CERTIFICATE,
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")


def serving(program):
    return server(program, "serve", CERTIFICATE, KEY, "0")


def connect(echo):
    trust = ssl.create_default_context(cafile=CERTIFICATE)
    plain = echo.connect().socket
    return Connection(trust.wrap_socket(plain, server_hostname="localhost"))


@check("its own client is answered, and ends its side first")
def own_client(program):
    with serving(program) as echo:
        done = call(program, "ask", CERTIFICATE, "127.0.0.1", str(echo.port), "no", code=1)
        equal("verify failed" in done.stderr, True)  # the certificate is for localhost
        try:
            done = call(program, "ask", CERTIFICATE, "localhost", str(echo.port), "hello", "you there")
        except AssertionError as error:
            if "no address" not in str(error) and "not known" not in str(error):
                raise
            print("localhost has no address here")
        else:
            equal(done.stdout, "hello\nyou there\n")
        echo.signal()
        echo.end(may_say="certificate")


@check("many clients at once, each with many lines and pieces of lines")
def many(program):
    with serving(program) as echo:
        def talk():
            with connect(echo) as client:
                for size in (1, 100, 8000):
                    client.send(b"x" * size + b"\n")
                    equal(client.until(b"\n"), b"x" * size)
                client.send(b"".join(b"%d\n" % i for i in range(2000)))
                for i in range(2000):
                    equal(client.until(b"\n"), b"%d" % i)
                client.send_bytewise(b"in pieces\n")
                equal(client.until(b"\n"), b"in pieces")

        at_once([talk] * 8)


@check("a peer that speaks no TLS, or trusts others, is told so, and others go on")
def strangers(program):
    with serving(program) as echo:
        with connect(echo) as client:
            with echo.connect() as plain:
                plain.send(b"GET / HTTP/1.0\r\n\r\n")
                with contextlib.suppress(OSError):  # the server did not read all
                    plain.rest()
            try:
                ssl.create_default_context().wrap_socket(echo.connect().socket, server_hostname="localhost")
                raise AssertionError("a certificate of nobody was trusted")
            except ssl.SSLCertVerificationError:
                pass
            client.send(b"still here\n")
            equal(client.until(b"\n"), b"still here")
        echo.signal()
        errors = echo.process.communicate(timeout=PATIENCE)[1].splitlines()
        equal(echo.process.returncode, 0)
        equal([line.split(":")[0] for line in errors], ["no handshake"] * 2)


@check("at SIGTERM each connection ends in order")
def graceful_end(program):
    with serving(program) as echo, connect(echo) as client:
        client.send(b"last\n")
        equal(client.until(b"\n"), b"last")
        echo.signal()
        equal(client.rest(), b"")  # Python's ssl raises if the end does not come by TLS
        echo.end()


@check("curl gets the page")
def by_curl(program):
    if shutil.which("curl") is None:
        print("curl is not installed")
        return
    with serving(program) as echo:
        where = f"https://localhost:{echo.port}/"
        done = call("curl", "--silent", "--show-error", "--cacert", CERTIFICATE, "--resolve",
                    f"localhost:{echo.port}:127.0.0.1", "--noproxy", "*", where)
        equal(done.stdout, "hello by TLS\n")


@check("openssl s_client is answered, by each version of TLS")
def by_s_client(program):
    with serving(program) as echo:
        for version in "-tls1_2", "-tls1_3":
            done = call("openssl", "s_client", "-connect", f"127.0.0.1:{echo.port}", "-CAfile", CERTIFICATE,
                        "-verify_return_error", "-quiet", version, input="GET / HTTP/1.0\n\n")
            equal(done.stdout.endswith("hello by TLS\n"), True)


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("skipped: openssl is not installed")
        print("hilo-tests: 0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    make_certificate()
    sys.exit(run(*sys.argv[1:]))
