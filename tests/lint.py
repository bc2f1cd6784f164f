#!/usr/bin/env python3
"""usage: lint.py BUILD STAMPS

Runs clang-tidy over all files that BUILD, a configured build directory, compiles in groups (Meson's
unity files): most of its time goes into headers, which a group reads once. A group that passed leaves
a file in STAMPS under the digest of its files, all headers and the rules, and is not looked at again.

misc-unused-alias-decls looks only at the file that clang-tidy is called for. So files that have an
alias of a namespace are looked at by themselves as well, for this check alone.

What a group is compiled with is in BUILD. A file by itself needs less: the rules of the tree say where
its headers are.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("runtime", "tools", "bench", "tests", "docs")
# A group includes .cpp files by design.
GROUPED = "-bugprone-suspicious-include"
ALONE = "-*,misc-unused-alias-decls"
FLAGS = ["-std=c++20", f"-I{ROOT}/include", f"-I{ROOT}"]


def source_of(path):
    """The file's place in the tree; None outside of the folders that are checked."""
    try:
        name = path.resolve().relative_to(ROOT)
    except ValueError:
        return None
    return name if name.suffix == ".cpp" and name.parts[0] in FOLDERS else None


def files_of(unit):
    """The sources that one unit of compilation has: itself, or those that a group includes."""
    itself = source_of(unit)
    if itself is not None:
        return [itself]
    included = re.findall(r'^#include ?[<"](.*)[>"]$', unit.read_text(encoding="utf-8"), re.MULTILINE)
    named = (source_of(unit.parent / name) for name in included)
    return [name for name in named if name is not None]


def units_in(build):
    seen = set()
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        unit = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if unit.suffix != ".cpp":
            continue
        files = files_of(unit)
        if not set(files) <= seen:  # a program may be built from the library's sources again
            seen.update(files)
            yield unit, files


def digest(texts):
    whole = hashlib.sha256()
    for text in texts:
        whole.update(hashlib.sha256(text).digest())
    return whole.hexdigest()[:32]


def main():
    build, stamps = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    stamps.mkdir(parents=True, exist_ok=True)
    shared = digest(
        path.read_bytes()
        for path in sorted(
            [*ROOT.glob("[!b]*/**/*.h*"), *ROOT.glob("bench/**/*.h*"), ROOT / ".clang-tidy"]
        )
        if path.is_file()
    )
    jobs = []  # (path, checks, stamp)
    for unit, files in units_in(build):
        texts = [(ROOT / name).read_bytes() for name in files]
        key = digest([shared.encode(), GROUPED.encode(), *texts])
        jobs.append((unit, GROUPED, stamps / key))
        for name, text in zip(files, texts):
            if re.search(rb"^\s*namespace \w+ = ", text, re.MULTILINE):
                key = digest([shared.encode(), ALONE.encode(), text])
                jobs.append((ROOT / name, ALONE, stamps / key))

    def run(job):
        path, checks, stamp = job
        if stamp.exists():
            return True
        command = ["clang-tidy", "--quiet", f"--checks={checks}"]
        command += [str(path), "--", *FLAGS] if checks == ALONE else ["-p", str(build), str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            print(result.stdout or result.stderr, flush=True)
            return False
        stamp.touch()
        return True

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run, jobs))
    print(f"{len(jobs)} units of compilation, {results.count(False)} with findings")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
