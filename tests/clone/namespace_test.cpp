// Namespaces: what the child changes in a new one is its own; without, it is everybody's.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"

namespace fresh = hilo::fresh;
using hilo::test::window;

namespace {

// The name of the caller's namespace of a kind, "uts:[4026531838]".
struct namespace_name {
  char text[64] = "";

  static namespace_name of(const char* kind) {
    namespace_name name;
    const std::string link = std::string("/proc/thread-self/ns/") + kind;
    if (::readlink(link.c_str(), name.text, sizeof name.text - 1) < 0) name.text[0] = '\0';
    return name;
  }
  bool operator==(const namespace_name& other) const { return std::strcmp(text, other.text) == 0; }
};

// Whether such a child can be made here; if not, why.
std::string refusal(hilo::clone_flags flags) {
  try {
    (void)hilo::clone(flags).start([] {}).wait();
    return {};
  } catch (const std::system_error& problem) {
    const int code = problem.code().value();
    if (code != EPERM && code != EINVAL && code != ENOSPC && code != ENOSYS) throw;
    return problem.what();
  }
}

// In a directory that is the root by chroot(2), / may be none.
bool is_mount_point(const std::string& path) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string place;
    for (int field = 0; field < 5; ++field)
      fields >> place;  // proc(5): the fifth is the mount point
    if (place == path) return true;
  }
  return false;
}

struct kind {
  const char* name;
  hilo::clone_flags flag;
};

}  // namespace

#define HILO_NEEDS_NAMESPACE(flag) \
  if (const std::string why = refusal(flag); !why.empty()) HILO_SKIP(why)

TEST_CASE("namespaces: each kind is new with its flag, and ours without it") {
  bool any = false;
  std::string refused;
  for (const kind each :
       {kind{"mnt", fresh::mounts}, kind{"uts", fresh::hostname}, kind{"ipc", fresh::ipc},
        kind{"user", fresh::users}, kind{"pid", fresh::pids}, kind{"net", fresh::network},
        kind{"cgroup", fresh::cgroups}, kind{"time", fresh::clocks}}) {
    CAPTURE(each.name);
    window<namespace_name> seen;
    const namespace_name ours = namespace_name::of(each.name);
    if (ours.text[0] == '\0') continue;  // a kernel without this kind
    const auto look = [&] { *seen = namespace_name::of(each.name); };
    (void)hilo::clone().start(look).wait();
    CHECK(*seen == ours);
    if (const std::string why = refusal(each.flag); !why.empty()) {
      refused = why;
      continue;
    }
    any = true;
    (void)hilo::clone(each.flag).start(look).wait();
    CHECK(seen->text[0] != '\0');
    // In a new pid namespace /proc is still the old one's, and tells the namespace all the same.
    CHECK_FALSE(*seen == ours);
  }
  if (!any) HILO_SKIP(refused);
}

TEST_CASE("fresh::hostname: a name set in the child is not ours") {
  HILO_NEEDS_NAMESPACE(fresh::hostname);
  char before[256] = "", after[256] = "";
  ::gethostname(before, sizeof before);
  struct host {
    char name[256] = "";
  };
  window<host> seen;
  const auto rename = [&] {
    const bool renamed = ::sethostname("nobody-else", 11) == 0;
    ::gethostname(seen->name, sizeof seen->name);
    return renamed ? 0 : 1;
  };
  CHECK(hilo::clone<fresh::hostname>().start(rename).wait().code() == 0);
  CHECK(std::string(seen->name) == "nobody-else");
  ::gethostname(after, sizeof after);
  CHECK(std::string(after) == before);

  // Off: inside one new namespace, so that the machine keeps its name.
  const auto shared = [&] {
    (void)hilo::clone().start(rename).wait();
    char name[256] = "";
    ::gethostname(name, sizeof name);
    return std::strcmp(name, "nobody-else") == 0 ? 0 : 1;
  };
  CHECK(hilo::clone<fresh::hostname>().start(shared).wait().code() == 0);
}

