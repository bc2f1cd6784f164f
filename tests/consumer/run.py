#!/usr/bin/env python3
"""usage: run.py installed PREFIX SCRATCH
       run.py built SCRATCH

Programs that use hilo as a user's do. Each is built outside the tree, runs, and prints what it should.
  installed   by find_package, by pkg-config, with several compilers and flags, against an installation at
              PREFIX that may be moved from where it was configured for
  built       as a Meson subproject and by FetchContent: these build hilo too
Prints a line for each that fails, with what it said, and a total.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
JOBS = str(os.cpu_count() or 1)

passed, failed, skipped = 0, 0, 0


def note(name, fault):
    global passed, failed
    if fault:
        failed += 1
        print(f"FAILED {name}:\n{fault}")
    else:
        passed += 1
        print(f"ok {name}")


def skip(name, why):
    global skipped
    skipped += 1
    print(f"skipped {name}: {why}")


def call(command, cwd=None, env=None):
    """Runs a command. Returns whether it succeeded, and what it said."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**os.environ, **(env or {})}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )
    return done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"


def runs(program, example, env=None):
    """What is wrong with a run of the program, which should print the example's output."""
    ran = subprocess.run([str(program)], capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    wanted = (EXAMPLES / f"{example}.out").read_text(encoding="utf-8")
    if ran.returncode == 0 and ran.stdout == wanted:
        return ""
    return f"{program} ended with {ran.returncode} and printed\n{ran.stdout}{ran.stderr}"


def by_cmake(prefix, scratch):
    build = scratch / "cmake"
    configure = ["cmake", "-S", HERE / "cmake", "-B", build, f"-DEXAMPLES={EXAMPLES}",
                 f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug"]
    for wanted, works in (("0.1", True), ("0.1.0", True), ("0.2", False), ("1.0", False), ("0.0.9", False)):
        done, said = call([*configure, f"-DWANTED={wanted}", "--fresh"] if fresh_cmake() else
                          [*configure, f"-DWANTED={wanted}"])
        clear = works or "compatible" in said
        note(f"find_package(hilo {wanted}) {'finds it' if works else 'says why not'}",
             "" if done == works and clear else said)
    done, said = call([*configure, "-DWANTED=0.1"])
    if done:
        done, said = call(["cmake", "--build", build, "-j", JOBS])
    note("CMake with find_package builds", "" if done else said)
    if done:
        for program, example in (("shared", "hello"), ("static", "hello"), ("c_shared", "c_hello")):
            note(f"CMake with find_package: {program} runs", runs(build / program, example))
    build = scratch / "cmake_c"
    done, said = call(["cmake", "-S", HERE / "cmake_c", "-B", build, f"-DEXAMPLES={EXAMPLES}",
                       f"-DCMAKE_PREFIX_PATH={prefix}"])
    if done:
        done, said = call(["cmake", "--build", build])
    note("CMake for C alone builds", "" if done else said)
    if done:
        note("CMake for C alone: shared runs", runs(build / "c_shared", "c_hello"))
        note("CMake for C alone: static runs", runs(build / "c_static", "c_threads"))


def fresh_cmake():
    _, said = call(["cmake", "--version"])
    major, minor = (int(part) for part in said.split("version ")[1].split(".")[:2])
    return (major, minor) >= (3, 24)


def by_make(where, scratch):
    build = scratch / "make"
    build.mkdir()
    done, said = call(["make", "-f", HERE / "make" / "Makefile", f"EXAMPLES={EXAMPLES}"], cwd=build, env=where)
    note("Make with pkg-config builds", "" if done else said)
    if done:
        for program, example in (("shared", "hello"), ("static", "hello"), ("c_shared", "c_hello")):
            note(f"Make with pkg-config: {program} runs", runs(build / program, example))


def without_other_packages(library, scratch):
    """pkg-config, where hilo.pc is the only .pc file: what a static hilo needs is not everybody's."""
    alone = scratch / "pkgconfig"
    alone.mkdir()
    shutil.copy(library / "pkgconfig" / "hilo.pc", alone)
    where = {"PKG_CONFIG_LIBDIR": str(alone), "PKG_CONFIG_PATH": ""}
    for question, wanted in ((["--exists"], ""), (["--cflags"], "-I"), (["--libs"], "-lhilo"),
                             (["--static", "--libs"], "-lhilo")):
        done, said = call(["pkg-config", "--print-errors", *question, "hilo"], env=where)
        answer = said.split("\n", 1)[1]
        note(f"pkg-config {' '.join(question)} needs no other package", "" if done and wanted in answer else said)
    # The rule proves itself: a package that asks for another is refused here.
    text = (alone / "hilo.pc").read_text(encoding="utf-8")
    (alone / "needy.pc").write_text(text + "Requires.private: liburing\n", encoding="utf-8")
    done, said = call(["pkg-config", "--cflags", "needy"], env=where)
    note("pkg-config sees no other package", said if done else "")


# Compilers and flags of users' programs. Each compiles an example, with warnings as errors.
STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
PROGRAMS = [
    ("g++", ["-std=c++20", *STRICT, "-O1"], "select.cpp"),
    ("g++", ["-std=c++20", "-fno-rtti", "-O1"], "scope.cpp"),
    ("g++", ["-std=c++2b", *STRICT], "shop.cpp"),
    ("clang++", ["-std=c++20", *STRICT, "-fno-rtti"], "select.cpp"),
    ("clang++", ["-std=c++2b", "-O2"], "hello.cpp"),
    ("gcc", ["-std=c11", *STRICT, "-Wpedantic"], "c_server.c"),
    ("clang", ["-std=c2x", *STRICT], "c_threads.c"),
]


def with_flags(library, include, scratch):
    for number, (compiler, flags, source) in enumerate(PROGRAMS):
        name = f"{compiler} {' '.join(flags)} {source}"
        if shutil.which(compiler) is None:
            skip(name, f"there is no {compiler}")
            continue
        program = scratch / f"flags_{number}"
        done, said = call([compiler, *flags, f"-I{include}", EXAMPLES / source, f"-L{library}", "-lhilo",
                           f"-Wl,-rpath,{library}", "-o", program])
        note(name, runs(program, source.split(".")[0]) if done else said)


def with_other_version(scratch, library):
    """A program and a library of another version: the loader says so and starts nothing."""
    program = scratch / "make" / "shared"
    if not program.exists():
        return
    other = scratch / "other"
    other.mkdir()
    text = (library / "libhilo.so.0").read_bytes().replace(b"\0HILO_0.1\0", b"\0HILO_9.9\0")
    (other / "libhilo.so.0").write_bytes(text)
    ran = subprocess.run([str(program)], capture_output=True, text=True, check=False,
                         env={**os.environ, "LD_PRELOAD": str(other / "libhilo.so.0")})
    clear = ran.returncode > 0 and "HILO_0.1" in ran.stderr and "not found" in ran.stderr
    note("a library of another version is refused by name", "" if clear else f"{ran.returncode}\n{ran.stdout}{ran.stderr}")


# CMake compiles each file of hilo by itself, so that none lacks a header; Meson compiles groups of them, which takes
# a fifth of the time.
GROUPED_BY_MESON = ["-Dunity=on", "-Dunity_size=6"]


def by_subproject(scratch):
    project = scratch / "subproject"
    shutil.copytree(HERE / "subproject", project)
    shutil.copy(EXAMPLES / "hello.cpp", project)
    (project / "subprojects" / "hilo").symlink_to(ROOT)
    build = project / "build"
    done, said = call(["meson", "setup", *GROUPED_BY_MESON, build, project])
    if done:
        clear = "hilo is compiled with optimization=2" in said
        note("a subproject says that it optimises", "" if clear else said)
        commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        library = [one for one in commands if "subprojects/hilo/" in one["file"] and one["file"].endswith(".cpp")]
        plain = [one["file"] for one in library if "-O2" not in one["command"].split()]
        note("a subproject is optimised in a project that is not", "\n".join(plain) if library else "nothing is compiled")
        tests = [one["file"] for one in commands if "/tests/" in one["file"] or "/docs/" in one["file"]]
        note("a subproject builds no tests", "\n".join(tests))
        done, said = call(["ninja", "-C", build, "-j", JOBS])
    note("Meson subproject builds", "" if done else said)
    if done:
        note("Meson subproject runs", runs(build / "subproject", "hello"))


def by_fetch(scratch):
    build = scratch / "fetch"
    cache = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    done, said = call(["cmake", "-S", HERE / "fetch", "-B", build, f"-DEXAMPLES={EXAMPLES}", *cache,
                       "-DHILO_UNOPTIMIZED=ON", f"-DFETCHCONTENT_SOURCE_DIR_HILO={ROOT}"])
    if done:
        done, said = call(["cmake", "--build", build, "-j", JOBS])
    note("FetchContent builds", "" if done else said)
    if done:
        note("FetchContent runs", runs(build / "fetched", "hello"))


def main():
    kind, *places = sys.argv[1:]
    scratch = pathlib.Path(places[-1]).resolve()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    if kind == "installed":
        prefix = pathlib.Path(places[0]).resolve()
        library = next(prefix.rglob("libhilo.so")).parent
        where = {
            "PKG_CONFIG_PATH": str(library / "pkgconfig"),
            # The .pc file names the prefix that hilo was configured for.
            "PKG_CONFIG": f"pkg-config --define-variable=prefix={prefix}",
        }
        by_cmake(prefix, scratch)
        by_make(where, scratch)
        without_other_packages(library, scratch)
        with_flags(library, next(prefix.rglob("hilo.h")).parent.parent, scratch)
        with_other_version(scratch, library)
    else:
        by_subproject(scratch)
        by_fetch(scratch)
    print(f"hilo-tests: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
