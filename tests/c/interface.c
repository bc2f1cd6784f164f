// The C interface from C: that each call can be made, and what it does in short. The tests in C++
// beside this file go through the cases.
#include <errno.h>
#include <fcntl.h>
#include <hilo/hilo.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/c/check.h"

static void* add_one(void* argument) {
  ++*(int*)argument;
  return argument;
}

static void* wait_for_stop(void* argument) {
  *(int*)argument = hilo_sleep_until(HILO_FOREVER);
  return NULL;
}

static void check_fibers(void) {
  int number = 1;
  void* result = NULL;
  hilo_fiber* fiber = NULL;
  hilo_spawn_options options = HILO_SPAWN_OPTIONS;
  options.name = "from C";
  options.stack_size = 64 * 1024;
  options.priority = HILO_PRIORITY_HIGH;
  CHECK(hilo_spawn(&fiber, &options, add_one, &number) == 0);
  CHECK(hilo_fiber_id(fiber) != hilo_self_id());
  CHECK(hilo_wait(fiber, hilo_after(10 * HILO_SECOND)) == 0);
  CHECK(hilo_join(fiber, &result) == 0);
  CHECK(result == &number && number == 2);

  CHECK(hilo_spawn(&fiber, NULL, wait_for_stop, &number) == 0);
  hilo_yield();
  CHECK(hilo_stop(fiber) == 0);
  CHECK(hilo_join(fiber, NULL) == 0);
  CHECK(number == -ECANCELED);
  CHECK(!hilo_stop_requested());
  CHECK(hilo_with_deadline(hilo_after(HILO_MILLISECOND), wait_for_stop, &number, NULL) == 0);
  CHECK(number == -ETIMEDOUT);
  CHECK(hilo_shielded(add_one, &number, NULL) == 0);
  CHECK(hilo_blocking(add_one, &number, NULL) == 0);
}

static hilo_channel* numbers;

static int send_numbers(void* count) {
  for (int i = 0; i < *(int*)count; ++i) {
    const int error = hilo_channel_send(numbers, &i, sizeof i, HILO_FOREVER);
    if (error != 0) return error;
  }
  return hilo_channel_close(numbers);
}

static void check_channels(void) {
  int count = 100;
  int got = -1;
  int sum = 0;
  CHECK(hilo_channel_create(&numbers, sizeof got, 8) == 0);
  hilo_scope* senders = NULL;
  hilo_scope_options options = HILO_SCOPE_OPTIONS;
  options.limit = 4;
  CHECK(hilo_scope_open(&senders, &options) == 0);
  CHECK(hilo_scope_spawn(senders, send_numbers, &count) == 0);
  while (hilo_channel_receive(numbers, &got, sizeof got, HILO_FOREVER) == 0) sum += got;
  CHECK(sum == 4950);
  CHECK(hilo_scope_join(senders) == 0);
  CHECK(hilo_scope_close(senders) == 0);
  CHECK(hilo_channel_receive(numbers, &got, 1, HILO_FOREVER) == -EINVAL);
  CHECK(hilo_channel_destroy(numbers) == 0);

  hilo_event* event = NULL;
  CHECK(hilo_event_create(&event, true) == 0);
  CHECK(hilo_channel_create(&numbers, sizeof got, HILO_UNBOUNDED) == 0);
  hilo_case cases[] = {hilo_case_receive(numbers, &got, sizeof got), hilo_case_set(event)};
  CHECK(hilo_select(cases, 2, HILO_FOREVER) == 1);
  CHECK(hilo_event_reset(event) == 0);
  CHECK(hilo_select(cases, 2, HILO_NO_WAIT) == -EAGAIN);
  cases[0] = hilo_case_send(numbers, &count, sizeof count);
  CHECK(hilo_select(cases, 2, HILO_FOREVER) == 0 && cases[0].result == 0);
  CHECK(hilo_channel_count(numbers) == 1);
  CHECK(hilo_channel_destroy(numbers) == 0);
  CHECK(hilo_event_destroy(event) == 0);
}

static int once_calls = 0;
static void count_once(void) {
  ++once_calls;
}

