// A program written for C11's <threads.h>: only the included header and main differ.
#include <hilo/threads.h>
#include <stdio.h>

enum { producers = 4, each = 250, room = 16 };

static mtx_t guard;
static cnd_t changed;
static int queue[room];
static int count = 0;

static int produce(void* argument) {
  for (int i = 0; i < each; ++i) {
    mtx_lock(&guard);
    while (count == room) cnd_wait(&changed, &guard);
    queue[count++] = *(int*)argument;
    cnd_broadcast(&changed);
    mtx_unlock(&guard);
  }
  return 0;
}

static int consume(void) {
  int sum = 0;
  for (int i = 0; i < producers * each; ++i) {
    mtx_lock(&guard);
    while (count == 0) cnd_wait(&changed, &guard);
    sum += queue[--count];
    cnd_broadcast(&changed);
    mtx_unlock(&guard);
  }
  return sum;
}

static void* program(void* unused) {
  static int values[producers] = {1, 2, 3, 4};
  thrd_t threads[producers];
  if (mtx_init(&guard, mtx_plain) != thrd_success) return unused;
  if (cnd_init(&changed) != thrd_success) return unused;
  for (int i = 0; i < producers; ++i) {
    if (thrd_create(&threads[i], produce, &values[i]) != thrd_success) return unused;
  }
  const int sum = consume();
  for (int i = 0; i < producers; ++i) thrd_join(threads[i], NULL);
  cnd_destroy(&changed);
  mtx_destroy(&guard);
  printf("the sum is %d\n", sum);
  return unused;
}

int main(void) {
  return hilo_run(NULL, program, NULL, NULL) == 0 ? 0 : 1;
}
