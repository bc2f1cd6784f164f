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
// Making a listener, or a socket with an address of its own, throws; what a correct program meets
// later is a result (hilo/result.hpp). Every call that waits takes a deadline last, honours the
// limits around it, and may be made from any fiber or thread. One fiber may read from a stream
// while another writes to it; of datagrams each goes to one call, whole. Closing is for who owns
// the socket, and wakes all who wait for it.
#pragma once

#include "hilo/net/address.hpp"
#include "hilo/net/datagram.hpp"
#include "hilo/net/line_reader.hpp"
#include "hilo/net/name.hpp"
#include "hilo/net/socket.hpp"
#include "hilo/net/tcp.hpp"
#include "hilo/net/udp.hpp"
#include "hilo/net/unix.hpp"
