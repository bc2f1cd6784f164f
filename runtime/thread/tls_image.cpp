#include "runtime/thread/tls_image.hpp"

#include <cerrno>
#include <cstring>

#include <dlfcn.h>
#include <link.h>

#include "runtime/base/libc.hpp"
#include "runtime/thread/cpu.hpp"

namespace hilo::kernel {
namespace {

// This thread's copy of the module's variables. Null if the thread has no copy yet: the dynamic
// linker will make it from the image. But a copy at a fixed place exists before this thread has a
// note of it. Only the dynamic linker knows which modules have such a copy (modules that ask for
// it, and with TLS descriptors any small module). Its own description of the module says so. To ask
// it by __tls_get_addr would take the lock of all thread-local variables, and dlopen, which holds
// that lock, waits for the list of modules, which this caller reads: each would wait for the other.
unsigned char* variables_of(const dl_phdr_info& module,
                            [[maybe_unused]] const libc_layout& layout) noexcept {
  auto* data = static_cast<unsigned char*>(module.dlpi_tls_data);
#if HILO_GLIBC(2, 35)
  if (data != nullptr || module.dlpi_tls_modid == 0 || layout.find_object == nullptr) return data;
  dl_find_object found;
  if (layout.find_object(const_cast<void*>(static_cast<const void*>(module.dlpi_phdr)), &found) !=
      0) {
    return nullptr;
  }
  return fixed_copy(layout, found.dlfo_link_map);
#else
  return data;
#endif
}

struct reset {
  const libc_layout& layout;
  const unsigned char* libc_variable;  // one of libc's own in this thread, null to spare none
};

int reset_module(dl_phdr_info* module, std::size_t, void* argument) {
  const auto& job = *static_cast<const reset*>(argument);
  unsigned char* data = variables_of(*module, job.layout);
  if (data == nullptr) return 0;
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const auto& segment = module->dlpi_phdr[i];
    if (segment.p_type != PT_TLS) continue;
    if (job.libc_variable >= data && job.libc_variable < data + segment.p_memsz) return 0;
    std::memcpy(data, reinterpret_cast<const void*>(module->dlpi_addr + segment.p_vaddr),
                segment.p_filesz);
    std::memset(data + segment.p_filesz, 0, segment.p_memsz - segment.p_filesz);
    return 0;
  }
  return 0;
}

int read_generation(dl_phdr_info* module, std::size_t, void* argument) {
  *static_cast<std::uint64_t*>(argument) = module->dlpi_adds;
  return 1;  // it is the same for every module
}

}  // namespace

std::uint64_t module_generation() noexcept {
  std::uint64_t loaded = 0;
  ::dl_iterate_phdr(read_generation, &loaded);
  return loaded;
}

void reset_tls_images(const libc_layout& layout) noexcept {
  // In a static program free_thread_caches has emptied libc's own variables before.
  reset job{layout, layout.free_thread_caches == nullptr
                        ? reinterpret_cast<const unsigned char*>(&errno)
                        : nullptr};
  ::dl_iterate_phdr(reset_module, &job);
}

unsigned char* fixed_copy(const libc_layout& layout, const link_map* module) noexcept {
  std::ptrdiff_t place = 0;
  std::memcpy(&place, reinterpret_cast<const unsigned char*>(module) + layout.fixed_place,
              sizeof place);
  // What glibc has for a module without a fixed place, by CPU: not decided yet, or never.
  if (place >= -2 && place <= 1) return nullptr;
  return cpu::variables_at(place);
}

}  // namespace hilo::kernel
