// Impossible combinations: refused by the compiler where they are constant, and else before the
// call with a message that names the rule; and the kernel does have these rules.
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>

#include <linux/sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hilo/clone.hpp"

#include "runtime/sys/clone3.hpp"
#include "runtime/sys/syscall.hpp"
#include "tests/clone/observe.hpp"
#include "tests/doctest.hpp"

namespace share = hilo::share;
namespace fresh = hilo::fresh;
namespace with = hilo::with;
using hilo::clone_flags;
using hilo::clone_rule;

namespace {

// The constants are the kernel's.
constexpr bool is(clone_flags flag, std::uint64_t bit) {
  return static_cast<std::uint64_t>(flag) == bit;
}
static_assert(is(share::memory, CLONE_VM) && is(share::filesystem, CLONE_FS));
static_assert(is(share::files, CLONE_FILES) && is(share::signal_handlers, CLONE_SIGHAND));
static_assert(is(share::tracer, CLONE_PTRACE) && is(share::parent, CLONE_PARENT));
static_assert(is(share::thread_group, CLONE_THREAD) && is(share::semaphore_undo, CLONE_SYSVSEM));
static_assert(is(share::io_context, CLONE_IO) && is(fresh::mounts, CLONE_NEWNS));
static_assert(is(fresh::cgroups, CLONE_NEWCGROUP) && is(fresh::hostname, CLONE_NEWUTS));
static_assert(is(fresh::ipc, CLONE_NEWIPC) && is(fresh::users, CLONE_NEWUSER));
static_assert(is(fresh::pids, CLONE_NEWPID) && is(fresh::network, CLONE_NEWNET));
static_assert(is(fresh::clocks, CLONE_NEWTIME) && is(fresh::signal_handlers, CLONE_CLEAR_SIGHAND));
static_assert(is(with::caller_asleep, CLONE_VFORK) && is(with::pidfd, CLONE_PIDFD));
static_assert(is(with::untraced, CLONE_UNTRACED) && is(with::detached, CLONE_DETACHED));

template <clone_flags F>
concept compiles = requires {
  typename hilo::clone<F>;
};

constexpr auto handlers = share::memory | share::signal_handlers;
constexpr auto thread = handlers | share::thread_group;

static_assert(compiles<clone_flags::none> && compiles<share::memory> && compiles<thread>);
static_assert(compiles<fresh::users | fresh::pids | fresh::mounts | fresh::network>);
static_assert(!compiles<share::thread_group> && !compiles<share::thread_group | share::memory>);
static_assert(!compiles<share::signal_handlers>);
static_assert(!compiles<handlers | fresh::signal_handlers>);
static_assert(!compiles<share::filesystem | fresh::mounts>);
static_assert(!compiles<share::filesystem | fresh::users>);
static_assert(!compiles<thread | fresh::users> && !compiles<thread | fresh::pids>);
static_assert(!compiles<share::parent | fresh::pids>);
static_assert(!compiles<share::semaphore_undo | fresh::ipc>);
static_assert(!compiles<with::detached> && !compiles<with::detached | with::pidfd>);

// CLONE_PID joins nothing.
template <class T>
concept can_share = requires(T flag) {
  share::memory | flag;
};
static_assert(can_share<clone_flags>);
static_assert(!can_share<std::remove_const_t<decltype(share::process_id)>>);
static_assert(!std::is_constructible_v<hilo::clone<>, share::historical>);

// An exit signal where the kernel allows none; no stack with shared memory; a fork that shares it.
template <class T>
concept takes_exit_signal = requires(T builder) {
  builder.exit_signal(1);
};
template <class T>
concept takes_no_stack = requires(T builder) {
  builder.stack(hilo::no_stack{});
};
template <class T>
concept forks = requires(T builder) {
  builder.fork();
};
static_assert(takes_exit_signal<hilo::clone<share::memory>>);
static_assert(!takes_exit_signal<hilo::clone<thread>>);
static_assert(!takes_exit_signal<hilo::clone<share::parent>>);
static_assert(takes_no_stack<hilo::clone<>> && !takes_no_stack<hilo::clone<share::memory>>);
static_assert(forks<hilo::clone<>> && !forks<hilo::clone<share::memory>>);

// The message of a refusal; empty when there was none.
template <class Builder>
std::string message(const Builder& builder, int code = EINVAL) {
  std::error_code error;
  CHECK_FALSE(builder.start([] {}, error));
  CHECK(error == std::error_code(code, std::generic_category()));
  try {
    (void)builder.start([] {}).wait();
  } catch (const std::system_error& problem) {
    CHECK(problem.code().value() == code);
    return problem.what();
  }
  return {};
}

bool starts(const std::string& text, const std::string& with) {
  return text.starts_with("hilo: cannot clone a child: EINVAL (" + with);
}

struct impossible {
  clone_flags flags;
  clone_rule rule;
};

const impossible impossibles[] = {
    {share::thread_group | share::memory, clone_rule::thread_group_needs_signal_handlers},
    {share::signal_handlers, clone_rule::signal_handlers_need_memory},
    {handlers | fresh::signal_handlers, clone_rule::signal_handlers_shared_or_fresh},
    {share::filesystem | fresh::mounts, clone_rule::fresh_mounts_exclude_filesystem},
    {share::filesystem | fresh::users, clone_rule::fresh_users_exclude_filesystem},
    {thread | fresh::users, clone_rule::fresh_users_exclude_thread_group},
    {thread | fresh::pids, clone_rule::fresh_pids_exclude_thread_group},
    {share::parent | fresh::pids, clone_rule::fresh_pids_exclude_parent},
    {share::semaphore_undo | fresh::ipc, clone_rule::fresh_ipc_excludes_semaphore_undo},
    {with::pidfd | with::detached, clone_rule::detached_is_gone},
};

}  // namespace

