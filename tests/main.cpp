// The main of every test program. Around doctest it adds what hilo's tests need:
//  * signals have their default action and none is blocked, however it was started;
//  * after each test case nothing of it is left (leftovers.hpp); what is left fails it;
//  * a test case that takes longer than its limit ends the program with its name, so a hang fails;
//  * a test case may skip itself (skip.hpp);
//  * the last line is a total that scripts add up: "hilo-tests: 3 passed, 0 failed, 1 skipped".
// A program that ran no test case fails, unless it was only asked to list them.
#define DOCTEST_CONFIG_IMPLEMENT
// A crash belongs to the runtime's own reports and to the sanitizers, not to doctest.
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS

#include <cstdio>
#include <string>
#include <thread>

#include <signal.h>
#include <unistd.h>

#include "runtime/base/sanitizers.hpp"
#include "tests/doctest.hpp"
#include "tests/leftovers.hpp"
#include "tests/skip.hpp"

namespace hilo::test {
namespace {

constexpr unsigned seconds_per_test_case = HILO_ASAN || HILO_TSAN ? 240 : 150;

struct totals {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

// Read by the alarm's handler, which may interrupt any thread; the counts and the name are only
// written between test cases, when no alarm is pending.
totals total;
char running[256] = "";

bool skipped_ = false;  // by the running test case

int print_total(char* line, std::size_t size) {
  return std::snprintf(line, size, "hilo-tests: %d passed, %d failed, %d skipped\n", total.passed,
                       total.failed, total.skipped);
}

void on_alarm(int) {
  ++total.failed;
  char text[512];
  int length = std::snprintf(text, sizeof text, "\n    took longer than %u s, given up: %s\n",
                             seconds_per_test_case, running);
  length += print_total(text + length, sizeof text - static_cast<std::size_t>(length));
  [[maybe_unused]] const auto written =
      ::write(STDOUT_FILENO, text, static_cast<std::size_t>(length));
  ::_exit(1);
}

struct ledger : doctest::IReporter {
  explicit ledger(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& test) override {
    std::snprintf(running, sizeof running, "%s", test.m_name);
    std::printf("  %s ... ", running);
    std::fflush(stdout);
    skipped_ = false;
    before_ = take_stock();
    ::alarm(seconds_per_test_case);
  }

  void test_case_end(const doctest::CurrentTestCaseStats& result) override {
    ::alarm(0);
    const std::string left = excused() ? "" : leftovers_since(before_);
    if (!left.empty()) std::printf("\n    left behind:%s\n  ", left.c_str());
    if (!result.testCaseSuccess || !left.empty()) {
      ++total.failed;
      std::printf("FAILED\n");
    } else if (skipped_) {
      ++total.skipped;
    } else {
      ++total.passed;
      std::printf("ok, %.0f ms\n", result.seconds * 1e3);
    }
    std::fflush(stdout);
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  stock before_;
};

REGISTER_LISTENER("ledger", 1, ledger);

// Signals that the parent process ignores or blocks would change what the tests see.
void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// What a process makes once and keeps, such as the thread sanitizer's own thread, which comes with
// the first thread of the program, must not look like something a test case left behind.
void warm_up() {
  std::printf("hilo tests, %u s for each test case\n", seconds_per_test_case);
  std::thread([] {}).join();
  struct sigaction action {};
  action.sa_handler = on_alarm;
  action.sa_flags = SA_ONSTACK;
  ::sigaction(SIGALRM, &action, nullptr);
}

}  // namespace

void skip(const std::string& why) {
  skipped_ = true;
  std::printf("skipped: %s\n", why.c_str());
}

}  // namespace hilo::test

// glibc keeps a record for each thread_local object to destroy, and drops those that the destructor
// of a pthread key makes after it has looked at them (test "fiber_local: … late destructors").
extern "C" const char* __lsan_default_suppressions();   // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "leak:__cxa_thread_atexit_impl\n";
}

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  hilo::test::reset_signals();
  hilo::test::warm_up();
  const int result = context.run();
  if (context.shouldExit()) return result;  // --help, --list-test-cases

  const auto& total = hilo::test::total;
  if (total.passed + total.failed + total.skipped == 0)
    std::printf("no test case was run; does the filter match none?\n");
  char line[128];
  hilo::test::print_total(line, sizeof line);
  std::fputs(line, stdout);
  return result != 0 || total.failed != 0 || total.passed + total.skipped == 0 ? 1 : 0;
}
