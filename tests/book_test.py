#!/usr/bin/env python3
"""usage: book_test.py docs/book

The pages of the interface have what the headers say, and a broken link is found.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, sys.argv[1])

import interface  # noqa: E402
import source  # noqa: E402
from unittests import run_tests  # noqa: E402

HEADER = """// What it is.
//
//   hilo::thing one;
#pragma once

#include <cstddef>

namespace hilo {
namespace detail {
// Not for users.
void hidden();
}  // namespace detail

// Holds `a_b` and a_b.
class thing {
 public:
  // Makes one.
  // Errors: none.
  explicit thing(int n) : n_(n) {}
  // Adds.
  template <class T>
  void add(T value) { n_ += value; }
  void add(long value);

 private:
  // Secret.
  int secret();
  int n_;
};

// Calls.
HILO_API void call() noexcept;
}  // namespace hilo
"""


class Interface(unittest.TestCase):
    text = interface.page("thing.hpp", HEADER)

    def test_each_public_declaration_has_its_contract(self):
        for name in ("thing", "thing::thing", "thing::add", "call"):
            self.assertIn(f"# `{name}`\n", self.text)
        self.assertIn("Makes one.\nErrors: none.", self.text)
        self.assertIn("void call() noexcept;", self.text)

    def test_overloads_share_the_comment_above_the_first(self):
        self.assertIn("void add(T value);\nvoid add(long value);\n```\n\nAdds.", self.text)

    def test_what_is_not_for_users_is_left_out(self):
        for word in ("hidden", "ecret", "n_", "HILO_API"):
            self.assertNotIn(word, self.text)

    def test_code_in_a_comment_stays_code(self):
        self.assertIn("```cpp\nhilo::thing one;", self.text)
        self.assertIn("Holds `a_b` and a\\_b.", self.text)

    def test_every_header_that_declares_something_has_headings(self):
        for name, path in source.headers().items():
            text = path.read_text(encoding="utf-8")
            if "namespace hilo" in text and "class " in text:
                self.assertIn("\n## ", interface.page(name, text), name)


class Links(unittest.TestCase):
    chapter = source.DOCS / "fibers.md"

    def test_a_link_to_a_file_that_is_not_there_is_broken(self):
        with self.assertRaisesRegex(source.Broken, "nowhere.md"):
            source.redirect(self.chapter, "nowhere.md", "")

    def test_links_that_leave_the_chapters_become_pages_of_the_book(self):
        found = source.redirect(self.chapter, "../include/hilo/limit.hpp", "")
        self.assertEqual(found, "interface/limit-hpp.md")
        found = source.redirect(self.chapter, "examples/shop.cpp", "")
        self.assertEqual(found, "examples.md#shopcpp")
        self.assertEqual(source.redirect(self.chapter, "../dev", ""), "")


if __name__ == "__main__":
    run_tests()
