// The fields that readers from outside know, by name: F(name, type, member).
//
// A reader takes the offsets from the root of the process that it reads, so a field may move
// freely. If a field gets another meaning, layout_number (root.hpp) must change.
#pragma once

// clang-format off
#define HILO_FIELDS(F) \
  /* The control block of a fiber; its base classes are part of it. */ \
  F(fiber_top, sched::fiber, top) \
  F(fiber_pool, sched::fiber, pool) \
  F(fiber_user_bytes, sched::fiber, chain_length) \
  F(fiber_waiter, sched::fiber, owner) \
  F(fiber_list, sched::fiber, list) \
  F(fiber_slot, sched::fiber, slot) \
  F(fiber_linked, sched::fiber, linked) \
  F(fiber_stop_requested, sched::fiber, stop_requested) \
  F(fiber_sp, sched::fiber, context.sp) \
  F(fiber_on_cpu, sched::fiber, context.on_cpu) \
  F(fiber_carrier, sched::fiber, carrier) \
  F(fiber_work, sched::fiber, work) \
  F(fiber_join, sched::fiber, join) \
  F(fiber_parked_on, sched::fiber, parked_on) \
  F(fiber_parked_at, sched::fiber, parked_at) \
  F(fiber_id, sched::fiber, id) \
  F(fiber_spawned_at, sched::fiber, spawned_at) \
  F(fiber_started, sched::fiber, started) \
  F(fiber_keeps, sched::fiber, keeps) \
  F(fiber_name, sched::fiber, name) \
  F(fiber_next_injected, sched::fiber, next_injected) \
  F(fiber_deadline, sched::fiber, deadline.until_) \
  F(task_invoke, detail::task, invoke) \
  /* A runtime. */ \
  F(runtime_process, sched::scheduler, process_) \
  F(runtime_number, sched::scheduler, number_) \
  F(runtime_carriers, sched::scheduler, carriers_) \
  F(runtime_pools, sched::scheduler, pools_) \
  F(runtime_user_stacks, sched::scheduler, user_stacks_.all_) \
  F(runtime_workers, sched::scheduler, workers_) \
  F(runtime_made, sched::scheduler, made_) \
  F(runtime_injector, sched::scheduler, queues_.injected_) \
  F(runtime_lanes, sched::scheduler, queues_.lanes_) \
  F(runtime_wheels, sched::scheduler, wheels_) \
  F(runtime_guest_spawned, sched::scheduler, guest_spawned_) \
  F(runtime_guest_ended, sched::scheduler, guest_ended_) \
  F(runtime_guest_returned, sched::scheduler, guest_returned_) \
  F(runtime_stuck_after, sched::scheduler, monitor_.stuck_after_) \
  F(runtime_busy_after, sched::scheduler, monitor_.busy_after_) \
  /* A worker. */ \
  F(worker_running, sched::worker, forks) \
  F(worker_base, sched::worker, base_) \
  F(worker_index, sched::worker, index_) \
  F(worker_thread, sched::worker, carrier_.tid_) \
  F(worker_activity, sched::worker, activity_) \
  F(worker_offer, sched::worker, place_.offer_) \
  F(worker_place, sched::worker, place_.place_) \
  F(worker_turns, sched::worker, queue_.turns_) \
  F(worker_long_ticks, sched::worker, queue_.long_ticks_) \
  F(worker_long_parks, sched::worker, queue_.long_parks_) \
  F(worker_stolen, sched::worker, queue_.stolen_) \
  F(worker_slot, sched::worker, queue_.slot_) \
  F(worker_spawned, sched::worker, queue_.spawned_) \
  F(worker_ready, sched::worker, queue_.ready_) \
  F(worker_mail, sched::worker, queue_.mail_) \
  F(worker_spawned_count, sched::worker, spawned_count.value) \
  F(worker_ended_count, sched::worker, ended_count.value) \
  F(worker_returned_count, sched::worker, returned_count.value) \
  F(worker_trace, sched::worker, trace_.shown_) \
  /* A trace. */ \
  F(trace_outside_until, sched::trace_wishes, outside_until) \
  F(trace_cells, sched::trace_ring, cells_) \
  F(trace_mask, sched::trace_ring, mask_) \
  F(trace_written, sched::trace_ring, written_) \
  /* Queues. */ \
  F(ring_top, sched::work_ring, top_) \
  F(ring_bottom, sched::work_ring, bottom_) \
  F(ring_slots, sched::work_ring, slots_) \
  F(injector_first, sched::injector, first_) \
  F(injector_size, sched::injector, size_) \
  /* Stacks. */ \
  F(pool_base, context::stack_pool, arena_.base_) \
  F(pool_stride, context::stack_pool, arena_.stride_) \
  F(pool_stack_size, context::stack_pool, arena_.stack_size_) \
  F(pool_built, context::stack_pool, built_) \
  F(pool_used_words, context::stack_pool, used_words_) \
  /* Timers. */ \
  F(wheel_slots, sched::timer_wheel, slots_) \
  F(chunk_next, sched::timer_wheel::chunk, next) \
  F(chunk_count, sched::timer_wheel::chunk, count) \
  F(chunk_cells, sched::timer_wheel::chunk, cells) \
  F(cell_timer, sched::timer_cell, who) \
  F(cell_waiter, sched::timer_cell, whose) \
  F(cell_expiry, sched::timer_cell, expiry) \
  /* Objects that fibers wait for. */ \
  F(mutex_waiters, hilo::mutex, waiters_) \
  F(mutex_holder, hilo::mutex, holder_) \
  F(channel_senders, detail::channel_core, senders) \
  F(channel_receivers, detail::channel_core, receivers) \
  F(channel_count, detail::channel_core, count) \
  F(channel_capacity, detail::channel_core, capacity) \
  F(channel_closed, detail::channel_core, closed) \
  F(semaphore_waiters, hilo::semaphore, waiters_) \
  F(semaphore_count, hilo::semaphore, count_) \
  F(event_waiters, hilo::event, waiters_) \
  F(auto_reset_event_waiters, hilo::auto_reset_event, waiters_) \
  F(countdown_waiters, detail::countdown, waiters_) \
  F(condition_waiters, hilo::condition_variable, waiters_) \
  F(shared_mutex_waiters, hilo::shared_mutex, waiters_) \
  F(request_what, io::request, what) \
  F(request_fd, io::request, fd)

// Constants: C(name, value).
#define HILO_CONSTANTS(C) \
  C(fiber_bytes, sizeof(sched::fiber)) \
  C(fiber_name_room, sched::fiber::name_room) \
  C(injector_bytes, sizeof(sched::injector)) \
  C(ring_capacity, sched::work_ring::capacity) \
  C(pool_count, sched::scheduler::size_classes) \
  C(wheel_slot_count, sizeof(sched::timer_wheel::slots_) / sizeof(void*)) \
  C(wheel_tick_shift, sched::timer_wheel::tick_shift) \
  C(cell_bytes, sizeof(sched::timer_cell)) \
  C(trace_event_bytes, sizeof(sched::trace_event))
// clang-format on
