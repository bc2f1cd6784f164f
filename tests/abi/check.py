#!/usr/bin/env python3
"""usage: check.py [--update] NM LIBRARY LAYOUT

The interface of the shared library is the one that is written down beside this file:
  symbols.txt   the symbols that programs can be linked to
  layout.txt    size and alignment of the types that programs make themselves, as LAYOUT prints them
Besides, the library shows no symbol that is not hilo's, and needs no private symbol of libc.

A change that is meant is written down by: ninja -C BUILD abi-update. If it takes away or changes a line, programs
that are linked with the old library break: then the name in exports.map and the soname change too.
"""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
# Functions, data, virtual tables and type descriptions. Weak functions are left out: each is inline, so the
# program has its own copy.
KINDS = "TDBRV"
OURS = re.compile(r"(hilo_|_Z(T[ISV])?NK?4hilo)")


def symbols(nm, library):
    """The exported symbols, and what is wrong with the others."""
    found, faults = set(), []
    listing = subprocess.run([nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        kind, name = line.split()[-2:]
        name = name.split("@")[0]
        if kind == "A":  # the name of the version
            continue
        if not OURS.match(name):
            faults.append(f"{library} shows a symbol that is not hilo's: {name}")
        elif kind in KINDS:
            found.add(name)
    listing = subprocess.run([nm, "-D", "--undefined-only", library], capture_output=True, text=True, check=True)
    faults += [
        f"{library} needs a private symbol of libc: {line.split()[-1]}"
        for line in listing.stdout.splitlines()
        if "PRIVATE" in line
    ]
    return found, faults


def readable(names):
    try:
        shown = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return names
    return shown.stdout.splitlines()


def compare(path, now):
    before = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    gone, new = sorted(before - now), sorted(now - before)
    for line in readable(gone):
        yield f"{path.name}: gone or changed: {line}"
    for line in readable(new):
        yield f"{path.name}: new: {line}"


def main():
    arguments = sys.argv[1:]
    update = arguments[:1] == ["--update"]
    nm, library, layout = arguments[update:]
    exported, faults = symbols(nm, library)
    printed = subprocess.run([layout], capture_output=True, text=True, check=True).stdout.splitlines()
    for path, now in ((HERE / "symbols.txt", exported), (HERE / "layout.txt", set(printed))):
        if update:
            path.write_text("".join(line + "\n" for line in sorted(now)), encoding="utf-8")
        else:
            faults += compare(path, now)
    for fault in faults:
        print(fault)
    if faults and not update:
        print("a change that is meant: ninja abi-update in the build directory; docs/packages.md says more")
    print(f"hilo-tests: {0 if faults else 1} passed, {1 if faults else 0} failed, 0 skipped")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
