// All of hilo. Read in this order: runtime and fiber (start here), channel, mutex; then thread, the
// kernel floor below them.
#pragma once

#include "hilo/channel.hpp"
#include "hilo/fiber.hpp"
#include "hilo/mutex.hpp"
#include "hilo/runtime.hpp"
#include "hilo/status.hpp"
#include "hilo/thread.hpp"
