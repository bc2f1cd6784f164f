#!/usr/bin/env python3
"""usage: check_readme.py README PROGRAM OUTPUT

The program that README.md shows, and the output it promises, are the tested ones to the letter.
"""

import re
import sys

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
