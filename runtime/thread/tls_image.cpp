#include "runtime/thread/tls_image.hpp"

#include <cerrno>
#include <cstring>

#include <link.h>

#include "runtime/base/libc.hpp"

namespace hilo::kernel {
namespace {

// Whether the module's variables have a fixed place in every thread block.
[[maybe_unused]] bool has_fixed_place(const dl_phdr_info& module) noexcept {
  for (int i = 0; i < module.dlpi_phnum; ++i) {
    if (module.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(module.dlpi_addr + module.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_FLAGS) return (entry->d_un.d_val & DF_STATIC_TLS) != 0;
    }
  }
  return false;
}

// This thread's copy of the module's variables. Null when it has none yet: the dynamic linker makes
// it from the image. But a copy of fixed place is there before this thread has a note of it, and
// the dynamic linker puts the image only into the threads it knows; asking for it makes the note.
unsigned char* variables_of(const dl_phdr_info& module,
                            [[maybe_unused]] void* (*find)(void*)) noexcept {
  auto* data = static_cast<unsigned char*>(module.dlpi_tls_data);
#if HILO_GLIBC(2, 35)  // before, it took a lock that may not be taken here
  if (data != nullptr || module.dlpi_tls_modid == 0 || find == nullptr ||
      !has_fixed_place(module)) {
    return data;
  }
  std::size_t start[] = {module.dlpi_tls_modid, 0};  // and an offset
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
  // In a static program the libc's own are emptied by free_thread_caches before.
  reset job{layout.free_thread_caches == nullptr ? reinterpret_cast<const unsigned char*>(&errno)
                                                 : nullptr,
            layout.find_variable};
  ::dl_iterate_phdr(reset_module, &job);
}

}  // namespace hilo::kernel
