#include "tools/hilo/info.hpp"

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <features.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

#include "hilo/io.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "runtime/base/error.hpp"
#include "runtime/context/stack_arena.hpp"
#include "runtime/context/tls_block.hpp"
#include "runtime/tool/root.hpp"
#include "tools/hilo/failure.hpp"
#include "tools/hilo/json.hpp"

namespace hilo::command {
namespace {

struct entry {
  const char* name;
  std::string value;
  std::string remedy;  // what to change for something better; empty if there is nothing
};

entry kernel() {
  utsname its{};
  ::uname(&its);
  return {"kernel", std::string(its.sysname) + " " + its.release + " on " + its.machine, {}};
}

entry libc() {
#if defined(__GLIBC__)
  return {"libc", std::string("glibc ") + ::gnu_get_libc_version(), {}};
#else
  return {"libc", "not glibc", "with glibc, hilo makes its threads by clone"};
#endif
}

entry threads() {
  const thread_backend_report& its = thread_backend();
  const bool best = its.kind == thread_backend_kind::clone;
  return {"threads", std::string(its.name) + ": " + its.reason,
          best ? ""
               : "threads made by pthread_create start more slowly, and fibers cannot own "
                 "thread-local storage"};
}

entry io_driver_entry() {
  std::string value;
  std::string remedy;
  try {
    const auto chosen = run({.carriers = 1}, [] { return io::chosen_driver(); });
    value = to_string(chosen.driver);
    if (!chosen.why.empty()) value += ": " + chosen.why;
    if (chosen.driver == io_driver::epoll && !chosen.why.empty()) {
      remedy =
          "io_uring needs Linux 6.0, kernel.io_uring_disabled = 0, and a container that allows "
          "io_uring_setup";
    }
  } catch (const std::exception& error) {
    value = error.what();
  }
  return {"I/O", value, remedy};
}

entry guards() {
  try {
    const context::stack_arena arena(16 * 1024, 1 << 20);
    if (arena.guards() == context::guard_kind::page_table) {
      return {"stack guards", "in the page table (MADV_GUARD_INSTALL): they need no mappings", {}};
    }
    return {"stack guards", "two mappings a stack; vm.max_map_count limits the number of fibers",
            "use Linux 6.13, or raise vm.max_map_count"};
  } catch (const std::exception& error) {
    return {"stack guards", error.what(), {}};
  }
}

entry own_tls() {
  const std::string& refusal = context::tls_refusal();
  if (refusal.empty()) return {"tls::own", "works: the kernel and the CPU have FSGSBASE", {}};
  return {"tls::own", "refused: " + refusal, {}};
}

std::string line_of(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

entry carriers() {
  const unsigned usable = available_cpus();
  const unsigned allowed = std::thread::hardware_concurrency();  // the affinity mask
  const auto online = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN));
  std::string value = std::to_string(usable) + " by default; ";
  if (usable < allowed) {
    return {"carriers",
            value + "the cgroup's CPU limit is less than the " + std::to_string(allowed) +
                " CPUs that may be used",
            "raise cpu.max of the cgroup, or set runtime_options.carriers"};
  }
  if (allowed < online) {
    return {"carriers",
            value + "the affinity mask has that many of " + std::to_string(online) + " CPUs",
            "see taskset(1), or set runtime_options.carriers"};
  }
  return {"carriers", value + "one for each CPU", {}};
}

entry limit(const char* name, int which, bool is_bytes, rlim_t enough, const char* remedy) {
  rlimit its{};
  if (::getrlimit(static_cast<decltype(RLIMIT_NOFILE)>(which), &its) != 0)
    return {name, "unknown", {}};
  if (its.rlim_cur == RLIM_INFINITY) return {name, "no limit", {}};
  return {name, is_bytes ? base::format_bytes(its.rlim_cur) : std::to_string(its.rlim_cur),
          its.rlim_cur < enough ? remedy : ""};
}

entry mappings() {
  const std::string value = line_of("/proc/sys/vm/max_map_count");
  return {"mappings", value.empty() ? "unknown: /proc cannot be read" : value, {}};
}

std::vector<entry> look() {
  constexpr rlim_t many = 4096;
  constexpr rlim_t large = rlim_t{1} << 40;
  return {
      kernel(),
      libc(),
      threads(),
      io_driver_entry(),
      guards(),
      own_tls(),
      carriers(),
      limit("descriptors", RLIMIT_NOFILE, false, many,
            "a server needs one for each connection: raise ulimit -n"),
      limit("kernel threads", RLIMIT_NPROC, false, 1024, "raise ulimit -u"),
      mappings(),
      limit("locked memory", RLIMIT_MEMLOCK, true, 0, ""),
      limit("address space", RLIMIT_AS, true, large,
            "stacks reserve addresses: raise ulimit -v, or set a smaller "
            "runtime_options.stack_reserve"),
      limit("data", RLIMIT_DATA, true, large,
            "it counts stacks in full: raise ulimit -d, or set a smaller stack size"),
      limit("core files", RLIMIT_CORE, true, 1,
            "a crash leaves no core for hilo dump: set ulimit -c unlimited"),
  };
}

void print_as_json(const std::vector<entry>& all) {
  json out(stdout);
  out.begin_object();
  out.text("hilo", HILO_VERSION);
  out.begin_array("entries");
  for (const entry& one : all) {
    out.begin_object();
    out.text("name", one.name);
    out.text("value", one.value);
    if (!one.remedy.empty()) out.text("remedy", one.remedy);
    out.end_object();
  }
  out.end_array();
  out.end_object();
  std::fputc('\n', stdout);
}

}  // namespace

void info(std::span<char* const> arguments) {
  bool as_json = false;
  for (const std::string_view one : arguments) {
    if (one != "--json") {
      throw failure(exit_code::wrong_usage,
                    "info does not know \"" + std::string(one) + "\"; see hilo help info");
    }
    as_json = true;
  }
  const std::vector<entry> all = look();
  if (as_json) return print_as_json(all);
  std::printf("hilo %s\n", HILO_VERSION);
  for (const entry& one : all) {
    std::printf("%-15s %s\n", one.name, one.value.c_str());
    if (!one.remedy.empty()) std::printf("%-15s -> %s\n", "", one.remedy.c_str());
  }
}

}  // namespace hilo::command
