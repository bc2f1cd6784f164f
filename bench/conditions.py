"""What a run was measured on and with, for the report and for the comparison of two runs."""

import datetime
import json
import os
import platform
import re
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def first_match(path, pattern):
    """The first group of a pattern in a text file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""


def said(command, pattern):
    """The first group of a pattern in what a command prints; nothing if the command is not there."""
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        return ""
    answer = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    found = re.search(pattern, answer.stdout + answer.stderr)
    return found[1] if found else ""


def compiler(program):
    """The compiler that a program names in its own notes."""
    try:
        with open(program, "rb") as file:
            text = file.read()
    except OSError:
        return ""
    for pattern in (rb"clang version ([\w.]+)", rb"GCC: \([^)]*\) ([\w.]+)"):
        found = re.search(pattern, text)
        if found:
            return ("clang " if b"clang" in pattern else "g++ ") + found[1].decode()
    return ""


def introspected(programs, name):
    """One of the files in which Meson describes the build."""
    path = os.path.join(os.path.dirname(programs), "meson-info", f"intro-{name}.json")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return []


def versions(programs):
    """The compiler, and the version of each implementation from elsewhere that is there."""
    found = {"compiler": compiler(os.path.join(programs, "bench_hilo"))}
    build = {option["name"]: option["value"] for option in introspected(programs, "buildoptions")}
    if "optimization" in build:
        found["options"] = f"-O{build['optimization']}, {build['buildtype']}"
    for each in introspected(programs, "dependencies"):
        if each.get("name") in ("boost", "tbb", "benchmark", "liburing"):
            found[each["name"]] = each["version"]
    found["go"] = said(["go", "version"], r"go(\d[\w.]*)")
    found["nginx"] = said(["nginx", "-v"], r"nginx/([\w.]+)")
    found["redis"] = said(["redis-server", "--version"], r"v=([\w.]+)")
    found["wrk"] = said(["wrk", "-v"], r"wrk (\S+)")
    return {name: version for name, version in found.items() if version}


def commit():
    """The commit of the tree, and whether files were changed after it."""
    name = said(["git", "-C", TOP, "log", "-1", "--format=%h"], r"([0-9a-f]+)")
    changed = said(["git", "-C", TOP, "status", "--porcelain", "--untracked-files=no"], r"(\S)")
    return name + (" with changes" if name and changed else "")


def conditions(programs):
    """All of it, as it is recorded under "run"."""
    memory = first_match("/proc/meminfo", r"^MemTotal:\s+(\d+) kB")
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "when": now.strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*: (.*)") or platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": f"{int(memory) / 2**20:.1f} GiB" if memory else "",
        "kernel": f"Linux {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "load": f"{os.getloadavg()[0]:.2f}",
        "versions": versions(programs),
    }


def machine(run):
    """What the numbers were measured on, in one line."""
    cpus = f"{run['cpus']} CPUs" if "cpus" in run else ""
    return ", ".join(text for text in (run.get("cpu"), cpus, run.get("kernel"), run.get("libc")) if text)
