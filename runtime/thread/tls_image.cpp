#include "runtime/thread/tls_image.hpp"

#include <cerrno>
#include <cstring>

#include <link.h>

namespace hilo::kernel {
namespace {

struct reset {
  const unsigned char* libc_variable;  // one of libc's own in this thread, null to spare none
};

int reset_module(dl_phdr_info* module, std::size_t, void* argument) {
  const auto& job = *static_cast<const reset*>(argument);
  // Null when the module has no thread-local variables, or this thread has no copy of them yet.
  auto* data = static_cast<unsigned char*>(module->dlpi_tls_data);
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

}  // namespace

void reset_tls_images(libc_variables libc) noexcept {
  reset job{libc == libc_variables::keep ? reinterpret_cast<const unsigned char*>(&errno)
                                         : nullptr};
  ::dl_iterate_phdr(reset_module, &job);
}

}  // namespace hilo::kernel
