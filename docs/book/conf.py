"""Sphinx's configuration of the book. source.py puts the chapters beside a copy of this file."""

project = "hilo"
author = "the authors of hilo"
copyright = author
extensions = ["myst_parser"]
html_theme = "alabaster"
html_theme_options = {"description": "fibers and kernel threads for Linux, in C++20", "page_width": "1100px",
                      "sidebar_width": "260px", "fixed_sidebar": False}
html_sidebars = {"**": ["about.html", "searchbox.html", "globaltoc.html"]}
html_show_sourcelink = False
html_copy_source = False
html_css_files = ["book.css"]
html_static_path = ["static"]
templates_path = ["templates"]
# A page that is opened as a file may not read other pages, as a summary in the search's results would.
html_show_search_summary = False
highlight_language = "cpp"
pygments_style = "friendly"
myst_heading_anchors = 4
nitpicky = True
# The highlighter does not know all of C++20.
suppress_warnings = ["misc.highlighting_failure"]
