// clone3: clone with its arguments in a struct, which has room for more of them.
//
// If the arguments have no stack, the child continues on its copy of the caller's stack. The plain
// system call is enough for that: sys::call(SYS_clone3, &arguments, sizeof arguments) returns
// twice. If the arguments have a stack, the child must leave the caller's frames in assembly, as
// for clone (clone.hpp).
#pragma once

#include <cstddef>

#include <linux/sched.h>

namespace hilo::sys {

// Returns the child's number in the caller. If it fails: returns -errno, and there is no child.
// arguments->stack and stack_size must end at a clone_start (clone.hpp). The child takes its entry
// and argument from there.
extern "C" [[gnu::visibility("hidden")]] long hilo_sys_clone3(const clone_args* arguments,
                                                              std::size_t size) noexcept;

}  // namespace hilo::sys
