"""What a run measured, in memory and on disk.

A recorded run is one JSON object:

  {"run": {"when": "2026-01-31 12:00 UTC", "rounds": 5, "full": true, "quick": false, …},
   "notes": ["…"],
   "cells": [{"workload": "yield", "impl": "hilo", "carriers": 1, "unit": "ns",
              "median": 12.5, "min": 12.1, "max": 13.0, "rounds": 5, "values": [12.5, …],
              "distances": [45.1, …]}]}

A cell of two carriers or more has the distance of the CPUs before each of its values: the nanoseconds
that a cache line takes to the other CPU and back. conditions.py fills "run". The file of --json has the
list of the cells only.
"""

import dataclasses
import json
import statistics


# Two distances are alike if neither is more than this many times the other.
ALIKE = 1.5


class Unreadable(Exception):
    pass


def alike(distance, other):
    return max(distance, other) <= ALIKE * min(distance, other)


@dataclasses.dataclass
class Cell:
    """One figure of one implementation with one number of carriers."""

    figure: str
    implementation: str
    carriers: int
    unit: str
    values: list = dataclasses.field(default_factory=list)
    distances: list = dataclasses.field(default_factory=list)  # of each value; none with one carrier

    def median(self):
        return statistics.median(self.values)

    def distance(self):
        return statistics.median(self.distances) if self.distances else None

    def over(self, other):
        """This median over that of another cell of the run. Of values with a distance, those count which both
        took in the same round and at like distance; nothing if there are none, or the other is zero."""
        mine, others = self.values, other.values
        if self.distances and other.distances:
            kept = [i for i, (d, e) in enumerate(zip(self.distances, other.distances)) if alike(d, e)]
            mine, others = [mine[i] for i in kept], [others[i] for i in kept]
        if not others or statistics.median(others) == 0:
            return None
        return statistics.median(mine) / statistics.median(others)

    def as_json(self):
        distances = {"distances": self.distances} if self.distances else {}
        return {
            **distances,
            "workload": self.figure,
            "impl": self.implementation,
            "carriers": self.carriers,
            "unit": self.unit,
            "median": self.median(),
            "min": min(self.values),
            "max": max(self.values),
            "rounds": len(self.values),
            "values": self.values,
        }


def cell_from(record):
    """Files of older versions have no values: their least, middle and greatest stand for them."""
    values = record.get("values") or [record["min"], record["median"], record["max"]]
    distances = record.get("distances", [])
    return Cell(record["workload"], record["impl"], record["carriers"], record["unit"], values, distances)


class Results:
    """Every cell that was measured, how it was measured, and the notes for the reader."""

    def __init__(self, cells, run=None, notes=()):
        self.cells = {(c.figure, c.implementation, c.carriers): c for c in cells if c.values}
        self.run = run or {}
        self.notes = list(notes)

    def find(self, figure, implementation, carriers):
        return self.cells.get((figure, implementation, carriers))

    def figures(self):
        return list(dict.fromkeys(figure for figure, _, _ in self.cells))

    def of_figure(self, figure):
        return [cell for (name, _, _), cell in self.cells.items() if name == figure]

    def measured_with(self, figure, implementation):
        return [n for name, impl, n in self.cells if (name, impl) == (figure, implementation)]

    def rival(self, figure, implementation, carriers):
        """The cell to compare with: of as many carriers, or the one cell of an implementation that
        has one carrier only."""
        alone = self.measured_with(figure, implementation) == [1]
        return self.find(figure, implementation, 1 if alone else carriers)

    def ratio(self, figure, name, other, carriers):
        cell = self.find(figure, name, carriers)
        rival = self.rival(figure, other, carriers)
        return cell.over(rival) if cell and rival else None

    def cpus(self):
        """The CPUs that the run had; of a file that does not say it, no number exceeds them."""
        return self.run.get("cpus", max((n for _, _, n in self.cells), default=1))

    def listed(self):
        return [cell.as_json() for cell in self.cells.values()]


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def record(path, results):
    write_json(path, {"run": results.run, "notes": results.notes, "cells": results.listed()})


def read(path):
    """A recorded run, or a file of --json."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if isinstance(found, list):
            return Results(cell_from(each) for each in found)
        return Results((cell_from(each) for each in found["cells"]), found["run"], found["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise Unreadable(f"cannot read the results of {path}: {reason}") from None
