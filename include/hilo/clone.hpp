// clone: one call for everything between a fork and a thread. The caller chooses, flag by flag, the
// things that parent and child share; without flags, clone is a fork. For plain threads use
// hilo::thread; for many tasks use fibers.
//
//   std::atomic<int> answer = 0;
//   hilo::child other = hilo::clone<hilo::share::memory | hilo::share::files>().start([&] {
//     answer.store(42, std::memory_order_relaxed);  // a process of its own, in our memory
//     return 7;
//   });
//   const int code = other.wait().code();  // 7, and answer is 42
//
// The compiler checks flags in the angle brackets. Flags in the parentheses, clone(flags), are
// checked when the child is started. docs/clone.md explains clone; clone(2) is the reference.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <sys/types.h>

#include "hilo/child.hpp"
#include "hilo/detail/clone_core.hpp"

namespace hilo {

// A set of the constants below, joined by |.
enum class clone_flags : std::uint64_t { none = 0 };

constexpr clone_flags operator|(clone_flags a, clone_flags b) noexcept {
  return clone_flags{static_cast<std::uint64_t>(a) | static_cast<std::uint64_t>(b)};
}
constexpr clone_flags operator&(clone_flags a, clone_flags b) noexcept {
  return clone_flags{static_cast<std::uint64_t>(a) & static_cast<std::uint64_t>(b)};
}
// Whether every flag of `some` is in `all`.
constexpr bool has(clone_flags all, clone_flags some) noexcept {
  return (all & some) == some;
}

// The things that parent and child share. Without the flag, the child gets a copy, made at the
// call.
namespace share {

inline constexpr clone_flags memory{0x100};            // CLONE_VM
inline constexpr clone_flags filesystem{0x200};        // CLONE_FS: umask, root, working directory
inline constexpr clone_flags files{0x400};             // CLONE_FILES: the descriptor table
inline constexpr clone_flags signal_handlers{0x800};   // CLONE_SIGHAND; masks stay separate
inline constexpr clone_flags tracer{0x2000};           // CLONE_PTRACE: the tracer of the caller
inline constexpr clone_flags parent{0x8000};           // CLONE_PARENT: the child is our sibling
inline constexpr clone_flags thread_group{0x10000};    // CLONE_THREAD: one process
inline constexpr clone_flags semaphore_undo{0x40000};  // CLONE_SYSVSEM: SEM_UNDO values
inline constexpr clone_flags io_context{0x80000000};   // CLONE_IO: one queue for the I/O scheduler

// CLONE_PID gave the child its parent's number. It was for booting Linux 2.4 and is gone since 2.5;
// its bit now means CLONE_PIDFD. Its operator | is deleted, so using it as a flag does not compile.
struct historical {};
inline constexpr historical process_id;
clone_flags operator|(clone_flags, historical) = delete;
clone_flags operator|(historical, clone_flags) = delete;

}  // namespace share

// The things that the child gets new for itself. The namespaces (namespaces(7)) need CAP_SYS_ADMIN,
// or the flag `users` as well.
namespace fresh {

inline constexpr clone_flags mounts{0x20000};      // CLONE_NEWNS
inline constexpr clone_flags cgroups{0x2000000};   // CLONE_NEWCGROUP: the root it sees
inline constexpr clone_flags hostname{0x4000000};  // CLONE_NEWUTS
inline constexpr clone_flags ipc{0x8000000};       // CLONE_NEWIPC: System V and POSIX queues
inline constexpr clone_flags users{0x10000000};    // CLONE_NEWUSER
inline constexpr clone_flags pids{0x20000000};     // CLONE_NEWPID: the child is number 1
inline constexpr clone_flags network{0x40000000};  // CLONE_NEWNET
inline constexpr clone_flags clocks{0x80};         // CLONE_NEWTIME; clone3 only
// CLONE_CLEAR_SIGHAND: handlers go back to the default; ignored signals stay ignored. clone3 only.
inline constexpr clone_flags signal_handlers{0x100000000};

}  // namespace fresh

// How the call is made.
namespace with {

// CLONE_VFORK: the caller sleeps until the child has called exec or ended. If the caller is a
// fiber, its carrier sleeps.
inline constexpr clone_flags caller_asleep{0x4000};
inline constexpr clone_flags pidfd{0x1000};  // CLONE_PIDFD: see child::pidfd
inline constexpr clone_flags untraced{
    0x800000};  // CLONE_UNTRACED: no tracer may force itself on it
inline constexpr clone_flags detached{0x400000};  // CLONE_DETACHED: always refused, see clone_rule

}  // namespace with

// The kernel's rules on combinations of flags (clone(2), ERRORS).
enum class clone_rule {
  none,  // none is broken
  thread_group_needs_signal_handlers,
  signal_handlers_need_memory,
  signal_handlers_shared_or_fresh,
  fresh_mounts_exclude_filesystem,
  fresh_users_exclude_filesystem,
  fresh_users_exclude_thread_group,
  fresh_pids_exclude_thread_group,
  fresh_pids_exclude_parent,
  fresh_ipc_excludes_semaphore_undo,
  detached_is_gone,
};

// The first rule that a set of flags breaks.
constexpr clone_rule broken_rule(clone_flags flags) noexcept {
  const auto both = [&](clone_flags a, clone_flags b) { return has(flags, a | b); };
  const auto without = [&](clone_flags a, clone_flags b) {
    return has(flags, a) && !has(flags, b);
  };
  using enum clone_rule;
  if (without(share::thread_group, share::signal_handlers))
    return thread_group_needs_signal_handlers;
  if (without(share::signal_handlers, share::memory)) return signal_handlers_need_memory;
  if (both(share::signal_handlers, fresh::signal_handlers)) return signal_handlers_shared_or_fresh;
  if (both(fresh::mounts, share::filesystem)) return fresh_mounts_exclude_filesystem;
  if (both(fresh::users, share::filesystem)) return fresh_users_exclude_filesystem;
  if (both(fresh::users, share::thread_group)) return fresh_users_exclude_thread_group;
  if (both(fresh::pids, share::thread_group)) return fresh_pids_exclude_thread_group;
  if (both(fresh::pids, share::parent)) return fresh_pids_exclude_parent;
  if (both(fresh::ipc, share::semaphore_undo)) return fresh_ipc_excludes_semaphore_undo;
  if (has(flags, with::detached)) return detached_is_gone;
  return none;
}

// The rule in words, and the reason for it.
constexpr const char* to_string(clone_rule rule) noexcept {
  switch (rule) {
    case clone_rule::none:
      return "no rule is broken";
    case clone_rule::thread_group_needs_signal_handlers:
      return "CLONE_THREAD needs CLONE_SIGHAND: the threads of a process have one table of signal "
             "handlers; add share::signal_handlers";
    case clone_rule::signal_handlers_need_memory:
      return "CLONE_SIGHAND needs CLONE_VM: a handler's address means nothing in other memory; add "
             "share::memory";
    case clone_rule::signal_handlers_shared_or_fresh:
      return "CLONE_CLEAR_SIGHAND excludes CLONE_SIGHAND: it would clear the caller's handlers "
             "too; "
             "choose share::signal_handlers or fresh::signal_handlers";
    case clone_rule::fresh_mounts_exclude_filesystem:
      return "CLONE_NEWNS excludes CLONE_FS: one root directory cannot be in two mount namespaces; "
             "leave out share::filesystem";
    case clone_rule::fresh_users_exclude_filesystem:
      return "CLONE_NEWUSER excludes CLONE_FS: the child could change the caller's root with its "
             "new "
             "capabilities; leave out share::filesystem";
    case clone_rule::fresh_users_exclude_thread_group:
      return "CLONE_NEWUSER excludes CLONE_THREAD: the threads of a process have one user "
             "namespace; "
             "leave out share::thread_group";
    case clone_rule::fresh_pids_exclude_thread_group:
      return "CLONE_NEWPID excludes CLONE_THREAD: the threads of a process have one pid namespace; "
             "leave out share::thread_group";
    case clone_rule::fresh_pids_exclude_parent:
      return "CLONE_NEWPID excludes CLONE_PARENT: the first process of a namespace is its maker's "
             "child; leave out share::parent";
    case clone_rule::fresh_ipc_excludes_semaphore_undo:
      return "CLONE_NEWIPC excludes CLONE_SYSVSEM: undo values of semaphores that the child cannot "
             "reach cannot be shared; leave out share::semaphore_undo";
    case clone_rule::detached_is_gone:
      return "CLONE_DETACHED does nothing since Linux 2.6.2 and clone3 refuses it; leave out "
             "with::detached";
  }
  return "no such rule";
}

// A concept for each rule, so that the compiler's message names the rule that is broken.
template <clone_flags F>
concept thread_group_has_signal_handlers = broken_rule(F)
!= clone_rule::thread_group_needs_signal_handlers;
template <clone_flags F>
concept shared_signal_handlers_have_memory = broken_rule(F)
!= clone_rule::signal_handlers_need_memory;
template <clone_flags F>
concept signal_handlers_not_both_shared_and_fresh = broken_rule(F)
!= clone_rule::signal_handlers_shared_or_fresh;
template <clone_flags F>
concept fresh_mounts_without_shared_filesystem = broken_rule(F)
!= clone_rule::fresh_mounts_exclude_filesystem;
template <clone_flags F>
concept fresh_users_without_shared_filesystem = broken_rule(F)
!= clone_rule::fresh_users_exclude_filesystem;
template <clone_flags F>
concept fresh_users_without_thread_group = broken_rule(F)
!= clone_rule::fresh_users_exclude_thread_group;
template <clone_flags F>
concept fresh_pids_without_thread_group = broken_rule(F)
!= clone_rule::fresh_pids_exclude_thread_group;
template <clone_flags F>
concept fresh_pids_without_shared_parent = broken_rule(F)
!= clone_rule::fresh_pids_exclude_parent;
template <clone_flags F>
concept fresh_ipc_without_shared_semaphore_undo = broken_rule(F)
!= clone_rule::fresh_ipc_excludes_semaphore_undo;
template <clone_flags F>
concept not_detached = broken_rule(F)
!= clone_rule::detached_is_gone;

template <clone_flags F>
concept possible_clone =
    thread_group_has_signal_handlers<F> && shared_signal_handlers_have_memory<F> &&
    signal_handlers_not_both_shared_and_fresh<F> && fresh_mounts_without_shared_filesystem<F> &&
    fresh_users_without_shared_filesystem<F> && fresh_users_without_thread_group<F> &&
    fresh_pids_without_thread_group<F> && fresh_pids_without_shared_parent<F> &&
    fresh_ipc_without_shared_semaphore_undo<F> && not_detached<F>;

// The exit signal goes to the child's parent. With share::thread_group or share::parent the kernel
// does not allow the caller to choose it.
template <clone_flags F>
concept has_exit_signal = !has(F, share::thread_group) && !has(F, share::parent);

// Where the child's stack is. With share::memory the child needs its own stack, and own_stack is
// the default. Without it the child can continue on its copy of the caller's stack, and no_stack is
// the default.
struct own_stack {
  std::size_t size = 256 * 1024;  // bytes of address space, with a guard below
};
struct no_stack {};

// Whose libc thread block the child runs on: errno, malloc cache, thread_local variables. With
// share::memory the default is a block of its own; without it, the child has a copy of the caller's
// block in any case.
struct own_block {};
// The caller's block. With share::memory both write the same errno: do not call libc in the child,
// or let the caller sleep (with::caller_asleep).
struct callers_block {};

// The builder. `fixed`: the flags that the compiler knows.
template <clone_flags fixed = clone_flags::none>
requires possible_clone<fixed>
class clone {
 public:
  constexpr clone() noexcept { request_.flags = fixed; }
  // Adds flags known only at run time.
  constexpr explicit clone(clone_flags more) noexcept { request_.flags = fixed | more; }

