// The program over kernel threads of one kind. `Kit` names the parts it is made of:
//
//   thread, channel<T>                    with std::thread's interface and hilo::channel's
//   mutex                                 for the workloads that fibers run as well
//   kernel_mutex, kernel_shared_mutex     for those about locks of kernel threads
#pragma once

#include "bench/harness.hpp"
#include "bench/threads/create.hpp"
#include "bench/threads/files.hpp"
#include "bench/threads/lock.hpp"
#include "bench/threads/share.hpp"

namespace bench {

template <class Kit>
int run_thread_program(int argc, char** argv, const workload& yield, const workload& pingpong) {
  using thread = typename Kit::thread;
  using kernel_mutex = typename Kit::kernel_mutex;
  using kernel_shared_mutex = typename Kit::kernel_shared_mutex;
  return run_program(
      argc, argv,
      {
          {"thread_create_join", unit::ns, repeat::fill, 2, thread_create_join<thread>},
          {"thread_create_join_alloc", unit::ns, repeat::fill, 2, thread_create_join_alloc<thread>},
          {"thread_create_join_8", unit::ns, repeat::fill, 2, thread_create_join_8<thread>},
          {"spawn_join", unit::ns, repeat::fill, 2, thread_create_join<thread>,
           "the same as thread_create_join"},
          {"spawn_many", unit::ns, repeat::fill, 2, spawn_many<thread>,
           "5,000 detached threads; a process cannot have 1,000,000"},
          yield,
          pingpong,
          {"channel_1x1", unit::ns, repeat::fill, 2,
           through_channel<thread, Kit::template channel, 1, 1>},
          {"channel_4x4", unit::ns, repeat::fill, 2,
           through_channel<thread, Kit::template channel, 4, 4>},
          {"skynet", unit::ms, repeat::fill, 2, skynet<thread>,
           "a thread for each of 1,111 nodes, time scaled to 1,111,111"},
          {"mutex_8", unit::ns, repeat::fill, 2, mutex_8<thread, typename Kit::mutex>},
          {"kernel_mutex", unit::ns, repeat::fill, 1, uncontended<thread, kernel_mutex>},
          {"kernel_mutex_8", unit::ns, repeat::fill, 2, mutex_8<thread, kernel_mutex>},
          {"kernel_shared_mutex_8", unit::ns, repeat::fill, 2,
           shared_mutex_8<thread, kernel_shared_mutex>},
          {"memory",
           unit::bytes,
           repeat::once,
           1,
           memory<thread>,
           "2,000 parked threads; without the kernel's own stack of each",
           {{"memory_with_tables", unit::bytes}}},
          {"file_read", unit::ns, repeat::fill, 2, file_read<thread>, "by 32 at a time"},
          {"file_copy", unit::ms, repeat::fill, 2, file_copy<thread>},
          {"wordcount", unit::ms, repeat::once, 2, wordcount<thread, Kit::template channel>},
      });
}

}  // namespace bench
