// A directory of a test's own, for the paths of Unix sockets. Removed with all that is in it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <stdlib.h>

#include "hilo/net/address.hpp"

#include "tests/doctest.hpp"

namespace hilo::test {

class directory {
 public:
  directory() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  const std::string& path() const noexcept { return path_; }
  net::unix_address at(std::string_view name) const {
    return net::unix_address::path(path_ + "/" + std::string(name)).value();
  }

 private:
  std::string path_ = "/tmp/hilo-test-XXXXXX";
};

}  // namespace hilo::test