  // The signal that tells the parent of the child's end: SIGCHLD unless set here. 0: no signal, and
  // only waits with __WALL or __WCLONE see the child (child::wait uses __WALL).
  constexpr clone& exit_signal(int signal) noexcept requires has_exit_signal<fixed> {
    request_.exit_signal = signal;
    return *this;
  }

  constexpr clone& stack(own_stack wanted) noexcept {
    request_.stack = detail::stack_choice::own;
    request_.stack_size = wanted.size;
    return *this;
  }
  // Memory of the caller, in use until wait() returns. The child starts at the end of it.
  constexpr clone& stack(std::span<std::byte> memory) noexcept {
    request_.stack = detail::stack_choice::given;
    request_.stack_bottom = memory.data();
    request_.stack_size = memory.size();
    return *this;
  }
  constexpr clone& stack(no_stack) noexcept requires(!has(fixed, share::memory)) {
    request_.stack = detail::stack_choice::none;
    return *this;
  }

  constexpr clone& thread_block(own_block) noexcept {
    request_.block = detail::block_choice::own;
    return *this;
  }
  constexpr clone& thread_block(callers_block) noexcept {
    request_.block = detail::block_choice::callers;
    return *this;
  }
  // CLONE_SETTLS: sets the child's thread pointer. libc must be able to work with it.
  constexpr clone& thread_pointer(void* pointer) noexcept {
    request_.block = detail::block_choice::given;
    request_.thread_pointer = pointer;
    return *this;
  }

