#!/usr/bin/env python3
"""Checks rules of the source that no compiler knows.

  includes   include downward only: base < sys < thread < context < sched < {sync, io, simulate} < tool < c;
             include/ never includes runtime/; users never include hilo/detail/; no cycles
  atomics    every atomic operation names its order; no operator and no implicit conversion that
             would be sequentially consistent without saying so
  assembly   one routine a file, described to the linker and the unwinder; or data
  umbrella   hilo/hilo.hpp reaches each public header, except those of the C interface and of MPI
  locks      the lock of a primitive is a sync_lock, so that a simulation may decide before it
  shape      no file over 500 lines, #pragma once, no leftovers, no names that say nothing

Prints one line a fault and, last, a total for ./dev test. The rules prove themselves first: each must
find the fault in its own bad example.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

LAYERS = {
    "base": 0,
    "sys": 1,
    "thread": 2,
    "context": 3,
    "sched": 4,
    "sync": 5,
    "io": 5,
    "simulate": 5,
    "tool": 6,
    "c": 7,
}

# Which trees a tree may include from, besides itself.
REACH = {
    "include": set(),
    "runtime": {"include"},
    "tests": {"include", "runtime", "mpi"},
    "tools": {"include", "runtime"},
    "bench": {"include"},
    "docs": {"include"},
    "mpi": {"include"},
}

# What the public headers do not show and a benchmark measures all the same.
MEASURED = {("bench/hilo/switch.cpp", "runtime/context"), ("bench/hilo/switch.cpp", "runtime/thread")}

CODE = (".cpp", ".hpp", ".h", ".c")
MAX_LINES = 500
MAX_ASSEMBLY_LINES = 100


def without_comments(text, keep_strings=False):
    """The text with comments and the insides of strings blanked out; lines keep their numbers."""

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'" and keep_strings:
            return found
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)

    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, blank, text, flags=re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def tree_of(path):
    return path.split("/", 1)[0]


def resolve(include, path):
    """The repository path that a quoted or hilo include in a file names; None for other people's
    headers. An example is there to be copied, so its files name those beside them as they are."""
    if include.startswith("hilo/"):
        return "include/" + include
    if tree_of(path) == "docs" and "/" not in include:
        return os.path.join(os.path.dirname(path), include)
    if tree_of(include) in ("runtime", "tests", "tools", "bench", "mpi"):
        return include
    return None


def includes_of(text):
    code = without_comments(text, keep_strings=True)
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', code, flags=re.M):
        yield line_of(code, match.start()), match.group(1), match.group(2)


def check_includes(sources):
    edges = {}
    for path, text in sources.items():
        if not path.endswith(CODE + (".S",)):
            continue
        edges[path] = []
        for line, quote, include in includes_of(text):
            target = resolve(include, path) if quote == '"' or "/" in include else None
            if target is None:
                if quote == '"':
                    yield path, line, f'"{include}" must be a path from include/ or the top'
                continue
            if target not in sources:
                yield path, line, f"{include} does not exist"
                continue
            edges[path].append(target)
            here, there = tree_of(path), tree_of(target)
            measured = (path, target.rsplit("/", 1)[0]) in MEASURED
            if here != there and there not in REACH[here] and not measured:
                yield path, line, f"{here}/ may not include {there}/ ({include})"
            if "/detail/" in target and here in ("bench", "docs"):
                yield path, line, f"{include} is not for users"
            if here == there == "runtime":
                mine, other = path.split("/")[1], target.split("/")[1]
                if mine != other and LAYERS[mine] <= LAYERS[other]:
                    yield path, line, f"{mine} may not include {other} ({include})"
    yield from find_cycles(edges)


def find_cycles(edges):
    finished, open_paths = set(), []

    def visit(path):
        if path in finished:
            return
        if path in open_paths:
            loop = open_paths[open_paths.index(path) :] + [path]
            yield path, 1, "includes itself: " + " > ".join(loop)
            return
        open_paths.append(path)
        for target in edges.get(path, ()):
            yield from visit(target)
        open_paths.pop()
        finished.add(path)

    for path in sorted(edges):
        yield from visit(path)


def balanced(text, start):
    """The text from an opening parenthesis to its partner."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return text[start : at + 1]
    return text[start:]


