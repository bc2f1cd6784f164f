// A C++ callable as a callback of the C interface:
//
//   hilo::test::as_callback body([&] { … return value; });
//   hilo_spawn(&made, nullptr, body.function, body.argument());
//
// The callable returns a pointer, or nothing. It must outlive the call.
#pragma once

#include <type_traits>
#include <utility>

#include "hilo/hilo.h"

namespace hilo::test {

template <class F>
class as_callback {
 public:
  explicit as_callback(F body) : body_(std::move(body)) {}
  as_callback(const as_callback&) = delete;
  as_callback& operator=(const as_callback&) = delete;

  static void* function(void* self) {
    F& body = static_cast<as_callback*>(self)->body_;
    if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
      body();
      return nullptr;
    } else {
      return body();
    }
  }
  void* argument() noexcept { return this; }

 private:
  F body_;
};

}  // namespace hilo::test