TEST_CASE("rules: flags known at run time are refused before the call, by the rule's name") {
  for (const impossible& each : impossibles) {
    const std::string rule = to_string(each.rule);
    CAPTURE(rule);
    CHECK(broken_rule(each.flags) == each.rule);
    CHECK(starts(message(hilo::clone(each.flags)), rule));
  }
}

TEST_CASE("rules: the kernel refuses what hilo refuses") {
  for (const impossible& each : impossibles) {
    // Refused by the manual; kernels from 2020 on do not mind.
    if (each.rule == clone_rule::fresh_pids_exclude_parent) continue;
    CAPTURE(to_string(each.rule));
    clone_args raw{};
    // CLONE_VFORK is only for a kernel that allows it: the child must not share a running stack.
    raw.flags = static_cast<std::uint64_t>(each.flags) | CLONE_VFORK;
    int descriptor = -1;
    raw.pidfd = reinterpret_cast<std::uintptr_t>(&descriptor);
    const long result = hilo::sys::call(SYS_clone3, &raw, sizeof raw);
    if (result == 0) hilo::sys::call(SYS_exit, 1);
    if (result == -ENOSYS) HILO_SKIP("clone3 is hidden here");
    if (result == -EPERM) continue;  // without rights to namespaces the kernel asks no further
    CHECK(result == -EINVAL);
    if (result > 0) ::waitpid(static_cast<pid_t>(result), nullptr, __WALL);
  }
}

TEST_CASE("rules: values are checked as well, and each message says what to change") {
  std::atomic<std::uint32_t> one = 0, other = 0;
  const auto tiny = [](std::byte* memory, std::size_t size) {
    return hilo::clone().stack(std::span(memory, size));
  };
  std::byte memory[64];
  const pid_t zero = 0;
  CHECK(starts(message(hilo::clone().child_tid(one).clear_tid(other)),
               "child_tid and clear_tid name two words"));
  CHECK(starts(message(hilo::clone(thread).exit_signal(17)), "CLONE_THREAD excludes an exit"));
  CHECK(starts(message(hilo::clone(share::parent).exit_signal(17)), "CLONE_PARENT excludes an"));
  CHECK(starts(message(hilo::clone().exit_signal(1000)), "exit signal 1000 is none"));
  CHECK(starts(message(hilo::clone(share::memory).stack(hilo::no_stack{})),
               "CLONE_VM needs a stack"));
  CHECK(starts(message(tiny(nullptr, 0)), "the memory given for the child's stack is empty"));
  CHECK(starts(message(tiny(memory, sizeof memory)), "a stack of 64 bytes has no room"));
  CHECK(starts(message(hilo::clone().stack(hilo::own_stack{.size = 1})), "a stack of 1 bytes"));
  CHECK(starts(message(hilo::clone().thread_block(hilo::own_block{})), "a thread block of the"));
  CHECK(starts(message(hilo::clone().set_tid({&zero, 1})), "set_tid asks for number 0"));
  std::error_code error;
  CHECK_FALSE(hilo::clone().stack(hilo::own_stack{}).fork(error));
  CHECK(error.value() == EINVAL);
}

TEST_CASE("rules: a refused child leaves nothing behind, its callable destroyed") {
  HILO_NEEDS_SHARED_MEMORY();
  const auto held = std::make_shared<int>(1);
  const pid_t taken = ::getpid();
  for (int i = 0; i < 100; ++i) {
    std::error_code error;
    CHECK_FALSE(
        hilo::clone<share::memory>().set_tid({&taken, 1}).start([held] { (void)held; }, error));
  }
  CHECK(held.use_count() == 1);
}