  // CLONE_PARENT_SETTID: the child's number is in `word` before start returns and before the child
  // runs.
  constexpr clone& parent_tid(std::atomic<std::uint32_t>& word) noexcept {
    request_.parent_tid = &word;
    return *this;
  }
  // CLONE_CHILD_SETTID: the child's number is in `word`, in the child's memory, before it runs.
  constexpr clone& child_tid(std::atomic<std::uint32_t>& word) noexcept {
    request_.child_tid = &word;
    return *this;
  }
  // CLONE_CHILD_CLEARTID: at the child's end `word`, which must be in memory that another process
  // or thread uses too, becomes 0, and one futex waiter is woken (not FUTEX_PRIVATE). If it is 0
  // before, start makes it 1. With child_tid, both must be the same word.
  constexpr clone& clear_tid(std::atomic<std::uint32_t>& word) noexcept {
    request_.clear_tid = &word;
    return *this;
  }

  // CLONE_INTO_CGROUP: starts the child in the version 2 cgroup of this open directory.
  constexpr clone& cgroup(int directory) noexcept {
    request_.cgroup = directory;
    return *this;
  }
  // Chooses the child's number in its pid namespace, and in the namespaces around it, innermost
  // first. Needs CAP_CHECKPOINT_RESTORE. start reads the numbers.
  constexpr clone& set_tid(std::span<const pid_t> numbers) noexcept {
    request_.tids = numbers.data();
    request_.tid_count = numbers.size();
    return *this;
  }

