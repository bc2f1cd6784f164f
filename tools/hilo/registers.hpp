// The registers of each CPU: where a suspended fiber keeps them, and in which order the kernel
// gives those of a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tools/hilo/memory.hpp"
#include "tools/hilo/target.hpp"

namespace hilo::command {

// Bytes that a suspended fiber keeps at its stack pointer.
std::size_t bytes_of_saved_registers() noexcept;

// The registers of a fiber that is suspended at `sp`. `saved` has the bytes from there on.
registers registers_of_fiber(address sp, std::span<const std::byte> saved) noexcept;

// The registers of a kernel thread, from the kernel's struct of this CPU (NT_PRSTATUS).
std::optional<registers> registers_of_thread(std::span<const std::byte> kernels) noexcept;

// The ELF machine of this CPU: the command reads targets of its own CPU only.
unsigned short elf_machine() noexcept;

}  // namespace hilo::command
