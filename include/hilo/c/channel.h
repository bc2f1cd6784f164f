// Channels in C: queues of elements that all have one size, between fibers, kernel threads, or
// both. hilo/channel.hpp says more.
//
//   hilo_channel *numbers;
//   int number = 42;
//   hilo_channel_create(&numbers, sizeof number, 16);
//   hilo_channel_send(numbers, &number, sizeof number, HILO_FOREVER);
//   hilo_channel_receive(numbers, &number, sizeof number, hilo_after(HILO_SECOND));
//
// Elements are copied byte by byte. Each call is told the size of the element, and refuses a wrong
// one.
#pragma once

#include "hilo/c/base.h"

HILO_C_BEGIN

typedef struct hilo_channel hilo_channel;

// The capacity of a channel whose senders never wait. Nothing but the senders bounds its memory.
#define HILO_UNBOUNDED SIZE_MAX

// Makes a channel of elements of `element_size` bytes that holds up to `capacity` elements that
// were not received yet. Capacity 0 is a rendezvous: send waits for its receiver. Never parks.
// Errors: -EINVAL: no place for the channel, or the size is 0; -EOVERFLOW: more bytes than
// addresses; -ENOMEM.
HILO_API int hilo_channel_create(hilo_channel** made, size_t element_size,
                                 size_t capacity) HILO_C_NOEXCEPT;
// Destroys the channel and the elements in it. Errors: -EINVAL; if a caller waits on the channel,
// the program ends: close it first, and let the callers return.
HILO_API int hilo_channel_destroy(hilo_channel* channel) HILO_C_NOEXCEPT;

// Sends a copy of the element. Parks: while the channel is full; unbuffered, until a receiver took
// it. Callable from: any fiber or thread. Ordering: everything before the send happens before the
// receive that gets the element. Errors: -EINVAL: a null argument, or `size` is not the size of the
// channel's elements; -EPIPE: closed; -EAGAIN, -ETIMEDOUT, -ECANCELED; -ENOMEM: an unbounded
// channel cannot grow. After an error nothing was sent.
HILO_C_NODISCARD HILO_API int hilo_channel_send(hilo_channel* channel, const void* element,
                                                size_t size, int64_t deadline) HILO_C_NOEXCEPT;
// Receives the oldest element. Parks: until there is one. Otherwise as hilo_channel_send; -EPIPE:
// closed, and all elements were received. After an error `element` is unchanged.
HILO_C_NODISCARD HILO_API int hilo_channel_receive(hilo_channel* channel, void* element,
                                                   size_t size, int64_t deadline) HILO_C_NOEXCEPT;

// Refuses further sends, and wakes all callers that wait. Elements that were sent can still be
// received. Closing twice is not an error. Never parks. Callable from: anywhere except a signal
// handler. Errors: -EINVAL.
HILO_API int hilo_channel_close(hilo_channel* channel) HILO_C_NOEXCEPT;

// How many elements are in the channel at some moment during the call; 0 for a null channel. Never
// parks.
HILO_API size_t hilo_channel_count(const hilo_channel* channel) HILO_C_NOEXCEPT;

HILO_C_END
