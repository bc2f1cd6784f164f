#!/usr/bin/env python3
"""usage: suite_targets.py BUILD SUITE

Prints what ninja has to build for the tests of a suite in BUILD, a configured build directory.
"""

import json
import os
import subprocess
import sys

build, suite = sys.argv[1:]


def introspect(what):
    words = ["meson", "introspect", "--" + what, build]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


files = {one["id"]: one["filename"] for one in introspect("targets")}
needed = {name for test in introspect("tests") for name in test["depends"]
          if any(one.split(":")[-1] == suite for one in test["suite"])}
paths = {os.path.relpath(path, os.path.realpath(build)) for name in needed for path in files[name]}
if not paths:
    sys.exit(f"no test of {build} is in the suite {suite}")
print("\n".join(sorted(paths)))
