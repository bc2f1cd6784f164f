// this_fiber::taint() and what only a privileged program may change of its kernel thread:
// namespaces, the user that the file system sees, capabilities.
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/hilo.hpp"
#include "hilo/process.hpp"

#include "tests/sched/taint.hpp"
#include "tests/skip.hpp"

namespace {

struct rights {
  std::string host_names;  // the namespace
  int file_user = 0;
  std::uint32_t capabilities = 0;
  friend bool operator==(const rights&, const rights&) = default;
};

constexpr int nobody = 65534;

rights look_at_rights() {
  char path[64] = {};
  (void)!::readlink("/proc/thread-self/ns/uts", path, sizeof path - 1);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  (void)::syscall(SYS_capget, &header, data);
  // The kernel changes nothing for this number, and says what there is.
  const auto user = static_cast<int>(::syscall(SYS_setfsuid, -1));
  return {.host_names = path, .file_user = user, .capabilities = data[0].effective};
}

// A descriptor of a namespace of host names that no thread is in.
int other_namespace() {
  int made = -1;
  hilo::thread([&] {
    if (::unshare(CLONE_NEWUTS) != 0) return;
    made = ::open("/proc/thread-self/ns/uts", O_RDONLY | O_CLOEXEC);
  }).join();
  return made;
}

void change_rights(int names) {
  CHECK(::setns(names, CLONE_NEWUTS) == 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[2] = {};
  CHECK(::syscall(SYS_capget, &header, data) == 0);
  data[0].effective &= ~(1U << CAP_CHOWN);
  CHECK(::syscall(SYS_capset, &header, data) == 0);
  (void)::syscall(SYS_setfsuid, nobody);
}

std::string rights_of_program() {
  const hilo::program what{
      .path = "sh",
      .arguments = {"-c", "readlink /proc/self/ns/uts; grep -E '^(Uid|CapEff)' /proc/self/status"}};
  const auto end = hilo::run_program(what);
  REQUIRE(end);
  return end->out;
}

}  // namespace

TEST_CASE("taint: after setns, capset and setfsuid no other fiber, program or thread sees them") {
  if (::geteuid() != 0) HILO_SKIP("only root may change these");
  const int names = other_namespace();
  if (names < 0) HILO_SKIP("no namespace may be made here");
  hilo::test::on_each([names] {
    const rights clean = look_at_rights();
    const std::string program = rights_of_program();
    const auto all_clean = [&] {
      std::vector<hilo::fiber<bool>> all;
      for (int i = 0; i < 300; ++i) {
        all.push_back(hilo::spawn([&clean, i] {
          if (i % 3 == 0) hilo::yield();
          if (i % 10 == 0) return hilo::blocking(look_at_rights) == clean;
          return look_at_rights() == clean;
        }));
      }
      for (auto& one : all) CHECK(one.join());
      CHECK(rights_of_program() == program);
      bool in_thread = false;
      hilo::thread([&] { in_thread = look_at_rights() == clean; }).join();
      CHECK(in_thread);
    };
    hilo::event changed;
    hilo::event over;
    auto tainted = hilo::spawn([&] {
      hilo::this_fiber::taint();
      change_rights(names);
      const rights dirty = look_at_rights();
      CHECK(dirty.host_names != clean.host_names);
      CHECK(dirty.file_user == nobody);
      CHECK(dirty.capabilities != clean.capabilities);
      changed.set();
      over.wait();
      CHECK(look_at_rights() == dirty);
    });
    changed.wait();
    all_clean();
    over.set();
    tainted.join();
    all_clean();
  });
  ::close(names);
}
