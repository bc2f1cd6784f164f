// Where and how much a thread runs, and starting without exceptions.
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hilo/thread.hpp"

#include "tests/death.hpp"
#include "tests/doctest.hpp"
#include "tests/skip.hpp"

namespace {

std::string error_of(const std::function<void()>& attempt) {
  try {
    attempt();
    return "nothing was thrown";
  } catch (const std::system_error& error) {
    return error.what();
  }
}

std::string start_error(const hilo::thread_options& options, bool* ran) {
  return error_of([&] { hilo::thread(options, [ran] { *ran = true; }).join(); });
}

}  // namespace

TEST_CASE("placement: a thread runs on the CPUs it was given from its first instruction") {
  const auto usable = hilo::this_thread::cpus();
  REQUIRE_FALSE(usable.empty());
  for (const unsigned cpu : usable) {
    std::vector<unsigned> inside;
    int on = -1;
    hilo::thread({.cpus = {cpu}}, [&] {
      on = ::sched_getcpu();
      inside = hilo::this_thread::cpus();
    }).join();
    CHECK(on == static_cast<int>(cpu));
    CHECK(inside == std::vector<unsigned>{cpu});
  }
  CHECK(hilo::this_thread::cpus() == usable);
  std::vector<unsigned> all;
  hilo::thread([&] {
    hilo::this_thread::set_cpus(std::vector<unsigned>{usable.front()});
    hilo::this_thread::set_cpus(usable);
    all = hilo::this_thread::cpus();
  }).join();
  CHECK(all == usable);
}

// musl has no call for it but ENOSYS: to POSIX this is the process's, to Linux the thread's.
static int own_policy() {
  return static_cast<int>(::syscall(SYS_sched_getscheduler, 0));
}

TEST_CASE("placement: nice and the scheduling class are the thread's own") {
  const int before = hilo::this_thread::nice();
  int inside = 0, policy = -1;
  hilo::thread({.nice = 7, .scheduling = hilo::scheduling_class::batch}, [&] {
    inside = hilo::this_thread::nice();
    policy = own_policy();
  }).join();
  CHECK(inside == 7);
  CHECK(policy == SCHED_BATCH);
  CHECK(hilo::this_thread::nice() == before);
  hilo::thread({.scheduling = hilo::scheduling_class::idle}, [&] { policy = own_policy(); }).join();
  CHECK(policy == SCHED_IDLE);
  hilo::thread([&] { policy = own_policy(); }).join();
  CHECK(policy == own_policy());
}

TEST_CASE("placement: a real-time priority is set or its refusal names the right it needs") {
  int policy = -1;
  sched_param parameters{};
  const std::string text = error_of([&] {
    hilo::thread({.scheduling = hilo::scheduling_class::fifo, .priority = 3}, [&] {
      policy = own_policy();
      ::syscall(SYS_sched_getparam, 0, &parameters);
    }).join();
  });
  CAPTURE(text);
  if (text == "nothing was thrown") {
    CHECK(policy == SCHED_FIFO);
    CHECK(parameters.sched_priority == 3);
  } else {
    CHECK(text.find("hilo: cannot set the scheduling class of a thread: EPERM") == 0);
    CHECK(text.find("CAP_SYS_NICE") != std::string::npos);
  }
}

TEST_CASE("placement: what the kernel refuses starts nothing and says what to change") {
  bool ran = false;
  std::string text = start_error({.cpus = {65535}}, &ran);
  CHECK(text.find("hilo: cannot set the CPUs of a thread: EINVAL") == 0);
  CHECK(text.find("Cpus_allowed_list") != std::string::npos);
  text = start_error({.cpus = {1u << 20}}, &ran);
  CHECK(text.find("hilo: cannot let a thread run on CPU 1048576: EINVAL") == 0);
  text = start_error({.nice = 99}, &ran);
  CHECK(text.find("hilo: cannot set the nice value of a thread: EINVAL") == 0);
  text = start_error({.scheduling = hilo::scheduling_class::normal, .priority = 5}, &ran);
  CHECK(text.find("hilo: cannot set the scheduling class of a thread: EINVAL") == 0);
  text = start_error({.scheduling = hilo::scheduling_class::fifo, .priority = 100}, &ran);
  CHECK(text.find("thread_options.priority") != std::string::npos);
  CHECK_FALSE(ran);
  CHECK_THROWS_AS(hilo::this_thread::set_nice(20), std::system_error);
}

TEST_CASE("placement: without the right to it, more than a fair share is refused") {
  if (::getuid() != 0) HILO_SKIP("needs root, to become a user without rights");
  const auto end = hilo::test::run_in_child([] {
    if (::setgid(54321) != 0 || ::setuid(54321) != 0) return;
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NICE, &none);
    ::setrlimit(RLIMIT_RTPRIO, &none);
    bool ran = false;
    std::puts(start_error({.nice = -5}, &ran).c_str());
    std::puts(
        start_error({.scheduling = hilo::scheduling_class::fifo, .priority = 1}, &ran).c_str());
    std::puts(ran ? "it ran" : "it did not run");
  });
  CAPTURE(end.describe());
  CHECK(end.says("hilo: cannot set the nice value of a thread: E"));
  CHECK(end.says("RLIMIT_NICE"));
  CHECK(end.says("hilo: cannot set the scheduling class of a thread: EPERM"));
  CHECK(end.says("RLIMIT_RTPRIO"));
  CHECK(end.says("it did not run"));
}

TEST_CASE("placement: the closure of a refused thread is destroyed once") {
  const auto token = std::make_shared<int>(0);
  CHECK_THROWS_AS(hilo::thread({.nice = 99}, [token] {}), std::system_error);
  CHECK(token.use_count() == 1);
  hilo::thread({.nice = 19}, [token] {}).join();
  CHECK(token.use_count() == 1);
}

TEST_CASE("thread: the form with an error code throws nothing of its own") {
  std::error_code error = std::make_error_code(std::errc::io_error);
  int seen = 0;
  hilo::thread fine(
      error, {}, [&](int a) { seen = a; }, 4);
  CHECK_FALSE(error);
  fine.join();
  CHECK(seen == 4);

  const hilo::thread_options tiny{.stack_size = 1};
  hilo::thread refused(error, tiny, [](std::stop_token) {});
  CHECK(error.value() == EINVAL);
  CHECK_FALSE(refused.joinable());
  CHECK_FALSE(refused.get_stop_source().stop_possible());
  hilo::thread placed(error, {.nice = 99}, [] {});
  CHECK(error.value() == EINVAL);
  CHECK_FALSE(placed.joinable());
}

TEST_CASE("thread: what copying the callable throws reaches the starter in both forms") {
  struct moody {
    moody() = default;
    moody(const moody&) { throw std::system_error(EDOM, std::generic_category(), "moody"); }
    void operator()() const {}
  };
  const moody callable;
  std::error_code error;
  CHECK_THROWS_WITH_AS(hilo::thread(error, {}, callable), doctest::Contains("moody"),
                       std::system_error);
  CHECK_THROWS_WITH_AS(hilo::thread(hilo::thread_options{}, callable), doctest::Contains("moody"),
                       std::system_error);
  CHECK_FALSE(error);
}
