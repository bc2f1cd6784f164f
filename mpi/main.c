// A program's own main() in a fiber, without a change to the program:
//
//   mpicc ring.c -Wl,--wrap=main -lhilo-mpi-main -lhilo-mpi-openmpi -lhilo
//
// The linker then calls __wrap_main for main (ld(1), --wrap).
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "hilo/hilo.h"

int __real_main(int count, char** arguments, char** environment);
int __wrap_main(int count, char** arguments, char** environment);

struct call {
  int count;
  char** arguments;
  char** environment;
};

static void* run(void* argument) {
  const struct call* its = argument;
  return (void*)(intptr_t)__real_main(its->count, its->arguments, its->environment);
}

int __wrap_main(int count, char** arguments, char** environment) {
  hilo_run_options options = HILO_RUN_OPTIONS;
  struct rlimit limit;
  // As large as the stack that the program would have had.
  options.stack_size = (size_t)8 << 20;
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    options.stack_size = limit.rlim_cur;
  }
  struct call its = {count, arguments, environment};
  void* code = NULL;
  const int error = hilo_run(&options, run, &its, &code);
  if (error != 0) {
    fprintf(stderr, "hilo: cannot run main() in a fiber: %s\n", strerror(-error));
    return 1;
  }
  return (int)(intptr_t)code;
}
