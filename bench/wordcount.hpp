// Counts the words of a tree of files as `find TREE -type f -exec cat {} + | wc -w` does. The walk,
// the counting of one file and the check are here. An implementation adds the channel between the
// walker and the workers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace bench {

inline constexpr unsigned wordcount_workers = 8;

// One file. cat joins files, and so it joins a word at the end of a file with a word at the start
// of the next. So a file's count alone is not enough.
struct file_words {
  std::string path;
  std::uint64_t words = 0;
  bool head = false;       // a word starts before the first separator
  bool tail = false;       // a word is open at the end
  bool separator = false;  // there is a separator at all
};

// Calls with the path of each regular file under the tree. Does not follow links.
void walk_files(const std::filesystem::path& tree, const std::function<void(std::string)>& found);

// Counts files, with one buffer for all of them.
class word_counter {
 public:
  word_counter();
  file_words count(std::string path);

 private:
  std::vector<char> buffer_;
};

// The tree to count: the argument tree=DIR.
std::string wordcount_tree();

// Joins the files in find's order (the argument order=FILE, NUL-separated) and ends the program
// unless every file is there once and the sum is the argument expect=N.
void check_words(const std::vector<file_words>& files);

}  // namespace bench
