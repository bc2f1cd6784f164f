#!/usr/bin/env python3
"""Tests hilo dump on processes and cores whose fibers are at known places.

usage: dump.py HILO VERSION PROGRAM STATIC_PROGRAM|- STUCK PAGE

STUCK is the program that PAGE, docs/debugging.md, shows with its dump.
"""

import json
import os
import pwd
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from targets import REASONS, SITES, Command, Skipped, Target, must, run_checks, strip  # noqa: E402

hilo = Command(sys.argv[1])
version, program = sys.argv[2:4]
static_program = None if sys.argv[4] == "-" else sys.argv[4]
stuck, page = sys.argv[5:]
folder = tempfile.TemporaryDirectory()


def check_sites(found, fibers, *, named=True):
    """Each site has its share of the fibers, with the site as innermost user function. A site may have several
    groups: a call of I/O may wait in the ring of one worker, and by epoll on another."""
    share = fibers // SITES
    frames = {one["number"]: [each["function"] for each in one["frames"]] for one in found["backtraces"]}
    counts = {}
    for one in found["groups"]:
        site = one["in"]["function"].split("(")[0] if named and "in" in one else ""
        must(one["state"] == "waiting", str(one))
        counts[site, one["reason"]] = counts.get((site, one["reason"]), 0) + one["count"]
        if site.startswith("site_"):
            names = frames[one["backtrace"]]
            must(sum("go_down" in name for name in names) == 3, f"not three frames of go_down: {names}")
            must(names[-1] == "hilo_context_entry", f"the stack does not end at the entry: {names}")
    if named:
        wanted = {(f"site_{i:02}", reason): share for i, reason in enumerate(REASONS)}
        got = {each: count for each, count in counts.items() if each[0].startswith("site_")}
    else:
        wanted = {("", reason): share * REASONS.count(reason) + (reason == "sleep") for reason in REASONS}
        got = counts
    must(got == wanted, f"{got}")


def live():
    with Target(program, "parked", 400) as its:
        found = hilo.dump(its.pid)
        check_sites(found, 400)
        must(len(found["fibers"]) == 401, str(len(found["fibers"])))
        must(its.state() == "S", its.state())
        check_details(found)


def times():
    """For how long fibers wait: the two of `deadlock` since they met, and the sleeper of the ticker for moments."""
    with Target(program, "deadlock") as its:
        before = time.monotonic()
        first = {one["number"]: one["waited_ms"] for one in hilo.dump(its.pid)["fibers"]}
        time.sleep(1.5)
        second = {one["number"]: one["waited_ms"] for one in hilo.dump(its.pid)["fibers"]}
        passed = (time.monotonic() - before) * 1000
        for number, waited in first.items():
            must(1400 <= second[number] - waited <= passed + 500, f"{first} {second} {passed}")
        text = hilo.run("dump", its.pid)
        must(re.search(r"\n  has waited for \d+\.\d s\n", text), text)
    with Target(program, "sleepers", 50) as its:
        text = hilo.run("dump", its.pid, "--no-stacks")
        must(re.search(r"\n  have waited for \d+\.\d m?s", text), text)


def check_details(found):
    """What some of the fibers wait for."""
    sites = {}
    for one in found["groups"]:
        if "in" in one:
            sites[one["backtrace"]] = one["in"]["function"].split("(")[0]
    for one in found["fibers"]:
        site = sites.get(one.get("backtrace"))
        its = one.get("waits_for", {})
        if site == "site_00":
            must((its["kind"], its["values"], its["capacity"]) == ("channel", 0, 4), str(one))
            must(its["variable"].endswith("never"), str(one))
        elif site == "site_05":
            must(its["kind"] == "mutex" and its["variable"].endswith("held"), str(one))
            must(its["held_by_ended_fiber"], str(one))
        elif site == "site_08":
            must(its["kind"] == "object" and its["variable"].endswith("opened"), str(one))
        elif site == "site_10":
            must((its["kind"], its["count"]) == ("semaphore", 0), str(one))
        elif site == "site_15":
            must(its["kind"] == "fiber", str(one))
        elif site == "site_17":
            must((its["kind"], its["call"]) == ("descriptor", "read"), str(one))
        elif site in ("site_02", "site_07", "site_14"):
            must(9 * 3600e9 < one["ns_left"] < 11 * 3600e9, str(one))
        if site and site.startswith("site_"):
            must("park_at_sites" in one["spawned_at"]["function"], str(one))
            must(one["stack_size"] == 16384 and 0 < one["stack_used"] < 16384, str(one))


