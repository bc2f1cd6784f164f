// ALPI 1.0, the interface by which TAMPI, the Task-Aware MPI library of the Barcelona
// Supercomputing Center, uses the runtime of a program's tasks (docs/mpi.md). TAMPI looks the
// functions up by name (dlsym(3)) and has its own declarations. The declarations here are for
// alpi.cpp and its test, and are not installed. Except for alpi_error_string(), each function
// returns an alpi_error. A task is a fiber of hilo.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum { ALPI_VERSION_MAJOR = 1, ALPI_VERSION_MINOR = 0 };

enum alpi_error {
  ALPI_SUCCESS = 0,
  ALPI_ERR_VERSION,
  ALPI_ERR_NOT_INITIALIZED,
  ALPI_ERR_PARAMETER,
  ALPI_ERR_OUT_OF_MEMORY,
  ALPI_ERR_OUTSIDE_TASK,
  ALPI_ERR_UNKNOWN,
};

const char* alpi_error_string(int error);
int alpi_version_check(int major, int minor);  // whether a caller of that version is served
int alpi_version_get(int* major, int* minor);

// Gives the calling task; null outside a task. The handle is valid until the task is complete.
struct alpi_task;
int alpi_task_self(struct alpi_task** task);

// The calling task waits for alpi_task_unblock(). Each block has one unblock, which may come first.
int alpi_task_block(struct alpi_task* task);
int alpi_task_unblock(struct alpi_task* task);
int alpi_task_waitfor_ns(uint64_t target_ns, uint64_t* actual_ns);  // actual_ns may be null

// The calling task is complete when its function has returned and all its events are decreased.
// Any thread may decrease an event after the increase.
int alpi_task_events_increase(struct alpi_task* task, uint64_t increment);
int alpi_task_events_decrease(struct alpi_task* task, uint64_t decrement);

struct alpi_attr;  // how to spawn a task; version 1.0 has no choices
int alpi_attr_create(struct alpi_attr** attr);
int alpi_attr_destroy(struct alpi_attr* attr);
int alpi_attr_init(struct alpi_attr* attr);  // in the caller's memory, of alpi_attr_size() bytes
int alpi_attr_size(uint64_t* attr_size);

// Starts a task, and calls `completed` when the task is complete. label and attr may be null.
int alpi_task_spawn(void (*body)(void*), void* body_argument, void (*completed)(void*),
                    void* completed_argument, const char* label, const struct alpi_attr* attr);

int alpi_cpu_count(uint64_t* count);
int alpi_cpu_logical_id(uint64_t* id);  // less than the count
int alpi_cpu_system_id(uint64_t* id);   // the kernel's number

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
