"""The plots of a run, as SVG that reads well at the width of a phone.

Each function takes Results and gives the text of one SVG, or nothing if the run lacks the figures.
The same results give the same bytes, so that docs/results/ changes only with what was measured.
Text stays text: it can be searched, and a screen reader reads it.
"""

import io
import math
import re

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plot  # noqa: E402  (the backend comes first)

from report import IMPLEMENTATIONS, show  # noqa: E402

COLOURS = {
    "hilo": "#0b5fa5",
    "hilo_epoll": "#6ea8dc",
    "hilo_thread": "#2f8f9d",
    "bare": "#4d4d4d",
    "pthread": "#c2571a",
    "go": "#3f9142",
    "boost": "#8a56a8",
    "serial": "#8c8c8c",
    "tbb": "#a98600",
    "nginx": "#b03a5b",
    "redis": "#d7263d",
}
PERCENTILES = {"_p50": "50", "_p90": "90", "_p99": "99", "_p999": "99.9"}
WIDTH = 4.3  # inches: with 72 points each a little less than the narrowest page

plot.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "hilo",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "legend.frameon": False,
    }
)


def as_svg(figure, name, described):
    """The figure's SVG, with its identifiers made its own: several stand in one page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plot.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    referenced = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    kept = lambda found: f' id="{name}-{found[1]}"' if found[1] in referenced else ""
    text = re.sub(r' id="([^"]+)"', kept, text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)
    # A reader's machine may lack matplotlib's first choice of a font.
    text = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1'DejaVu Sans', Verdana, sans-serif", text)
    label = described.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    width = round(float(re.search(r'width="([\d.]+)pt"', text)[1]) * 4 / 3)
    text = re.sub(r"\n\s*", "\n", text)
    head = f'<svg role="img" data-name="{name}" aria-label="{label}" style="max-width:{width}px" '
    return text.replace("<svg ", head, 1)


def ordered(cells):
    return sorted(cells, key=lambda cell: (cell.carriers, IMPLEMENTATIONS.index(cell.implementation)))


def carriers_text(number):
    return f"{number} carrier" + ("s" if number > 1 else "")


def uneven(values):
    """Whether bars of these lengths need a logarithmic scale."""
    least = min(values)
    return least > 0 and max(values) / least > 30


def bars(results, figure):
    """All implementations of one figure: the median, each round as a dot, least to greatest as a line."""
    cells = ordered(c for c in results.of_figure(figure) if c.carriers <= 2)
    if not cells:
        return ""
    unit = cells[0].unit
    picture, axes = plot.subplots(figsize=(WIDTH, 0.75 + 0.27 * len(cells)))
    medians = [cell.median() for cell in cells]
    greatest = max(max(cell.values) for cell in cells)
    least = min(min(cell.values) for cell in cells)
    logarithmic = uneven(medians) and least > 0
    left = 10 ** math.floor(math.log10(least / 1.5)) if logarithmic else 0
    if logarithmic:
        axes.set_xscale("log")
    for row, cell in enumerate(cells):
        colour = COLOURS[cell.implementation]
        axes.barh(row, cell.median() - left, left=left, height=0.62, color=colour, alpha=0.85)
        axes.plot([min(cell.values), max(cell.values)], [row, row], color="black", linewidth=1)
        axes.plot(cell.values, [row] * len(cell.values), "|", color="black", markersize=5)
        axes.annotate(
            show(cell.median(), unit),
            (max(cell.median(), *cell.values), row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    several = len({cell.carriers for cell in cells}) > 1
    names = [f"{c.implementation}, {c.carriers}" if several else c.implementation for c in cells]
    axes.set_yticks(range(len(cells)), names)
    axes.invert_yaxis()
    room = (greatest / left) ** 1.38 if logarithmic else 1.32
    axes.set_xlim(left, left * room if logarithmic else max(greatest * room, 1e-9))
    axes.grid(axis="x")
    better = "more is better" if unit == "/s" else "less is better"
    scale = ", logarithmic scale" if logarithmic else ""
    axes.set_xlabel(f"{unit}; {better}{scale}", fontsize=8)
    axes.set_title(figure, loc="left")
    told = "; ".join(f"{name}: {show(m, unit)}" for name, m in zip(names, medians))
    return as_svg(picture, figure, f"{figure}, medians: {told}")


def distribution(results, workload):
    """The latency that each implementation's requests or sleepers stay below, by percentile."""
    lines = {}
    for suffix in PERCENTILES:
        for cell in results.of_figure(workload + suffix):
            if cell.carriers <= 2:
                lines.setdefault((cell.implementation, cell.carriers), {})[suffix] = cell
    lines = {key: found for key, found in lines.items() if len(found) > 1}
    if not lines:
        return ""
    several = len({carriers for _, carriers in lines}) > 1
    picture, axes = plot.subplots(figsize=(WIDTH, 3.0))
    places = {suffix: place for place, suffix in enumerate(PERCENTILES)}
    unit = ""
    order = sorted(lines, key=lambda key: (IMPLEMENTATIONS.index(key[0]), key[1]))
    for implementation, carriers in order:
        found = lines[implementation, carriers]
        unit = next(iter(found.values())).unit
        x = [places[suffix] for suffix in found]
        y = [max(cell.median(), 1e-3) for cell in found.values()]
        low = [max(min(cell.values), 1e-3) for cell in found.values()]
        high = [max(max(cell.values), 1e-3) for cell in found.values()]
        style = "o-" if carriers == 1 else "s--"
        name = f"{implementation}, {carriers_text(carriers)}" if several else implementation
        colour = COLOURS[implementation]
        axes.plot(x, y, style, color=colour, markersize=4, linewidth=1.4, label=name)
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set_yscale("log")
    axes.set_xticks(list(places.values()), [f"{text} %" for text in PERCENTILES.values()])
    axes.grid(axis="y")
    axes.set_ylabel(f"{unit}, logarithmic scale", fontsize=8)
    what = "lateness" if workload.startswith("timers") else "time to an answer"
    axes.set_xlabel(f"so many are below this {what}", fontsize=8)
    axes.set_title(f"{workload}: {what}", loc="left")
    axes.legend(fontsize=8, ncol=2, loc="upper center", bbox_to_anchor=(0.45, -0.2))
    return as_svg(picture, workload + "-latency", f"{workload}: {what} by percentile")


