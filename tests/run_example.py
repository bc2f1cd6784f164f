#!/usr/bin/env python3
"""usage: run_example.py PROGRAM EXPECTED

Runs an example and compares what it prints with the file beside its source. A program of another CPU
runs under the emulator that Meson names in MESON_EXE_WRAPPER.
"""

import difflib
import os
import shlex
import subprocess
import sys

program, expected = sys.argv[1:]
command = [*shlex.split(os.environ.get("MESON_EXE_WRAPPER", "")), program]
result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
with open(expected, encoding="utf-8") as file:
    wanted = file.read()
printed = result.stdout.decode(errors="replace")
sys.stdout.writelines(
    difflib.unified_diff(
        wanted.splitlines(True), printed.splitlines(True), expected, "what it printed"
    )
)
if result.returncode != 0:
    print(f"ended with {result.returncode}; on standard error:")
    print(result.stderr.decode(errors="replace"))
failed = int(printed != wanted or result.returncode != 0)
print(f"hilo-tests: {1 - failed} passed, {failed} failed, 0 skipped")
sys.exit(failed)
