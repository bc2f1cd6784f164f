// All memory shared and the caller asleep until the child has called exec: clone is vfork, and a
// program is started without copying a page table. Unlike vfork's, this child has a stack and a
// thread block of its own, so it may call functions and return.
#include <cerrno>
#include <cstdio>
#include <hilo/clone.hpp>

#include <unistd.h>

namespace {

constexpr auto like_vfork = hilo::share::memory | hilo::with::caller_asleep;

}  // namespace

int main() {
  hilo::child shell = hilo::clone<like_vfork>().start([] {
    ::execl("/bin/sh", "sh", "-c", "exit 5", nullptr);
    return 127;
  });
  std::printf("the shell %s\n", shell.wait().describe().c_str());

  // Memory is shared, so a failed exec can say why, which after fork takes a pipe.
  int error = 0;
  hilo::child none = hilo::clone<like_vfork>().start([&] {
    ::execl("/nowhere/program", "program", nullptr);
    error = errno;
    return 127;
  });
  std::printf("the other did not start: %s\n", error == ENOENT ? "ENOENT" : "some other error");
  std::printf("it %s\n", none.wait().describe().c_str());
}
