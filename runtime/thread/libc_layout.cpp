#include "runtime/thread/libc_layout.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <dlfcn.h>
#include <linux/futex.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/libc.hpp"
#include "runtime/base/pages.hpp"
#include "runtime/sys/syscall.hpp"
#include "runtime/thread/cpu.hpp"
#include "runtime/thread/libc_symbols.h"
#include "runtime/thread/resolver.hpp"
#include "runtime/thread/stack.hpp"
#include "runtime/thread/tls_image.hpp"

extern "C" {
struct hilo_thread_db_field {
  std::uint32_t bits, count, offset;
};
// Only their types are used: the addresses are in hilo_libc_symbols.
#define HILO_THREAD_DB_SIZE(name) extern const std::uint32_t _thread_db_sizeof_##name;
#define HILO_THREAD_DB_FIELD(name) extern const hilo_thread_db_field _thread_db_##name;
HILO_THREAD_DB_SIZE(pthread)
HILO_THREAD_DB_SIZE(list_t)
HILO_THREAD_DB_SIZE(pthread_key_data)
HILO_THREAD_DB_SIZE(pthread_key_data_level2)
HILO_THREAD_DB_SIZE(pthread_key_struct)
HILO_THREAD_DB_FIELD(pthread_tid)
HILO_THREAD_DB_FIELD(pthread_list)
HILO_THREAD_DB_FIELD(list_t_next)
HILO_THREAD_DB_FIELD(list_t_prev)
HILO_THREAD_DB_FIELD(pthread_specific)
HILO_THREAD_DB_FIELD(pthread_cancelhandling)
HILO_THREAD_DB_FIELD(pthread_key_data_seq)
HILO_THREAD_DB_FIELD(pthread_key_data_data)
HILO_THREAD_DB_FIELD(pthread_key_data_level2_data)
HILO_THREAD_DB_FIELD(pthread_key_struct_seq)
HILO_THREAD_DB_FIELD(pthread_key_struct_destr)
HILO_THREAD_DB_FIELD(__pthread_keys)
HILO_THREAD_DB_FIELD(__nptl_nthreads)
extern std::uint32_t __nptl_nthreads;
extern const unsigned char __pthread_keys[];
extern const std::ptrdiff_t __rseq_offset;
extern const unsigned int __rseq_size;
void* _dl_allocate_tls(void*);
void __call_tls_dtors();
void __ctype_init();
void __libc_thread_freeres();

// libc_symbols.S
#define HILO_SYMBOL(name) void* name##_at;
[[gnu::visibility("hidden")]] extern const struct {
  HILO_LIBC_SYMBOLS(HILO_SYMBOL)
} hilo_libc_symbols;
}

namespace hilo::kernel {
namespace {

// Says what is wrong with this libc. Thrown and caught within this file.
struct not_understood {
  std::string reason;
};

void expect(bool condition, const char* what) {
  if (!condition) throw not_understood{what};
}

class descriptors {
 public:
  explicit descriptors(symbol_lookup find) : find_(find) {}

  // The linked address of a symbol, or the address that the lookup finds for its name.
  template <class T>
  T* optional(const char* name, void* linked) const {
    return reinterpret_cast<T*>(find_(name, linked));
  }

  template <class T>
  T* required(const char* name, void* linked) const {
    T* found = optional<T>(name, linked);
    if (found == nullptr) throw not_understood{std::string("libc has no ") + name};
    return found;
  }

