/* The symbols of libc that hilo reads, by name: S(name). For C++ and for assembly. */
#pragma once

/* clang-format off */
#define HILO_LIBC_SYMBOLS(S) \
  S(_thread_db_sizeof_pthread) \
  S(_thread_db_sizeof_list_t) \
  S(_thread_db_sizeof_pthread_key_data) \
  S(_thread_db_sizeof_pthread_key_data_level2) \
  S(_thread_db_sizeof_pthread_key_struct) \
  S(_thread_db_pthread_tid) \
  S(_thread_db_pthread_list) \
  S(_thread_db_list_t_next) \
  S(_thread_db_list_t_prev) \
  S(_thread_db_pthread_specific) \
  S(_thread_db_pthread_cancelhandling) \
  S(_thread_db_pthread_key_data_seq) \
  S(_thread_db_pthread_key_data_data) \
  S(_thread_db_pthread_key_data_level2_data) \
  S(_thread_db_pthread_key_struct_seq) \
  S(_thread_db_pthread_key_struct_destr) \
  S(_thread_db___pthread_keys) \
  S(_thread_db___nptl_nthreads) \
  S(__nptl_nthreads) \
  S(__pthread_keys) \
  S(__rseq_offset) \
  S(__rseq_size) \
  S(_dl_allocate_tls) \
  S(__call_tls_dtors) \
  S(__ctype_init) \
  S(__libc_thread_freeres)
/* clang-format on */
