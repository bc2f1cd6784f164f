// Checks of the test programs that are written in C. A program calls print_total() last.
#pragma once

#include <stdio.h>

static int checks_passed = 0;
static int checks_failed = 0;

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (condition) {                                                       \
      ++checks_passed;                                                     \
    } else {                                                               \
      ++checks_failed;                                                     \
      printf("%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
    }                                                                      \
  } while (0)

// Counts all checks of the program as one test. Returns the program's result.
static int print_total(void) {
  printf("%d checks, %d failed\n", checks_passed + checks_failed, checks_failed);
  const int failed = checks_failed != 0 || checks_passed == 0;
  printf("hilo-tests: %d passed, %d failed, 0 skipped\n", !failed, failed);
  return failed;
}
