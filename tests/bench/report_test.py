#!/usr/bin/env python3
"""usage: report_test.py BENCH RECORDED

The benchmarks' report, comparison and published files, made from a small recorded run. What needs
matplotlib is skipped without it; what needs a browser is skipped without one.
"""

import copy
import importlib.util
import os
import pathlib
import re
import sys
import tempfile
import unittest

sys.path[:0] = [sys.argv[1], os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
RECORDED = sys.argv[2]

import browser  # noqa: E402
import compare  # noqa: E402
import results as recorded  # noqa: E402
from report import bars_table, markdown  # noqa: E402
from unittests import run_tests  # noqa: E402

PLOTS = importlib.util.find_spec("matplotlib") is not None
if PLOTS:
    import page
    import publish

with_plots = unittest.skipUnless(PLOTS, "there is no matplotlib")
WIDTHS = (1280, 400)


def changed(run, factors):
    """A copy of a run with the figures of (workload, implementation) multiplied."""
    other = copy.deepcopy(run)
    for cell in other.cells.values():
        factor = factors.get((cell.figure, cell.implementation), 1)
        cell.values = [value * factor for value in cell.values]
    return other


def steady(run):
    """A copy whose rounds differ by one part in a hundred."""
    other = copy.deepcopy(run)
    for cell in other.cells.values():
        cell.values = [cell.median() * factor for factor in (0.99, 1, 1.01)]
    return other


class Comparison(unittest.TestCase):
    def setUp(self):
        self.run_ = steady(recorded.read(RECORDED))

    def verdicts(self, new, old):
        found = compare.changes(new, old)
        return {(c.new.figure, c.new.implementation, c.new.carriers): c for c in found}

    def test_a_run_compared_with_itself_has_no_change(self):
        found = self.verdicts(self.run_, self.run_)
        self.assertEqual({c.verdict for c in found.values()}, {"within noise"})
        self.assertEqual(set(found), set(self.run_.cells))

    def test_a_figure_that_grew_beyond_its_rounds_is_worse_and_comes_first(self):
        new = changed(self.run_, {("yield", "hilo"): 1.3})
        change = self.verdicts(new, self.run_)["yield", "hilo", 1]
        self.assertEqual(change.verdict, "WORSE")
        self.assertAlmostEqual(change.part, 0.3)
        self.assertEqual(compare.changes(new, self.run_)[0].new.figure, "yield")

    def test_a_figure_that_shrank_is_better_and_a_rate_that_shrank_is_worse(self):
        for unit, verdict in (("ns", "better"), ("/s", "WORSE")):
            old = changed(self.run_, {})
            old.cells["yield", "hilo", 1].unit = unit
            new = changed(old, {("yield", "hilo"): 0.7})
            self.assertEqual(self.verdicts(new, old)["yield", "hilo", 1].verdict, verdict)

    def test_a_change_within_the_spread_of_the_rounds_is_noise(self):
        old = changed(self.run_, {})
        old.cells["yield", "hilo", 1].values = [10.0, 12.0, 14.0]
        new = changed(old, {})
        new.cells["yield", "hilo", 1].values = [13.0, 15.0, 17.0]
        self.assertEqual(self.verdicts(new, old)["yield", "hilo", 1].verdict, "within noise")

    def test_what_moves_the_other_implementations_too_is_noise(self):
        slower = {(figure, impl): 1.3 for figure, impl, _ in self.run_.cells}
        found = self.verdicts(changed(self.run_, slower), self.run_)
        self.assertEqual({c.verdict for c in found.values()}, {"within noise"})

    def test_one_round_is_too_few_to_judge(self):
        new = changed(self.run_, {("memory", "hilo"): 2})
        for run in (new, self.run_):
            run.cells["memory", "hilo", 1].values[1:] = []
        self.assertEqual(self.verdicts(new, self.run_)["memory", "hilo", 1].verdict, "too few rounds")

    def test_figures_of_cpus_at_another_distance_are_not_judged(self):
        key = ("pingpong", "hilo", 2)
        for far, verdict in ((50, "WORSE"), (70, "WORSE"), (200, "CPUs at another distance")):
            old = changed(self.run_, {})
            new = changed(self.run_, {("pingpong", "hilo"): 1.3})
            old.cells[key].distances = [50] * 3
            new.cells[key].distances = [far] * 3
            self.assertEqual(self.verdicts(new, old)[key].verdict, verdict)

    def test_another_compiler_is_named(self):
        old = copy.deepcopy(self.run_)
        old.run["versions"]["compiler"] = "g++ 1.0"
        facts = " ".join(compare.facts(self.run_, old, compare.changes(self.run_, old)))
        self.assertIn("The compiler was g++ 1.0 and is g++ 12", facts)


class Ratios(unittest.TestCase):
    def test_rounds_count_in_which_the_cpus_were_as_far_apart(self):
        one = recorded.Cell("yield", "hilo", 2, "ns", [10, 20, 30], [45, 45, 45])
        other = recorded.Cell("yield", "go", 2, "ns", [100, 100, 300], [200, 50, 45])
        self.assertEqual(one.over(other), 25 / 200)
        other.distances = [200, 200, 200]
        self.assertIsNone(one.over(other))
        other.distances = []
        self.assertEqual(one.over(other), 20 / 100)
        other.values = [0, 0, 0]
        self.assertIsNone(one.over(other))

    def test_a_record_keeps_the_distances(self):
        cell = recorded.Cell("yield", "hilo", 2, "ns", [10, 20], [45, 46.5])
        self.assertEqual(recorded.cell_from(cell.as_json()), cell)
        self.assertNotIn("distances", recorded.Cell("yield", "hilo", 1, "ns", [10]).as_json())


class Files(unittest.TestCase):
    def test_a_list_of_cells_without_values_can_be_compared_with(self):
        run = recorded.read(RECORDED)
        cells = run.listed()
        for cell in cells:
            del cell["values"]
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "old.json")
            recorded.write_json(path, cells)
            old = recorded.read(path)
        self.assertEqual(set(old.cells), set(run.cells))
        self.assertTrue(all(c.median() == run.cells[key].median() for key, c in old.cells.items()))

    def test_a_file_that_is_no_run_is_refused_with_its_name(self):
        for text in ("not JSON", '{"cells": 3}', '[{"workload": "yield"}]'):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write(text)
                file.flush()
                with self.assertRaisesRegex(recorded.Unreadable, re.escape(file.name)):
                    recorded.read(file.name)

    def test_the_text_has_every_measurement_and_every_missed_bar(self):
        run = recorded.read(RECORDED)
        text = markdown(run)
        for figure, implementation, carriers in run.cells:
            self.assertRegex(text, rf"\| {figure} \| {implementation} \| {carriers} \|")
        bars, _ = bars_table(run)
        self.assertIn("MISSED", [row[-1] for row in bars])
        self.assertEqual(text.count("MISSED"), sum(row[-1] == "MISSED" for row in bars))


