// Select in C: waits for several things, and does exactly one of them. hilo/select.hpp says more.
//
//   int number;
//   hilo_case cases[] = {
//     hilo_case_receive(numbers, &number, sizeof number),  // 0
//     hilo_case_set(finished),                             // 1
//   };
//   switch (hilo_select(cases, 2, hilo_after(2 * HILO_SECOND))) {
//     case 0: if (cases[0].result == 0) use(number); break;  // else -EPIPE: the channel is closed
//     case 1: return;
//     case -ETIMEDOUT: give_up(); break;
//   }
#pragma once

#include "hilo/c/base.h"
#include "hilo/c/channel.h"
#include "hilo/c/fiber.h"
#include "hilo/c/sync.h"

HILO_C_BEGIN

enum hilo_case_kind HILO_C_INT {
  HILO_CASE_NONE,     // is never ready, and keeps its number
  HILO_CASE_SEND,     // ready when the element can be sent, and when the channel is closed
  HILO_CASE_RECEIVE,  // ready when an element can be received, and when the channel is drained
  HILO_CASE_SET,      // ready while the event is set
  HILO_CASE_ENDED,    // ready once the fiber has ended
  HILO_CASE_READY,    // ready once the descriptor has one of the events, or has failed
};

typedef struct hilo_case {
  enum hilo_case_kind kind;
  int result;  // set in the case that was taken: 0, or -EPIPE; READY: the events, or -errno
  void* what;  // the channel, the event, or the fiber
  const void* element;  // SEND: where it is
  void* place;          // RECEIVE: where the element goes
  size_t size;          // of the element
  int fd;
  short events;  // as of poll(2)
} hilo_case;

static inline hilo_case hilo_case_of(enum hilo_case_kind kind, void* what) HILO_C_NOEXCEPT {
  hilo_case made = {kind, 0, what, NULL, NULL, 0, -1, 0};
  return made;
}
static inline hilo_case hilo_case_send(hilo_channel* to, const void* element,
                                       size_t size) HILO_C_NOEXCEPT {
  hilo_case made = hilo_case_of(HILO_CASE_SEND, to);
  made.element = element;
  made.size = size;
  return made;
}
static inline hilo_case hilo_case_receive(hilo_channel* from, void* element,
                                          size_t size) HILO_C_NOEXCEPT {
  hilo_case made = hilo_case_of(HILO_CASE_RECEIVE, from);
  made.place = element;
  made.size = size;
  return made;
}
static inline hilo_case hilo_case_set(hilo_event* event) HILO_C_NOEXCEPT {
  return hilo_case_of(HILO_CASE_SET, event);
}
static inline hilo_case hilo_case_ended(hilo_fiber* fiber) HILO_C_NOEXCEPT {
  return hilo_case_of(HILO_CASE_ENDED, fiber);
}
static inline hilo_case hilo_case_ready(int fd, short events) HILO_C_NOEXCEPT {
  hilo_case made = hilo_case_of(HILO_CASE_READY, NULL);
  made.fd = fd;
  made.events = events;
  return made;
}

// Waits until a case is ready, does its operation, sets its `result` and returns its number. If
// several are ready, each is equally likely to be taken. A case that was not taken has no effect,
// and its struct is unchanged. Parks: until then. Callable from: any fiber or thread. Errors:
// -EINVAL: no cases, a null in a case, or a wrong element size; -EAGAIN, -ETIMEDOUT, -ECANCELED;
// -ENOMEM. After an error no case was taken.
HILO_C_NODISCARD HILO_API int hilo_select(hilo_case* cases, size_t count,
                                          int64_t deadline) HILO_C_NOEXCEPT;

HILO_C_END
