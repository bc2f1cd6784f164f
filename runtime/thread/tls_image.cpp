#include "runtime/thread/tls_image.hpp"

#include <cerrno>
#include <cstring>

#include <link.h>

#include "runtime/base/libc.hpp"
#include "runtime/thread/cpu.hpp"

namespace hilo::kernel {
namespace {

// This thread's copy of the module's variables. Null if the thread has no copy yet: the dynamic
// linker will make it from the image. But a copy at a fixed place exists before this thread has a
// note of it. Only the dynamic linker knows which modules have such a copy (modules that ask for
// it, and with TLS descriptors any small module). So the code asks for the copy, which makes the
// note.
unsigned char* variables_of(const dl_phdr_info& module,
                            [[maybe_unused]] void* (*find)(void*)) noexcept {
  auto* data = static_cast<unsigned char*>(module.dlpi_tls_data);
#if HILO_GLIBC(2, 35)  // before 2.35 this took a lock that may not be taken here
  if (data != nullptr || module.dlpi_tls_modid == 0 || find == nullptr) return data;
  std::size_t start[] = {module.dlpi_tls_modid, 0 - cpu::dtv_bias};  // and an offset
  return static_cast<unsigned char*>(find(start));
#else
  return data;
#endif
}

struct reset {
  const unsigned char* libc_variable;  // one of libc's own in this thread, null to spare none
  void* (*find_variable)(void*);
};

int reset_module(dl_phdr_info* module, std::size_t, void* argument) {
  const auto& job = *static_cast<const reset*>(argument);
  unsigned char* data = variables_of(*module, job.find_variable);
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
  reset job{layout.free_thread_caches == nullptr ? reinterpret_cast<const unsigned char*>(&errno)
                                                 : nullptr,
            layout.find_variable};
  ::dl_iterate_phdr(reset_module, &job);
}

}  // namespace hilo::kernel
