#!/usr/bin/env python3
"""Checks that docs/machine.md names each system call and each file of the machine that runtime/ uses.

A call is what runtime/ calls by its number (SYS_...), and what it calls by libc's name for it. A file is a
string that begins with /proc, /sys, /etc or /dev. Each call that the page names is refused by a row of
tests/io/machine_test.cpp, or WITHOUT_A_ROW says why not. Each file that the page names is hidden by a row of
tests/io/machine_files_test.cpp. Prints one line a fault and, last, a total for ./dev
check.
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

# Calls of the page that no row refuses, and why.
PASSED_ON = "a call of hilo/io.hpp passes its error on, as tests/io/every_call_test.cpp shows for other errors"
WITHOUT_A_ROW = {
    "exit": "a thread that cannot end has no right answer",
    "exit_group": "the child could not report its end",
    "futex": "libc ends the process where futex fails in another way than it expects",
    "gettid": "it has no error; the page names no sandbox that refuses it",
    "accept4": "the call waits for a descriptor, as tests/io/net_test.cpp shows",
    "rt_sigprocmask": "the process aborts with one line",
    "rseq": "glibc ends the process; tests/thread/fault_test.cpp refuses it at the start of a thread",
    "sched_setscheduler": "refused by tests/thread/fault_test.cpp",
    "getpriority": "read by this_thread::nice() only, which returns the error's value as libc does",
    "epoll_pwait": "used only where epoll_pwait2 is absent, which a row makes so",
    "eventfd": "the older number of eventfd2, which a row refuses",
    "rt_sigtimedwait": "drops a SIGPIPE that is pending already; a refusal leaves it pending",
    "chdir": "made in the child of a program start, whose errors have one way back: execve has a row",
    "setpgid": "likewise; tests/io/process_group_test.cpp names a group that is not there",
    "sigaction": "libc's name of rt_sigaction, which a row refuses",
    "getrlimit": "libc makes it by prlimit64, which a row refuses",
    "getaddrinfo": "a function of libc: the error of a look-up is passed on",
}
WITHOUT_A_ROW |= dict.fromkeys(
    """getdents64 read write readv writev preadv2 pwritev2 pread64 pwrite64 recvfrom recvmsg sendto sendmsg shutdown splice
    tee close lseek fdatasync ftruncate fallocate fchmod unlinkat""".split(),
    PASSED_ON,
)


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


def without_a_row(page, tests):
    """Of the calls that the page names: those that nothing refuses and no reason excuses, and stale reasons."""
    calls = {name for name in named(page) if re.fullmatch(r"[a-z0-9_]+", name)}
    refused = set(NUMBER.findall(tests))
    for name in sorted(calls - refused - set(WITHOUT_A_ROW)):
        yield f"docs/machine.md names {name}, which no row of tests/io/machine_test.cpp refuses"
    for name in sorted(set(WITHOUT_A_ROW) & refused):
        yield f"tests/check_machine.py excuses {name}, which has a row"
    for name in sorted(set(WITHOUT_A_ROW) - calls):
        yield f"tests/check_machine.py excuses {name}, which docs/machine.md does not name"


def without_a_file_row(page, tests):
    """Of the files that the page names: those that no row hides, and rows of others."""
    files = {name for name in named(page) if name.startswith("/")} | set(re.findall(r"/etc/[a-z.]+", page))
    hidden = set(re.findall(r'\{\.file = "(/[^"]+)"', tests))
    for name in sorted(files - hidden):
        yield f"docs/machine.md names {name}, which no row of tests/io/machine_files_test.cpp hides"
    for name in sorted(hidden - files):
        yield f"tests/io/machine_files_test.cpp hides {name}, which docs/machine.md does not name"


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
    assert "names mprotect," in next(without_a_row("| `mprotect` | x |\n", "{SYS_mmap}"))

    assert "names /proc/x," in next(without_a_file_row("| `/proc/x` | x |\n", ""))
    assert "hides /etc/x," in next(without_a_file_row("| `y` | x |\n", '{.file = "/etc/x",'))

    with open(os.path.join(ROOT, "docs/machine.md"), encoding="utf-8") as file:
        page = file.read()
    with open(os.path.join(ROOT, "tests/io/machine_test.cpp"), encoding="utf-8") as file:
        rows = re.sub(r"::syscall\(SYS_[a-z0-9_]+", "", file.read())
    with open(os.path.join(ROOT, "tests/io/machine_files_test.cpp"), encoding="utf-8") as file:
        file_rows = file.read()
    found = list(faults(page, texts)) + list(without_a_row(page, rows)) + list(without_a_file_row(page, file_rows))
    for fault in found:
        print(fault)
    print(f"machine: {len(set().union(*texts.values()))} calls and files, {len(found)} faults")
    print(f"hilo-tests: {0 if found else 1} passed, {len(found)} failed, 0 skipped")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
