// A program without hilo that loads plugins with hilo inside, and unloads them. The first argument
// says what happens then; the others are the plugins.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

namespace {

struct plugin {
  void* handle;
  int (*run)(int);
  int (*owner)();

  explicit plugin(const char* path)
      : handle(::dlopen(path, RTLD_NOW | RTLD_LOCAL)),
        run(reinterpret_cast<int (*)(int)>(handle ? ::dlsym(handle, "plugin_run") : nullptr)),
        owner(reinterpret_cast<int (*)()>(handle ? ::dlsym(handle, "plugin_owner") : nullptr)) {
    if (run == nullptr || owner == nullptr) {
      std::fprintf(stderr, "%s\n", ::dlerror());
      ::_exit(1);
    }
  }
};

}  // namespace

int main(int, char** arguments) {
  const std::string what = arguments[1];
  plugin first(arguments[2]);
  plugin second(arguments[3]);
  if (first.handle == second.handle) return 2;
  if (first.run(0) != 7 || second.run(0) != 7) return 3;
  if (what == "owners") {
    const int one = first.owner();
    const int other = second.owner();
    return one != 0 && one == other ? 4 : 0;
  }
  if (what == "overflow in the first") return first.run(1);
  if (what == "overflow in the second") return second.run(1);
  // All handlers and hooks stay callable.
  ::dlclose(first.handle);
  ::dlclose(second.handle);
  if (what == "fault") {
    volatile int* const nowhere = nullptr;
    return *nowhere;
  }
  if (what == "signal") ::raise(SIGSEGV);
  if (what == "urgent") ::raise(SIGURG);
  if (what == "fork") {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
  }
  if (what == "thread") {
    pthread_t thread{};
    ::pthread_create(
        &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
    ::pthread_join(thread, nullptr);
  }
  return 0;
}
