// Files: random reads by many fibers at once, and a copy by one.
#include "bench/files.hpp"

#include <array>
#include <memory>
#include <vector>

#include "hilo/hilo.hpp"

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"

namespace bench {

void file_read(benchmark::State& state, unsigned carriers) {
  const unnamed_file file(unnamed_file::content::numbered_blocks);
  hilo::run({.carriers = carriers}, [&] {
    const auto buffers = std::make_unique<std::array<block, file_readers>>();
    for (auto _ : state) {
      std::vector<hilo::fiber<void>> readers;
      for (unsigned reader = 0; reader < file_readers; ++reader) {
        readers.push_back(hilo::spawn([&, reader] {
          block& room = (*buffers)[reader];
          for (std::uint64_t turn = reader; turn < file_reads; turn += file_readers) {
            const std::uint64_t wanted = block_to_read(turn);
            const auto at = static_cast<std::int64_t>(wanted * block_bytes);
            const auto got = hilo::io::pread(file.fd(), &room, block_bytes, at);
            if (!got || *got != block_bytes) file_failed("cannot read a block");
            expect("the block that was read", room.words[0], wanted);
          }
        }));
      }
      for (auto& reader : readers) reader.join();
    }
  });
  set_operations(state, static_cast<double>(state.iterations()) * double(file_reads));
}

void file_copy(benchmark::State& state, unsigned carriers) {
  const unnamed_file file(unnamed_file::content::numbered_blocks);
  const unnamed_file copy(unnamed_file::content::none);
  hilo::run({.carriers = carriers}, [&] {
    const auto room = std::make_unique<std::array<char, copy_bytes>>();
    for (auto _ : state) {
      std::int64_t at = 0;
      while (true) {
        const auto got = hilo::io::pread(file.fd(), room->data(), copy_bytes, at);
        if (!got) file_failed("cannot read what to copy");
        if (*got == 0) break;
        const auto put = hilo::io::pwrite(copy.fd(), room->data(), *got, at);
        if (!put || *put != *got) file_failed("cannot write a copy");
        at += static_cast<std::int64_t>(*got);
      }
    }
  });
  copy.check();
  set_operations(state, static_cast<double>(state.iterations()));
}

}  // namespace bench
