#!/usr/bin/env python3
"""usage: check_readme.py README PROGRAM OUTPUT, or check_readme.py --excerpts CHAPTER PROGRAM

The program that README.md shows, and the output it promises, are the tested ones to the letter. With
--excerpts: all C++ in the chapter is from the program, apart from how far it is indented.
"""

import re
import sys

if sys.argv[1] == "--excerpts":
    chapter, program = sys.argv[2:]
    with open(chapter, encoding="utf-8") as file:
        shown = re.findall(r"^```cpp\n(.*?)^```$", file.read(), flags=re.M | re.S)
    with open(program, encoding="utf-8") as file:
        tested = re.sub(r"\n[ ]+", "\n", file.read())
    strange = [block for block in shown if re.sub(r"\n[ ]+", "\n", block).strip() not in tested]
    for block in strange:
        print(f"{chapter} has code that is not in {program}:\n{block}")
    print(f"hilo-tests: {len(shown) - len(strange)} passed, {len(strange)} failed, 0 skipped")
    sys.exit(not shown or strange != [])

with open(sys.argv[1], encoding="utf-8") as file:
    blocks = re.findall(r"^```\w*\n(.*?)^```$", file.read(), flags=re.M | re.S)
failed = 0
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        if file.read() not in blocks:
            failed += 1
            print(f"{sys.argv[1]} has no code block that is exactly {path}")
print(f"hilo-tests: {len(sys.argv) - 2 - failed} passed, {failed} failed, 0 skipped")
sys.exit(failed != 0)