def as_text():
    with Target(program, "parked", 400) as its:
        text = hilo.run("dump", its.pid)
        # Without optimisation the fibers of a site have one of several backtraces within hilo.
        groups = re.findall(r"^(\d+) fibers: waiting, channel receive$", text, flags=re.M)
        alone = re.findall(r"^fiber #.*: waiting, channel receive(?: for .* more)?$", text, flags=re.M)
        must(sum(map(int, groups)) + len(alone) == 60, text)
        must("site_00 at " in text and "parked_program.cpp:" in text, text)
        must("spawned at park_at_sites" in text.replace("(anonymous namespace)::", ""), text)
        must("workers\n" in text and "kernel threads\n" in text, text)


def one_fiber():
    with Target(program, "parked", 40) as its:
        all_of_them = hilo.dump(its.pid)["fibers"]
        number = all_of_them[3]["number"]
        found = hilo.dump(its.pid, "--fiber", number)
        must([one["number"] for one in found["fibers"]] == [number], str(found["fibers"]))
        must(len(found["backtraces"]) == 1, str(found["backtraces"]))
        must(hilo.run("dump", its.pid, "--fiber", number).startswith(f"fiber #{number}"), "")
        must("no living fiber" in hilo.run("dump", its.pid, "--fiber", 10**9, code=1), "")


def without_stacks():
    with Target(program, "parked", 400) as its:
        found = hilo.dump(its.pid, "--no-stacks")
        must("backtraces" not in found, "")
        counts = {}
        for one in found["groups"]:
            counts[one["reason"]] = counts.get(one["reason"], 0) + one["count"]
        must(counts["channel receive"] == 60 and counts["select"] == 20, str(counts))


def deadlocked():
    with Target(program, "deadlock") as its:
        text = hilo.run("dump", its.pid)
        must("mutex accounts, held by #" in text and "mutex journal, held by #" in text, text)
        found = {one.get("name"): one for one in hilo.dump(its.pid)["fibers"]}
        numbers = {name: one["number"] for name, one in found.items()}
        must(found["teller"]["waits_for"]["held_by"] == numbers["auditor"], str(found))
        must(found["auditor"]["waits_for"]["held_by"] == numbers["teller"], str(found))
        must(found["reader"]["waits_for"]["variable"] == "orders", str(found))


def spinning():
    with Target(program, "spin") as its:
        text = hilo.run("dump", its.pid)
        must('"spinner": running' in text and "--pause" in text, text)
        text = hilo.run("dump", its.pid, "--pause")
        must("spin_here at" in text, text)
        must(its.state() in "SR", its.state())


def paused():
    with Target(program, "parked", 400) as its:
        found = hilo.dump(its.pid, "--pause")
        must(found["still"], "not still")
        check_sites(found, 400)
        must(its.state() == "S", its.state())


def stopped():
    with Target(program, "parked", 400) as its:
        for how in [], ["--pause"]:
            os.kill(its.pid, signal.SIGSTOP)
            its.wait_for("T")
            found = hilo.dump(its.pid, *how)
            must(found["still"], "not still")
            check_sites(found, 400)
            its.wait_for("T")
            must(its.state() == "T", its.state())
            os.kill(its.pid, signal.SIGCONT)
            its.wait_for("S")
            must(its.state() == "S", its.state())


def own_storage():
    try:
        its = Target(program, "own", 40)
    except RuntimeError as reason:
        raise Skipped(f"no tls::own here: {reason}") from None
    with its:
        found = hilo.dump(its.pid)
        check_sites(found, 40)
        must(sum(one.get("owns_tls", False) for one in found["fibers"]) == 41, "")


def two_runtimes():
    with Target(program, "two", 40) as its:
        found = hilo.dump(its.pid)
        must(len(found["runtimes"]) == 2, str(found["runtimes"]))
        must([one["runtime"] for one in found["fibers"] if one.get("name") == "elsewhere"] == [1], "")


