"""docs/results/: the figures and the plots of one full run, all of them, as files of the repository.

  results.json   the run as it was recorded
  results.md     its tables, with the bars and every measurement
  benchmark.svg  the picture of README.md
  NAME.svg       each further plot of the report
"""

import os
import re

import results as recorded
from page import OVERVIEW
from report import markdown


class Refused(Exception):
    pass


def files(drawn):
    """Each plot's file name with its SVG."""
    for title, pictures in drawn.items():
        for svg in pictures:
            name = re.search(r'data-name="([^"]+)"', svg)[1]
            yield ("benchmark" if title == OVERVIEW else name) + ".svg", svg


def publish(results, drawn, folder):
    """Writes the files, and removes plots of figures that are measured no more."""
    if not results.run.get("full"):
        raise Refused("only a full run is published: all workloads and all peers, five rounds or more, not --quick")
    os.makedirs(folder, exist_ok=True)
    plots = dict(files(drawn))
    for old in os.listdir(folder):
        if old.endswith(".svg") and old not in plots:
            os.remove(os.path.join(folder, old))
    for name, svg in plots.items():
        # Outside a page a picture's size is its own.
        head = '<?xml version="1.0" encoding="utf-8"?>\n'
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(head + svg)
    text = markdown(results)
    shown = "\n".join(f"![{name[:-4]}]({name})" for name in plots)
    with open(os.path.join(folder, "results.md"), "w", encoding="utf-8") as file:
        file.write(text + f"\n## Plots\n\n{shown}\n")
    recorded.record(os.path.join(folder, "results.json"), results)
    return [*plots, "results.md", "results.json"]
