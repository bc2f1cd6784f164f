// What the tests of hilo::clone look through: memory that parent and child see alike whatever they
// share, and whether children may share memory here.
#pragma once

#include <new>
#include <system_error>

#include <sys/mman.h>

#include "runtime/thread/clone_libc.hpp"
#include "tests/skip.hpp"

namespace hilo::test {

// A T in a mapping of its own that no clone copies.
template <class T>
class window {
 public:
  window() {
    void* place =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    seen_ = ::new (place) T{};
  }
  window(const window&) = delete;
  window& operator=(const window&) = delete;
  ~window() { ::munmap(seen_, sizeof(T)); }

  T& operator*() const noexcept { return *seen_; }
  T* operator->() const noexcept { return seen_; }

 private:
  T* seen_;
};

}  // namespace hilo::test

// Children that share memory run on a thread block made by hilo, where the libc is understood.
#define HILO_NEEDS_SHARED_MEMORY()                                                    \
  if (const auto& libc = ::hilo::kernel::understood_layout(); libc.layout == nullptr) \
  HILO_SKIP("children cannot share memory here: " + libc.reason)