def no_fibers():
    with Target(program, "idle") as its:
        must("2 carriers, 0 fibers" in hilo.run("dump", its.pid), "")


def changing():
    with Target(program, "busy", 200) as its:
        for i in range(20):
            found = hilo.dump(its.pid, *(["--pause"] if i % 4 == 3 else []))
            must(len(found["fibers"]) >= 150, str(len(found["fibers"])))
            for one in found["backtraces"]:
                must(one["frames"], "an empty backtrace")


def need(what, text):
    if what is None:
        raise Skipped(text)
    return what


def linked_statically():
    with Target(need(static_program, "no static programs here"), "parked", 400) as its:
        check_sites(hilo.dump(its.pid), 400)


def stripped(kind, keep_debug):
    def check():
        source = need(static_program, "no static programs here") if kind == "static" else program
        copy = strip(source, folder.name, keep_debug=keep_debug)
        with Target(copy, "parked", 400) as its:
            found = hilo.dump(its.pid)
            check_sites(found, 400, named=keep_debug)
            for one in found["backtraces"]:
                must(all(each["module"] or each["function"] for each in one["frames"]), str(one))
            hilo.run("dump", its.pid)

    return check


def core():
    for name in filter(None, (program, static_program)):
        with tempfile.TemporaryDirectory() as here:
            with Target(name, "parked", 400, folder=here) as its:
                live_fibers = {one["number"] for one in hilo.dump(its.pid)["fibers"]}
                found = hilo.dump(its.core())
            check_sites(found, 400)
            must({one["number"] for one in found["fibers"]} == live_fibers, "not the same fibers")
            must(found["missing_stacks"] == 0, str(found["missing_stacks"]))
    with tempfile.TemporaryDirectory() as here, Target(program, "spin", folder=here) as its:
        must("spin_here at" in hilo.run("dump", its.core()), "a running fiber has no stack")


