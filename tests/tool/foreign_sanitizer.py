#!/usr/bin/env python3
"""usage: foreign_sanitizer.py address|thread PROGRAM

Runs a program that has a sanitizer and whose hilo has none. With the address sanitizer it says so in
one line and works; with the thread sanitizer it says so in one line and ends.
"""

import subprocess
import sys

kind, program = sys.argv[1:]
result = subprocess.run(
    [program], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    timeout=120,
)
lines = [line for line in result.stderr.splitlines() if line.startswith("hilo: ")]
told = len(lines) == 1 and f"built with -fsanitize={kind} and its hilo is not" in lines[0]
if kind == "address":
    right = told and result.returncode == 0 and result.stdout == "1 200\n"
else:
    right = told and result.returncode != 0 and result.stdout == ""
if not right:
    print(f"ended with {result.returncode}; standard output:\n{result.stdout}")
    print(f"standard error:\n{result.stderr}")
print(f"hilo-tests: {int(right)} passed, {int(not right)} failed, 0 skipped")
sys.exit(not right)
