#!/usr/bin/env python3
"""usage: lint.py BUILD STAMPS

Runs clang-tidy over all files that BUILD, a configured build directory, compiles in groups (Meson's
unity files): most of its time goes into headers, which a group reads once. A group that passed leaves
a file in STAMPS under the digest of its files, all headers and the rules, and is not looked at again.

Files that are programs by themselves are looked at together as well, folder by folder: each in a namespace
of its own, after all headers that any of them includes.

misc-unused-alias-decls looks only at the file that clang-tidy is called for. So files that have an
alias of a namespace are looked at by themselves as well, for this check alone.

What a group of BUILD is compiled with is there. The others need less: the rules of the tree say where their
headers are.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("runtime", "tools", "bench", "tests", "docs", "mpi")
# A group includes .cpp files by design.
GROUPED = "-bugprone-suspicious-include"
ALONE = "-*,misc-unused-alias-decls"
# A main that stands in a namespace returns nothing by itself.
FLAGS = ["-std=c++20", "-pthread", "-DHILO_PROBES", "-Wno-return-type", f"-I{ROOT}/include", f"-I{ROOT}"]
MPI = subprocess.run(["pkg-config", "--cflags-only-I", "ompi-c"], capture_output=True, text=True, check=False).stdout
FLAGS += ["-DOMPI_SKIP_MPICXX", *MPI.replace("-I", "-isystem").split()]
MOST = 12  # files in a group


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


def together(files):
    """A program that has each of some programs in a namespace."""
    headers, parts = [], []
    for number, name in enumerate(files):
        text = (ROOT / name).read_text(encoding="utf-8")
        headers += re.findall(r'^#include ([<"].*(?<!\.cpp)[>"])$', text, re.MULTILINE)
        include = f'#include "{ROOT / name}"\n'
        # What is added to namespaces of the tree finds them only from outside of all. Operators that replace the
        # library's stand there as well.
        inside = re.search(r"^namespace (hilo|bench)\b|^\w+\*? operator (new|delete)\b", text, re.MULTILINE)
        parts.append(include if inside else f"namespace program_{number} {{\n{include}}}\n")
    guarded = (f"#if __has_include({one})\n#include {one}\n#endif\n" for one in dict.fromkeys(headers))
    return "".join([*guarded, *parts])


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
    jobs = []  # (path, whether it is from BUILD, checks, stamp)
    groups = []  # (path, whether it is from BUILD, files)
    programs = collections.defaultdict(list)
    for unit, files in units_in(build):
        if len(files) == 1:
            programs[files[0].parent].append(files[0])
        else:
            groups.append((unit, True, files))
    for folder, files in sorted(programs.items()):
        for first in range(0, len(files), MOST):
            some = sorted(files)[first : first + MOST]
            unit = stamps / f"{str(folder).replace('/', '-')}-{first}.cpp"
            unit.write_text(together(some), encoding="utf-8")
            groups.append((unit, False, some))
    for unit, built, files in groups:
        texts = [(ROOT / name).read_bytes() for name in files]
        key = digest([shared.encode(), GROUPED.encode(), *texts])
        jobs.append((unit, built, GROUPED, stamps / key))
        for name, text in zip(files, texts):
            if re.search(rb"^\s*namespace \w+ = ", text, re.MULTILINE):
                key = digest([shared.encode(), ALONE.encode(), text])
                jobs.append((ROOT / name, False, ALONE, stamps / key))

    def run(job):
        path, built, checks, stamp = job
        if stamp.exists():
            return True
        command = ["clang-tidy", "--quiet", f"--checks={checks}"]
        command += ["-p", str(build), str(path)] if built else [str(path), "--", *FLAGS]
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
