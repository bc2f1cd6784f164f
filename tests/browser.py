"""Opens pages in a headless Chromium, by its protocol over a pipe: needs nothing beside Python.

  with Browser() as browser:
      page = browser.open(path, width=400, query="q=word")
      page.ask("document.title")   # the value of an expression
      page.picture(file)           # the whole page as PNG
      page.complaints              # errors of the console, of scripts, and of loading
      page.go(other)               # another file in the same window; window() opens one without a file
      page.close()

A port would be open to every user of the machine; a pipe is not.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE = 100  # seconds until an answer is given up

# The browser reads from descriptor 3 and writes to 4. The pipes' ends have greater numbers, so that
# they do not overwrite each other.
ABOVE = 20
PLACE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Trouble(Exception):
    pass


def find():
    """The browser's program, or nothing."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


class Browser:
    def __init__(self, program=None):
        self.program = program or find()
        if not self.program:
            raise Trouble("there is no Chromium (Debian: chromium)")
        self.number = 0
        self.buffer = b""
        self.events = []

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        profile = self.stack.enter_context(
            tempfile.TemporaryDirectory(prefix="hilo-browser-", ignore_cleanup_errors=True)
        )
        theirs_in, self.to = os.pipe()
        self.answers, theirs_out = os.pipe()
        options = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
                   "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # the sandbox refuses root
        with os.fdopen(fcntl.fcntl(theirs_in, fcntl.F_DUPFD, ABOVE)) as source, os.fdopen(
            fcntl.fcntl(theirs_out, fcntl.F_DUPFD, ABOVE), "wb"
        ) as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PLACE, str(source.fileno()), str(sink.fileno()), self.program, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(source.fileno(), sink.fileno()),
            )
        os.close(theirs_in)
        os.close(theirs_out)
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(PATIENCE)
        except (Trouble, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.answers)
        self.stack.close()

    def next_message(self, limit):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, limit - time.monotonic()))
            more = os.read(self.answers, 1 << 20) if ready else b""
            if not more:
                raise Trouble("the browser ended" if ready else f"no answer of the browser in {PATIENCE} s")
            self.buffer += more
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + PATIENCE
        while True:
            got = self.next_message(limit)
            if got.get("id") == self.number:
                if "error" in got:
                    raise Trouble(f"{method}: {got['error']['message']}")
                return got["result"]
            self.events.append(got)

    def wait_for(self, method, session):
        limit = time.monotonic() + PATIENCE
        while not any(e.get("method") == method and e.get("sessionId") == session for e in self.events):
            self.events.append(self.next_message(limit))

    def open(self, path, width, query=""):
        page = self.window(width)
        page.go(path, query)
        return page

    def window(self, width, height=900):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target, width, height)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        page.size(height)
        return page


class Page:
    def __init__(self, browser, session, target, width, height):
        self.browser, self.session, self.target = browser, session, target
        self.width, self.height = width, height

    def go(self, path, query=""):
        self.forget()
        url = f"file://{os.path.abspath(path)}" + (query and f"?{query}")
        self.browser.call("Page.navigate", self.session, url=url)
        self.browser.wait_for("Page.loadEventFired", self.session)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
        self.forget()

    def forget(self):
        self.browser.events = [e for e in self.browser.events if e.get("sessionId") != self.session]

    def size(self, height):
        self.browser.call("Emulation.setDeviceMetricsOverride", self.session, width=self.width,
                          height=height, deviceScaleFactor=1, mobile=self.width < 600)

    def ask(self, expression):
        answer = self.browser.call("Runtime.evaluate", self.session, expression=expression,
                                   returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Trouble(f"{expression}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def picture(self, file, whole=True):
        got = self.browser.call("Page.captureScreenshot", self.session, captureBeyondViewport=whole)
        with open(file, "wb") as out:
            out.write(base64.b64decode(got["data"]))

    @property
    def complaints(self):
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            told = event.get("params", {})
            match event["method"]:
                case "Runtime.exceptionThrown":
                    found.append(told["exceptionDetails"].get("text", "an exception"))
                case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                    found.append(" ".join(str(each.get("value", "")) for each in told["args"]))
                case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                    found.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())
                case "Network.loadingFailed" if not told.get("canceled"):
                    found.append(f"loading failed: {told['errorText']}")
        return found
