#include "runtime/context/context.hpp"

#include <sched.h>

#include "runtime/base/cpu.hpp"

namespace hilo::context {

void context::wait_off_cpu_slow() const noexcept {
  constexpr int spins = 200;  // guess: ten times what a switch needs
  for (int i = 0; !off_cpu(); ++i) {
    if (i < spins) {
      base::cpu_relax();
    } else {
      ::sched_yield();
    }
  }
}

}  // namespace hilo::context
