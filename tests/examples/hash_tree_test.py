#!/usr/bin/env python3
"""usage: hash_tree_test.py PROGRAM

Lets the file hasher of docs/examples hash a tree, and compares with what Python's hashlib says.
"""

import hashlib
import os
import subprocess
import sys
import tempfile

from served import PATIENCE, check, equal, run


def hash_tree(program, *paths):
    done = subprocess.run([program, *paths], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def expected(top):
    """What sha256sum would print of each file below a directory, in the order of the names."""
    lines = ""
    with os.scandir(top) as entries:
        for entry in sorted(entries, key=lambda one: os.fsencode(one.name)):
            if entry.is_dir(follow_symlinks=False):
                lines += expected(entry.path)
            elif entry.is_file(follow_symlinks=False):
                with open(entry.path, "rb") as file:
                    lines += f"{hashlib.sha256(file.read()).hexdigest()}  {entry.path}\n"
    return lines


@check("all files of a tree are hashed, links and pipes left out")
def whole_tree(program):
    with tempfile.TemporaryDirectory() as top:
        sizes = [0, 1, 3, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 131071, 131072, 131073, 1000000]
        for size in sizes:
            write(f"{top}/size {size}", os.urandom(size))
        at = top
        for depth in range(10):
            at += f"/d{depth}"
            os.mkdir(at)
            for number in range(20):
                write(f"{at}/{number}", b"%d" % number * depth)
        os.symlink("..", f"{top}/d0/up")
        os.symlink("nowhere", f"{top}/nothing")
        os.mkfifo(f"{top}/pipe")
        os.mkdir(f"{top}/empty")
        wanted = expected(top)
        equal(wanted.count("\n"), len(sizes) + 200)
        equal(hash_tree(program, top), (0, wanted, ""))


@check("what cannot be read is reported, and the others are hashed")
def errors(program):
    with tempfile.TemporaryDirectory() as top:
        write(f"{top}/a", b"a")
        write(f"{top}/z", b"z")
        status, printed, said = hash_tree(program, f"{top}/a", f"{top}/none", "/proc/self/mem",
                                          f"{top}/z")
        equal(status, 1)
        equal(printed, expected(top))
        named = [line.split(": ") for line in said.splitlines()]  # the words are the libc's
        equal([len(line) for line in named], [2, 2])
        equal([line[0] for line in named], [f"{top}/none", "/proc/self/mem"])


sys.exit(run(sys.argv[1]))
