#include "runtime/thread/clone_libc.hpp"

#include "runtime/base/sanitizers.hpp"

namespace hilo::kernel {
namespace {

clone_layout decide() {
#if HILO_TSAN
  return {nullptr, "the thread sanitizer knows only threads made by pthread_create"};
#elif !defined(__GLIBC__)
  return {nullptr, "this libc is not glibc"};
#else
  layout_discovery found = discover_libc_layout();
  if (!found.understood) return {nullptr, "this glibc is not understood: " + found.reason};
  return {new libc_layout(found.layout), {}};  // as long as the process, with the records
#endif
}

}  // namespace

const clone_layout& understood_layout() {
  static const auto* decided = new clone_layout(decide());
  return *decided;
}

}  // namespace hilo::kernel
