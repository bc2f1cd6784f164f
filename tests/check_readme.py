#!/usr/bin/env python3
"""usage: check_readme.py README PROGRAM OUTPUT, or check_readme.py --excerpts CHAPTER PROGRAM…

The program that README.md shows, and the output it promises, are the tested ones to the letter. With
--excerpts: all C++ in the chapter is from one of the programs, apart from how far it is indented.
"""

import re
import sys

if sys.argv[1] == "--excerpts":
    chapter, *programs = sys.argv[2:]
    with open(chapter, encoding="utf-8") as file:
        shown = re.findall(r"^```cpp\n(.*?)^```$", file.read(), flags=re.M | re.S)
    tested = []
    for program in programs:
        with open(program, encoding="utf-8") as file:
            tested.append(re.sub(r"\n[ ]+", "\n", file.read()))

    def is_strange(block):
        return not any(re.sub(r"\n[ ]+", "\n", block).strip() in text for text in tested)

    strange = [block for block in shown if is_strange(block)]
    for block in strange:
        print(f"{chapter} has code that is not in {' or '.join(programs)}:\n{block}")
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
