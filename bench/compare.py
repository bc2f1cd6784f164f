"""What changed between two runs, and whether the change is more than noise.

A change counts as real when both hold:
  * every round of one run lies on the same side of every round of the other, of three rounds at least,
  * it is greater than the drift: nine in ten of the figures of the implementations that do not
    contain hilo moved by less. They are the same programs in both runs, so what moved them is the
    machine. With fewer than ten such figures the drift is not known and counts as 5 %.
Figures of two carriers or more are not judged if the CPUs were at another distance (results.py) in one run.
"""

import dataclasses

from conditions import machine
from report import show
from results import alike

FEW = 10
ASSUMED_DRIFT = 0.05
LEAST_ROUNDS = 3


@dataclasses.dataclass(frozen=True)
class Change:
    new: object  # its cell
    old: object
    part: float  # of the old median; 0.1 is 10 % more
    verdict: str


def own(cell):
    return cell.implementation.startswith("hilo")


def pairs(new, old):
    for key, cell in new.cells.items():
        other = old.cells.get(key)
        if other and other.unit == cell.unit and other.median() > 0:
            yield cell, other, cell.median() / other.median() - 1


def as_far(cell, other):
    """Whether the CPUs were as far apart in both runs, as far as the runs say it."""
    return not cell.distances or not other.distances or alike(cell.distance(), other.distance())


def drift(new, old):
    """By how much the machine alone moves a figure, and of how many figures that is known."""
    moved = sorted(abs(part) for cell, other, part in pairs(new, old) if not own(cell) and as_far(cell, other))
    if len(moved) < FEW:
        return ASSUMED_DRIFT, len(moved)
    return moved[len(moved) * 9 // 10], len(moved)


def verdict(cell, other, part, allowed):
    rounds = min(len(cell.values), len(other.values))
    if rounds < LEAST_ROUNDS:
        return "too few rounds"
    if not as_far(cell, other):
        return "CPUs at another distance"
    apart = min(cell.values) > max(other.values) or max(cell.values) < min(other.values)
    if not apart or abs(part) <= allowed:
        return "within noise"
    better = (part < 0) != (cell.unit == "/s")
    return "better" if better else "WORSE"


def changes(new, old):
    """Every figure that both have; what changed most comes first."""
    allowed, _ = drift(new, old)
    found = [Change(c, o, part, verdict(c, o, part, allowed)) for c, o, part in pairs(new, old)]
    real = ("WORSE", "better")
    return sorted(found, key=lambda change: (change.verdict not in real, -abs(change.part)))


def changes_table(found):
    table = [["workload", "implementation", "carriers", "before", "now", "change", ""]]
    for change in found:
        cell = change.new
        table.append(
            [cell.figure, cell.implementation, str(cell.carriers)]
            + [show(change.old.median(), cell.unit), show(cell.median(), cell.unit)]
            + [f"{change.part * 100:+.1f} %", change.verdict]
        )
    return table


def facts(new, old, found):
    """Sentences for the head of the comparison."""
    allowed, figures = drift(new, old)
    yield f"Compared with the run of {old.run.get('when', 'an unknown date')}, commit {old.run.get('commit', 'unknown')}."
    if figures < FEW:
        yield (
            f"Both runs share {figures} figures of other implementations, too few to tell how much the machine "
            f"moves them: {ASSUMED_DRIFT * 100:.0f} % is assumed."
        )
    else:
        yield (
            f"Nine in ten of the {figures} figures of other implementations moved by at most "
            f"{allowed * 100:.1f} %: hilo's changes below that are noise."
        )
    if old.run:
        for name, before, now in differing(new.run, old.run):
            yield f"{name} was {before or 'not there'} and is {now or 'not there'}."
    for word in ("WORSE", "better", "within noise", "too few rounds", "CPUs at another distance"):
        count = sum(change.verdict == word for change in found)
        if count:
            yield f"{count} figures: {word}."
    only_old = [key for key in old.cells if key not in new.cells]
    if only_old:
        yield f"{len(only_old)} figures are only in the older run."


def differing(new, old):
    """What differs of the machine and the versions."""
    if machine(new) != machine(old):
        yield "The machine", machine(old), machine(new)
    before, now = old.get("versions", {}), new.get("versions", {})
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"The {name}", before.get(name), now.get(name)
    for name in ("rounds", "seconds"):
        if old.get(name) != new.get(name):
            yield f"The number of {name}", str(old.get(name)), str(new.get(name))
