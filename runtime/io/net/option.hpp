// Results of the plain system calls that make sockets and set them up.
#pragma once

#include <cerrno>

#include <sys/socket.h>

#include "hilo/result.hpp"

namespace hilo::net {

template <class T>
result<T> failed(int error) noexcept {
  return {status::failed, error};
}

template <class T, class U>
result<T> because(const result<U>& other) noexcept {
  return {other.status(), other.error().value()};
}

inline result<void> set_option(int fd, int level, int name, int value) noexcept {
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) return failed<void>(errno);
  return {};
}

}  // namespace hilo::net
