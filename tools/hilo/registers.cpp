#include "tools/hilo/registers.hpp"

#include <cstring>

#include <elf.h>

namespace hilo::command {
namespace {

// Where the switch of this CPU keeps each register: runtime/context/<cpu>/switch.S has the picture.
struct kept {
  std::size_t number;  // DWARF
  std::size_t at;
};
#if defined(__x86_64__)
constexpr kept all_kept[] = {{15, 0}, {14, 8}, {13, 16}, {12, 24}, {3, 32}, {6, 40}};
constexpr std::size_t pc_at = 48;
constexpr std::size_t frame_bytes = 56;
constexpr std::size_t sp_number = 7;
constexpr std::size_t pc_number = 16;
// From DWARF number to the place in user_regs_struct (sys/user.h).
constexpr std::size_t kernels_place[] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16};
constexpr unsigned short machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr kept all_kept[] = {{19, 0},  {20, 8},  {21, 16}, {22, 24}, {23, 32}, {24, 40},
                             {25, 48}, {26, 56}, {27, 64}, {28, 72}, {29, 80}, {30, 88}};
constexpr std::size_t pc_at = 88;
constexpr std::size_t frame_bytes = 160;
constexpr std::size_t sp_number = 31;
constexpr std::size_t pc_number = 32;
constexpr unsigned short machine = EM_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr kept all_kept[] = {{1, 0},   {8, 8},   {9, 16},  {18, 24}, {19, 32}, {20, 40}, {21, 48},
                             {22, 56}, {23, 64}, {24, 72}, {25, 80}, {26, 88}, {27, 96}};
constexpr std::size_t pc_at = 0;
constexpr std::size_t frame_bytes = 208;
constexpr std::size_t sp_number = 2;
constexpr std::size_t pc_number = 32;
constexpr unsigned short machine = EM_RISCV;
#else
#error "hilo: the command does not know the registers of this CPU; add them here"
#endif

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if (at + sizeof word <= bytes.size()) std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

}  // namespace

unsigned short elf_machine() noexcept {
  return machine;
}

std::size_t bytes_of_saved_registers() noexcept {
  return frame_bytes;
}

registers registers_of_fiber(address sp, std::span<const std::byte> saved) noexcept {
  registers all;
  for (const kept& one : all_kept) all.set(one.number, word_at(saved, one.at));
  all.pc = word_at(saved, pc_at);
  all.sp = sp + frame_bytes;
  all.set(sp_number, all.sp);
  all.at_call = true;
  return all;
}

std::optional<registers> registers_of_thread(std::span<const std::byte> kernels) noexcept {
  registers all;
#if defined(__x86_64__)
  if (kernels.size() < 21 * sizeof(std::uint64_t)) return std::nullopt;
  for (std::size_t i = 0; i < std::size(kernels_place); ++i) {
    all.set(i, word_at(kernels, kernels_place[i] * sizeof(std::uint64_t)));
  }
  all.pc = all.value[pc_number];
#elif defined(__aarch64__)
  // x0 to x30, sp, pc
  if (kernels.size() < 33 * sizeof(std::uint64_t)) return std::nullopt;
  for (std::size_t i = 0; i < 32; ++i) all.set(i, word_at(kernels, i * sizeof(std::uint64_t)));
  all.pc = word_at(kernels, pc_number * sizeof(std::uint64_t));
#else
  // pc, x1 to x31
  if (kernels.size() < 32 * sizeof(std::uint64_t)) return std::nullopt;
  for (std::size_t i = 1; i < 32; ++i) all.set(i, word_at(kernels, i * sizeof(std::uint64_t)));
  all.pc = word_at(kernels, 0);
#endif
  all.sp = all.value[sp_number];
  return all;
}

}  // namespace hilo::command
