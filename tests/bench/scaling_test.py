#!/usr/bin/env python3
"""usage: scaling_test.py PROGRAM

The simulation of docs/scaling.md: the same inputs give the same result, one carrier takes exactly the sum of its
costs, each task runs once, the comparison with measured figures finds those that are off, and a wrong word on
the command line is refused in one line.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from unittests import run_tests  # noqa: E402

PROGRAM = sys.argv[1]
WORKLOADS = ("spawn_many", "fib_spawn", "fib_fork_join", "pingpong", "channel", "mutex", "combining")
BENCHMARKS = {"channel_4x4": "channel", "mutex_8": "mutex", "pingpong": "pingpong", "spawn_many": "spawn_many"}
SIZES = ("group_size", "socket_size")


def call(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False, timeout=100)


def runs(*words):
    done = call("--json", *words)
    if done.returncode != 0:
        raise AssertionError(f"exit status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)["runs"]


def cost_names():
    return [name for name in json.loads(call("--print-costs").stdout) if name not in SIZES]


def costs(**given):
    """Words that set all costs: those that are not given are 0."""
    words = []
    for name in cost_names():
        words += ["--cost", f"{name}={given.get(name, 0)}"]
    return words


class Results(unittest.TestCase):
    def test_the_same_seed_gives_the_same_result(self):
        words = ("--json", "--carriers", "1,2,7,64", "--operations", "3000", "--seed", "5")
        self.assertEqual(call(*words).stdout, call(*words).stdout)

    def test_another_seed_gives_another_order(self):
        words = ("--workload", "fib_spawn", "--carriers", "16", "--operations", "20000")
        totals = {one["total_ns"] for seed in ("1", "2", "3") for one in runs(*words, "--seed", seed)}
        self.assertGreater(len(totals), 1)

    def test_each_fiber_ends_once_and_each_task_runs_once(self):
        for one in runs("--carriers", "1,2,3,8,64,256", "--operations", "5000"):
            with self.subTest(workload=one["workload"], carriers=one["carriers"]):
                if one["workload"] in ("spawn_many", "channel"):
                    self.assertEqual(one["tasks_run_once"], one["operations"])
                if one["workload"] in ("fib_spawn", "channel", "mutex"):
                    self.assertEqual(one["fibers_begun"], one["fibers_ended"])

    def test_a_pair_of_fibers_lets_the_second_carrier_sleep(self):
        (one,) = runs("--workload", "pingpong", "--fibers", "2", "--carriers", "2", "--operations", "50000")
        self.assertLess(one["wakes"], 20)
        self.assertLess(one["searching"], 0.02)
        self.assertEqual(one["fibers_begun"], one["fibers_ended"])

    def test_shares_of_time_are_shares(self):
        for one in runs("--carriers", "1,2,16", "--operations", "5000", "--cpus", "2"):
            self.assertLessEqual(one["searching"] + one["asleep"] + one["without_cpu"], 1.000001)
        (many,) = runs("--workload", "mutex", "--carriers", "16", "--cpus", "2", "--work", "1000")
        self.assertGreater(many["without_cpu"], 0)


class OneCarrier(unittest.TestCase):
    def test_it_takes_exactly_the_sum_of_its_costs(self):
        """With whole numbers nothing is rounded. A cost alone shows how often it is paid."""
        given = {name: 2 * number + 2 for number, name in enumerate(cost_names())}
        for workload in WORKLOADS:
            with self.subTest(workload=workload):
                words = ("--workload", workload, "--carriers", "1", "--operations", "2000")
                (whole,) = runs(*words, *costs(**given))
                parts = [runs(*words, *costs(**{name: value}))[0]["total_ns"] for name, value in given.items()]
                self.assertGreater(whole["total_ns"], 0)
                self.assertEqual(whole["total_ns"], sum(parts))

    def test_spawn_many_pays_each_step_once(self):
        words = ("--workload", "spawn_many", "--carriers", "1", "--operations", "200")
        for name in ("spawn", "life"):
            (one,) = runs(*words, *costs(**{name: 10}))
            self.assertEqual(one["total_ns"], 200 * 10)
        # Detaching, counting down and ending are locked, and a lock that no carrier owns yet: that of the channel
        # twice, and that of the pool of stacks for its first 32 holders.
        (one,) = runs(*words, *costs(locked=10))
        self.assertEqual(one["total_ns"], (3 * 200 + 2 + 32) * 10)

    def test_it_moves_no_line_and_wakes_no_carrier(self):
        for one in runs("--carriers", "1", "--operations", "2000"):
            self.assertEqual((one["transfers"], one["wakes"], one["steals"], one["searching"]), (0, 0, 0, 0))

    def test_work_is_added_to_each_operation(self):
        words = ("--workload", "spawn_many", "--carriers", "1", "--operations", "1000")
        (without,) = runs(*words)
        (with_work,) = runs(*words, "--work", "100")
        self.assertAlmostEqual(with_work["ns"], without["ns"] + 100, places=6)


class ManyCarriers(unittest.TestCase):
    def test_a_tree_with_work_gets_faster(self):
        one, two, eight = runs("--workload", "fib_spawn", "--carriers", "1,2,8", "--work", "2000", "--operations", "20000")
        self.assertGreater(two["speed_up"], 1.8)
        self.assertGreater(eight["speed_up"], 6)
        self.assertEqual(one["speed_up"], 1)

    def test_a_greater_distance_costs_more(self):
        words = ("--workload", "combining", "--carriers", "8", "--operations", "20000")
        (near,) = runs(*words, "--cost", "near=20")
        (far,) = runs(*words, "--cost", "near=200")
        self.assertGreater(far["ns"], 2 * near["ns"])

    def test_sockets_are_farther_than_groups(self):
        words = ("--workload", "spawn_many", "--carriers", "128", "--operations", "20000", "--machine", "epyc")
        (as_it_is,) = runs(*words)
        (flat,) = runs(*words, "--cost", "group=23", "--cost", "socket=23")
        self.assertGreater(as_it_is["ns"], flat["ns"])


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def measured(self, factor, near=50):
        """Figures as ./dev bench records them: what the simulation finds, times a factor."""
        cells = []
        for name, workload in BENCHMARKS.items():
            for one in runs("--workload", workload, "--carriers", "1,2", "--operations", "20000", "--cost", f"near={near}"):
                value = one["ns"] * factor
                distances = [2 * near] * 3 + [20 * near] if one["carriers"] == 2 else []
                values = [value] * 3 + [100 * value] if distances else [value]
                cells.append({"workload": name, "impl": "hilo", "carriers": one["carriers"], "unit": "ns",
                              "median": value, "values": values, "distances": distances})
        return cells

    def check(self, cells, *words):
        path = os.path.join(self.folder.name, "measured.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(cells, file)
        return call("--check", path, "--operations", "20000", *words)

    def test_right_figures_pass(self):
        done = self.check(self.measured(1))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("8 of 8 figures are within a factor of 1.30", done.stdout)

    def test_a_recorded_run_is_read_too(self):
        done = self.check({"run": {}, "notes": [], "cells": self.measured(1)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_wrong_figures_fail(self):
        for factor in (0.7, 1.35):
            done = self.check(self.measured(factor))
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("OFF", done.stdout)

    def test_one_wrong_figure_fails(self):
        cells = self.measured(1)
        cells[3]["values"] = [cells[3]["median"] * 2] * 4
        done = self.check(cells)
        self.assertEqual(done.returncode, 1)
        self.assertIn("7 of 8", done.stdout)

    def test_the_tolerance_is_an_option(self):
        self.assertEqual(self.check(self.measured(1.35), "--tolerance", "0.5").returncode, 0)

    def test_a_file_without_figures_of_hilo_is_refused(self):
        cells = self.measured(1)
        for cell in cells:
            cell["impl"] = "pthread"
        done = self.check(cells)
        self.assertEqual(done.returncode, 2)
        self.assertIn("has no figure of hilo", done.stderr)


class CommandLine(unittest.TestCase):
    def refused(self, said, *words):
        done = call(*words)
        self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn(said, done.stderr)
        self.assertTrue(done.stderr.startswith("bench_scaling: "))

    def test_wrong_words_are_refused_in_one_line(self):
        self.refused("there is no such option", "--carrier", "2")
        self.refused("--seed needs a value", "--seed")
        self.refused("from 1 to 256", "--carriers", "0")
        self.refused("from 1 to 256", "--carriers", "1,257")
        self.refused("from 1 to 256", "--carriers", "two")
        self.refused("from 1 to 256", "--carriers", "")
        self.refused("from 1 to 256", "--cpus", "1000")
        self.refused("there is no such workload", "--workload", "skynet")
        self.refused("there is no machine called z80; there are epyc, xeon, mesh", "--machine", "z80")
        self.refused("there is no cost called nere", "--cost", "nere=5")
        self.refused("a cost is written name=value", "--cost", "near")
        self.refused("'5ns' is not a number", "--cost", "near=5ns")
        self.refused("must be a number from 0", "--cost", "near=-1")
        self.refused("must be a number from 1", "--cost", "group_size=0")
        self.refused("must be a number from 0", "--cost", "near=nan")
        self.refused("--work nothing", "--work", "nothing")
        self.refused("whole number", "--fibers", "0x")
        self.refused("cannot read", "--check", "/nowhere/measured.json")
        self.refused("cannot read", "--costs", "/nowhere/costs.json")

    def test_files_that_are_wrong_are_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            for text, said in (("{", "is not JSON"), ("[1]", "is not a JSON object"), ('{"near": "far"}', "is not a number"),
                               ('{"near": 1} 2', "is not JSON"), ('{"distance": 1}', "no cost called distance")):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()
                self.refused(said, "--costs", file.name)

    def test_costs_are_read_as_they_are_printed(self):
        printed = call("--print-costs", "--cost", "near=77.5").stdout
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(printed)
            file.flush()
            self.assertEqual(call("--costs", file.name, "--print-costs").stdout, printed)

    def test_help_names_each_option(self):
        done = call("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("--workload", "--carriers", "--cpus", "--machine", "--costs", "--seed", "--check",
                     "--tolerance"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    run_tests()
