#include "runtime/thread/resolver.hpp"

#include <cstring>

#include <link.h>
#include <resolv.h>

#include "runtime/base/libc.hpp"
#include "runtime/thread/cpu.hpp"

#undef p_type  // resolv.h means something else by it

namespace hilo::kernel {
namespace {

struct pointer_search {
  const void* value;
  const unsigned char* found = nullptr;
  unsigned count = 0;
};

// Searches the caller's thread-local variables of one module.
int search_module(dl_phdr_info* module, std::size_t, void* argument) {
  auto& search = *static_cast<pointer_search*>(argument);
  const auto* const variables = static_cast<const unsigned char*>(module->dlpi_tls_data);
  for (int i = 0; variables != nullptr && i < module->dlpi_phnum; ++i) {
    const auto& segment = module->dlpi_phdr[i];
    if (segment.p_type != PT_TLS) continue;
    for (std::size_t at = 0; at + sizeof(void*) <= segment.p_memsz; at += sizeof(void*)) {
      if (std::memcmp(variables + at, &search.value, sizeof search.value) != 0) continue;
      search.found = variables + at;
      ++search.count;
    }
  }
  return 0;
}

struct __res_state* resolver_of(const libc_layout& layout, unsigned char* block) noexcept {
  return reinterpret_cast<struct __res_state*>(block + layout.resolver);
}

}  // namespace

void find_resolver(libc_layout& layout, const unsigned char* block) noexcept {
  const auto* const state = reinterpret_cast<const unsigned char*>(::__res_state());
  if (state < block || state + sizeof(struct __res_state) > block + layout.size) return;
  pointer_search search{state};
  ::dl_iterate_phdr(search_module, &search);
  if (search.count != 1) return;
  layout.resolver = static_cast<std::size_t>(state - block);
  layout.resolver_pointer = search.found - static_cast<const unsigned char*>(cpu::thread_pointer());
}

void lead_to_resolver(const libc_layout& layout, unsigned char* block,
                      void* thread_pointer) noexcept {
  if (layout.resolver_pointer == 0) return;
  struct __res_state* const own = resolver_of(layout, block);
  std::memcpy(static_cast<unsigned char*>(thread_pointer) + layout.resolver_pointer, &own,
              sizeof own);
}

void renew_resolver(const libc_layout& layout, unsigned char* block) noexcept {
  if (layout.resolver_pointer == 0) return;
  struct __res_state* const own = resolver_of(layout, block);
  if ((own->options & RES_INIT) == 0) return;  // not used
#if HILO_GLIBC(2, 0)                           // others have no such state, and come to no layout
  ::res_nclose(own);
#endif
  std::memset(own, 0, sizeof *own);
}

}  // namespace hilo::kernel
