// The choice of the backend: found by itself, forced, and reported with its reason.
#include "runtime/thread/backend.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "hilo/thread.hpp"

#include "runtime/base/libc.hpp"
#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/emulator.hpp"
#include "tests/skip.hpp"

using hilo::kernel::choose_backend;
using hilo::kernel::find_libc_symbol;

namespace {

// Runs the tests of this program that match, in a process whose backend is forced.
hilo::test::child_end run_forced(const char* backend, const char* tests) {
  return hilo::test::run_in_child([backend, tests] {
    ::setenv("HILO_THREADS", backend, 1);
    const std::string filter = std::string("--test-case=") + tests;
    hilo::test::execute(std::filesystem::read_symlink("/proc/self/exe"), {filter});
  });
}

bool can_clone() {
  return choose_backend(nullptr, find_libc_symbol).report.kind == hilo::thread_backend_kind::clone;
}

}  // namespace

TEST_CASE("backend: is reported with a reason") {
  const auto& report = hilo::thread_backend();
  CAPTURE(report.reason);
  CHECK_FALSE(report.reason.empty());
  CHECK(report.name == (report.kind == hilo::thread_backend_kind::clone ? "clone" : "pthread"));
}

TEST_CASE("backend: HILO_THREADS forces it, and a wrong value is named") {
  CHECK(choose_backend("pthread", find_libc_symbol).report.reason == "HILO_THREADS=pthread");
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  CHECK(choose_backend("clone", find_libc_symbol).report.name == "clone");
  const auto odd = choose_backend("fibers", find_libc_symbol).report;
  CHECK(odd.name == "clone");
  CHECK(odd.reason.find("HILO_THREADS=fibers") != std::string::npos);
}

TEST_CASE("backend: a libc without a descriptor is not guessed at") {
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  const auto without_tid = [](const char* name, void* linked) -> void* {
    return std::string_view(name) == "_thread_db_pthread_tid" ? nullptr
                                                              : find_libc_symbol(name, linked);
  };
  const auto choice = choose_backend("clone", without_tid).report;
  CHECK(choice.kind == hilo::thread_backend_kind::pthread);
  CHECK(choice.reason.find("HILO_THREADS=clone cannot be followed") == 0);
  CHECK(choice.reason.find("_thread_db_pthread_tid") != std::string::npos);
}

namespace {

struct field {
  std::uint32_t bits, count, offset;
};

// What the next lookup fakes.
std::string_view faked;
void* fake = nullptr;

void* find_with_fake(const char* name, void* linked) {
  return name == faked ? fake : find_libc_symbol(name, linked);
}

hilo::thread_backend_report report_with(std::string_view name, void* value) {
  faked = name;
  fake = value;
  return choose_backend(nullptr, find_with_fake).report;
}

constexpr std::string_view sizes[] = {
    "_thread_db_sizeof_pthread", "_thread_db_sizeof_list_t", "_thread_db_sizeof_pthread_key_data",
    "_thread_db_sizeof_pthread_key_data_level2", "_thread_db_sizeof_pthread_key_struct"};
constexpr std::string_view fields[] = {"_thread_db_pthread_tid",
                                       "_thread_db_pthread_list",
                                       "_thread_db_list_t_next",
                                       "_thread_db_list_t_prev",
                                       "_thread_db_pthread_specific",
                                       "_thread_db_pthread_key_data_seq",
                                       "_thread_db_pthread_key_data_data",
                                       "_thread_db_pthread_key_struct_seq",
                                       "_thread_db_pthread_key_struct_destr"};
constexpr std::string_view functions[] = {"_dl_allocate_tls", "__ctype_init", "__call_tls_dtors"};

}  // namespace

TEST_CASE("backend: whatever this libc lacks is named, and pthreads serve") {
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  const auto check_missing = [](std::string_view name) {
    const auto report = report_with(name, nullptr);
    CAPTURE(report.reason);
    CHECK(report.kind == hilo::thread_backend_kind::pthread);
    CHECK(report.reason.find("this glibc is not understood: ") == 0);
    CHECK(report.reason.find(name) != std::string::npos);
  };
  for (const auto name : sizes) check_missing(name);
  for (const auto name : fields) check_missing(name);
  for (const auto name : functions) check_missing(name);
}

TEST_CASE("backend: a descriptor that is wrong is found out, without a crash") {
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  for (const auto name : sizes) {
    for (const std::uint32_t wrong : {0u, 1u, 8u, 0xffffffffu}) {
      std::uint32_t size = wrong;
      const auto report = report_with(name, &size);
      CAPTURE(std::string(name));
      CAPTURE(wrong);
      CHECK(report.kind == hilo::thread_backend_kind::pthread);
      CHECK(report.reason.find("this glibc is not understood: ") == 0);
    }
  }
  for (const auto name : fields) {
    const auto* right =
        static_cast<const field*>(find_libc_symbol(std::string(name).c_str(), nullptr));
    REQUIRE(right != nullptr);
    for (const std::uint32_t shift : {4u, 8u, 16u, 64u, 1u << 20, 0u - 8}) {
      field wrong = *right;
      wrong.offset += shift;
      const auto report = report_with(name, &wrong);
      CAPTURE(std::string(name));
      CAPTURE(shift);
      CAPTURE(report.reason);
      CHECK(report.kind == hilo::thread_backend_kind::pthread);
    }
  }
}

TEST_CASE("backend: pthreads, forced, pass the tests of threads and citizens") {
  for (const char* tests : {"thread:*", "placement:*", "citizen:*", "dlopen:*"}) {
    const auto end = run_forced("pthread", tests);
    CAPTURE(end.describe());
    CHECK(end.exited);
    CHECK(end.code == 0);
    CHECK(end.says(", 0 failed"));
  }
}

TEST_CASE("backend: where cancellation keeps its flags is found, or they are left alone") {
  if (!can_clone()) HILO_SKIP("this build has only the pthread backend");
  const auto* right =
      static_cast<const field*>(find_libc_symbol("_thread_db_pthread_cancelhandling", nullptr));
  const auto offset_with = [](field* found) {
    faked = "_thread_db_pthread_cancelhandling";
    fake = found;
    const auto discovery = hilo::kernel::discover_libc_layout(find_with_fake);
    CHECK(discovery.understood);
    return discovery.layout.cancelled;
  };
  CHECK(offset_with(nullptr) == 0);
  if (right == nullptr) HILO_SKIP("this glibc has no descriptor for them");
  for (const std::uint32_t shift : {4u, 8u, 16u, 64u, 0u - 8}) {
    field wrong = *right;
    wrong.offset += shift;
    CHECK(offset_with(&wrong) == 0);
  }
  field same = *right;
#if HILO_GLIBC(2, 36)
  CHECK(offset_with(&same) == right->offset);
#else
  (void)offset_with(&same);
#endif
}
