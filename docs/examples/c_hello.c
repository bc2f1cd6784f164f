#include <hilo/hilo.h>
#include <stdio.h>

enum { senders = 1000 };

static hilo_channel* squares;

static int send_square(void* argument) {
  const long n = *(const long*)argument;
  const long square = n * n;
  return hilo_channel_send(squares, &square, sizeof square, HILO_FOREVER);
}

static void* program(void* unused) {
  static long numbers[senders];
  hilo_scope* children = NULL;
  if (hilo_channel_create(&squares, sizeof(long), 0) != 0) return NULL;
  if (hilo_scope_open(&children, NULL) != 0) return NULL;
  for (int i = 0; i < senders; ++i) {
    numbers[i] = i + 1;
    if (hilo_scope_spawn(children, send_square, &numbers[i]) != 0) break;
  }
  long sum = 0;
  for (int i = 0; i < senders; ++i) {
    long square = 0;
    if (hilo_channel_receive(squares, &square, sizeof square, HILO_FOREVER) != 0) break;
    sum += square;
  }
  hilo_scope_close(children);
  hilo_channel_destroy(squares);
  printf("1,000 fibers sent their squares; the sum is %ld\n", sum);
  return unused;
}

int main(void) {
  return hilo_run(NULL, program, NULL, NULL) == 0 ? 0 : 1;
}