def scaling(results, figure):
    """How many times faster than with one carrier; more carriers than CPUs are marked."""
    lines = {}
    for cell in ordered(results.of_figure(figure)):
        lines.setdefault(cell.implementation, {})[cell.carriers] = cell
    lines = {name: found for name, found in lines.items() if 1 in found and max(found) > 2}
    if not lines:
        return ""
    picture, axes = plot.subplots(figsize=(WIDTH, 2.8))
    every = sorted({carriers for found in lines.values() for carriers in found})
    for name, found in lines.items():
        alone = found[1].median()
        y = [alone / cell.median() for cell in found.values()]
        low = [alone / max(cell.values) for cell in found.values()]
        high = [alone / min(cell.values) for cell in found.values()]
        axes.plot(list(found), y, "o-", color=COLOURS[name], markersize=4, label=name)
        axes.fill_between(list(found), low, high, color=COLOURS[name], alpha=0.15, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(every, [str(n) for n in every])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    cpus = results.cpus()
    if max(every) > cpus:
        start = cpus * 2**0.25
        axes.axvspan(start, max(every) * 2**0.2, color="#f0e6d8", zorder=0)
        axes.set_xlim(2**-0.2, max(every) * 2**0.2)
        axes.annotate(
            f"more carriers than\nthe {cpus} CPUs",
            (start, 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=8,
            color="#7a5a2a",
        )
    axes.grid(axis="y")
    axes.set_xlabel("carriers", fontsize=8)
    axes.set_ylabel("times as fast as with one", fontsize=8)
    axes.set_title(f"{figure}: scaling", loc="left")
    axes.legend(fontsize=8, ncol=3, loc="upper center", bbox_to_anchor=(0.45, -0.17))
    return as_svg(picture, figure + "-scaling", f"{figure}: speed over the number of carriers")


def fork_join(results):
    """Each fork-join workload's time, divided by the time of the plain calls."""
    rows = []
    for figure in results.figures():
        serial = results.find(figure, "serial", 1)
        if not serial:
            continue
        for cell in ordered(results.of_figure(figure)):
            if cell.implementation != "serial" and cell.carriers <= 2:
                rows.append((figure, cell, cell.median() / serial.median()))
    if not rows:
        return ""
    picture, axes = plot.subplots(figsize=(WIDTH, 0.9 + 0.25 * len(rows)))
    for row, (_, cell, value) in enumerate(rows):
        faded = 0.55 if cell.carriers == 1 else 0.95
        axes.plot([1, value], [row, row], color=COLOURS[cell.implementation], alpha=faded, linewidth=5,
                  solid_capstyle="butt")
        text = f"{value:.2f}" if value < 10 else f"{value:.0f}"
        side = 1 if value >= 1 else -1
        axes.annotate(text, (value, row), xytext=(4 * side, 0), textcoords="offset points", va="center",
                      ha="left" if side > 0 else "right", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    values = [value for _, _, value in rows]
    axes.set_xlim(min(0.25, min(values) / 2), max(4, max(values) * 2.5))
    axes.set_yticks(range(len(rows)), [f"{name}: {c.implementation}, {c.carriers}" for name, c, _ in rows],
                    fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set_xlabel("times the time of the plain calls; less is better", fontsize=8)
    axes.set_title("fork-join against serial", loc="left")
    return as_svg(picture, "fork-join", "fork-join workloads, time divided by the time of plain calls")


# Figures of a workload beside its first; they have plots of their own, or say the same in another way.
ASIDE = re.compile(r"_(p50|p90|p99|p999|rate|with_tables)$")


def rivals(results):
    """For each figure that hilo has: each rival's median divided by hilo's, with one and with two
    carriers. Nothing is chosen: where hilo loses, the number is below 1."""
    rows = {}
    for figure in results.figures():
        if ASIDE.search(figure):
            continue
        for own in ("hilo", "hilo_thread"):
            others = [n for n in IMPLEMENTATIONS if not n.startswith("hilo") and n != "bare"]
            points = [
                (other, carriers, 1 / ratio)
                for other in others
                for carriers in (1, 2)
                if (ratio := results.ratio(figure, own, other, carriers))
            ]
            if points and figure not in rows:
                rows[figure] = points
    return rows


def overview(results):
    """The picture of README.md: how many times as much hilo's rivals take, for everything measured."""
    rows = rivals(results)
    if not rows:
        return ""
    picture, axes = plot.subplots(figsize=(8.2, 1.5 + 0.2 * len(rows)))
    seen = {}
    for row, points in enumerate(rows.values()):
        axes.axhline(row, color="#eeeeee", linewidth=0.8, zorder=0)
        for other, carriers, value in points:
            colour = COLOURS[other]
            face = colour if carriers == 1 else "white"
            axes.plot(value, row, "o", color=colour, markerfacecolor=face, markersize=5.5)
            seen[other] = plot.Line2D([], [], linestyle="", marker="o", color=colour, markersize=5.5)
    axes.axvspan(1e-9, 1, color="#f7ebe6", zorder=-1)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    values = [value for points in rows.values() for _, _, value in points]
    axes.set_xlim(min(0.3, min(values) / 1.5), max(10, max(values) * 1.5))
    axes.set_yticks(range(len(rows)), rows, fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda x, _: f"{x:g}×"))
    axes.grid(axis="x")
    axes.set_xlabel(
        "what the others take, as a multiple of hilo's time or memory; shaded: hilo takes more", fontsize=9
    )
    run = results.run
    axes.set_title("hilo and the others, all workloads that several of them can do", loc="left", pad=34)
    where = f"{run.get('cpu')}, {run.get('cpus')} CPUs, {run.get('kernel')}"
    below_title = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 8.5}
    axes.annotate(f"{where}; {run.get('when')}, commit {run.get('commit')}", (0, 1), xytext=(0, 22), **below_title)
    how = f"Medians of {run.get('rounds')} rounds. Filled: one carrier; hollow: two."
    axes.annotate(how, (0, 1), xytext=(0, 9), **below_title)
    names = [name for name in IMPLEMENTATIONS if name in seen]
    axes.legend([seen[n] for n in names], names, ncol=len(names), fontsize=8.5, loc="upper right",
                bbox_to_anchor=(1.01, -0.6 / len(rows) * 2), handletextpad=0.1)
    return as_svg(picture, "overview", "hilo compared with the other implementations, all workloads")
