#!/usr/bin/env python3
"""Adds up what the test programs of one or more build directories say.

usage: total.py [--quiet | --sum] [--failures N] BUILD...

Reads meson's log of the last test run in each; or BUILD is such a log itself, or a file with the
output of one program. A program's last line is its own total
("hilo-tests: 3 passed, 1 failed, 0 skipped"); a program that ends without one, or fails although it
counts no failure, adds one failure. Prints a line a program (--quiet: only those that failed; --sum:
none), of those that failed also what they said, but for the test cases that passed, and last the sum
of everything. With --sum each failed test case comes again, in two lines, so that they are found at the end
of a long log. N failures from elsewhere are added.
"""

import argparse
import json
import os
import re
import sys

PASSED = re.compile(r"^  \S.* \.\.\. ok, \d+ ms\n", flags=re.M)
CASE = re.compile(r"^  (\S.*?) \.\.\. ")
TOTAL = re.compile(r"^hilo-tests: (\d+) passed, (\d+) failed, (\d+) skipped$", flags=re.M)


def read_programs(build):
    """The entries of meson's log: one JSON object a line; or an entry for the output in a file."""
    if os.path.isfile(build) and not build.endswith(".json"):
        with open(build, encoding="utf-8") as output:
            text = output.read()
        failed = [int(total[1]) for total in TOTAL.findall(text)]
        result = "OK" if failed and failed[-1] == 0 else "FAIL"
        return [{"name": build, "stdout": text, "result": result, "returncode": 0, "duration": 0}]
    if not build.endswith(".json"):
        build = os.path.join(build, "meson-logs", "testlog.json")
    with open(build, encoding="utf-8") as log:
        return [json.loads(line) for line in log if line.strip()]


def count(program):
    """Passed, failed, skipped and, when something is wrong beyond the counts, what."""
    totals = TOTAL.findall(program.get("stdout", ""))
    passed, failed, skipped = (int(number) for number in totals[-1]) if totals else (0, 0, 0)
    result = program["result"]
    if result == "OK" and totals and passed + failed + skipped > 0:
        return passed, failed, skipped, ""
    if failed == 0:
        failed = 1
    if result == "TIMEOUT":
        return passed, failed, skipped, "took too long and was ended"
    if not totals:
        return passed, failed, skipped, f"ended without a total ({result}, {program['returncode']})"
    return passed, failed, skipped, "" if result == "FAIL" else f"ran no test or ended with {result}"


def failed_cases(program):
    """Each failed test case's name with the lines that say what failed: doctest's, the ledger's own, sanitizers'."""
    name = ""
    for line in program.get("stdout", "").splitlines():
        if match := CASE.match(line):
            name = match[1]
        if match := re.search(r"ERROR: .*|    left behind:.*|    took longer than .*", line):
            yield f"{name}: {line.strip()}"
        if "  values: " in line:
            yield f"    {line.strip()}"
    if name and not TOTAL.search(program.get("stdout", "")):
        yield f"{name}: it was the last to begin"
    for line in program.get("stderr", "").splitlines():
        if match := re.search(r"SUMMARY: .*", line):  # of a sanitizer
            yield match[0]


def describe(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[2][7:])
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--sum", action="store_true")
    parser.add_argument("--failures", type=int, default=0)
    parser.add_argument("builds", nargs="*")
    options = parser.parse_args()
    sums = [0, options.failures, 0]
    for build in options.builds:
        try:
            programs = read_programs(build)
        except OSError as error:
            print(f"no test log: {error}")
            sums[1] += 1
            continue
        for program in programs:
            *counts, wrong = count(program)
            sums = [a + b for a, b in zip(sums, counts)]
            if options.sum and counts[1] != 0:
                where = build.removesuffix("/meson-logs/testlog.json")
                print(f"failed in {where}: {program['name'].split(' / ')[-1]}{wrong and ': ' + wrong}")
                for line in failed_cases(program):
                    print(f"    {line}")
            if options.sum or (counts[1] == 0 and options.quiet):
                continue
            name = program["name"].split(" / ")[-1]
            print(f"{name}: {describe(*counts)}, {program['duration']:.1f} s")
            if counts[1] == 0:
                for line in program.get("stdout", "").splitlines():
                    if " ... skipped: " in line:
                        print(f"    {line.strip()}")
                continue
            if wrong:
                print(f"    {wrong}")
            print(PASSED.sub("", program.get("stdout", "")), program.get("stderr", ""), sep="\n")
    print(describe(*sums))
    return 0 if sums[1] == 0 and sums[0] + sums[2] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
