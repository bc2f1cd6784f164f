#include "runtime/thread/clone_error.hpp"

#include <cerrno>
#include <climits>
#include <csignal>

#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/error.hpp"

namespace hilo::kernel {
namespace {

using detail::block_choice;
using detail::clone_request;
using detail::stack_choice;

constexpr const char* what = "clone a child";

// MAX_PID_NS_LEVEL of the kernel.
constexpr std::size_t most_tids = 32;

[[noreturn, gnu::cold]] void refuse(const std::string& rule) {
  base::fail(EINVAL, what, rule);
}

void check_stack(const clone_request& request) {
  const bool shared = has(request.flags, share::memory);
  if (request.stack == stack_choice::none && shared) {
    refuse(
        "CLONE_VM needs a stack for the child: on the caller's both would overwrite each other's "
        "frames; choose own_stack or give it memory");
  }
  if (request.stack == stack_choice::given && request.stack_bottom == nullptr) {
    refuse("the memory given for the child's stack is empty");
  }
  const auto least = static_cast<std::size_t>(::sysconf(_SC_THREAD_STACK_MIN));
  const bool own = request.stack == stack_choice::own;
  if (own && request.stack_size < least) {
    refuse("a stack of " + base::format_bytes(request.stack_size) +
           " is too small for libc; own_stack.size must be at least " + base::format_bytes(least));
  }
}

void check_words(const clone_request& request) {
  if (request.child_tid != nullptr && request.clear_tid != nullptr &&
      request.child_tid != request.clear_tid) {
    refuse(
        "child_tid and clear_tid name two words: the kernel has one address for "
        "CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID; give both the same word");
  }
  if (request.tid_count > most_tids) {
    refuse("set_tid has " + std::to_string(request.tid_count) +
           " numbers; pid namespaces nest 32 deep at most");
  }
  for (std::size_t i = 0; i < request.tid_count; ++i) {
    if (request.tids[i] < 1) {
      refuse("set_tid asks for number " + std::to_string(request.tids[i]) +
             "; numbers of processes start at 1");
    }
  }
}

std::string explain_rights(const clone_request& request, clone_flags flags) {
  if (request.tid_count != 0) {
    return "set_tid needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in each of the namespaces";
  }
  if (has(flags, fresh::users)) {
    return "a new user namespace is refused: see kernel.unprivileged_userns_clone, "
           "user.max_user_namespaces and the sandbox this runs in; it is also refused in a chroot";
  }
  return "new namespaces need CAP_SYS_ADMIN; add fresh::users, or ask the sandbox this runs in to "
         "allow clone";
}

std::string explain(int error, const clone_request& request, clone_flags flags) {
  switch (error) {
    case EAGAIN: {
      rlimit limit{};
      std::string hint = "the limit on processes and threads is reached: ";
      if (::getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        hint += "RLIMIT_NPROC is " + std::to_string(limit.rlim_cur) + ", ";
      }
      return hint + "or see pids.max of the cgroup and kernel.threads-max; raise it";
    }
    case ENOMEM:
      return "the kernel has no memory for one more; or the pid namespace that the caller's "
             "children start in has lost its first process";
    case EPERM:
      return explain_rights(request, flags);
    case EEXIST:
      return "a number that set_tid asks for is taken; choose another";
    case ENOSPC:
    case EUSERS:
      return "too many namespaces, nested or in all: see user.max_*_namespaces";
    case EMFILE:
    case ENFILE:
      return "no descriptor is left for the child's pidfd: see ulimit -n and fs.file-max";
    case EBADF:
      return "the cgroup given is not an open directory of a version 2 cgroup";
    case EBUSY:
      return "the cgroup given enables domain controllers, so processes belong in its leaves";
    case EOPNOTSUPP:
      return "the cgroup given is in the state domain invalid: see cgroup.type";
    case ENOSYS:
      return "this needs clone3 (Linux 5.3), which this kernel lacks or a seccomp filter hides";
    case EINVAL:
      if (request.tid_count != 0)
        return "set_tid asks for more numbers than there are pid namespaces around the child, or "
               "for "
               "one above kernel.pid_max";
      if (has(flags, share::thread_group | with::pidfd))
        return "CLONE_PIDFD excludes CLONE_THREAD before Linux 6.9; leave out with::pidfd";
      if (has(flags, share::parent))
        return "CLONE_PARENT is refused to the first process of a pid namespace, whose parent is "
               "outside; leave out share::parent";
      return "this kernel does not know one of the flags; namespaces can be left out of it";
    default:
      return "the system call failed";
  }
}

}  // namespace

void check_request(const clone_request& request) {
  const clone_rule broken = broken_rule(request.flags);
  if (broken != clone_rule::none) refuse(to_string(broken));
  const bool thread = has(request.flags, share::thread_group);
  if (request.exit_signal >= 0 && thread) {
    refuse(
        "CLONE_THREAD excludes an exit signal: the kernel does not report a thread's end to the "
        "parent");
  }
  if (request.exit_signal >= 0 && has(request.flags, share::parent)) {
    refuse("CLONE_PARENT excludes an exit signal: the child takes the caller's");
  }
  if (request.exit_signal > SIGRTMAX) {
    refuse("exit signal " + std::to_string(request.exit_signal) + " is none: the last is " +
           std::to_string(SIGRTMAX));
  }
  if (request.block == block_choice::own && !has(request.flags, share::memory)) {
    refuse(
        "a thread block of the child's own is for shared memory: without CLONE_VM the child has a "
        "copy of the caller's");
  }
  check_stack(request);
  check_words(request);
}

void check_stack_room(std::size_t bytes, std::size_t needed) {
  if (needed <= bytes / 2) return;
  refuse("a stack of " + base::format_bytes(bytes) + " has no room for a callable that takes " +
         base::format_bytes(needed) + " with what starts it; give it more, or pass a pointer");
}

void refuse_block(const std::string& reason) {
  base::fail(ENOTSUP, what,
             "a child that shares memory needs a thread block of its own, and " + reason +
                 "; share no memory, or choose callers_block and keep libc out of the child");
}

void refuse_fork() {
  refuse(
      "a fork continues on a copy of the caller's stack: it shares no memory and takes no other "
      "stack; use start");
}

void fail_to_clone(int error, const clone_request& request, clone_flags flags) {
  base::fail(error, what, explain(error, request, flags));
}

}  // namespace hilo::kernel
