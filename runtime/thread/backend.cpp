#include "runtime/thread/backend.hpp"

#include <cstdlib>
#include <memory>
#include <string_view>

#include "runtime/base/check.hpp"
#include "runtime/base/foreign_sanitizer.hpp"
#include "runtime/base/libc.hpp"
#include "runtime/base/sanitizers.hpp"
#include "runtime/thread/forked_process.hpp"
#include "runtime/thread/loaded.hpp"

namespace hilo::kernel {
namespace {

// Called once, before the first thread. If hilo does not report to the thread sanitizer, the
// sanitizer sees no order between fibers: each of its reports would be wrong, and its runtime
// crashes at the first switch.
void meet_foreign_sanitizer() {
  switch (base::find_foreign_sanitizer()) {
    case base::foreign_sanitizer::none:
      return;
    case base::foreign_sanitizer::address:
      return base::report(
          "this program is built with -fsanitize=address and its hilo is not: threads are made by "
          "pthread_create, and fiber stacks are not checked (build hilo with "
          "-Db_sanitize=address)");
    case base::foreign_sanitizer::thread:
      base::die(
          "this program is built with -fsanitize=thread and its hilo is not, so the sanitizer "
          "cannot "
          "follow fibers (build hilo with -Db_sanitize=thread)");
  }
}

backend_choice pthreads(std::string reason) {
  return {&pthread_backend(), {thread_backend_kind::pthread, "pthread", std::move(reason)}};
}

}  // namespace

backend_choice choose_backend(const char* forced, [[maybe_unused]] symbol_lookup find) {
  const std::string_view wish = forced == nullptr ? "" : forced;
  if (wish == "pthread") return pthreads("HILO_THREADS=pthread");
  // It records stacks in its own pthread_create, as below. In this case HILO_THREADS=clone is
  // ignored.
  if (base::find_foreign_sanitizer() == base::foreign_sanitizer::address) {
    return pthreads("the program has the address sanitizer and hilo was built without it");
  }
#if HILO_TSAN
  return pthreads("the thread sanitizer knows only threads made by pthread_create");
#elif !HILO_GLIBC(2, 0)
  return pthreads("this libc is not glibc");
#else
  // The address sanitizer records each thread's stack in its own pthread_create. It needs the
  // record when an exception unwinds. If clone is forced, it passes the same tests.
  if (HILO_ASAN && wish != "clone") {
    return pthreads("the address sanitizer knows only threads made by pthread_create");
  }
  layout_discovery found = discover_libc_layout(find);
  if (!found.understood) {
    return pthreads((wish == "clone" ? "HILO_THREADS=clone cannot be followed: " : "") +
                    ("this glibc is not understood: " + found.reason));
  }
  // Lives as long as the backend, that is, as long as the process.
  const auto& layout = *new libc_layout(found.layout);
  std::string reason = "the layout of this glibc is understood";
  if (wish == "clone") {
    reason = "HILO_THREADS=clone, and " + reason;
  } else if (!wish.empty()) {
    reason += " (HILO_THREADS=" + std::string(wish) + " is neither clone nor pthread)";
  }
  return {&clone_backend(layout), {thread_backend_kind::clone, "clone", std::move(reason)}};
#endif
}

const backend_choice& chosen_backend() {
  // If the decision fails (no memory for the specimen), it throws, and the next call tries again.
  static const auto* choice = [] {
    meet_foreign_sanitizer();
    stay_loaded();
    follow_forks();
    return new backend_choice(choose_backend(std::getenv("HILO_THREADS"), find_libc_symbol));
  }();
  return *choice;
}

}  // namespace hilo::kernel

namespace hilo {

const thread_backend_report& thread_backend() {
  return kernel::chosen_backend().report;
}

}  // namespace hilo
