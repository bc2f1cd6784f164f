#include "runtime/thread/loaded.hpp"

#include <dlfcn.h>
#include <sys/auxv.h>

#include "runtime/thread/libc_symbol.hpp"

namespace hilo::kernel {
namespace {

// Looks dlopen up by name, because a static program that names dlopen makes the linker warn.
template <class F>
F* find(const char* name) noexcept {
  return reinterpret_cast<F*>(find_libc_symbol(name, nullptr));
}

bool mark_as_kept() noexcept {
  auto* const module_of = find<int(const void*, Dl_info*)>("dladdr");
  auto* const open = find<void*(const char*, int)>("dlopen");
  Dl_info about{};
  if (module_of == nullptr || open == nullptr ||
      module_of(reinterpret_cast<const void*>(&stay_loaded), &about) == 0) {
    return false;
  }
  // The program itself stays anyway. Asking for it by name would open its file.
  Dl_info program{};
  if (module_of(reinterpret_cast<const void*>(::getauxval(AT_PHDR)), &program) != 0 &&
      program.dli_fbase == about.dli_fbase) {
    return true;
  }
  // RTLD_NOLOAD: the module is there already, so nothing is loaded.
  return open(about.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
}

}  // namespace

void stay_loaded() noexcept {
  [[maybe_unused]] static const bool kept = mark_as_kept();
}

}  // namespace hilo::kernel
