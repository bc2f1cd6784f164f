#include "bench/wordcount.hpp"

#include <iterator>
#include <vector>

#include "hilo/hilo.hpp"

#include "bench/harness.hpp"
#include "bench/hilo/workloads.hpp"
#include "bench/workloads.hpp"

namespace bench {

void wordcount(benchmark::State& state, unsigned carriers) {
  std::vector<file_words> all;
  hilo::run({.carriers = carriers}, [&] {
    for (auto _ : state) {
      hilo::channel<std::string> paths(channel_capacity);
      std::vector<hilo::fiber<std::vector<file_words>>> workers;
      for (unsigned i = 0; i < wordcount_workers; ++i) {
        workers.push_back(hilo::spawn([&] {
          word_counter counter;
          std::vector<file_words> counted;
          while (auto path = paths.receive()) counted.push_back(counter.count(std::move(*path)));
          return counted;
        }));
      }
      auto walker = hilo::spawn([&] {
        walk_files(wordcount_tree(), [&](std::string path) { (void)paths.send(std::move(path)); });
        paths.close();
      });
      walker.join();
      for (auto& worker : workers) {
        auto part = worker.join();
        std::move(part.begin(), part.end(), std::back_inserter(all));
      }
    }
  });
  check_words(all);
  set_operations(state, static_cast<double>(state.iterations()));
}

}  // namespace bench
