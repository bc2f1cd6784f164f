// The result of an I/O call: a value, or the reason why there is none.
//
//   const hilo::result<std::size_t> got = hilo::io::read(fd, buffer, sizeof buffer, 5s);
//   if (!got) return report(got.status(), got.error());
//   if (*got == 0) return;  // the end
//
// status() tells how the call ended. timed_out, cancelled: a limit of the caller ended it. closed:
// hilo::io::close closed the descriptor meanwhile. failed: the kernel refused; error() is then the
// kernel's errno, or for the look-up of a name its net::name_error (hilo/net/name.hpp). errno
// itself is not used.
#pragma once

#include <system_error>
#include <utility>

#include "hilo/detail/api.hpp"
#include "hilo/status.hpp"

namespace hilo {

namespace detail {

// number: an errno or, if negative, an error of getaddrinfo(3).
HILO_API std::error_code io_error(int number) noexcept;

}  // namespace detail

template <class T>
class [[nodiscard]] result {
 public:
  constexpr result(T value) noexcept : value_(std::move(value)) {}  // NOLINT: a value is a result
  constexpr result(hilo::status why, int error) noexcept : why_(why), error_(error) {}
  // Whether there is a value.
  constexpr explicit operator bool() const noexcept { return why_ == hilo::status::ok; }
  constexpr T& operator*() & noexcept { return value_; }
  constexpr const T& operator*() const& noexcept { return value_; }
  constexpr T&& operator*() && noexcept { return std::move(value_); }
  constexpr T* operator->() noexcept { return &value_; }
  constexpr const T* operator->() const noexcept { return &value_; }

  constexpr hilo::status status() const noexcept { return why_; }
  // The kernel's errno if it failed, or a net::name_error; ETIMEDOUT, ECANCELED, EBADF for
  // timed_out, cancelled, closed.
  std::error_code error() const noexcept { return detail::io_error(error_); }

  // The value. Errors: std::system_error with error() if there is none.
  T& value() & {
    check();
    return value_;
  }
  const T& value() const& {
    check();
    return value_;
  }
  // On an rvalue the value may be moved from, as in hilo::net::tcp_stream::connect(…).value().
  T&& value() && {
    check();
    return std::move(value_);
  }

 private:
  void check() const {
    if (why_ != hilo::status::ok) throw std::system_error(error());
  }

  T value_{};
  hilo::status why_ = hilo::status::ok;
  int error_ = 0;
};

// For calls that return no value.
template <>
class [[nodiscard]] result<void> {
 public:
  constexpr result() noexcept = default;
  constexpr result(hilo::status why, int error) noexcept : why_(why), error_(error) {}

  constexpr explicit operator bool() const noexcept { return why_ == hilo::status::ok; }
  constexpr hilo::status status() const noexcept { return why_; }
  std::error_code error() const noexcept { return detail::io_error(error_); }
  void value() const {
    if (why_ != hilo::status::ok) throw std::system_error(error());
  }

 private:
  hilo::status why_ = hilo::status::ok;
  int error_ = 0;
};

}  // namespace hilo
