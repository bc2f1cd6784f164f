// Why a child could not be made, in words. Each function here throws std::system_error.
#pragma once

#include <cstddef>
#include <string>

#include "hilo/clone.hpp"

namespace hilo::kernel {

// Refuses a request that the kernel or hilo cannot fulfil, before anything is prepared.
void check_request(const detail::clone_request& request);

// `bytes` is the size of the child's stack, `needed` the size of what hilo puts on it.
void check_stack_room(std::size_t bytes, std::size_t needed);

[[noreturn, gnu::cold]] void refuse_block(const std::string& reason);
[[noreturn, gnu::cold]] void refuse_fork();

// Throws the error of a system call that failed.
[[noreturn, gnu::cold]] void fail_to_clone(int error, const detail::clone_request& request,
                                           clone_flags flags);

}  // namespace hilo::kernel
