// SHA-256 of all files below some directories, as sha256sum prints them:
//
//   $ hash_tree src include README.md
//
// Directories are listed one after the other, which the kernel offers blocking calls for only;
// each file has a fiber, of which so many run at once that the disk has always something to read
// while the CPUs compute. A file that cannot be read is reported, and the others go on.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <hilo/hilo.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "sha256.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t files_at_once = 32;
constexpr std::size_t block = 128 * 1024;  // bytes a read; computing takes some tenths of a ms

struct hashed {
  std::string path;
  std::string digest;
  std::error_code error;
};

hashed hash_file(const fs::path& path) {
  hashed done{path.string(), {}, {}};
  auto file = hilo::file::open(done.path);
  if (!file) {
    done.error = file.error();
    return done;
  }
  std::vector<unsigned char> bytes(block);
  sha256 digest;
  while (true) {
    const auto got = file->read(bytes.data(), bytes.size());
    if (!got) {
      done.error = got.error();
      return done;
    }
    if (*got == 0) break;
    digest.add({bytes.data(), *got});
  }
  done.digest = digest.end();
  return done;
}

// What is in a directory, in the order of the names.
std::vector<fs::directory_entry> list(const fs::path& directory, std::error_code& error) {
  return hilo::blocking([&] {
    std::vector<fs::directory_entry> found;
    fs::directory_iterator at(directory, error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) found.push_back(*at);
    std::sort(found.begin(), found.end());
    return found;
  });
}

// Puts an error among the results, at its place.
void report(const fs::path& path, std::error_code error, hilo::scope<hashed>& files) {
  (void)files.spawn([=] { return hashed{path.string(), {}, error}; });
}

// Starts a fiber for each file at and below a path. Links are left out, and so is what is neither
// file nor directory.
void walk(const fs::directory_entry& entry, hilo::scope<hashed>& files) {
  std::error_code error;
  if (entry.is_symlink(error)) return;
  if (entry.is_directory(error)) {
    for (const fs::directory_entry& one : list(entry.path(), error)) walk(one, files);
  } else if (entry.is_regular_file(error)) {
    (void)files.spawn([path = entry.path()] { return hash_file(path); });
  }
  if (error) report(entry.path(), error, files);
}

}  // namespace

int main(int count, char** words) {
  return hilo::run([&] {
    hilo::scope<hashed> files({.limit = files_at_once});
    for (int i = 1; i < count; ++i) {
      std::error_code error;
      fs::directory_entry entry;
      entry.assign(words[i], error);
      if (error)
        report(words[i], error, files);
      else
        walk(entry, files);
    }
    int status = EXIT_SUCCESS;
    for (const hashed& one : files.join()) {
      if (!one.error) {
        std::printf("%s  %s\n", one.digest.c_str(), one.path.c_str());
      } else {
        std::fprintf(stderr, "%s: %s\n", one.path.c_str(), one.error.message().c_str());
        status = EXIT_FAILURE;
      }
    }
    return status;
  });
}
