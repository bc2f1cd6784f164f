// Why there is no child, in words. All of these throw std::system_error.
#pragma once

#include <cstddef>
#include <string>

#include "hilo/clone.hpp"

namespace hilo::kernel {

// Refuses what the kernel or hilo would not do, before anything is prepared.
void check_request(const detail::clone_request& request);

// `bytes` is what the child's stack has, `needed` what hilo puts on it.
void check_stack_room(std::size_t bytes, std::size_t needed);

[[noreturn, gnu::cold]] void refuse_block(const std::string& reason);
[[noreturn, gnu::cold]] void refuse_fork();

// The system call failed.
[[noreturn, gnu::cold]] void fail_to_clone(int error, const detail::clone_request& request,
                                           clone_flags flags);

}  // namespace hilo::kernel
