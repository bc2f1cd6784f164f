// Sockets for fibers, over the calls of hilo/io.hpp: addresses and names, TCP, UDP, and Unix
// sockets.
//
//   hilo::net::tcp_listener listener(hilo::net::address::loopback(8080));
//   while (auto peer = listener.accept()) {
//     hilo::spawn([stream = std::move(*peer)]() mutable {
//       char buffer[4096];
//       while (auto got = stream.read(buffer, sizeof buffer)) {
//         if (*got == 0 || !stream.write_all(buffer, *got)) break;
//       }
//     }).detach();
//   }
//
// Constructors of listeners, and of sockets with an address of their own, throw on errors. Later
// errors, which a correct program may meet, are results (hilo/result.hpp). Every call that waits
// takes a deadline as its last argument, is subject to the limits around it, and may be made from
// any fiber or thread. One fiber may read from a stream while another writes to it. Each datagram
// goes whole to one call. Only the owner closes the socket; that wakes all waiters.
#pragma once

#include "hilo/net/address.hpp"
#include "hilo/net/datagram.hpp"
#include "hilo/net/line_reader.hpp"
#include "hilo/net/name.hpp"
#include "hilo/net/serve.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/net/tcp.hpp"
#include "hilo/net/udp.hpp"
#include "hilo/net/unix.hpp"
