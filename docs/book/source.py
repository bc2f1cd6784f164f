#!/usr/bin/env python3
"""usage: source.py DIRECTORY

Writes Sphinx's source of the book: the chapters of docs/, the pages of the interface made from the
public headers, and a page with every example. Links that leave docs/ are checked here, and become
links into those pages or plain names.
"""

import pathlib
import re
import shutil
import sys

import interface

TOP = pathlib.Path(__file__).resolve().parents[2]
DOCS = TOP / "docs"
HEADERS = TOP / "include" / "hilo"

PARTS = {
    "Start": ["why-fibers", "first-program", "packages"],
    "Kernel threads": ["threads", "clone"],
    "Fibers": ["fibers", "channels", "scopes", "cancellation", "servers", "tls", "io", "stack-sizes", "foreign-libraries", "mpi"],
    "Testing and debugging": ["simulation", "testing-your-program", "finding-faults", "debugging"],
    "Coming from elsewhere": ["porting", "c"],
    "What holds": ["guarantees", "process-life", "machine", "benchmarks", "scaling"],
    "For hilo's developers": ["architecture", "memory-model", "testing", "decisions/README"],
}


class Broken(Exception):
    pass


def headers():
    """Each public header by its name after hilo/."""
    found = [path for path in HEADERS.rglob("*.h*") if "detail" not in path.parts]
    return {str(path.relative_to(HEADERS)): path for path in sorted(found)}


def page_of(header):
    return "interface/" + re.sub(r"[/.]", "-", header)


def example_anchor(name):
    """What MyST makes of the heading."""
    return re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-")


def examples():
    folder = DOCS / "examples"
    found = [path for path in folder.rglob("*") if path.suffix in (".cpp", ".c", ".hpp")]
    return {str(path.relative_to(folder)): path for path in sorted(found)}


def redirect(chapter, target, up):
    """Where a link of a chapter goes in the book; nothing if it must become plain text."""
    if re.match(r"\w+://|#|mailto:", target):
        return target
    path, hash_, anchor = target.partition("#")
    there = (chapter.parent / path).resolve()
    if not there.exists():
        raise Broken(f"{chapter.relative_to(TOP)} links to {target}, which is not there")
    if there.suffix == ".md" and DOCS in there.parents:
        return target
    if there == DOCS / "examples":
        return up + "examples.md"
    if DOCS / "examples" in there.parents:
        return f"{up}examples.md#{example_anchor(str(there.relative_to(DOCS / 'examples')))}"
    if HEADERS in there.parents and "detail" not in there.parts:
        return up + page_of(str(there.relative_to(HEADERS))) + ".md" + hash_ + anchor
    return ""


def adopted(chapter):
    """A chapter's text with its links turned."""
    text = chapter.read_text(encoding="utf-8")
    up = "../" * (len(chapter.relative_to(DOCS).parts) - 1)
    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)  # code is left as it is

    def turn(found):
        goal = redirect(chapter, found[2], up)
        return f"[{found[1]}]({goal})" if goal else found[1]

    parts[::2] = [re.sub(r"\[([^\]\n]+)\]\(([^)\s]+)\)", turn, part) for part in parts[::2]]
    return "".join(parts)


def toc(title, pages):
    listed = "\n".join(pages)
    return f"```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n\n{listed}\n```\n\n"


def index():
    text = "# hilo\n\n" + (DOCS / "book" / "index.md").read_text(encoding="utf-8") + "\n"
    for title, pages in PARTS.items():
        text += toc(title, pages)
    return text + toc("Reference", ["examples", "interface/index"])


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    (out / "static").mkdir(parents=True)
    (out / "templates").mkdir()
    (out / "interface").mkdir()
    (out / "decisions").mkdir()
    shutil.copy(DOCS / "book" / "conf.py", out)
    shutil.copy(DOCS / "book" / "book.css", out / "static")
    shutil.copy(DOCS / "book" / "layout.html", out / "templates")
    listed = [page for pages in PARTS.values() for page in pages]
    for chapter in [*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md")]:
        name = str(chapter.relative_to(DOCS).with_suffix(""))
        if name not in listed and not name.startswith("decisions/"):
            raise Broken(f"docs/{name}.md is in no part of the book: add it to PARTS of docs/book/source.py")
        text = adopted(chapter)
        if name == "decisions/README":
            text += "\n```{toctree}\n:maxdepth: 1\n:glob:\n:hidden:\n\n[!R]*\n```\n"
        (out / f"{name}.md").write_text(text, encoding="utf-8")
    (out / "index.md").write_text(index(), encoding="utf-8")
    shown = "# Examples\n\nEach is a complete program. The tests build and run them.\n"
    for name, path in examples().items():
        language = "c" if path.suffix == ".c" else "cpp"
        shown += f"\n## {name}\n\n```{language}\n{path.read_text(encoding='utf-8')}```\n"
    (out / "examples.md").write_text(shown, encoding="utf-8")
    pages = []
    for header, path in headers().items():
        (out / f"{page_of(header)}.md").write_text(
            interface.page(header, path.read_text(encoding="utf-8")), encoding="utf-8"
        )
        pages.append(page_of(header).removeprefix("interface/"))
    start = "# Interface\n\nOne page for each public header. `hilo/hilo.hpp` includes all of C++.\n\n"
    (out / "interface" / "index.md").write_text(start + toc("Headers", pages), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except Broken as broken:
        sys.exit(f"the book has a broken link: {broken}")
