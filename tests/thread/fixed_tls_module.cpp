// A module whose thread-local variables have a fixed place in every thread block (initial-exec), as
// those of libgomp and some allocators and drivers have. Reached without asking the dynamic linker.
extern "C" {
[[gnu::visibility("default")]] int fixed_tls_module_check(int value);
}

namespace {

[[gnu::tls_model("initial-exec")]] thread_local int numbers[4] = {31, 32, 33, 34};
[[gnu::tls_model("initial-exec")]] thread_local int zero;

}  // namespace

// 1 if the calling thread's variables have their initial values; leaves others.
int fixed_tls_module_check(int value) {
  const bool fresh = numbers[0] == 31 && numbers[3] == 34 && zero == 0;
  numbers[0] = numbers[3] = zero = value;
  return fresh ? 1 : 0;
}
