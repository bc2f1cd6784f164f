// What most files of the library include, compiled once where it is built with the tests. Each file
// includes what it needs all the same, since lint and users' builds do without this one.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hilo/hilo.hpp"

#ifdef __clang__
// The precompiled header names the files of its own clone. This makes its text another one in each
// clone, so that a cache of compilers takes none from elsewhere.
static_assert(sizeof HILO_BUILD_DIRECTORY > 1);
#endif
