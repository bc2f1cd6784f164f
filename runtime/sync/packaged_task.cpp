#include "hilo/packaged_task.hpp"

#include <future>

namespace hilo::detail {

void throw_task_misuse(task_misuse what) {
  switch (what) {
    case task_misuse::no_state:
      throw std::future_error(std::future_errc::no_state);
    case task_misuse::receiver_taken:
      throw std::future_error(std::future_errc::future_already_retrieved);
    case task_misuse::called_before:
      break;
  }
  throw std::future_error(std::future_errc::promise_already_satisfied);
}

}  // namespace hilo::detail