TEST_CASE("fresh::mounts: what the child mounts is not mounted for us") {
  HILO_NEEDS_NAMESPACE(fresh::mounts);
  if (!is_mount_point("/"))
    HILO_SKIP("/ is not a mount point here, so no mount can be kept private");
  char path[] = "/tmp/hilo-mount-XXXXXX";
  REQUIRE(::mkdtemp(path) != nullptr);
  const std::string file = std::string(path) + "/inside";
  const auto mount = [&] {
    // Or the mount would be passed on to the namespaces that share this one's.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 1;
    if (::mount("hilo", path, "tmpfs", 0, nullptr) != 0) return 2;
    return ::open(file.c_str(), O_CREAT | O_CLOEXEC, 0600) < 0 ? 3 : 0;
  };
  CHECK(hilo::clone<fresh::mounts>().start(mount).wait().code() == 0);
  CHECK(::access(file.c_str(), F_OK) == -1);

  const auto shared = [&] {
    (void)hilo::clone().start(mount).wait();
    return ::access(file.c_str(), F_OK);
  };
  CHECK(hilo::clone<fresh::mounts>().start(shared).wait().code() == 0);
  ::rmdir(path);
}

TEST_CASE("fresh::pids: the child is number 1 in its own eyes and another in ours") {
  HILO_NEEDS_NAMESPACE(fresh::pids);
  window<pid_t> seen;
  const auto look = [&] { *seen = ::getpid(); };
  hilo::child first = hilo::clone<fresh::pids>().start(look);
  CHECK(first.id() > 1);
  (void)first.wait();
  CHECK(*seen == 1);
  hilo::child plain = hilo::clone().start(look);
  const pid_t id = plain.id();
  (void)plain.wait();
  CHECK(*seen == id);
}

TEST_CASE("fresh::network: no interface but a loopback that is down") {
  HILO_NEEDS_NAMESPACE(fresh::network);
  const auto loopback_is_up = [] {
    const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    if (::ioctl(any, SIOCGIFFLAGS, &request) != 0) return 2;
    return (request.ifr_flags & IFF_UP) != 0 ? 1 : 0;
  };
  const auto bring_up = [] {
    const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    return ::ioctl(any, SIOCSIFFLAGS, &request);
  };
  CHECK(hilo::clone<fresh::network>().start(loopback_is_up).wait().code() == 0);
  // Off: a child raises the loopback of the new namespace that it shares with its parent.
  const auto shared = [&] {
    (void)hilo::clone().start(bring_up).wait();
    return loopback_is_up();
  };
  CHECK(hilo::clone<fresh::network>().start(shared).wait().code() == 1);
}

TEST_CASE("fresh::users: in its own, the child has no number of ours until one is mapped") {
  HILO_NEEDS_NAMESPACE(fresh::users);
  window<uid_t> seen;
  const auto look = [&] { *seen = ::geteuid(); };
  (void)hilo::clone().start(look).wait();
  CHECK(*seen == ::geteuid());
  (void)hilo::clone<fresh::users>().start(look).wait();
  CHECK(*seen == 65534);  // kernel.overflowuid
}

TEST_CASE("fresh::ipc: the child does not find our message queue") {
  HILO_NEEDS_NAMESPACE(fresh::ipc);
  const key_t key = 0x68696c00 + (::getpid() & 0xff);
  const int queue = ::msgget(key, IPC_CREAT | 0600);
  if (queue < 0) HILO_SKIP("System V message queues are refused here");
  const auto find = [&] { return ::msgget(key, 0) < 0 ? errno : 0; };
  CHECK(hilo::clone<fresh::ipc>().start(find).wait().code() == ENOENT);
  CHECK(hilo::clone().start(find).wait().code() == 0);
  ::msgctl(queue, IPC_RMID, nullptr);
}