OPERATION = re.compile(
    r"(?:\.|->)\s*(load|store|exchange|compare_exchange_(?:weak|strong)|fetch_(?:add|sub|and|or|xor)"
    r"|test_and_set)\s*(?=\()|\b(atomic_thread_fence|atomic_signal_fence)\s*(?=\()"
)
# An atomic, a reference to one, or a container of them; not a pointer.
DECLARATION = re.compile(
    r"\bstd::atomic(?:_ref|_flag|_bool|_int)?\b\s*(?:<(?:[^<>;]|<[^<>;]*>)*>)?(?:\s*>)*\s*&?\s*"
    r"(\w+)\s*(?=[;={(\[,)])"
)


def check_atomics(sources):
    for path, text in sources.items():
        if not path.endswith(CODE):
            continue
        code = without_comments(text)
        for match in OPERATION.finditer(code):
            arguments = balanced(code, match.end())
            if not re.search(r"\bmemory_order|\border\b", arguments):
                name = match.group(1) or match.group(2)
                yield path, line_of(code, match.start()), f"{name} does not name its memory order"
        names = {match.group(1) for match in DECLARATION.finditer(code)}
        header = path.rsplit(".", 1)[0] + ".hpp"
        if header != path and header in sources:
            declared = without_comments(sources[header])
            names |= {match.group(1) for match in DECLARATION.finditer(declared)}
        yield from check_operators(path, code, names)


def declared_atomic(code, name, use):
    """Whether the declaration that a use most likely means, the last one before it, is an atomic's.
    A name that this file does not declare is the header's."""
    before = code[:use]
    atomic = max((m.start(1) for m in DECLARATION.finditer(before) if m.group(1) == name), default=-1)
    other = -1
    for match in re.finditer(rf"[\w>\]](\s+|\s*[&*]\s*)({name})\s*[=;{{(,):]", before):
        word = re.search(r"\w*$", before[: match.start(1)]).group(0)
        if word not in ("return", "case", "else", "co_return", "throw", "delete"):
            other = match.start(2)
    return other <= atomic


def check_operators(path, code, names):
    """Uses of an atomic that are operators: ++a, a += 1, a = b, if (a), a == b."""
    if not names:
        return
    name = r"(?P<name>" + "|".join(sorted(map(re.escape, names))) + r")"
    element = r"(?:\[[^\]\n]*\])?"
    patterns = (
        (rf"(?:\+\+|--)\s*(?:[\w.]+(?:\.|->))?\b{name}\b", "increments"),
        (rf"\b{name}\b{element}\s*(?:\+\+|--)", "increments"),
        (rf"\b{name}\b{element}\s*(?:[-+|&^]=)", "changes"),
        (rf"\b{name}\b{element}\s*=(?!=)", "assigns to"),
        (rf"\b{name}\b{element}\s*(?:[!=<>]=|&&|\|\|)", "reads"),
        (rf"(?:[!=<>]=|&&|\|\||!|\breturn|\bif\s*\(|\bwhile\s*\()\s*(?:\w+(?:\.|->))*\b{name}\b"
         rf"(?!\s*(?:\.|->|\[|\(|::|\w))", "reads"),
        (rf"\b(?:CHECK|REQUIRE)(?:_FALSE)?\(\s*{name}\s*\)", "reads"),
    )
    for pattern, what in patterns:
        for match in re.finditer(pattern, code):
            start = code.rfind("\n", 0, match.start()) + 1
            before = code[start : match.start("name")]
            # A declaration has its type before it, on the same line or as the end of the last one.
            if re.search(r"[\w>&*\]]\s+$|[\w>]\s*[&*]\s*$", before) and not re.search(
                r"\b(return|case|else|co_return)\s+$", before
            ):
                continue
            if what == "assigns to" and re.search(r"[\[,]\s*&?\s*$|^\s*\.$|[{,]\s*\.$", before):
                continue  # a capture or a designated initializer
            if not declared_atomic(code, match.group("name"), match.start("name")):
                continue
            yield (
                path,
                line_of(code, match.start("name")),
                f"{what} the atomic {match.group('name')} without naming a memory order",
            )


