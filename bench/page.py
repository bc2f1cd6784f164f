"""build/bench/report.html: one page that needs nothing else, with the plots and the tables of a run."""

import html

import compare
import plots
from conditions import machine
from report import bars_table, measurements_table, summary, tables

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; margin: 0 auto; padding: 0 12px 3em; max-width: 1240px; }
h1 { margin: 0.8em 0 0.2em; } h2 { margin: 2em 0 0.4em; border-bottom: 1px solid #ccc; }
nav a { margin-right: 1em; white-space: nowrap; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 370px), 1fr)); gap: 20px 16px; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
.wide svg { min-width: 620px; }
table { border-collapse: collapse; font-size: 14px; }
td, th { padding: 2px 10px 2px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid #eee; }
td:first-child, th:first-child { text-align: left; }
.met, .better { color: #19692c; } .missed, .worse { color: #b00020; font-weight: bold; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
"""

OVERVIEW = "All at a glance"

METHOD = [
    "Each measurement is a process of its own. For each workload the implementations take turns, so that a "
    "machine that becomes warmer or busier does so for all of them. A bar is the median over the rounds; the "
    "line on it reaches from the least to the greatest round, with a mark for each.",
    "“2 carriers” means two CPUs for every implementation. Each program checks its answer; a wrong answer ends "
    "the run. Every figure that was measured is on this page. docs/benchmarks.md says what each workload does.",
]


def escape(text):
    return html.escape(str(text))


def table_of(table, name=""):
    rows = []
    for number, row in enumerate(table):
        tag = "th" if number == 0 else "td"
        kind = {"met": "met", "MISSED": "missed", "better": "better", "WORSE": "worse"}.get(row[-1], "")
        cells = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        rows.append(f'<tr class="{kind}">{cells}</tr>' if kind else f"<tr>{cells}</tr>")
    return f'<div class="wide"{name and f" id={name}"}><table>{"".join(rows)}</table></div>'


def gallery(pictures):
    return f'<div class="plots">{"".join(f"<figure>{one}</figure>" for one in pictures)}</div>'


def draw(results):
    """The titles of the plots' sections, each with its pictures. The first is README.md's."""
    return {title: [one for one in pictures if one] for title, pictures in sections(results)}


def sections(results):
    figures = results.figures()
    memory = [f for f in figures if results.of_figure(f)[0].unit == "bytes"]
    spread = [f for f in figures if f.endswith(("_p50", "_p90", "_p99", "_p999"))]
    workloads = list(dict.fromkeys(f.rsplit("_", 1)[0] for f in spread))
    forks = [f for f in figures if results.measured_with(f, "serial")]
    servers = [f for f in figures if f.startswith(("echo", "http", "keyvalue")) and f not in memory + spread]
    others = [f for f in figures if f not in memory + spread + forks + servers]
    bars = lambda names: [plots.bars(results, name) for name in names]
    yield OVERVIEW, [plots.overview(results)]
    yield "Threads and fibers", bars(others)
    yield "Fork-join", [plots.fork_join(results), *bars(forks)]
    yield "Servers", bars(servers)
    yield "Latency", [plots.distribution(results, name) for name in workloads]
    yield "Memory", bars(memory)
    yield "Scaling over carriers", [plots.scaling(results, name) for name in figures]


def facts_of(run):
    yield "machine", machine(run)
    for name in ("memory", "system", "when", "commit", "load"):
        if run.get(name):
            yield {"load": "load average before"}.get(name, name), run[name]
    for name, version in run.get("versions", {}).items():
        yield name, version
    yield "rounds", f"{run.get('rounds')}, each of at least {run.get('seconds')} s where a loop can be repeated"


def comparison(results, old):
    found = compare.changes(results, old)
    sentences = "".join(f"<li>{escape(text)}</li>" for text in compare.facts(results, old, found))
    return f"<ul>{sentences}</ul>" + table_of(compare.changes_table(found))


def page(results, drawn, old=None):
    bars, left_out = bars_table(results)
    parts = {}
    if old:
        parts["Compared with before"] = comparison(results, old)
    if drawn[OVERVIEW]:
        parts[OVERVIEW] = f'<div class="wide"><figure>{drawn[OVERVIEW][0]}</figure></div>'
    parts["Bars"] = f"<p>{escape(summary(bars, left_out))}.</p>" + table_of(bars)
    for title, pictures in drawn.items():
        if pictures and title != OVERVIEW:
            parts[title] = gallery(pictures)
    parts["Medians"] = "".join(table_of(table) for table in tables(results))
    parts["Each measurement"] = table_of(measurements_table(results))
    if results.notes:
        parts["Notes"] = "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in results.notes) + "</ul>"
    links = "\n".join(f'<a href="#part{n}">{escape(title)}</a>' for n, title in enumerate(parts))
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts_of(results.run))
    method = "".join(f"<p>{escape(text)}</p>" for text in METHOD)
    body = "".join(f'<h2 id="part{n}">{escape(title)}</h2>\n{text}\n' for n, (title, text) in enumerate(parts.items()))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>hilo benchmarks</title>\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f"<h1>hilo benchmarks</h1>\n<dl>{facts}</dl>\n{method}\n<nav>{links}</nav>\n{body}</body>\n</html>\n"
    )


def write(path, results, drawn, old=None):
    with open(path, "w", encoding="utf-8") as file:
        file.write(page(results, drawn, old))
