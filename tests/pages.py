#!/usr/bin/env python3
"""usage: pages.py BOOK [--report REPORT] [--pictures DIRECTORY]

Looks at each page of the book (build/docs/html), and at a benchmark report, in a headless Chromium. Its
window is as wide as a desk's screen, and then as a phone's:
- no error in the console, nothing that fails to load
- the page is no wider than the screen; what is wider scrolls by itself
- each plot and each picture has a size
- a search of the book finds words of chapters and names of the interface
With --pictures each page is also kept as a picture of each width.
"""

import argparse
import pathlib
import sys

import browser

WIDTHS = (1280, 400)
# A word of a chapter and a name of a header, and a page that the search must show for it.
SEARCHES = {"preemption": "guarantees", "with_timeout": "interface/limit-hpp"}

# Elements that stick out of the page, apart from those inside something that scrolls.
STICKING_OUT = """
[...document.body.querySelectorAll('*')].filter(e => {
  if (e.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
  for (let p = e; p; p = p.parentElement) {
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return false;
  }
  return true;
}).map(e => e.tagName + '.' + e.className).slice(0, 5)
"""
DRAWN = """
[...document.querySelectorAll('figure svg, img')]
  .map(e => e.getBoundingClientRect()).map(b => [b.width, b.height])
"""
# What the search has found, once it says that it has finished.
HITS = """
(async () => {
  for (let tries = 0; tries < 600; ++tries) {
    const box = document.querySelector('#search-results');
    if (/finished|did not match/.test(box.textContent)) {
      return [...box.querySelectorAll('li a')].map(a => a.getAttribute('href'));
    }
    await new Promise(go => setTimeout(go, 100));
  }
  return ['nothing in a minute'];
})()
"""


def faults_of(page):
    """What is wrong with a page that is open."""
    for told in page.complaints:
        yield told
    wide = page.ask("document.documentElement.scrollWidth")
    if wide > page.width:
        sticking = ", ".join(page.ask(STICKING_OUT))
        yield f"is {wide} pixels wide because of {sticking}"
    small = [size for size in page.ask(DRAWN) if min(size) < 20]
    if small:
        yield f"{len(small)} plots or pictures have no size: {small[:3]}"


def look(chromium, pages, width, pictures):
    """The faults of each page, by its name."""
    found = {}
    window = chromium.window(width)
    for name, path in pages.items():
        window.go(path)
        found[name] = [f"{name} at {width} pixels: {fault}" for fault in faults_of(window)]
        if pictures:
            window.picture(pictures / f"{name.replace('/', '_')}-{width}.png")
    window.close()
    return found


def search(chromium, book):
    """The faults of each search, by its word."""
    found = {}
    for word, wanted in SEARCHES.items():
        page = chromium.open(book / "search.html", WIDTHS[0], query=f"q={word}")
        hits = page.ask(HITS)
        found[word] = [f"search for {word}: {fault}" for fault in faults_of(page)]
        if not any(hit.startswith(wanted) for hit in hits):
            found[word].append(f"a search for {word} does not find {wanted}, but {hits[:5]}")
        page.close()
    return found


def main():
    parser = argparse.ArgumentParser(description="looks at pages in a headless browser")
    parser.add_argument("book", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path)
    options = parser.parse_args()
    if not browser.find():
        print("there is no Chromium (Debian: chromium), so nothing looked at the pages")
        print("hilo-tests: 0 passed, 0 failed, 1 skipped")
        return
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    found = sorted(options.book.rglob("*.html"))
    pages = {str(path.relative_to(options.book).with_suffix("")): path for path in found}
    if "index" not in pages:
        sys.exit(f"{options.book} has no book")
    if options.report:
        pages["report"] = options.report
    with browser.Browser() as chromium:
        looks = [look(chromium, pages, width, options.pictures) for width in WIDTHS]
        looks.append(search(chromium, options.book))
    faults = [each for looked in looks for each in looked.values()]
    for fault in sum(faults, []):
        print(fault)
    failed = sum(map(bool, faults))
    print(f"hilo-tests: {len(faults) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(failed != 0)


if __name__ == "__main__":
    try:
        main()
    except browser.Trouble as trouble:
        sys.exit(f"cannot look at the pages: {trouble}")
