#include "bench/files.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <unistd.h>

#include "bench/harness.hpp"

namespace bench {
namespace {

block numbered(std::uint64_t number) {
  block one;
  for (std::uint64_t& word : one.words) word = number++;
  return one;
}

}  // namespace

void file_failed(const char* what) {
  std::perror(what);
  std::exit(1);
}

unnamed_file::unnamed_file(content what) {
  std::string name = std::filesystem::temp_directory_path() / "hilo-bench-XXXXXX";
  fd_ = ::mkstemp(name.data());
  if (fd_ < 0 || ::unlink(name.c_str()) != 0) file_failed("cannot make a temporary file");
  if (what == content::none) return;
  for (std::uint64_t i = 0; i < file_blocks; ++i) {
    const auto one = std::make_unique<block>(numbered(i));
    if (::write(fd_, one.get(), block_bytes) != block_bytes) file_failed("cannot fill a file");
  }
}

unnamed_file::~unnamed_file() {
  ::close(fd_);
}

void unnamed_file::check() const {
  const auto one = std::make_unique<block>();
  for (std::uint64_t i = 0; i < file_blocks; ++i) {
    if (::pread(fd_, one.get(), block_bytes, static_cast<off_t>(i * block_bytes)) != block_bytes) {
      file_failed("cannot read a copy");
    }
    expect("a copied block", one->words == numbered(i).words ? i : file_blocks, i);
  }
}

}  // namespace bench
