// Plugins that have hilo inside: one process may have several copies, and unload them.
#include <csignal>
#include <filesystem>
#include <string>

#include "tests/process/programs.hpp"
#include "tests/skip.hpp"

namespace {

hilo::test::child_end run_host(const std::string& what,
                               const std::string& second = "libplugin_b.so") {
  using hilo::test::program_path;
  return hilo::test::run_program(program_path("plugin_host"),
                                 {what, program_path("libplugin_a.so"), program_path(second)}, {});
}

}  // namespace

#define HILO_NEEDS_PLUGINS()                                                \
  if (!std::filesystem::exists(hilo::test::program_path("libplugin_a.so"))) \
  HILO_SKIP("no module can be loaded into this program")

TEST_CASE("unload: handlers of a plugin that was unloaded can still be called") {
  HILO_NEEDS_PLUGINS();
  for (const char* what : {"urgent", "fork", "thread", "exit"}) {
    const auto end = run_host(what);
    CAPTURE(what);
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
  }
}

TEST_CASE("unload: handlers of the shared library can still be called once its user is unloaded") {
  HILO_NEEDS_PLUGINS();
  if (!std::filesystem::exists(hilo::test::program_path("libplugin_shared.so"))) {
    HILO_SKIP("this build has no shared library");
  }
  for (const char* what : {"urgent", "fork", "thread", "exit"}) {
    const auto end = run_host(what, "libplugin_shared.so");
    CAPTURE(what);
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
  }
}

TEST_CASE("unload: a fault of the program afterwards is the program's own") {
  HILO_NEEDS_PLUGINS();
  for (const char* what : {"fault", "signal"}) {
    const auto end = run_host(what);
    CAPTURE(what);
    CAPTURE(end.describe());
    CHECK(end.signal == SIGSEGV);
    CHECK(end.output.empty());
  }
}

TEST_CASE("copies: an overflow is reported by the copy whose fiber it is") {
  HILO_NEEDS_PLUGINS();
  for (const char* what : {"overflow in the first", "overflow in the second"}) {
    const auto end = run_host(what);
    CAPTURE(what);
    CAPTURE(end.describe());
    CHECK(end.signal == SIGSEGV);
    CHECK(end.says("stack overflow in fiber"));
  }
}

TEST_CASE("copies: fibers of two copies have different numbers as owners of a mutex") {
  HILO_NEEDS_PLUGINS();
  const auto end = run_host("owners");
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 0);
}
