#include "bench/wordcount.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include <fcntl.h>
#include <unistd.h>

#include "bench/harness.hpp"

namespace bench {
namespace {

enum kind : std::uint8_t { separator, letter, ignored };

// wc's rules in the C locale. Versions of wc differ in whether a byte that is not printable can
// start a word. The driver tries it and says words=printable or words=any.
std::array<kind, 256> byte_kinds() {
  const bool any = argument("words") == "any";
  std::array<kind, 256> kinds;
  for (unsigned byte = 0; byte < 256; ++byte)
    kinds[byte] = any || (byte > ' ' && byte < 0x7f) ? letter : ignored;
  for (const char space : {' ', '\t', '\n', '\v', '\f', '\r'})
    kinds[static_cast<unsigned char>(space)] = separator;
  return kinds;
}

void add_bytes(file_words& file, const char* begin, const char* end) {
  static const std::array<kind, 256> kinds = byte_kinds();
  std::uint64_t words = file.words;
  bool open = file.tail;
  const char* at = begin;
  if (!file.separator) {
    for (; at != end && kinds[static_cast<unsigned char>(*at)] != separator; ++at)
      open |= kinds[static_cast<unsigned char>(*at)] == letter;
    file.head = open;
    words = open ? 1 : 0;
    file.separator = at != end;
  }
  for (; at != end; ++at) {
    const kind k = kinds[static_cast<unsigned char>(*at)];
    words += k == letter && !open;
    open = k == letter || (k == ignored && open);
  }
  file.words = words;
  file.tail = open;
}

}  // namespace

void walk_files(const std::filesystem::path& tree, const std::function<void(std::string)>& found) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree))
    if (!entry.is_symlink() && entry.is_regular_file()) found(entry.path().string());
}

word_counter::word_counter() : buffer_(std::size_t{64} * 1024) {}

file_words word_counter::count(std::string path) {
  file_words file;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), path);
  while (true) {
    const ssize_t got = ::read(descriptor, buffer_.data(), buffer_.size());
    if (got < 0) throw std::system_error(errno, std::generic_category(), path);
    if (got == 0) break;
    add_bytes(file, buffer_.data(), buffer_.data() + got);
  }
  ::close(descriptor);
  file.path = std::move(path);
  return file;
}

std::string wordcount_tree() {
  return argument("tree");
}

void check_words(const std::vector<file_words>& files) {
  std::unordered_map<std::string_view, const file_words*> by_path;
  for (const file_words& file : files) by_path[file.path] = &file;
  std::uint64_t listed = 0;
  std::uint64_t words = 0;
  bool open = false;
  std::ifstream order(argument("order"), std::ios::binary);
  for (std::string path; std::getline(order, path, '\0'); ++listed) {
    const auto found = by_path.find(path);
    expect("the number of counts of " + path, found == by_path.end() ? 0 : 1, 1);
    const file_words& file = *found->second;
    words += file.words - (open && file.head ? 1 : 0);
    open = file.separator ? file.tail : open || file.tail;
  }
  expect("the number of files counted", files.size(), listed);
  expect("the number of words", words, std::stoull(argument("expect")));
}

}  // namespace bench
