#!/usr/bin/env python3
"""Checks that docs/machine.md names each system call and each file of the machine that runtime/ uses.

A call is what runtime/ calls by its number (SYS_...), and what it calls by libc's name for it. A file is a
string that begins with /proc, /sys, /etc or /dev. Prints one line a fault and, last, a total for ./dev check.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

NUMBER = re.compile(r"\bSYS_([a-z0-9_]+)\b")
FILE = re.compile(r'"(/(?:proc|sys|etc|dev)/[^" ]*)"')
# libc's functions that are one system call, by the call's name.
BY_NAME = re.compile(
    r"(?<![\w:])::(mmap|munmap|mprotect|madvise|sigaltstack|sched_getaffinity|sched_yield|nanosleep|"
    r"getrandom|eventfd|epoll_create1|epoll_ctl|prctl|getrlimit|sigaction|getaddrinfo)\("
)
COMMENT = re.compile(r"//[^\n]*")


def sources():
    for folder, _, names in os.walk(os.path.join(ROOT, "runtime")):
        for name in sorted(names):
            if name.endswith((".cpp", ".hpp", ".S")):
                yield os.path.join(folder, name)


def used(text):
    """What a source uses: names of calls and of files."""
    code = COMMENT.sub("", text)
    found = set(NUMBER.findall(code)) | set(BY_NAME.findall(code)) | set(FILE.findall(code))
    if "<liburing.h>" in code:
        found |= {"io_uring_setup", "io_uring_enter", "io_uring_register"}
    return found


def named(page):
    """What the page's tables name: in code spans of a row's first cell."""
    found = set()
    for row in re.findall(r"^\| (.*?) \|", page, flags=re.M):
        found |= set(re.findall(r"`([^`]+)`", row))
    return found


def faults(page, texts):
    known = named(page)
    everywhere = set().union(*texts.values()) if texts else set()
    for path, uses in sorted(texts.items()):
        for name in sorted(uses - known):
            yield f"{path}: docs/machine.md does not name {name}"
    for name in sorted(known - everywhere):
        if re.fullmatch(r"[a-z0-9_]+", name) or name.startswith("/"):
            yield f"docs/machine.md: nothing in runtime/ uses {name}"


def main():
    # The rule proves itself first.
    sample = {"a.cpp": used('call(SYS_futex); open("/proc/x"); ::mmap(0); // SYS_tkill')}
    assert sample["a.cpp"] == {"futex", "/proc/x", "mmap"}
    assert len(list(faults("| `futex`, `mmap` | x |\n", sample))) == 1
    assert len(list(faults("| `futex`, `mmap`, `/proc/x`, `read` | x |\n", sample))) == 1

    texts = {}
    for path in sources():
        with open(path, encoding="utf-8") as file:
            texts[os.path.relpath(path, ROOT)] = used(file.read())
    with open(os.path.join(ROOT, "docs/machine.md"), encoding="utf-8") as file:
        found = list(faults(file.read(), texts))
    for fault in found:
        print(fault)
    print(f"machine: {len(set().union(*texts.values()))} calls and files, {len(found)} faults")
    print(f"hilo-tests: {0 if found else 1} passed, {len(found)} failed, 0 skipped")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
