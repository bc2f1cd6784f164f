// A module that the tests load at run time: thread-local variables that the dynamic linker gives a
// thread when it first touches them.
#include <cstring>

extern "C" {
int tls_module_alive = 0;  // objects of struct counted
[[gnu::visibility("default")]] int tls_module_check(int value);
[[gnu::visibility("default")]] int tls_module_objects();
}

namespace {

struct counted {
  int made = 1;
  counted() { __atomic_add_fetch(&tls_module_alive, 1, __ATOMIC_RELAXED); }
  ~counted() { __atomic_sub_fetch(&tls_module_alive, 1, __ATOMIC_RELAXED); }
};

thread_local char text[64] = "as the module was built";
thread_local int number = 21;
thread_local int zeroes[100];
thread_local counted object;

}  // namespace

// 1 if the calling thread's variables have their initial values; leaves others.
int tls_module_check(int value) {
  const bool fresh = std::strcmp(text, "as the module was built") == 0 && number == 21 &&
                     zeroes[0] == 0 && zeroes[99] == 0 && object.made == 1;
  std::memset(text, value, sizeof text - 1);
  number = zeroes[0] = zeroes[99] = value;
  return fresh ? 1 : 0;
}

int tls_module_objects() {
  return __atomic_load_n(&tls_module_alive, __ATOMIC_RELAXED);
}