 private:
  symbol_lookup find_;
};

#define HILO_REQUIRED(name) symbols.required<decltype(::name)>(#name, hilo_libc_symbols.name##_at)
#define HILO_OPTIONAL(name) symbols.optional<decltype(::name)>(#name, hilo_libc_symbols.name##_at)

constexpr std::uint32_t pointer_bits = 8 * sizeof(void*);

void read_block_fields(const descriptors& symbols, libc_layout& layout) {
  layout.size = *HILO_REQUIRED(_thread_db_sizeof_pthread);
  expect(layout.size >= 256 && layout.size <= 65536, "struct pthread has an incredible size");
  const auto inside = [&](const hilo_thread_db_field& field) {
    expect(field.offset % 4 == 0 && field.offset + field.bits / 8 <= layout.size,
           "a field of struct pthread lies outside it");
    return field.offset;
  };

  const auto& tid = *HILO_REQUIRED(_thread_db_pthread_tid);
  expect(tid.bits == 32, "the thread number is not an int");
  layout.tid = inside(tid);

  layout.list = inside(*HILO_REQUIRED(_thread_db_pthread_list));
  expect(*HILO_REQUIRED(_thread_db_sizeof_list_t) == 2 * sizeof(void*) &&
             HILO_REQUIRED(_thread_db_list_t_next)->offset == 0 &&
             HILO_REQUIRED(_thread_db_list_t_prev)->offset == sizeof(void*),
         "the list of threads is not {next, prev}");

  const auto& specific = *HILO_REQUIRED(_thread_db_pthread_specific);
  layout.specific = inside(specific);
  layout.tables = specific.bits / pointer_bits;

  const auto* cancelled = HILO_OPTIONAL(_thread_db_pthread_cancelhandling);
  if (cancelled != nullptr && cancelled->bits == 32) layout.cancelled = inside(*cancelled);
}

void read_key_fields(const descriptors& symbols, libc_layout& layout) {
  layout.slots = HILO_REQUIRED(_thread_db_pthread_key_data_level2_data)->count;
  layout.value.size = *HILO_REQUIRED(_thread_db_sizeof_pthread_key_data);
  layout.value.sequence = HILO_REQUIRED(_thread_db_pthread_key_data_seq)->offset;
  layout.value.data = HILO_REQUIRED(_thread_db_pthread_key_data_data)->offset;
  layout.key.size = *HILO_REQUIRED(_thread_db_sizeof_pthread_key_struct);
  layout.key.sequence = HILO_REQUIRED(_thread_db_pthread_key_struct_seq)->offset;
  layout.key.destructor = HILO_REQUIRED(_thread_db_pthread_key_struct_destr)->offset;
  layout.key.table =
      symbols.required<const unsigned char>("__pthread_keys", hilo_libc_symbols.__pthread_keys_at);
  const auto& keys = *HILO_REQUIRED(_thread_db___pthread_keys);
  expect(layout.value.size == 2 * sizeof(void*) && layout.key.size == 2 * sizeof(void*) &&
             layout.value.sequence + layout.value.data == sizeof(void*) &&
             layout.key.sequence + layout.key.destructor == sizeof(void*) &&
             *HILO_REQUIRED(_thread_db_sizeof_pthread_key_data_level2) ==
                 layout.slots * layout.value.size &&
             keys.bits == 8 * layout.key.size && keys.count == layout.tables * layout.slots,
         "the tables of pthread keys do not fit each other");
}

void read_count(const descriptors& symbols, libc_layout& layout) {
  expect(HILO_REQUIRED(_thread_db___nptl_nthreads)->bits == 32,
         "the count of threads is not an int");
  layout.live_threads = HILO_REQUIRED(__nptl_nthreads);
  constexpr std::uint32_t most = 1U << 22;  // PID_MAX_LIMIT
  const std::uint32_t now =
      std::atomic_ref<std::uint32_t>(*layout.live_threads).load(std::memory_order_relaxed);
  expect(now >= 1 && now <= most, "the count of threads is incredible");
}

void read_functions(const descriptors& symbols, libc_layout& layout) {
  layout.allocate_tls = HILO_REQUIRED(_dl_allocate_tls);
  layout.init_ctype = HILO_REQUIRED(__ctype_init);
  layout.free_thread_caches = HILO_OPTIONAL(__libc_thread_freeres);
  // In a static program this is there only if something registers such destructors.
  layout.run_thread_local_destructors = HILO_OPTIONAL(__call_tls_dtors);
  expect(layout.run_thread_local_destructors != nullptr || layout.free_thread_caches != nullptr,
         "libc has no __call_tls_dtors");
  const auto* rseq_offset = HILO_OPTIONAL(__rseq_offset);
  const auto* rseq_size = HILO_OPTIONAL(__rseq_size);
  if (rseq_offset != nullptr && rseq_size != nullptr) {
    layout.rseq_offset = *rseq_offset;  // 0 as well where glibc knows no signature for this CPU
    // The kernel takes the original 32 bytes, or more in steps of 32 if features need them.
    layout.rseq_length = (*rseq_size + 31u) / 32 * 32;
  }
}

// Believed only if it is right for libc's own variables. In a static program neither symbol is
// there.
void read_fixed_places([[maybe_unused]] const descriptors& symbols,
                       [[maybe_unused]] libc_layout& layout) {
#if HILO_GLIBC(2, 35)
  const auto* field =
      symbols.optional<const hilo_thread_db_field>("_thread_db_link_map_l_tls_offset", nullptr);
  auto* const find = symbols.optional<int(void*, dl_find_object*)>("_dl_find_object", nullptr);
  if (field == nullptr || find == nullptr || field->bits != pointer_bits) return;
  dl_find_object libc{};
  if (find(reinterpret_cast<void*>(layout.init_ctype), &libc) != 0) return;
  layout.fixed_place = field->offset;
  const auto* variables = fixed_copy(layout, libc.dlfo_link_map);
  const auto* one = reinterpret_cast<const unsigned char*>(&errno);
  constexpr std::size_t most = 4096;  // bytes of libc's variables; 144 in glibc 2.36
  if (variables != nullptr && one >= variables && one < variables + most) layout.find_object = find;
#endif
}

// The thread that this file examines. Its stack is ours, so its bounds are known.
struct specimen {
  libc_layout* layout;
  unsigned char* stack;
  std::size_t stack_size;
  std::string reason;
};

std::uintptr_t word_at(const unsigned char* block, std::size_t offset) {
  std::uintptr_t word;
  std::memcpy(&word, block + offset, sizeof word);
  return word;
}

// Whether the word at `address`, which may be unmapped, has this value. A futex wait does the
// compare for us, half a word at a time. It ends at once: its time is up, or the value differs, or
// the address is not mapped.
bool holds(std::uintptr_t address, std::uintptr_t value) {
  const timespec none{};
  std::uint32_t halves[sizeof value / 4];
  std::memcpy(halves, &value, sizeof value);
  for (const std::uint32_t half : halves) {
    const long result = sys::call(SYS_futex, address, FUTEX_WAIT_PRIVATE, half, &none);
    if (result != -ETIMEDOUT) return false;
    address += sizeof half;
  }
  return true;
}

// Neighbours on the list of threads point back at the block. They come and go, so one success is
// enough.
void check_list(const libc_layout& layout, const unsigned char* block) {
  const auto entry = reinterpret_cast<std::uintptr_t>(block + layout.list);
  for (int tries = 0; tries < 100; ++tries) {
    if (holds(word_at(block, layout.list) + sizeof(void*), entry) &&
        holds(word_at(block, layout.list + sizeof(void*)), entry)) {
      return;
    }
  }
  throw not_understood{"the neighbours on the list of threads do not lead back"};
}

void check_this_thread(const libc_layout& layout) {
  const auto* block = reinterpret_cast<const unsigned char*>(::pthread_self());
  expect(cpu::header_is_understood(block, layout.size),
         "the thread pointer does not lead to pthread_self()");
  expect(cpu::thread_pointer() == block + layout.thread_pointer,
         "the thread pointer is not as far from pthread_self() in every thread");
  std::uint32_t tid;
  std::memcpy(&tid, block + layout.tid, sizeof tid);
  expect(tid == static_cast<std::uint32_t>(sys::call(SYS_gettid)),
         "the word at tid's offset is not this thread's number");
}

// A robust mutex that is locked is on its owner's list. So the head of that list is the word of the
// block that points into the mutex. To check it, follow the distance that is stored next to the
// head. If it leads from there to the mutex's futex, and the futex holds our number, this is the
// list that the kernel walks.
void find_robust_list(libc_layout& layout, const unsigned char* block) {
  pthread_mutexattr_t robust;
  ::pthread_mutexattr_init(&robust);
  ::pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t mutex;
  ::pthread_mutex_init(&mutex, &robust);
  ::pthread_mutexattr_destroy(&robust);
  ::pthread_mutex_lock(&mutex);
  const auto first = reinterpret_cast<std::uintptr_t>(&mutex);
  const auto inside = [&](std::uintptr_t address, std::size_t bytes) {
    return address >= first && address - first <= sizeof mutex - bytes;
  };
  std::size_t found = 0;
  robust_list_head head{};
  for (std::size_t at = 0; at + sizeof head <= layout.size; at += sizeof(void*)) {
    if (!inside(word_at(block, at), sizeof(void*))) continue;
    std::memcpy(&head, block + at, sizeof head);
    const std::uintptr_t futex =
        word_at(block, at) + static_cast<std::uintptr_t>(head.futex_offset);
    std::uint32_t owner = 0;
    if (!inside(futex, sizeof owner)) continue;
    std::memcpy(&owner, reinterpret_cast<const void*>(futex), sizeof owner);
    if ((owner & FUTEX_TID_MASK) == static_cast<std::uint32_t>(sys::call(SYS_gettid))) found = at;
  }
  ::pthread_mutex_unlock(&mutex);
  ::pthread_mutex_destroy(&mutex);
  expect(found != 0, "no robust list in struct pthread holds a robust mutex that is locked");
  expect(word_at(block, found) == reinterpret_cast<std::uintptr_t>(block + found) &&
             head.list_op_pending == nullptr,
         "the robust list of a pthread without robust mutexes is not empty");
  layout.robust_list = found;
  layout.robust_lock_offset = head.futex_offset;

  // What the kernel says about it. A kernel without robust lists (an emulator's) accepts ours as
  // well.
  robust_list_head* registered = nullptr;
  std::size_t length = 0;
  const long asked = sys::call(SYS_get_robust_list, 0, &registered, &length);
  expect(asked == -ENOSYS ||
             (asked == 0 && reinterpret_cast<const unsigned char*>(registered) == block + found &&
              length == sizeof head),
         "the kernel knows another robust list of a pthread");
}

// A new pthread reads here whether its creator's rseq area is registered with the kernel. If it is,
// the new pthread must register its own area too, and takes a failure to do so for fatal. So an
// area that is not registered must say so, whether glibc publishes it or not.
void find_rseq_area(libc_layout& layout, const unsigned char* block) {
  const auto unregistered = [](const unsigned char* at) {
    struct rseq area {};
    area.cpu_id = static_cast<std::uint32_t>(RSEQ_CPU_ID_REGISTRATION_FAILED);
    return std::memcmp(at, &area, offsetof(struct rseq, flags) + sizeof area.flags) == 0;
  };
  if (layout.rseq_length != 0) return;
  if (layout.rseq_offset != 0) {
    expect(
        unregistered(static_cast<const unsigned char*>(cpu::thread_pointer()) + layout.rseq_offset),
        "the rseq area is not registered and does not say so");
    return;
  }
  for (std::size_t at = 0; at + sizeof(struct rseq) <= layout.size; at += alignof(struct rseq)) {
    if (!unregistered(block + at)) continue;
    expect(layout.rseq_offset == 0, "two fields of struct pthread look like the rseq area");
    layout.rseq_offset =
        static_cast<std::ptrdiff_t>(at) - static_cast<std::ptrdiff_t>(layout.thread_pointer);
  }
}

void examine(specimen& self) {
  libc_layout& layout = *self.layout;
  const auto* block = reinterpret_cast<const unsigned char*>(::pthread_self());
  check_this_thread(layout);
  check_list(layout, block);

  find_robust_list(layout, block);
  find_rseq_area(layout, block);
  find_resolver(layout, block);

  const auto first_table =
      word_at(block, layout.specific) - reinterpret_cast<std::uintptr_t>(block);
  expect(first_table + layout.slots * layout.value.size <= layout.specific,
         "the first table of pthread_setspecific values is not in struct pthread");
  layout.first_table = first_table;

  for (std::size_t at = 0; at + 2 * sizeof(void*) <= layout.size; at += sizeof(void*)) {
    if (word_at(block, at) != reinterpret_cast<std::uintptr_t>(self.stack) ||
        word_at(block, at + sizeof(void*)) != self.stack_size) {
      continue;
    }
    expect(layout.stack == 0, "two fields of struct pthread look like the stack");
    layout.stack = at;
  }

  // Older glibcs keep the state elsewhere. Then hilo leaves the word alone.
  const auto state_of = [&](int wanted) {
    ::pthread_setcancelstate(wanted, nullptr);
    std::uint32_t word;
    std::memcpy(&word, block + layout.cancelled, sizeof word);
    return word;
  };
  const std::uint32_t enabled = state_of(PTHREAD_CANCEL_ENABLE);
  const std::uint32_t disabled = state_of(PTHREAD_CANCEL_DISABLE);
  if (enabled != 0 || disabled == 0) layout.cancelled = 0;
  ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);  // `ended` must hold no other flag

