#include "tools/hilo/top.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "tools/hilo/failure.hpp"
#include "tools/hilo/reports.hpp"
#include "tools/hilo/sample.hpp"
#include "tools/hilo/screen.hpp"

namespace hilo::command {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t most_printed = 20;  // groups, where there is no screen

struct top_options {
  std::string which;
  double every = 1;           // seconds
  std::optional<long> count;  // pictures
};

[[noreturn]] void refuse_usage(const std::string& text) {
  throw failure(exit_code::wrong_usage, text + "; see hilo help top");
}

template <class T>
T read_number(std::string_view text, T least, T most, const char* what) {
  T number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || rest != text.data() + text.size() || !(number >= least) ||
      !(number <= most)) {
    refuse_usage(std::string(what) + ", not \"" + std::string(text) + "\"");
  }
  return number;
}

top_options parse_top(std::span<char* const> arguments) {
  top_options all;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view one = arguments[i];
    const auto value = [&] {
      if (i + 1 == arguments.size()) refuse_usage(std::string(one) + " takes a number");
      return std::string_view(arguments[++i]);
    };
    if (one == "--every") {
      all.every = read_number(value(), 0.1, 3600.0, "--every takes seconds, from 0.1 to 3600");
    } else if (one == "--count") {
      all.count = read_number(value(), 1L, 1'000'000'000L, "--count takes a number of pictures");
    } else if (one.starts_with("-")) {
      refuse_usage("top has no option " + std::string(one));
    } else if (all.which.empty()) {
      all.which = one;
    } else {
      refuse_usage("top takes one process, not also \"" + std::string(one) + "\"");
    }
  }
  if (all.which.empty()) refuse_usage("top takes the number of a process");
  if (all.which.find_first_not_of("0123456789") != std::string::npos) {
    refuse_usage("top takes the number of a process, not \"" + all.which +
                 "\"; hilo dump shows a core file");
  }
  return all;
}

// The next sample. False: the process has ended since the sample before.
bool take(sampler& from, target& where, sample& into, bool first) {
  try {
    from.take(where, into);
    return true;
  } catch (const failure&) {
    if (first || !where.gone()) throw;
    return false;
  }
}

void print_again_and_again(target& where, const top_options& wanted) {
  sampler from;
  symbols names(where);
  sample one;
  const auto period =
      std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(wanted.every));
  clock::time_point next = clock::now();
  for (long i = 0; !wanted.count || i < *wanted.count; ++i) {
    if (i != 0) std::this_thread::sleep_until(next);
    next = std::max(next + period, clock::now());
    if (!take(from, where, one, i == 0)) {
      std::printf("%s has ended\n", where.name().c_str());
      return;
    }
    for (const std::string& line :
         describe_sample(one, names, top_order::count, most_printed).lines) {
      std::printf("%s\n", line.c_str());
    }
    std::printf("\n");
    if (std::fflush(stdout) != 0) return;  // main() says why
  }
}

// A fiber of the marked group with its backtrace, as hilo dump prints it.
std::vector<std::string> read_stack(target& where, symbols& names, std::uint64_t fiber) {
  unwinder unwinds(where);
  const picture all = collect(where, {.stacks = true, .pause = false}, &unwinds);
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const out = ::open_memstream(&text, &size);
  if (out == nullptr) throw std::bad_alloc();
  print_text(out, all, &unwinds, names, fiber);
  std::fclose(out);
  const std::unique_ptr<char, void (*)(void*)> owner(text, std::free);
  std::vector<std::string> lines;
  for (std::string_view rest(text, size); !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (lines.empty()) lines.push_back("the fiber has ended");
  return lines;
}

class live_top {
 public:
  live_top(target& where, const top_options& wanted)
      : where_(where),
        names_(where),
        period_(std::chrono::duration_cast<clock::duration>(
            std::chrono::duration<double>(wanted.every))),
        left_(wanted.count) {}

  // True: the process has ended.
  bool run() {
    screen terminal;
    for (bool first = true; !left_ || *left_ > 0; first = false) {
      if (left_) --*left_;
      if (!take(from_, where_, now_, first)) return true;
      if (!show_until(terminal, clock::now() + period_)) return false;
    }
    return false;
  }

 private:
  // False: the user wants to quit.
  bool show_until(screen& terminal, clock::time_point until) {
    while (true) {
      draw(terminal);
      const screen::key pressed = terminal.read_key(until);
      if (pressed == screen::key::none) return true;
      if (pressed == screen::key::quit) return false;
      act(pressed);
    }
  }

  void draw(screen& terminal) {
    if (!stack_.empty()) {
      terminal.draw(stack_, stack_.size(), 0, "escape: back  q: quit");
      return;
    }
    text_ = describe_sample(now_, names_, order_, now_.groups.size());
    chosen_ = text_.groups == 0 ? 0 : std::min(chosen_, text_.groups - 1);
    const std::size_t marked = text_.first_group + chosen_;
    const std::size_t room = terminal.height() - 1;
    const std::size_t top = marked < room ? 0 : marked + 1 - room;
    terminal.draw(text_.lines, text_.groups == 0 ? text_.lines.size() : marked, top,
                  "arrows: choose  enter: backtrace  sort by c: count s: state r: reason "
                  "p: spawn site  q: quit");
  }

  void act(screen::key pressed) {
    switch (pressed) {
      case screen::key::up:
        if (chosen_ != 0) --chosen_;
        break;
      case screen::key::down:
        ++chosen_;
        break;
      case screen::key::open:
        if (chosen_ < now_.groups.size()) {
          stack_ = read_stack(where_, names_, now_.groups[chosen_].its.fibers.front()->id);
        }
        break;
      case screen::key::back:
        stack_.clear();
        break;
      case screen::key::by_count:
        order_ = top_order::count;
        break;
      case screen::key::by_state:
        order_ = top_order::state;
        break;
      case screen::key::by_reason:
        order_ = top_order::reason;
        break;
      case screen::key::by_site:
        order_ = top_order::site;
        break;
      default:
        break;
    }
  }

  target& where_;
  symbols names_;
  const clock::duration period_;
  std::optional<long> left_;
  sampler from_;
  sample now_;
  top_text text_;
  top_order order_ = top_order::count;
  std::size_t chosen_ = 0;
  std::vector<std::string> stack_;  // what is shown instead, if not empty
};

}  // namespace

void top(std::span<char* const> arguments) {
  const top_options wanted = parse_top(arguments);
  const std::unique_ptr<target> where = open_target(wanted.which);
  if (::isatty(STDOUT_FILENO) == 0 || ::isatty(STDIN_FILENO) == 0) {
    return print_again_and_again(*where, wanted);
  }
  if (live_top(*where, wanted).run()) std::printf("%s has ended\n", where->name().c_str());
}

}  // namespace hilo::command
