#!/usr/bin/env python3
"""usage: run.py BUILD

Builds the seeded tests (tests/simulate/*_seeds.cpp) against copies of the primitives with one fault
each, and expects every fault to be found. BUILD is a build directory with the library and the tests;
what is made goes to BUILD/mutations.

A fault is a piece of text that occurs once in a file, and what stands there instead. One whose text
is not there any more fails: the change of the primitive must say what the fault is now.
"""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SEEDS = ("50", "2000")  # most faults are found by a few; the others get as many as the tests do

sys.path.insert(0, HERE)
from faults import FAULTS  # noqa: E402


def run(command, **options):
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, **options
    )


class Bench:
    def __init__(self, build):
        self.library = os.path.join(build, "libhilo.a")
        # One library a file of tests, so that a file that includes a faulty header is compiled again.
        self.tests = {
            re.sub(r"^lib|\.a$", "", os.path.basename(path)): path
            for path in glob.glob(os.path.join(build, "tests", "lib*_seeds.a"))
        }
        self.main = os.path.join(build, "tests", "libseeds_main.a")
        self.made = os.path.join(build, "mutations")
        self.headers = None
        self.rests = {}  # compile_rest() of some files
        self.groups = {}  # of a build in groups: the generated file that includes each file of the library
        for path in glob.glob(os.path.join(build, "libhilo*.p", "hilo-unity*.cpp")):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for included in re.findall("#include<(.*)>", text):
                self.groups[os.path.relpath(included, ROOT)] = text
        # As the library is compiled: a macro may decide what a file defines.
        self.defines = []
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            for entry in json.load(file):
                if re.search(r"libhilo\S*\.p/", entry["output"]) and entry["file"].endswith(".cpp"):
                    self.defines = re.findall(r"(?<=\s)-DHILO\S+", entry["command"])
                    break
        cache = ["ccache"] if shutil.which("ccache") else []
        uring = run(["pkg-config", "--libs", "liburing"])  # with which the library may be built
        self.libraries = uring.stdout.split() if uring.returncode == 0 else []
        self.compiler = [*cache, *os.environ.get("CXX", "g++").split()]

    def compile(self, source, target, first=None):
        """`first`: a folder of headers that hide the tree's."""
        command = [*self.compiler, "-std=c++20", "-O0", *self.defines]
        if first:
            command.append("-I" + first)
        elif self.headers:
            command += ["-include-pch", self.headers]
        command += ["-I" + ROOT + "/include", "-I" + ROOT, "-c", source, "-o", target]
        result = run(command)
        if result.returncode != 0:
            raise RuntimeError("it does not compile:\n" + result.stderr)

    def compile_headers(self):
        """Compiles once what most files include, if the compiler is clang."""
        if "clang" not in self.compiler[-1]:
            return
        self.defines.append(f'-DHILO_BUILD_DIRECTORY="{self.made}"')
        target = os.path.join(self.made, "library.hpp.pch")
        self.compile(ROOT + "/tests/precompiled/library.hpp", target)
        self.headers = target

    def compile_rest(self, name):
        """The files that Meson compiled together with a file of the library, without that file: they stand in
        one object, which the faulty file replaces in part."""
        place = os.path.join(self.made, name.replace("/", "-"))
        source, target = place + ".cpp", place + ".o"
        text, times = re.subn(f"#include<.*/{re.escape(name)}>\n?", "", self.groups[name])
        if times != 1:
            raise RuntimeError(f"the group of {name} has it {times} times, not once")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        self.compile(source, target)
        self.rests[name] = target

    def link(self, target, objects, without=None):
        tests = [path for name, path in self.tests.items() if name != without]
        command = [*self.compiler, *objects, "-Wl,--whole-archive", *tests, self.main,
                   "-Wl,--no-whole-archive", self.library, *self.libraries, "-pthread", "-o", target]
        result = run(command)
        if result.returncode != 0:
            raise RuntimeError("it does not link:\n" + result.stderr)

    def explore(self, program):
        """What the program says when it fails; None when it does not."""
        for seeds in SEEDS:
            result = run([program, seeds])
            if result.returncode != 0:
                break
        else:
            return None
        if result.returncode == -signal.SIGPROF:  # one run takes too long
            return "it hangs"
        if result.returncode == -signal.SIGALRM:
            raise RuntimeError("all runs together take too long to tell")
        lines = [line for line in result.stderr.splitlines() if line.startswith("hilo: ")]
        return lines[0][6:] if lines else f"it ends with {result.returncode}"

    def build_faulty(self, number, fault):
        with open(os.path.join(ROOT, fault.file), encoding="utf-8") as file:
            text = file.read()
        if text.count(fault.text) != 1:
            raise RuntimeError(
                f"{fault.file} has its text {text.count(fault.text)} times, not once:\n{fault.text}"
            )
        place = os.path.join(self.made, str(number))
        copy = os.path.join(place, fault.file)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text.replace(fault.text, fault.instead))
        part = os.path.join(place, "part.o")
        program = os.path.join(place, "program")
        if fault.tests is None:
            self.compile(copy, part)
        else:
            self.compile(f"{ROOT}/tests/simulate/{fault.tests}.cpp", part, place + "/include")
        rest = [self.rests[fault.file]] if fault.file in self.rests else []
        self.link(program, [part, *rest], fault.tests)
        return program

    def judge(self, number, fault):
        """The line to print, and whether the fault was found."""
        try:
            found = self.explore(self.build_faulty(number, fault))
        except RuntimeError as error:
            return f"broken: {fault.name}: {error}", False
        if found is None:
            return f"missed: {fault.name}", False
        return f"found:  {fault.name}: {found}", True


def main():
    bench = Bench(os.path.abspath(sys.argv[1]))
    os.makedirs(bench.made, exist_ok=True)
    bench.compile_headers()
    sound = os.path.join(bench.made, "sound")
    bench.link(sound, [])
    wrong = bench.explore(sound)
    if wrong is not None:
        print(f"without any fault the tests fail: {wrong}")
        print("hilo-tests: 0 passed, 1 failed, 0 skipped")
        return 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(bench.compile_rest, sorted({fault.file for fault in FAULTS} & bench.groups.keys())))
        results = list(pool.map(bench.judge, range(len(FAULTS)), FAULTS))
    for line, _ in results:
        print(line)
    passed = sum(found for _, found in results)
    print(f"hilo-tests: {passed} passed, {len(results) - passed} failed, 0 skipped")
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
