#include "tools/hilo/screen.hpp"

#include <algorithm>
#include <atomic>

#define NCURSES_NOMACROS  // functions, which may be qualified
#include <ncurses.h>
#include <signal.h>

#include "tools/hilo/failure.hpp"

namespace hilo::command {
namespace {

std::atomic<bool> asked_to_quit{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a handler writes it

void ask_to_quit(int) {
  asked_to_quit.store(true, std::memory_order_relaxed);
}

}  // namespace

screen::screen() {
  if (::newterm(nullptr, stdout, stdin) == nullptr) {
    throw failure(exit_code::unreadable,
                  "this terminal is not known (TERM); call hilo top with its output in a pipe");
  }
  struct sigaction action {};
  action.sa_handler = ask_to_quit;
  for (const int one : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(one, &action, nullptr);
  ::cbreak();
  ::noecho();
  ::keypad(stdscr, TRUE);
  ::curs_set(0);
}

screen::~screen() {
  ::endwin();
}

std::size_t screen::height() const noexcept {
  return static_cast<std::size_t>(std::max(::getmaxy(stdscr), 1));
}

void screen::draw(const std::vector<std::string>& lines, std::size_t marked, std::size_t top,
                  const std::string& foot) noexcept {
  ::erase();
  const int width = ::getmaxx(stdscr);
  const std::size_t room = height() - 1;
  for (std::size_t i = 0; i < room && top + i < lines.size(); ++i) {
    if (top + i == marked) ::attron(A_REVERSE);
    ::mvaddnstr(static_cast<int>(i), 0, lines[top + i].c_str(), width);
    if (top + i == marked) ::attroff(A_REVERSE);
  }
  ::attron(A_BOLD);
  ::mvaddnstr(static_cast<int>(room), 0, foot.c_str(), width);
  ::attroff(A_BOLD);
  ::refresh();
}

screen::key screen::read_key(std::chrono::steady_clock::time_point until) noexcept {
  using std::chrono::milliseconds;
  while (!asked_to_quit.load(std::memory_order_relaxed)) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    ::timeout(static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 200)));
    switch (::getch()) {
      case 'q':
        return key::quit;
      case KEY_UP:
      case 'k':
        return key::up;
      case KEY_DOWN:
      case 'j':
        return key::down;
      case '\n':
      case KEY_ENTER:
        return key::open;
      case 27:  // escape
      case KEY_LEFT:
      case KEY_BACKSPACE:
        return key::back;
      case 'c':
        return key::by_count;
      case 's':
        return key::by_state;
      case 'r':
        return key::by_reason;
      case 'p':
        return key::by_site;
      default:
        break;
    }
    if (std::chrono::steady_clock::now() >= until) return key::none;
  }
  return key::quit;
}

}  // namespace hilo::command
