#!/usr/bin/env python3
"""usage: run.py MPIRUN FIBERS THREADS [ROUNDS]

Two ranks on this machine that exchange messages: 1,000 fibers in each against 1,000 kernel threads with
MPI_THREAD_MULTIPLE, and one fiber against a program without threads. In turns; prints the median time for a
message, the spread, and the ratio.
"""

import statistics
import subprocess
import sys

LAUNCHER, FIBERS, THREADS = sys.argv[1:4]
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 5
MPICH = "HYDRA" in subprocess.run([LAUNCHER, "--version"], capture_output=True, text=True, check=True).stdout
OPTIONS = ["--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader"] if not MPICH else []

# pairs, rounds of each by fibers and by threads, the highest ratio. A message between threads of MPICH takes
# milliseconds where there are many.
MATCHES = [(1000, 200, 1 if MPICH else 10, 1 / 5), (1, 200_000, 200_000, 1.3)]


def play(program, pairs, rounds):
    command = [LAUNCHER, *OPTIONS, "-n", "2", program, str(pairs), str(rounds)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return float(done.stdout)


def shown(times):
    return f"{statistics.median(times):.0f} ns ({min(times):.0f} to {max(times):.0f})"


missed = 0
for pairs, by_fibers, by_threads, bar in MATCHES:
    fibers, threads = [], []
    for _ in range(ROUNDS):
        fibers.append(play(FIBERS, pairs, by_fibers))
        threads.append(play(THREADS, pairs, by_threads))
    ratio = statistics.median(fibers) / statistics.median(threads)
    missed += ratio > bar
    print(f"{pairs} pairs: fibers {shown(fibers)}, threads {shown(threads)}, ratio {ratio:.3f}, "
          f"bar {bar:.2f} {'missed' if ratio > bar else 'met'}")
sys.exit(1 if missed else 0)
