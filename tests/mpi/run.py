#!/usr/bin/env python3
"""usage: run.py MPIRUN NAME=PROGRAM...

Starts the programs of tests/mpi and docs/examples/mpi under one MPI's launcher, with 1, 2 and 4 ranks, and
looks at what they print and how they end. Of a program that is also given as plain_NAME, written for MPI
alone, the answer in fibers must be the same.
"""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tool"))
from targets import must, run_checks  # noqa: E402  pylint: disable=wrong-import-position

PATIENCE = 300  # seconds
LAUNCHER = sys.argv[1]
PROGRAMS = dict(word.split("=", 1) for word in sys.argv[2:])
MPICH = "HYDRA" in subprocess.run([LAUNCHER, "--version"], capture_output=True, text=True, check=True).stdout


def launch(ranks, name, *arguments, code=0):
    """Runs a program and returns what it printed and said."""
    # More ranks than CPUs; and Open MPI refuses the superuser, as whom CI runs, and looks for networks.
    options = ["--allow-run-as-root", "--oversubscribe", "--mca", "btl", "self,vader"] if not MPICH else []
    command = [LAUNCHER, *options, "-n", str(ranks), PROGRAMS[name], *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE)
    text = f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    must((done.returncode == 0) == (code == 0), text)
    return done.stdout, done.stderr


def alone(name, *arguments):
    """Without a launcher."""
    done = subprocess.run([PROGRAMS[name], *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def calls():
    for ranks in (1, 2, 4):
        said, _ = launch(ranks, "calls")
        must(said == "all calls give MPI's answers\n", said)


def deadlines():
    said, _ = launch(2, "deadlines", 20_000)
    must("receives," in said, said)


def outstanding():
    said, _ = launch(2, "outstanding", 2000, 300)
    must(said.count("2000 fibers matched") == 2, said)


def alpi():
    code, said, error = alone("alpi")
    must(code == 0 and said.count("\n") == 1, f"{code} {said}{error}")


def same_answers(name):
    def check():
        for ranks in (1, 2):  # more would spin for each other's CPU, without fibers
            plain, _ = launch(ranks, f"plain_{name}")
            said, _ = launch(ranks, name)
            must(said == plain and said, f"{plain}{said}")
    return check


def example(name, *arguments):
    def check():
        answers = {launch(ranks, name, *arguments)[0] for ranks in (1, 2, 4)}
        must(len(answers) == 1 and answers != {""}, str(answers))
    return check


def sessions():
    for word, said in (("two_sessions", "one at a time"), ("after_the_end", "cannot be initialised again")):
        code, out, _ = alone("ends", word)
        must(code == 0 and said in out, f"{word}: {code} {out}")
    code, _, error = alone("ends", "finalize_twice")
    must(code == 0 and error.count("MPI_Finalize was called again") == 1, f"{code} {error}")


def less_than_multiple():
    """MPI was initialised before by other code, with less than is needed."""
    for word, level in (("serialized", "MPI_THREAD_SERIALIZED"), ("funneled", "MPI_THREAD_FUNNELED")):
        _, error = launch(2, "ends", word)
        must(error.count(f"MPI grants {level}") == 1, error)


def wrong_use():
    code, _, error = alone("ends", "while_it_waits")
    must(code != 0 and "MPI_Finalize while a fiber waits for MPI" in error, f"{code} {error}")
    code, _, error = alone("ends", "in_simulation")
    must(code != 0 and "MPI_Recv in a simulation" in error, f"{code} {error}")
    code, _, error = alone("ends", "without_launcher")
    must(code == 0 and error.count("was not started by mpirun") == 1, f"{code} {error}")


def left_over():
    """The processes of ends that still run."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if os.fsencode(PROGRAMS["ends"]) in (process / "cmdline").read_bytes().split(b"\0"):
                    found.append(process.name)
            except OSError:
                pass
    return found


def killed():
    """A rank is killed: the job ends with an error, and no rank stays behind."""
    launch(4, "ends", "killed", code=1)
    deadline = time.monotonic() + PATIENCE
    while left_over():
        must(time.monotonic() < deadline, f"still there: {left_over()}")
        time.sleep(0.05)


run_checks("MPI", [
    ("each call that is replaced", calls),
    ("deadlines and stops lose no message", deadlines),
    ("thousands of receives outstanding", outstanding),
    ("tasks of ALPI", alpi),
    ("a ring, unchanged, in a fiber", same_answers("ring")),
    ("Jacobi, unchanged, in a fiber", same_answers("jacobi")),
    ("a product of matrices, unchanged, in a fiber", same_answers("matrix")),
    ("tree search", example("uts", "T1")),
    ("heat stencil", example("stencil")),
    ("sample sort", example("sample_sort")),
    ("master and workers", example("crawl")),
    ("sessions that are refused", sessions),
    ("less than MPI_THREAD_MULTIPLE", less_than_multiple),
    ("wrong use is told in a line", wrong_use),
    ("a rank that is killed", killed),
])
