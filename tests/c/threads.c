// C11's threads over fibers (hilo/threads.h): the contract of each name of <threads.h>.
#include <hilo/threads.h>
#include <threads.h>  // changes nothing
#include <time.h>

#include "tests/c/check.h"

static struct timespec after(long milliseconds) {
  struct timespec when;
  timespec_get(&when, TIME_UTC);
  when.tv_nsec += milliseconds * 1000000;
  when.tv_sec += when.tv_nsec / 1000000000;
  when.tv_nsec %= 1000000000;
  return when;
}

static int twice(void* argument) {
  return 2 * *(int*)argument;
}

static void leave(int result) {
  thrd_exit(result);
}
static int exits(void* argument) {
  if (*(int*)argument == 21) leave(17);
  return 0;
}

static thrd_t seen;
static int looks_at_itself(void* argument) {
  (void)argument;
  seen = thrd_current();
  return 0;
}

static mtx_t guard;
static cnd_t changed;
static int turn = 0;
static int detached = 0;

static int detaches_itself(void* argument) {
  (void)argument;
  thrd_detach(thrd_current());
  mtx_lock(&guard);
  detached = 1;
  cnd_broadcast(&changed);
  mtx_unlock(&guard);
  return 0;
}

static int takes_turns(void* argument) {
  const int mine = *(int*)argument;
  for (int i = mine; i < 100; i += 2) {
    mtx_lock(&guard);
    while (turn != i) cnd_wait(&changed, &guard);
    ++turn;
    cnd_signal(&changed);
    mtx_unlock(&guard);
  }
  return 0;
}

static void check_threads(void) {
  int number = 21;
  int result = 0;
  thrd_t one;
  CHECK(thrd_create(&one, twice, &number) == thrd_success);
  CHECK(thrd_join(one, &result) == thrd_success && result == 42);
  CHECK(thrd_create(&one, exits, &number) == thrd_success);
  CHECK(thrd_join(one, &result) == thrd_success && result == 17);
  CHECK(thrd_create(&one, looks_at_itself, NULL) == thrd_success);
  CHECK(thrd_join(one, NULL) == thrd_success);
  CHECK(thrd_equal(one, seen) && !thrd_equal(one, thrd_current()));
  CHECK(thrd_create(NULL, twice, &number) == thrd_error);
  CHECK(thrd_create(&one, NULL, &number) == thrd_error);
  CHECK(thrd_join(NULL, NULL) == thrd_error);
  CHECK(thrd_join(thrd_current(), NULL) == thrd_error);
  CHECK(thrd_detach(NULL) == thrd_error);

  const struct timespec moment = {0, 1000000};
  const struct timespec wrong = {0, -1};
  CHECK(thrd_sleep(&moment, NULL) == 0);
  CHECK(thrd_sleep(&wrong, NULL) < -1);
  thrd_yield();
}

static void check_locks(void) {
  mtx_t mutex;
  CHECK(mtx_init(&mutex, mtx_plain) == thrd_success);
  CHECK(mtx_lock(&mutex) == thrd_success);
  CHECK(mtx_trylock(&mutex) == thrd_busy);
  CHECK(mtx_unlock(&mutex) == thrd_success);
  mtx_destroy(&mutex);
  CHECK(mtx_init(&mutex, mtx_timed | mtx_recursive) == thrd_success);
  struct timespec when = after(1000);
  CHECK(mtx_timedlock(&mutex, &when) == thrd_success);
  CHECK(mtx_lock(&mutex) == thrd_success);
  CHECK(mtx_unlock(&mutex) == thrd_success && mtx_unlock(&mutex) == thrd_success);
  CHECK(mtx_timedlock(&mutex, NULL) == thrd_error);
  mtx_destroy(&mutex);
  CHECK(mtx_init(&mutex, 99) == thrd_error);
  CHECK(mtx_init(NULL, mtx_plain) == thrd_error);
  CHECK(mtx_lock(NULL) == thrd_error && mtx_unlock(NULL) == thrd_error);

  CHECK(mtx_init(&guard, mtx_timed) == thrd_success && cnd_init(&changed) == thrd_success);
  int first = 0;
  int second = 1;
  thrd_t other;
  CHECK(thrd_create(&other, takes_turns, &second) == thrd_success);
  takes_turns(&first);
  CHECK(thrd_join(other, NULL) == thrd_success && turn == 100);

  mtx_lock(&guard);
  when = after(1);
  CHECK(cnd_timedwait(&changed, &guard, &when) == thrd_timedout);
  CHECK(cnd_timedwait(&changed, &guard, NULL) == thrd_error);
  CHECK(thrd_create(&other, detaches_itself, NULL) == thrd_success);
  while (!detached) CHECK(cnd_wait(&changed, &guard) == thrd_success);
  mtx_unlock(&guard);
  CHECK(cnd_signal(NULL) == thrd_error && cnd_broadcast(NULL) == thrd_error);
  cnd_destroy(&changed);
  mtx_destroy(&guard);
}

static tss_t key;
static int destroyed = 0;
static void count_destroyed(void* value) {
  destroyed += *(int*)value;
}
static int sets_value(void* argument) {
  if (tss_get(key) != NULL) return -1;
  return tss_set(key, argument);
}

static once_flag flag = ONCE_FLAG_INIT;
static int calls = 0;
static void count_call(void) {
  ++calls;
}

static void check_the_rest(void) {
  int number = 3;
  int result = -1;
  thrd_t one;
  CHECK(tss_create(&key, count_destroyed) == thrd_success);
  CHECK(thrd_create(&one, sets_value, &number) == thrd_success);
  CHECK(thrd_join(one, &result) == thrd_success && result == thrd_success);
  CHECK(destroyed == 3 && tss_get(key) == NULL);
  tss_delete(key);
  CHECK(tss_create(NULL, NULL) == thrd_error && tss_set(NULL, &number) == thrd_error);

  call_once(&flag, count_call);
  call_once(&flag, count_call);
  CHECK(calls == 1);
  CHECK(TSS_DTOR_ITERATIONS >= 1);
}

static void* program(void* unused) {
  check_threads();
  check_locks();
  check_the_rest();
  return unused;
}

int main(void) {
  thrd_t one;
  CHECK(thrd_create(&one, twice, NULL) == thrd_error);  // outside of a runtime
  CHECK(thrd_equal(thrd_current(), thrd_current()));
  CHECK(hilo_run(NULL, program, NULL, NULL) == 0);
  return print_total();
}
