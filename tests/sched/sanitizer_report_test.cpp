// A fault that the address sanitizer finds in a fiber: its report names the fiber's stack, and the
// process ends as the sanitizer ends it.
#include "runtime/base/sanitizers.hpp"

#if HILO_ASAN

#include <cstdlib>
#include <string>
#include <string_view>

#include "hilo/fiber.hpp"
#include "hilo/runtime.hpp"
#include "hilo/thread.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"

namespace {

constexpr int frames_of_fault = 5;

// Reads memory that it has freed, with so many frames of this function on the stack.
[[gnu::noinline]] int touch_freed(int frames) {
  if (frames > 1) return touch_freed(frames - 1) + 1;
  int* volatile freed = new int(frames);
  delete freed;
  return *freed;
}

int count_in(std::string_view text, std::string_view what) {
  int count = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

// clang's sanitizer needs a program of its own for the names of functions.
bool has_names() {
#ifdef __clang__
  return std::system("command -v llvm-symbolizer >/dev/null") == 0;
#else
  return true;
#endif
}

// The stack of the access: the lines up to the first empty one.
std::string_view first_stack(std::string_view report) {
  const auto begin = report.find("    #0 ");
  if (begin == std::string_view::npos) return {};
  return report.substr(begin, report.find("\n\n", begin) - begin);
}

template <class F>
void check_report(F body) {
  const hilo::test::child_end end = hilo::test::run_in_child(body);
  CAPTURE(end.describe());
  CHECK(end.exited);
  CHECK(end.code == 1);  // the sanitizer's exitcode
  CHECK(end.says("AddressSanitizer: heap-use-after-free on address"));
  CHECK(end.says("READ of size 4"));
  CHECK(end.says("freed by thread"));
  CHECK(end.says("previously allocated by thread"));
  CHECK(end.says("SUMMARY: AddressSanitizer: heap-use-after-free"));
  const std::string_view stack = first_stack(end.output);
  CHECK(stack.find("    #" + std::to_string(frames_of_fault) + " 0x") != std::string_view::npos);
  if (has_names()) {
    CHECK(count_in(stack, "touch_freed") == frames_of_fault);
    // The access, the free and the allocation, each in the same fiber.
    CHECK(count_in(end.output, "touch_freed") >= 3 * frames_of_fault);
  } else {
    MESSAGE("without llvm-symbolizer a report by clang has no names");
  }
  for (const char* wrong : {"stack-overflow", "nested bug", "CHECK failed", "thread T-1"}) {
    CHECK_FALSE(end.says(wrong));
  }
}

}  // namespace

TEST_CASE("sanitizer report: a fault in a fiber names its stack and ends the process") {
  for (const unsigned carriers : {1U, 2U, 4U}) {
    CAPTURE(carriers);
    check_report([carriers] {
      hilo::run(hilo::runtime_options{.carriers = carriers}, [] {
        hilo::spawn([] {
          for (int i = 0; i < 10; ++i) hilo::yield();
          return touch_freed(frames_of_fault);
        }).join();
      });
    });
  }
  check_report([] { hilo::thread([] { (void)touch_freed(frames_of_fault); }).join(); });
}

#endif