  // A detached thread is its own joiner, so this word points at the block. If the word found is
  // another one, it does so in every thread, and setting it changes nothing. But if there are two
  // such words, the layout is not clear and `joiner` is left out.
  for (std::size_t at = sizeof(cpu::thread_header); at + sizeof(void*) <= layout.size;
       at += sizeof(void*)) {
    if (word_at(block, at) != reinterpret_cast<std::uintptr_t>(block)) continue;
    if (layout.joiner != 0) {
      layout.joiner = 0;
      break;
    }
    layout.joiner = at;
  }
}

void* examine_entry(void* argument) {
  auto& self = *static_cast<specimen*>(argument);
  try {
    examine(self);
  } catch (const not_understood& problem) {
    self.reason = problem.reason;
  }
  return nullptr;
}

// A pthread that has ended has two neighbouring flags set: it is exiting, and its block is free.
// The next higher flag says that a credential is being changed (setuid(2)). glibc does not publish
// that flag; if it means something else, thread_list.cpp does no harm.
void find_flags(libc_layout& layout) noexcept {
  const std::uint32_t lowest = layout.ended & (~layout.ended + 1);
  if (layout.ended != (lowest | lowest << 1)) return;
  layout.exiting = lowest;
  layout.changing = lowest << 2;
}

// Starts one detached pthread, on a stack of a size that no other thread has.
void examine_specimen(libc_layout& layout) {
  const std::size_t page = base::page_size();
  const auto minimum = static_cast<std::size_t>(::sysconf(_SC_THREAD_STACK_MIN));
  specimen subject{&layout, nullptr, (std::max<std::size_t>(minimum, 65536) / page + 7) * page, {}};
  void* mapping = ::mmap(nullptr, subject.stack_size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (mapping == MAP_FAILED) {
    base::fail(errno, "map a stack for the first thread", "memory or RLIMIT_AS is used up");
  }
  subject.stack = static_cast<unsigned char*>(mapping);
  forget_frames(mapping, subject.stack_size);  // the block is read as memory
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstack(&attributes, mapping, subject.stack_size);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  const int error = ::pthread_create(&thread, &attributes, examine_entry, &subject);
  ::pthread_attr_destroy(&attributes);
  if (error == 0) {
    wait_for_end(layout, thread);
    // The block is on the stack, and lives as long as the stack.
    if (layout.cancelled != 0) {
      std::memcpy(&layout.ended, reinterpret_cast<const unsigned char*>(thread) + layout.cancelled,
                  sizeof layout.ended);
      find_flags(layout);
    }
  }
  ::munmap(mapping, subject.stack_size);
  if (error != 0) {
    base::fail(error, "start the first thread",
               "the limit on threads is reached, or memory: see ulimit -u and pids.max");
  }
  if (!subject.reason.empty()) throw not_understood{subject.reason};
}

}  // namespace

void wait_for_end(const libc_layout& layout, pthread_t thread) noexcept {
  auto* word =
      reinterpret_cast<std::uint32_t*>(reinterpret_cast<unsigned char*>(thread) + layout.tid);
  const std::atomic_ref<std::uint32_t> tid(*word);
  // acquire: pairs with the kernel's store
  while (const std::uint32_t now = tid.load(std::memory_order_acquire)) {
    sys::call(SYS_futex, word, FUTEX_WAIT, now, nullptr);
  }
}

layout_discovery discover_libc_layout(symbol_lookup find) {
  layout_discovery result;
  try {
    const descriptors symbols(find);
    read_block_fields(symbols, result.layout);
    read_key_fields(symbols, result.layout);
    read_count(symbols, result.layout);
    read_functions(symbols, result.layout);
    read_fixed_places(symbols, result.layout);
    result.layout.thread_pointer =
        static_cast<std::size_t>(static_cast<const unsigned char*>(cpu::thread_pointer()) -
                                 reinterpret_cast<const unsigned char*>(::pthread_self()));
    check_this_thread(result.layout);
    examine_specimen(result.layout);
    result.understood = true;
  } catch (const not_understood& problem) {
    result.reason = problem.reason;
  }
  return result;
}

}  // namespace hilo::kernel
