"""What ./dev bench prints and writes: the tables of medians, the bars, the notes."""

from bars import BARS
from conditions import machine

# Those with a program bench_NAME.
PROGRAMS = ["hilo", "hilo_thread", "pthread", "go", "boost", "serial", "tbb"]

# In the order of the tables' columns.
IMPLEMENTATIONS = ["hilo", "hilo_epoll", "bare", *PROGRAMS[1:], "nginx", "redis"]

# The last columns of a table: one implementation's median divided by another's. What runs with one
# carrier only is also compared with what runs with more.
RATIOS = [
    ("hilo", "bare"),
    ("hilo_epoll", "bare"),
    ("hilo", "pthread"),
    ("hilo_thread", "pthread"),
    ("hilo", "go"),
    ("hilo", "nginx"),
    ("hilo", "redis"),
    ("hilo", "boost"),
    ("hilo", "serial"),
    ("hilo", "tbb"),
]


def show(value, unit):
    if unit == "bytes":
        return f"{value:,.0f} B"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def show_ratio(ratio):
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}" if ratio < 0.01 else f"{ratio:.3f}"


def tabulate(results, figures):
    """A table over some figures: medians, then their ratios; columns in which nothing is are left
    out."""
    columns = [n for n in IMPLEMENTATIONS if any(results.measured_with(f, n) for f in figures)]
    rows = [
        (figure, carriers)
        for figure in figures
        for carriers in sorted({n for name, _, n in results.cells if name == figure})
    ]
    ratios = {
        f"{name}/{other}": [results.ratio(figure, name, other, n) for figure, n in rows]
        for name, other in RATIOS
    }
    ratios = {title: column for title, column in ratios.items() if any(x is not None for x in column)}
    table = [["workload", "carriers", *columns, *ratios]]
    for i, (figure, carriers) in enumerate(rows):
        cells = [results.find(figure, name, carriers) for name in columns]
        table.append(
            [figure, str(carriers)]
            + [show(cell.median(), cell.unit) if cell else "-" for cell in cells]
            + ["-" if column[i] is None else show_ratio(column[i]) for column in ratios.values()]
        )
    return table


def tables(results):
    """One table of threads and fibers, one of fork-join, one of servers: few implementations do
    several of these. The finer percentiles are in the plots and in the list of measurements."""
    figures = [f for f in results.figures() if not f.endswith(("_p90", "_p999"))]
    forks = [f for f in figures if results.measured_with(f, "serial")]
    servers = [f for f in figures if results.measured_with(f, "bare") or results.measured_with(f, "redis")]
    others = [f for f in figures if f not in forks + servers]
    return [tabulate(results, group) for group in (others, forks, servers) if group]


def judge(bar, results):
    """What a bar compares with, the bar, what was measured, and the verdict."""
    cell = results.find(bar.figure, bar.implementation, bar.carriers)
    rival = None
    limit = show_ratio(bar.most)
    against = bar.over
    if bar.above:
        against = f"above {bar.above}"
        rival = results.find(bar.above, bar.implementation, bar.carriers)
    elif bar.over_carriers:
        against = f"{bar.over}, {bar.over_carriers} carrier"
        rival = results.find(bar.figure, bar.over, bar.over_carriers)
    elif bar.over:
        rival = results.rival(bar.figure, bar.over, bar.carriers)
    if cell is None or (against and rival is None):
        return None
    if bar.above or not against:
        value = cell.median() - (rival.median() if rival else 0)
        limit, shown = show(bar.most, cell.unit), show(value, cell.unit)
    else:
        value = cell.over(rival)
        if value is None:
            return None
        shown = show_ratio(value)
    return against or "-", limit, shown, "met" if value <= bar.most else "MISSED"


def bars_table(results):
    """The bars of which something was measured, and how many of the others there are."""
    table = [["bar", "carriers", "of", "compared with", "at most", "measured", ""]]
    left_out = 0
    for bar in BARS:
        judged = judge(bar, results)
        if judged is None:
            left_out += 1
        else:
            table.append([bar.figure, str(bar.carriers), bar.implementation, *judged])
    return table, left_out


def summary(table, left_out):
    missed = sum(row[-1] == "MISSED" for row in table)
    text = f"bars met: {len(table) - 1 - missed}, missed: {missed}"
    return text + (f", not measured in this run: {left_out}" if left_out else "")


def print_table(table, left_columns=1):
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [
            cell.ljust(width) if i < left_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        print("  ".join(cells).rstrip())
    print()


def print_report(results):
    print()
    for table in tables(results):
        print_table(table)
    bars, left_out = bars_table(results)
    if len(bars) > 1:
        print_table(bars)
    print(summary(bars, left_out))
    print(f"{machine(results.run)}; medians of {results.run['rounds']} rounds")
    for note in results.notes:
        print(f"  {note}")


def measurements_table(results):
    table = [["workload", "implementation", "carriers", "median", "min", "max", "rounds", "round trip between CPUs"]]
    for cell in results.cells.values():
        values = (cell.median(), min(cell.values), max(cell.values))
        row = [cell.figure, cell.implementation, str(cell.carriers)]
        row += [show(x, cell.unit) for x in values] + [str(len(cell.values))]
        far = sorted(cell.distances)
        table.append(row + [f"{far[0]:.0f} to {far[-1]:.0f} ns" if far else "-"])
    return table


def markdown_table(table):
    rows = ["| " + " | ".join(row) + " |" for row in table]
    return [rows[0], "|---|" + "---:|" * (len(table[0]) - 1), *rows[1:], ""]


def markdown(results):
    """The whole report as text."""
    run = results.run
    lines = [
        "# hilo benchmarks",
        "",
        f"{run['when']}, commit {run['commit']}. {machine(run)}. Medians of {run['rounds']} rounds, the "
        "implementations in turns. docs/benchmarks.md says what each workload does.",
        "",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()) + ".",
        "",
    ]
    for table in tables(results):
        lines += markdown_table(table)
    bars, left_out = bars_table(results)
    lines += ["## Bars", "", summary(bars, left_out) + ".", "", *markdown_table(bars)]
    lines += ["## Each measurement", "", *markdown_table(measurements_table(results))]
    lines += ["## Notes", ""] + [f"* {note}" for note in results.notes]
    return "\n".join(lines) + "\n"
