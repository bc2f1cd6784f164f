#!/usr/bin/env python3
"""Measures the inputs of the simulation, and the figures to compare it with: docs/scaling.md.

Writes two files. costs.json has the inputs of bench_scaling (--costs): the medians of the rounds of
bench_scaling_costs, of bench_hilo's `switch` and of its `fib_fork_join` with one carrier. measured.json has
the figures of hilo with 1, 2, 4, 8 and 16 carriers in the form of ./dev bench --json (--check), each with the
distance of the CPUs before it. Before each measurement the script waits until the machine does nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from results import Cell  # noqa: E402

CARRIERS = (1, 2, 4, 8, 16)
QUIET = 0.04  # the part of its time that a machine may be busy with other things
LONGEST_WAIT = 1200  # seconds
WORKLOADS = ("spawn_many", "fib_spawn", "fib_fork_join", "pingpong", "channel_4x4", "mutex_8")


class Failure(Exception):
    pass


def busy_time():
    """The time that all CPUs were busy, and all their time, in ticks: proc(5), stat."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def wait_for_quiet():
    for _ in range(LONGEST_WAIT * 2):
        busy, whole = busy_time()
        time.sleep(0.5)
        busy, whole = (after - before for after, before in zip(busy_time(), (busy, whole)))
        if busy <= QUIET * whole:
            return
    raise Failure(f"the machine was not quiet for {LONGEST_WAIT} s")


def ask(command):
    wait_for_quiet()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def costs_of(raw, switch, fork):
    """The costs of hilo's steps without locked instructions, of times that have some of them."""
    costs = {name: value for name, value in raw.items() if not name.startswith("_")}
    costs["swap"] = switch
    costs["pick"] = max(0, raw["_yield"] - switch)
    costs["spawn"] = max(0, raw["_spawn"] - raw["locked"])  # the detach
    costs["life"] = max(0, raw["_run"] - raw["_yield"] - raw["locked"])  # the end
    alone = costs["spawn"] + costs["life"] + raw["_yield"] + switch
    costs["join"] = max(0, raw["_spawn_join"] - alone)
    costs["park"] = max(0, (raw["_round_trip"] - 4 * raw["channel"] - 2 * raw["_yield"]) / 2)
    costs["fork"] = fork
    return {**{name: round(value, 3) for name, value in costs.items()}, "_times": raw}


def measure_costs(programs, rounds):
    answers = [ask([os.path.join(programs, "bench_scaling_costs")]) for _ in range(rounds)]
    raw = {name: statistics.median(each[name] for each in answers) for name in answers[0]}
    hilo = os.path.join(programs, "bench_hilo")

    def figure(name):
        return statistics.median(ask([hilo, "run", name, "1", "0.12"])[name] for _ in range(rounds))

    return costs_of(raw, figure("switch"), figure("fib_fork_join"))


def measure_figures(programs, rounds, most_cpus):
    cells = {(w, c): Cell(w, "hilo", c, "ns") for w in WORKLOADS for c in CARRIERS}
    for workload in WORKLOADS:
        for _ in range(rounds):
            for carriers in CARRIERS:
                cell = cells[workload, carriers]
                if carriers > 1:
                    cell.distances.append(ask([os.path.join(programs, "bench_distance")])["round_trip"])
                command = [os.path.join(programs, "bench_hilo"), "run", workload, str(carriers), "0.12"]
                cell.values.append(ask([*command, f"cpus={min(carriers, most_cpus)}"])[workload])
        print(f"{workload}: {[round(cells[workload, c].median(), 2) for c in CARRIERS]} ns", flush=True)
    return [cell.as_json() for cell in cells.values()]


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    print(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--programs", required=True, metavar="DIR", help="where bench_hilo and the others are")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: must be at least 1")
    cpus = len(os.sched_getaffinity(0))
    if cpus < 2:
        raise Failure("needs 2 CPUs")
    write(os.path.join(options.output, "costs.json"), measure_costs(options.programs, options.rounds))
    figures = measure_figures(options.programs, options.rounds, cpus)
    write(os.path.join(options.output, "measured.json"), figures)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"measure.py: {failure}")