def check_assembly(sources):
    for path, text in sources.items():
        if not path.endswith(".S"):
            continue
        lines = text.count("\n")
        if lines > MAX_ASSEMBLY_LINES:
            yield path, lines, f"has more than {MAX_ASSEMBLY_LINES} lines"
        routine = (".cfi_startproc", ".cfi_endproc") if ".text" in text else ()
        for directive in (".note.GNU-stack", ".type", ".size", *routine):
            if directive not in text:
                yield path, 1, f"lacks {directive}"


UMBRELLA = "include/hilo/hilo.hpp"


def check_umbrella(sources):
    if UMBRELLA not in sources:
        return
    reached, next_ones = set(), [UMBRELLA]
    while next_ones:
        path = next_ones.pop()
        if path in reached or path not in sources:
            continue
        reached.add(path)
        next_ones += [resolve(include, path) for _, _, include in includes_of(sources[path])
                      if include.startswith("hilo/")]
    for path in sources:
        public = path.startswith("include/") and path.endswith(".hpp") and "/detail/" not in path
        if public and path not in reached and path != "include/hilo/mpi.hpp":
            yield path, 1, f"is not reached from {UMBRELLA}"


# A plain spin_lock as a member or a variable. These are known to have a decision point elsewhere, or
# need none (hilo/detail/decision.hpp): descriptors are not simulated, and stop_case is locked by a
# select, which decides before it takes locks, and in stop callbacks, where nothing may be decided.
PLAIN_LOCK = re.compile(r"^[^\S\n]*(?:mutable |static |constinit )*(?:detail::)?spin_lock\s+\w+\s*[;{=]", re.M)
KNOWN_PLAIN_LOCKS = {"include/hilo/detail/ready_case.hpp": 1, "include/hilo/select.hpp": 1}


def check_locks(sources):
    for path, text in sources.items():
        if not path.startswith(("include/", "runtime/sync/")):
            continue
        code = without_comments(text)
        found = [line_of(code, match.end()) for match in PLAIN_LOCK.finditer(code)]
        for line in found[KNOWN_PLAIN_LOCKS.get(path, 0) :]:
            yield path, line, "a spin_lock without a decision point; use a sync_lock"


IN_A_FIBER = re.compile(r"\b(?:on_each_driver|everywhere|hilo::run|spawn)\s*(?=\()")
NOTED = re.compile(r"\b(?:CAPTURE|INFO)\s*\(")


def check_notes(sources):
    """doctest keeps these notes for each kernel thread, which a fiber may change at each wait."""
    for path, text in sources.items():
        if not path.startswith("tests/"):
            continue
        code = without_comments(text)
        for match in IN_A_FIBER.finditer(code):
            for note in NOTED.finditer(balanced(code, match.end())):
                yield path, line_of(code, match.end() + note.start()), "a CAPTURE or INFO in a fiber"


LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK|for now|stub|work in progress)\b")
EMPTY_NAME = re.compile(r"(^|[_/.])(manager|utils?|helpers?|common|misc)([_/.]|$)")


