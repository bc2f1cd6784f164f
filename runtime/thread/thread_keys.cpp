#include "runtime/thread/thread_keys.hpp"

#include <climits>
#include <cstring>

#include <pthread.h>

namespace hilo::kernel {
namespace {

template <class T>
T read(const unsigned char* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Makes one pass over all values. Returns whether a destructor ran.
bool run_round(const libc_layout& layout, unsigned char* block) noexcept {
  bool ran = false;
  for (std::size_t table = 0; table < layout.tables; ++table) {
    auto* values = read<unsigned char*>(block + layout.specific + table * sizeof(unsigned char*));
    if (values == nullptr) continue;
    for (std::size_t slot = 0; slot < layout.slots; ++slot, values += layout.value.size) {
      void* data = read<void*>(values + layout.value.data);
      if (data == nullptr) continue;
      std::memset(values + layout.value.data, 0, sizeof data);
      // A key that was deleted, or deleted and made again, has another sequence number. The value
      // then has no owner.
      const unsigned char* key = layout.key.table + (table * layout.slots + slot) * layout.key.size;
      const auto sequence = read<std::uintptr_t>(values + layout.value.sequence);
      const auto destructor = read<void (*)(void*)>(key + layout.key.destructor);
      if (destructor == nullptr || sequence != read<std::uintptr_t>(key + layout.key.sequence)) {
        continue;
      }
      destructor(data);
      ran = true;
    }
  }
  return ran;
}

}  // namespace

void run_key_destructors(const libc_layout& layout, unsigned char* block) noexcept {
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; ++round) {
    if (!run_round(layout, block)) return;
  }
  // Values set by the destructors of the last round are dropped, as POSIX allows. The block's next
  // thread must not see them.
  for (std::size_t table = 0; table < layout.tables; ++table) {
    auto* values = read<unsigned char*>(block + layout.specific + table * sizeof(unsigned char*));
    if (values != nullptr) std::memset(values, 0, layout.slots * layout.value.size);
  }
}

}  // namespace hilo::kernel
