// Files: random reads by many threads at once, and a copy by one.
#pragma once

#include <array>
#include <memory>

#include <unistd.h>

#include "bench/files.hpp"
#include "bench/harness.hpp"

namespace bench {

template <class Thread>
void file_read(benchmark::State& state, unsigned) {
  const unnamed_file file(unnamed_file::content::numbered_blocks);
  const auto buffers = std::make_unique<std::array<block, file_readers>>();
  for (auto _ : state) {
    std::array<Thread, file_readers> readers;
    for (unsigned reader = 0; reader < file_readers; ++reader) {
      readers[reader] = Thread([&, reader] {
        block& room = (*buffers)[reader];
        for (std::uint64_t turn = reader; turn < file_reads; turn += file_readers) {
          const std::uint64_t wanted = block_to_read(turn);
          const auto at = static_cast<off_t>(wanted * block_bytes);
          if (::pread(file.fd(), &room, block_bytes, at) != block_bytes) {
            file_failed("cannot read a block");
          }
          expect("the block that was read", room.words[0], wanted);
        }
      });
    }
    for (Thread& reader : readers) reader.join();
  }
  set_operations(state, static_cast<double>(state.iterations()) * double(file_reads));
}

template <class Thread>
void file_copy(benchmark::State& state, unsigned) {
  const unnamed_file file(unnamed_file::content::numbered_blocks);
  const unnamed_file copy(unnamed_file::content::none);
  const auto room = std::make_unique<std::array<char, copy_bytes>>();
  for (auto _ : state) {
    Thread copier([&] {
      off_t at = 0;
      while (true) {
        const ssize_t got = ::pread(file.fd(), room->data(), copy_bytes, at);
        if (got < 0) file_failed("cannot read what to copy");
        if (got == 0) break;
        if (::pwrite(copy.fd(), room->data(), static_cast<std::size_t>(got), at) != got) {
          file_failed("cannot write a copy");
        }
        at += got;
      }
    });
    copier.join();
  }
  copy.check();
  set_operations(state, static_cast<double>(state.iterations()));
}

}  // namespace bench