@with_plots
class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.run_ = recorded.read(RECORDED)
        cls.drawn = page.draw(cls.run_)
        cls.text = page.page(cls.run_, cls.drawn, steady(cls.run_))

    def test_every_figure_has_a_plot_and_every_plot_is_in_the_page_once(self):
        names = re.findall(r'data-name="([^"]+)"', self.text)
        self.assertEqual(len(names), len(set(names)))
        wanted = {figure for figure in self.run_.figures() if "_p" not in figure}
        wanted |= {"overview", "fork-join", "timers-latency", "fib_fork_join-scaling"}
        self.assertEqual(set(names), wanted)

    def test_a_plot_tells_the_median_of_every_implementation(self):
        plot = next(one for one in self.drawn["Memory"] if 'data-name="memory"' in one)
        for cell in self.run_.of_figure("memory"):
            self.assertIn(f"{cell.median():,.0f} B", plot)
            self.assertIn(cell.implementation, plot)

    def test_the_page_loads_nothing_and_no_identifier_is_there_twice(self):
        self.assertEqual(re.findall(r'(?:src|href)="(?!#|data:,)[^"]*"', self.text), [])
        self.assertNotIn("@import", self.text)
        identifiers = re.findall(r'\bid="([^"]+)"', self.text)
        self.assertEqual(len(identifiers), len(set(identifiers)))
        for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', self.text):
            self.assertIn("".join(target), identifiers)

    def test_the_page_says_where_and_with_what_it_was_measured(self):
        for part in ("Some CPU", self.run_.run["kernel"], self.run_.run["commit"], "g++ 12", "boost"):
            self.assertIn(part, self.text)

    def test_more_carriers_than_cpus_are_marked(self):
        plots = "".join(self.drawn["Scaling over carriers"])
        self.assertIn("more carriers than", plots)

    @unittest.skipUnless(browser.find(), "there is no Chromium")
    def test_a_browser_shows_every_plot_and_says_no_error(self):
        with tempfile.TemporaryDirectory() as directory, browser.Browser() as chromium:
            path = os.path.join(directory, "report.html")
            page.write(path, self.run_, self.drawn)
            for width in WIDTHS:
                shown = chromium.open(path, width)
                boxes = shown.ask(
                    "[...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect())"
                    ".map(b => [b.width, b.height])"
                )
                self.assertEqual(len(boxes), sum(map(len, self.drawn.values())))
                self.assertGreater(min(map(min, boxes)), 50)
                self.assertEqual(shown.ask("document.documentElement.scrollWidth"), width)
                self.assertEqual(shown.complaints, [])


@with_plots
class Published(unittest.TestCase):
    def test_only_a_full_run_is_published(self):
        run = recorded.read(RECORDED)
        with tempfile.TemporaryDirectory() as directory, self.assertRaises(publish.Refused):
            publish.publish(run, {}, directory)

    def test_the_files_are_the_same_each_time_and_old_plots_go(self):
        run = recorded.read(RECORDED)
        run.run["full"] = True
        with tempfile.TemporaryDirectory() as directory:
            contents = []
            for _ in range(2):
                with open(os.path.join(directory, "gone.svg"), "w", encoding="utf-8") as file:
                    file.write("<svg/>")
                names = publish.publish(run, page.draw(run), directory)
                self.assertEqual(sorted(names), sorted(os.listdir(directory)))
                contents.append([pathlib.Path(directory, name).read_bytes() for name in names])
            self.assertIn("benchmark.svg", names)
            self.assertEqual(contents[0], contents[1])
            self.assertEqual(set(recorded.read(os.path.join(directory, "results.json")).cells), set(run.cells))


if __name__ == "__main__":
    run_tests()