static void check_sync(void) {
  hilo_mutex* mutex = NULL;
  hilo_condition* condition = NULL;
  CHECK(hilo_mutex_create(&mutex, HILO_MUTEX_PLAIN) == 0);
  CHECK(hilo_condition_create(&condition) == 0);
  CHECK(hilo_mutex_lock(mutex) == 0);
  CHECK(hilo_condition_wait_until(condition, mutex, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
  CHECK(hilo_condition_signal(condition) == 0 && hilo_condition_broadcast(condition) == 0);
  CHECK(hilo_mutex_unlock(mutex) == 0);
  CHECK(hilo_mutex_lock_until(mutex, HILO_NO_WAIT) == 0 && hilo_mutex_unlock(mutex) == 0);
  CHECK(hilo_condition_destroy(condition) == 0);
  CHECK(hilo_mutex_destroy(mutex) == 0);

  hilo_semaphore* semaphore = NULL;
  CHECK(hilo_semaphore_create(&semaphore, 1) == 0);
  CHECK(hilo_semaphore_acquire(semaphore, 1, HILO_FOREVER) == 0);
  CHECK(hilo_semaphore_release(semaphore, 1) == 0 && hilo_semaphore_close(semaphore) == 0);
  CHECK(hilo_semaphore_destroy(semaphore) == 0);

  hilo_wait_group* group = NULL;
  CHECK(hilo_wait_group_create(&group) == 0);
  CHECK(hilo_wait_group_add(group, 1) == 0 && hilo_wait_group_done(group) == 0);
  CHECK(hilo_wait_group_wait(group, HILO_FOREVER) == 0);
  CHECK(hilo_wait_group_destroy(group) == 0);

  static hilo_once once = HILO_ONCE;
  CHECK(hilo_call_once(&once, count_once) == 0 && hilo_call_once(&once, count_once) == 0);
  CHECK(once_calls == 1);

  hilo_local* local = NULL;
  CHECK(hilo_local_create(&local, NULL) == 0);
  CHECK(hilo_local_set(local, &once) == 0 && hilo_local_get(local) == &once);
  CHECK(hilo_local_destroy(local) == 0);
}

static void check_io(void) {
  int ends[2];
  char text[6] = "";
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  CHECK(hilo_write_all(ends[0], "hello", 5, HILO_FOREVER, NULL) == 0);
  CHECK(hilo_poll(ends[1], POLLIN, HILO_FOREVER) == POLLIN);
  CHECK(hilo_read_all(ends[1], text, 5, HILO_FOREVER, NULL) == 0);
  CHECK(strcmp(text, "hello") == 0);
  CHECK(hilo_recv(ends[1], text, 5, 0, hilo_after(HILO_MILLISECOND)) == -ETIMEDOUT);
  CHECK(hilo_close(ends[0]) == 0 && hilo_close(ends[1]) == 0);
  const int fd = hilo_open("/dev/null", O_WRONLY, 0, HILO_FOREVER);
  CHECK(fd >= 0 && hilo_write(fd, text, 5, HILO_FOREVER) == 5 && hilo_close(fd) == 0);
}

static void check_threads(void) {
  int number = 1;
  void* result = NULL;
  hilo_thread* thread = NULL;
  hilo_thread_options options = HILO_THREAD_OPTIONS;
  options.name = "from C";
  CHECK(hilo_thread_start(&thread, &options, add_one, &number) == 0);
  CHECK(hilo_thread_id(thread) > 0);
  CHECK(hilo_thread_join_until(thread, &result, HILO_FOREVER) == 0);
  CHECK(result == &number && number == 2);
}

static void* program(void* unused) {
  check_fibers();
  check_channels();
  check_sync();
  check_io();
  check_threads();
  return unused;
}

int main(void) {
  hilo_run_options options = HILO_RUN_OPTIONS;
  options.carriers = 2;
  CHECK(strcmp(hilo_version(), HILO_VERSION) == 0);
  CHECK(hilo_run(&options, program, NULL, NULL) == 0);
  return print_total();
}