def bad_cores():
    with tempfile.TemporaryDirectory() as here, Target(program, "deadlock", folder=here) as its:
        with open(its.core(), "rb") as file:
            whole = file.read()
    broken = os.path.join(folder.name, "broken")

    def refused(content, wanted, code):
        with open(broken, "wb") as file:
            file.write(content)
        text = hilo.run("dump", broken, code=code)
        must(wanted in text and text.count("\n") == 1, text)

    for part in (100, 3000, len(whole) // 2, len(whole) - 4096):
        refused(whole[:part], "truncated", 3)
    at = whole.index(b"hiloroot")
    refused(whole[: at + 8] + struct.pack("<I", 4711) + whole[at + 12 :], "whose structures this command", 1)
    refused(b"", "it is empty", 3)
    refused(b"not a core at all\n" * 100, "not a core file", 3)
    with open(program, "rb") as file:
        refused(file.read(), "not a core file", 3)
    must("No such file" in hilo.run("dump", "/nonexistent/core", code=3), "")


def bad_processes():
    gone = subprocess.Popen(["true"])
    gone.wait()
    must("there is no process" in hilo.run("dump", gone.pid, code=3), "")
    with subprocess.Popen(["sleep", "100"]) as other:
        time.sleep(0.2)  # until it is sleep and not a copy of this process
        must("there is no hilo in process" in hilo.run("dump", other.pid, code=1), "")
        other.kill()
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody").pw_uid
        with Target(program, "parked", 40) as its, tempfile.TemporaryDirectory() as here:
            # A copy that another user may run.
            copy = os.path.join(here, "hilo")
            subprocess.run(["cp", hilo.path, copy], check=True)
            os.chmod(here, 0o755)
            text = Command(copy).run("dump", its.pid, code=3, user=nobody, cwd="/")
            must("no permission to read process" in text and "ptrace_scope" in text, text)


def wrong_usage():
    for arguments in ([], ["frobnicate"], ["dump"], ["dump", "1", "2"], ["dump", "--frob"], ["dump", "1", "--fiber"],
                      ["dump", "1", "--fiber", "x"], ["info", "x"], ["help", "x"]):
        text = hilo.run(*arguments, code=2)
        must(text.startswith("hilo: ") and text.count("\n") == 1, text)


def handles(process, number):
    """Whether it has begun to handle a signal."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        caught = int(re.search(r"^SigCgt:\s*(\w+)", file.read(), flags=re.M)[1], 16)
    return caught >> (number - 1) & 1


def interrupted():
    with Target(program, "sleepers", 100000) as its:
        for wait in (0.05, 0.15, 0.3):
            running = subprocess.Popen(
                [hilo.path, "dump", "--pause", "--json", str(its.pid)], stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True)
            while not handles(running, signal.SIGINT):
                time.sleep(0.001)
            time.sleep(wait)
            running.send_signal(signal.SIGINT)
            _, said = running.communicate()
            if running.returncode != 0:  # it may have been faster
                must(running.returncode == 130 and said.startswith("hilo: interrupted"), f"{running.returncode} {said}")
            its.wait_for("S")
            must(its.state() == "S", its.state())


def full_disk():
    with Target(program, "parked", 400) as its, open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [hilo.path, "dump", str(its.pid)], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        must(done.returncode == 3 and "cannot write the output" in done.stderr, f"{done.returncode} {done.stderr}")


def the_page():
    """The dump in the page is the program's: all lines except those that differ from build to build."""
    with subprocess.Popen([stuck], env={**os.environ, "HILO_DEADLOCK": "off"}) as its:
        try:
            text = hilo.run_until("3 waiting", "dump", its.pid)
        finally:
            its.kill()

    def plain(dump):
        lines = dump.split("\nworkers")[0].splitlines()[1:]
        lines = [line for line in lines if not re.match(r"  +\d+ ", line)]
        kept = [re.sub(r"\d+", "N", line).replace("carriers", "carrier") for line in lines]
        return sorted(line for line in kept if line and "bytes used" not in line and "waited" not in line and "spawned at" not in line)

    with open(page, encoding="utf-8") as file:
        content = file.read()
    with open(os.path.join(os.path.dirname(page), "examples/stuck.cpp"), encoding="utf-8") as file:
        must(file.read().split("\n", 2)[2].strip() in content, "the page shows another program")
    shown = next(one for one in re.findall(r"```text\n(.*?)```", content, flags=re.S) if one.startswith("process"))
    must(plain(shown) == plain(text), f"{plain(shown)}\n{plain(text)}")


def about_itself():
    must(hilo.run("--version") == f"hilo {version}\n", hilo.run("--version"))
    for arguments in (["help"], ["help", "dump"], ["help", "info"], ["dump", "--help"], ["--help"]):
        must("hilo" in hilo.run(*arguments), "")
    text = hilo.run("info")
    for word in ("threads", "I/O", "stack guards", "tls::own", "carriers", "descriptors"):
        must(f"\n{word} " in text, text)
    must({one["name"] for one in json.loads(hilo.run("info", "--json"))["entries"]} >= {"threads", "I/O"}, "")


run_checks("hilo dump", [
    ("the command tells its version and its commands", about_itself),
    ("all groups of a live process have the right function, count and reason", live),
    ("the text says the same", as_text),
    ("for how long fibers have waited", times),
    ("one fiber", one_fiber),
    ("no stacks", without_stacks),
    ("a deadlock shows who holds what", deadlocked),
    ("a fiber that spins", spinning),
    ("a process that is paused goes on", paused),
    ("a stopped process stays stopped", stopped),
    ("fibers with their own thread-local storage", own_storage),
    ("two runtimes", two_runtimes),
    ("no fibers", no_fibers),
    ("a process that changes all the time", changing),
    ("a static program", linked_statically),
    ("a program without symbols, which are in another file", stripped("shared", True)),
    ("a program without symbols", stripped("shared", False)),
    ("a static program without symbols", stripped("static", False)),
    ("a core", core),
    ("bad cores are refused with one line", bad_cores),
    ("bad processes are refused with one line", bad_processes),
    ("wrong usage is refused with one line", wrong_usage),
    ("an interrupt leaves the process running", interrupted),
    ("a full disk", full_disk),
    ("the page shows a real dump", the_page),
])
