// Raw system calls: results and errors as the kernel returns them, errno untouched.
#include "runtime/sys/syscall.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/doctest.hpp"

namespace sys = hilo::sys;

TEST_CASE("syscall: returns what the kernel returns, for each number of arguments") {
  int ends[2];
  CHECK(sys::call(SYS_getpid) == ::getpid());           // 0
  CHECK(sys::call(SYS_dup, -1) == -EBADF);              // 1
  CHECK(sys::call(SYS_pipe2, ends, O_CLOEXEC) == 0);    // 2
  CHECK(sys::call(SYS_write, ends[1], "abc", 3) == 3);  // 3
  char text[4] = {};
  CHECK(sys::call(SYS_read, ends[0], text, 3) == 3);
  CHECK(std::strcmp(text, "abc") == 0);
  CHECK(sys::call(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CREAT, 0) < 0);  // 4
  sys::call(SYS_close, ends[0]);
  sys::call(SYS_close, ends[1]);
  const long size = ::sysconf(_SC_PAGESIZE);
  const long page =
      sys::call(SYS_mmap, nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);  // 6
  REQUIRE(page > 0);
  const long moved = sys::call(SYS_mremap, page, size, 2 * size, MREMAP_MAYMOVE, nullptr);  // 5
  REQUIRE(moved > 0);
  CHECK(sys::call(SYS_munmap, moved, 2 * size) == 0);
}

TEST_CASE("syscall: leaves errno alone") {
  errno = EDOM;
  CHECK(sys::call(SYS_close, -1) == -EBADF);
  CHECK(errno == EDOM);
}