def check_shape(sources):
    for path, text in sources.items():
        lines = text.count("\n")
        if lines > MAX_LINES and path.endswith(CODE + (".py",)):
            yield path, lines, f"has more than {MAX_LINES} lines"
        # What is precompiled is its own program for the compiler, where g++ refuses the pragma.
        if (path.endswith((".hpp", ".h")) and not path.startswith("tests/precompiled/")
                and not re.search(r"^#pragma once$", text, flags=re.M)):
            yield path, 1, "lacks #pragma once"
        if EMPTY_NAME.search(path):
            yield path, 1, "has a name that says nothing of its subject"
        if path != "tests/check_source.py":
            for match in LEFTOVER.finditer(text):
                yield path, line_of(text, match.start()), f"leftover: {match.group(0)}"


CHECKS = {
    "includes": check_includes,
    "atomics": check_atomics,
    "assembly": check_assembly,
    "umbrella": check_umbrella,
    "locks": check_locks,
    "notes": check_notes,
    "shape": check_shape,
}

# Each is one fault; a check that does not find it is broken.
A = "std::atomic<int> n_;\n"
BAD = [
    ("includes", {"runtime/sys/a.cpp": '#include "runtime/sched/b.hpp"\n', "runtime/sched/b.hpp": ""}),
    ("includes", {"runtime/io/a.cpp": '#include "runtime/sync/b.hpp"\n', "runtime/sync/b.hpp": ""}),
    ("includes", {"include/hilo/a.hpp": '#include "runtime/sys/b.hpp"\n', "runtime/sys/b.hpp": ""}),
    ("includes", {"bench/a.cpp": '#include "hilo/detail/b.hpp"\n', "include/hilo/detail/b.hpp": ""}),
    ("includes", {"bench/a.cpp": "#include <hilo/gone.hpp>\n"}),
    ("includes", {"docs/examples/a/a.cpp": '#include "gone.hpp"\n'}),
    ("includes", {"runtime/sys/a.cpp": '#include "b.hpp"\n', "runtime/sys/b.hpp": ""}),
    ("includes", {"bench/a.hpp": '#include "bench/a.hpp"\n'}),
    ("atomics", {"runtime/sys/a.cpp": A + "int f() { return n_.load(); }\n"}),
    ("atomics", {"runtime/sys/a.cpp": A + "void f() { n_.store(g(1, 2)); }\n"}),
    ("atomics", {"runtime/sys/a.cpp": A + "void f() { ++n_; }\n"}),
    ("atomics", {"runtime/sys/a.cpp": A + "void f() { x->n_++; }\n"}),
    ("atomics", {"runtime/sys/a.cpp": A + "void f() { n_ = 3; }\n"}),
    ("atomics", {"runtime/sys/a.cpp": A + "void f() { n_ |= 3; }\n"}),
    ("atomics", {"runtime/sys/a.cpp": A + "int f() { return n_; }\n"}),
    ("atomics", {"runtime/sys/a.cpp": "bool f() { return n_ == 2; }\n", "runtime/sys/a.hpp": A}),
    ("atomics", {"runtime/sys/a.cpp": A + "void f() { if (n_) g(); }\n"}),
    ("atomics", {"runtime/sys/a.cpp": "void f(std::atomic<int>& n) { n = 3; }\n"}),
    ("atomics", {"runtime/sys/a.cpp": "std::vector<std::atomic<int>> n_;\nint i = n_[2]++;\n"}),
    ("atomics", {"tests/sys/a.cpp": A + "void f() { CHECK(n_); }\n"}),
    ("atomics", {"tests/sys/a.cpp": A + "auto f = [&n_, i] { ++n_; };\n"}),
    ("atomics", {"runtime/sys/a.cpp": "void f() { std::atomic_thread_fence(); }\n"}),
    ("assembly", {"runtime/sys/a.S": ".type a, %function\n.size a, . - a\n"}),
    ("assembly", {"runtime/sys/a.S": ".text\n.type a, %function\n.size a, . - a\n.note.GNU-stack"}),
    ("umbrella", {"include/hilo/hilo.hpp": '#include "hilo/a.hpp"\n', "include/hilo/a.hpp": "",
                  "include/hilo/b.hpp": ""}),
    ("locks", {"include/hilo/a.hpp": "class a {\n  mutable detail::spin_lock lock_;\n};\n"}),
    ("locks", {"runtime/sync/a.cpp": "static spin_lock lock;\n"}),
    ("notes", {"tests/io/a.cpp": "void f() {\n  on_each_driver([] {\n    CAPTURE(n);\n  });\n}\n"}),
    ("notes", {"tests/io/a.cpp": "auto one = hilo::spawn([] { INFO(\"so\"); });\n"}),
    ("shape", {"runtime/sys/a.cpp": "\n" * 501}),
    ("shape", {"runtime/sys/a.hpp": "int f();\n"}),
    ("shape", {"runtime/sys/a.cpp": "// TODO: all of it\n"}),
    ("shape", {"runtime/sys/string_utils.cpp": "\n"}),
]

