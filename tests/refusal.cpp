#include "tests/refusal.hpp"

#include <array>
#include <cerrno>
#include <cstddef>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/death.hpp"

namespace hilo::test {

bool refuse(const refused_call& what) noexcept {
  const auto load = [](std::size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset));
  };
  const auto unless = [](unsigned value, unsigned char skipped) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
  };
  const auto answer = [](unsigned value) { return sock_filter BPF_STMT(BPF_RET | BPF_K, value); };
  const refused_call::argument argument = what.only_with.value_or(refused_call::argument{});
  const unsigned refusal = SECCOMP_RET_ERRNO | static_cast<unsigned>(what.error);
  std::array<sock_filter, 6> rules{
      load(offsetof(seccomp_data, nr)),
      unless(static_cast<unsigned>(what.number), 3),
      load(offsetof(seccomp_data, args) + sizeof(__u64) * argument.index),  // little-endian
      unless(argument.value, 1),
      answer(refusal),
      answer(SECCOMP_RET_ALLOW),
  };
  if (!what.only_with) {
    rules = {load(offsetof(seccomp_data, nr)),
             unless(static_cast<unsigned>(what.number), 1),
             answer(refusal),
             answer(SECCOMP_RET_ALLOW),
             answer(SECCOMP_RET_ALLOW),
             answer(SECCOMP_RET_ALLOW)};
  }
  const sock_fprog filter{.len = rules.size(), .filter = rules.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

std::string missing_system_call_filters() {
  const child_end end = run_in_child([] {
    const bool works = refuse({.number = SYS_personality, .error = EDOM}) &&
                       ::syscall(SYS_personality, 0xffffffff) < 0 && errno == EDOM;
    ::_exit(works ? 0 : 1);
  });
  return end.exited && end.code == 0 ? "" : "no filter of system calls can be installed here";
}

}  // namespace hilo::test
