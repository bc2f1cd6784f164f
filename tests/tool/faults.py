#!/usr/bin/env python3
"""Tests docs/finding-faults.md: its programs are the files, and its commands print what it shows.

usage: faults.py PAGE HILO NAME=PROGRAM...

Numbers, addresses and folders differ from build to build, and so does the order of lines of a dump. All else of each
line that the page shows must be printed. "..." stands for lines that are left out.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import Skipped, must, run_checks  # noqa: E402

page, hilo = sys.argv[1:3]
programs = {name: os.path.abspath(path) for name, path in (one.split("=", 1) for one in sys.argv[3:])}
folder = tempfile.TemporaryDirectory()
PATIENCE = 100

with open(page, encoding="utf-8") as opened:
    CONTENT = opened.read()
SHOWN = re.findall(r"^```text\n(.*?)^```$", CONTENT, re.MULTILINE | re.DOTALL)


def block(beginning):
    """The lines of the page's block that begins so, without the commands and without how long a fiber has waited."""
    found = [one for one in SHOWN if one.startswith(beginning)]
    must(len(found) == 1, f"{len(found)} blocks begin with {beginning}")
    lines = [line for line in found[0].splitlines() if line not in ("", "...") and not line.startswith("$ ")]
    return [line for line in lines if "waited for" not in line]


def plain(line):
    line = line.replace("(inlined)", "").strip()
    line = re.sub(r"^(hilo: +)?\d+ ", r"\1", line)  # the number of a frame
    line = re.sub(r"^[0-9a-f]{4,} ", "", line)      # perf's address
    line = re.sub(r"(?:[\w.+-]*/)+", "", line)
    line = re.sub(r" \(discriminator.*| \([\w.]+\+0x.*| by (main thread|thread T).*", "", line)
    return re.sub(r"0x[0-9a-f]+|\d[\d.,]*", "N", line).strip()


def must_print(beginning, text):
    printed = {plain(line) for line in text.splitlines()}
    for line in block(beginning):
        must(plain(line) in printed,
             f"the page shows\n{plain(line)}\nand this was printed:\n" + "\n".join(sorted(printed)))


def run(*command, **keywords):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE,
                          **keywords)


def line_of(program, report):
    """What addr2line says of the first address of the program in a report."""
    name = os.path.basename(program)
    place = re.search(rf"(?:/|\b){name}\+(0x[0-9a-f]+)(?:;|$)", report, re.MULTILINE)
    must(place, report)
    return run("addr2line", "-Cfi", "-e", program, place[1]).stdout


def shown_programs():
    for name in ("leak", "slow", "crash", "race"):
        path = os.path.join(os.path.dirname(page), f"examples/faults/{name}.cpp")
        with open(path, encoding="utf-8") as file:
            must(f"```cpp\n{file.read()}```\n" in CONTENT, f"the page does not show {path}")


def leak():
    with subprocess.Popen([programs["leak"]], stdout=subprocess.DEVNULL) as its:
        deadline = time.monotonic() + PATIENCE
        text = ""
        while "20 fibers: waiting" not in text and time.monotonic() < deadline:
            time.sleep(0.2)
            text = run(hilo, "dump", str(its.pid)).stdout
        its.kill()
    must_print("process", text)
    must(text.split("\n\n")[1].startswith("20 fibers: waiting"), text)


def slow():
    # On a machine where the fiber hardly gets a processor, hilo cannot ask it where it is, and says so.
    for _ in range(5):
        done = run(programs["slow"])
        must(done.returncode == 0 and "has kept carrier" in done.stderr, done.stderr)
        if "is at slow+" in done.stderr:
            break
    else:
        raise Skipped("the fiber gets too little processor time here")
    must_print("hilo: fiber #9 has kept", done.stderr)
    # The line of the moment is one of the loop's.
    said = line_of(programs["slow"], done.stderr).splitlines()
    must(said[0] in ("count_primes(int)", "handle(int)") and "slow.cpp:" in said[1], said)
    must(block("$ addr2line -Cfi -e slow")[0] == "count_primes(int)", "the page")


def perf():
    if not shutil.which("perf"):
        raise Skipped("there is no perf")
    data = os.path.join(folder.name, "perf.data")
    done = run("perf", "record", "-F", "199", "-e", "cpu-clock", "--call-graph", "dwarf", "-o", data, programs["slow"])
    if done.returncode != 0 or not os.path.exists(data):
        raise Skipped(f"perf does not work here: {done.stderr.strip()[-200:]}")
    text = run("perf", "script", "--no-inline", "-F", "comm,ip,sym", "-i", data).stdout
    if "hilo_context_entry" not in text and "count_primes" not in text:
        raise Skipped("perf has no symbols here")
    must_print("$ perf record", text)
    whole = [one for one in text.split("\n\n") if "count_primes" in one]
    cut = [one for one in whole if "hilo_context_entry" not in one]
    must(whole and len(cut) * 20 <= len(whole), f"{len(cut)} of {len(whole)} are cut:\n" + "\n\n".join(cut[:3]))


def crash():
    done = run(programs["crash"], preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    must(done.returncode == -signal.SIGSEGV, f"{done.returncode} {done.stderr}")
    must_print("hilo: SIGSEGV", done.stderr)
    must_print("$ addr2line -Cfi -e crash", line_of(programs["crash"], done.stderr.split("follows", 1)[1]))


def crash_core():
    def allow_core():
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))

    run(programs["crash"], cwd=folder.name, preexec_fn=allow_core)
    cores = [one for one in os.listdir(folder.name) if one.startswith("core")]
    if not cores:
        raise Skipped("no core is written into the working folder here")
    must_print('fiber #2 "reader"', run(hilo, "dump", os.path.join(folder.name, cores[0])).stdout)


def race():
    # It is seen if the fibers run at the same time, on two carriers.
    for _ in range(10):
        done = run(programs["race"])
        if done.stderr:
            break
    must("WARNING: ThreadSanitizer: data race" in done.stderr, done.stderr or "nothing was seen in 10 runs")
    must_print("WARNING: ThreadSanitizer", done.stderr)


CHECKS = {
    "leak": [("the leak is the first group", leak)],
    "slow": [("the slow handler is reported", slow), ("perf sees the whole fiber", perf)],
    "crash": [("the crash is reported", crash), ("the core has the crashed fiber", crash_core)],
    "race": [("the thread sanitizer sees the race", race)],
}
run_checks("finding faults", [("the page shows the programs", shown_programs),
                              *(check for name in programs for check in CHECKS[name])])