# None of it is a fault.
GOOD = {
    "include/hilo/hilo.hpp": '#pragma once\n#include "hilo/a.hpp"\n',
    "include/hilo/a.hpp": '#pragma once\n#include "hilo/c.hpp"\n#include "hilo/detail/b.hpp"\n',
    "include/hilo/c.hpp": "#pragma once\nstruct c {\n  sync_lock lock_;\n  spin_lock* lock();\n};\n",
    "include/hilo/c.h": "#pragma once\n",
    "include/hilo/detail/b.hpp": "#pragma once\n",
    "runtime/sys/b.hpp": "#pragma once\n" + A,
    "runtime/sys/a.cpp": '#include <atomic>\n#include "runtime/sys/b.hpp"\n'
    "std::atomic<int> left = 1;\nstd::atomic<bool> flags[2];\n"
    "int f(int n) { return left.load(std::memory_order_relaxed) + n; }  // not left.load()\n"
    'auto g = [&left = left] { puts("left = 3"); };\n'
    "void h() { left.store(f(2), std::memory_order_release); int other = 3; wake(&left); }\n"
    "void i() { flags[0].store(true, std::memory_order_relaxed); }\n"
    "void j() { double left = 1; left += 0.5; }\n",
    "tests/io/a.cpp": "void f() {\n  CAPTURE(n);\n  hilo::run([] { CHECK(n == 1); });\n}\n",
    "docs/examples/a/a.cpp": '#include <map>\n#include "b.hpp"\n',
    "docs/examples/a/b.hpp": "#pragma once\n",
}


def prove_checks():
    broken = [
        f"the check {name} does not find: {list(example.values())[0].strip()[:60]}"
        for name, example in BAD
        if not list(CHECKS[name](example))
    ]
    for check in CHECKS.values():
        broken += [f"wrongly found: {path}:{line}: {what}" for path, line, what in check(GOOD)]
    return broken


def read_sources():
    """Every file that git tracks or would track, so that a new file is checked before its commit."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False,
    )
    if listed.returncode == 0:
        paths = listed.stdout.decode().split("\0")
    else:  # an unpacked release
        paths = [
            os.path.relpath(os.path.join(folder, name), ROOT)
            for folder, _, names in os.walk(ROOT)
            for name in names
        ]
    sources = {}
    for path in sorted(set(paths)):
        full = os.path.join(ROOT, path)
        if path.endswith(CODE + (".S", ".py")) and tree_of(path) in REACH and os.path.isfile(full):
            with open(full, encoding="utf-8") as file:
                sources[path] = file.read()
    return sources


def main():
    faults = prove_checks()
    passed = 0
    sources = read_sources()
    for name, check in CHECKS.items():
        found = [f"{path}:{line}: {what}" for path, line, what in check(sources)]
        faults += found
        passed += not found
    for fault in faults:
        print(fault)
    failed = len(CHECKS) - passed + (1 if passed == len(CHECKS) and faults else 0)
    print(f"hilo-tests: {passed} passed, {failed} failed, 0 skipped")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
