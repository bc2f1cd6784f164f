#!/usr/bin/env python3
"""Proves that no object of hilo needs an initialiser to run, or has a destructor that exit(3) runs.

A program may construct a runtime as a global object, before the library's own initialisers, and may
use fibers in exit handlers, after static objects are destroyed. Therefore no object of the library
has an .init_array, .ctors or .fini_array section, and none registers a destructor by __cxa_atexit.
The library may still call atexit(3) itself.

usage: initialisers.py READELF ARCHIVE...
"""

import re
import subprocess
import sys

FORBIDDEN_SECTION = re.compile(r"\s(\.(?:init_array|ctors|fini_array|dtors|preinit_array)\S*)\s")
FORBIDDEN_SYMBOL = re.compile(r"\sUND (__cxa_atexit|__aeabi_atexit)(?:@\S+)?$")


def faults_of(listing):
    """What `readelf -SsW` of an archive tells: (object, section or symbol) of each fault."""
    current = "?"
    for line in listing.splitlines():
        if line.startswith("File: "):
            current = line[6:]
        found = FORBIDDEN_SECTION.search(line) or FORBIDDEN_SYMBOL.search(line)
        if found:
            yield current, found.group(1)


PROOF = """File: a.o
  [ 7] .init_array       INIT_ARRAY      0000000000000000 0000f8 000008 08  WA  0   0  8
    12: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND __cxa_atexit
    13: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND __cxa_thread_atexit
"""


def main():
    if len(list(faults_of(PROOF))) != 2:
        print("the check does not find what it has to")
        return 1
    readelf, *archives = sys.argv[1:]
    failed = 0
    for archive in archives:
        told = subprocess.run([readelf, "-SsW", archive], capture_output=True, text=True, check=True)
        if "File: " not in told.stdout and "Section Headers" not in told.stdout:
            print(f"{archive}: readelf tells nothing")
            failed += 1
        for where, what in sorted(set(faults_of(told.stdout))):
            print(f"{where} has {what}: it needs an initialiser, or a destructor at exit")
            failed += 1
    print(f"hilo-tests: {len(archives) - (1 if failed else 0)} passed, {1 if failed else 0} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
