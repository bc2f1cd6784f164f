#!/usr/bin/env python3
"""usage: driver_test.py BENCH

A run of the benchmarks in which a program fails: the figures of the others are reported all the same, those of the
one that failed are not, and the run does not end as a good one. Needs matplotlib, as the report does.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from unittests import run_tests  # noqa: E402

DRIVER = os.path.join(sys.argv[1], "driver.py")
# A program of one implementation, with two carriers. It answers the runs of a workload in turns as `turns` says.
PROGRAM = """#!{python}
import json, os, sys
turns = {turns}
if sys.argv[1] == "list":
    for workload in turns:
        print(json.dumps(dict(workload=workload, figures={{workload: "ns"}}, carriers=[2], note="")))
    sys.exit()
workload = sys.argv[2]
count = os.path.join({folder!r}, "{name}." + workload)
with open(count, "a+") as file:
    file.write("x")
done = os.path.getsize(count)
turn = turns[workload][(done - 1) % len(turns[workload])]
if turn == "crash":
    os.abort()
if turn == "wrong":
    sys.exit("the answer is wrong")
print(json.dumps({{workload: 10}}))
"""


DISTANCE = """#!/bin/sh
echo '{"round_trip": 45.5}'
"""


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "there is no matplotlib")
class Failing(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def run_with(self, hilo, pthread, *arguments):
        texts = {"distance": DISTANCE}
        for name, turns in (("hilo", hilo), ("pthread", pthread)):
            texts[name] = PROGRAM.format(python=sys.executable, turns=turns, folder=self.folder.name, name=name)
        for name, text in texts.items():
            path = os.path.join(self.folder.name, "bench_" + name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o755)
        return subprocess.run(
            [sys.executable, DRIVER, "--programs", self.folder.name, "--output", self.folder.name, "--rounds", "3",
             "--only", "^(yield|pingpong)$", *arguments],
            capture_output=True, text=True, check=False, timeout=100)

    def cells(self):
        with open(os.path.join(self.folder.name, "results.json"), encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        for one in cells:
            self.assertEqual(one["distances"], [45.5] * 3)
        return {(one["impl"], one["workload"]): one["rounds"] for one in cells}

    def test_a_good_run(self):
        done = self.run_with({"yield": ["ok"], "pingpong": ["ok"]}, {"yield": ["ok"]})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.cells(), {("hilo", "yield"): 3, ("hilo", "pingpong"): 3, ("pthread", "yield"): 3})

    def test_others_are_reported_if_one_fails(self):
        for turns, said in ((["ok", "wrong"], "the answer is wrong"), (["crash"], "killed by signal 6")):
            done = self.run_with({"yield": ["ok"], "pingpong": turns}, {"yield": ["ok"]})
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)
            self.assertIn("1 of what was to be measured failed", done.stderr)
            self.assertEqual(self.cells(), {("hilo", "yield"): 3, ("pthread", "yield"): 3})

    def test_nothing_is_reported_if_all_fail(self):
        done = self.run_with({"yield": ["wrong"]}, {"yield": ["crash"]})
        self.assertEqual(done.returncode, 1)
        self.assertIn("the answer is wrong", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "results.json")))


if __name__ == "__main__":
    run_tests()