  // Makes a child that calls callable(), which returns its exit code or nothing (0). In the child,
  // no exit handlers run and no streams are flushed, as with _exit(2). With share::memory, the
  // callable is copied or moved to the child's stack. Without it, the child gets a copy of the
  // memory as by fork, but libc does not know of the fork: if another thread held a lock (such as
  // malloc's) at the call, that lock stays locked in the child.
  // Callable from: anywhere except a signal handler; the child of a fiber is not a fiber.
  // Errors: std::system_error: an impossible combination (the message names the rule), limits,
  // missing rights. An exception that leaves the callable terminates.
  // Ordering: with share::memory, everything sequenced before start happens before the child.
  template <class F>
  requires std::is_invocable_v < std::decay_t<F>
  & > [[nodiscard]] child start(F&& callable) const {
    return launch(std::forward<F>(callable), nullptr);
  }
  // Sets `error` instead of throwing, and returns no child then.
  template <class F>
  requires std::is_invocable_v < std::decay_t<F>
  & > [[nodiscard]] child start(F&& callable, std::error_code& error) const {
    error.clear();
    return launch(std::forward<F>(callable), &error);
  }

  // Returns twice, as fork(2) does: in the caller with the child, in the child with an empty one.
  // The child continues here on its copy of the memory, and has to end with _exit or exec. Errors:
  // as start. In the child `error` is clear.
  [[nodiscard]] child fork() const requires(!has(fixed, share::memory)) {
    return child(detail::fork_child(request_, nullptr));
  }
  [[nodiscard]] child fork(std::error_code& error) const requires(!has(fixed, share::memory)) {
    error.clear();
    return child(detail::fork_child(request_, &error));
  }

 private:
  template <class F>
  static int call(F& callable) noexcept {
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      std::invoke(callable);
      return 0;
    } else {
      return std::invoke(callable);
    }
  }

  template <class F>
  child launch(F&& callable, std::error_code* error) const;

  detail::clone_request request_;
};

template <clone_flags fixed>
requires possible_clone<fixed>
template <class F>
child clone<fixed>::launch(F&& callable, std::error_code* error) const {
  using closure = std::decay_t<F>;
  struct source {
    std::remove_reference_t<F>* callable;
  } from{std::addressof(callable)};
  const detail::clone_body body{
      .size = sizeof(closure),
      .alignment = alignof(closure),
      .context = &from,
      .construct =
          [](void* place, void* context) {
            ::new (place) closure(std::forward<F>(*static_cast<source*>(context)->callable));
          },
      .destroy = [](void* it) noexcept { static_cast<closure*>(it)->~closure(); },
      .run_and_destroy =
          [](void* it) noexcept {
            auto& mine = *static_cast<closure*>(it);
            const int code = call(mine);
            mine.~closure();
            return code;
          },
      .run_in_place =
          [](void* context) noexcept { return call(*static_cast<source*>(context)->callable); }};
  return child(detail::start_child(request_, body, error));
}

}  // namespace hilo
