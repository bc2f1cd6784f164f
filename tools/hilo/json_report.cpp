#include <algorithm>
#include <string>
#include <unordered_map>

#include "hilo/detail/channel_core.hpp"

#include "tools/hilo/groups.hpp"
#include "tools/hilo/json.hpp"
#include "tools/hilo/reports.hpp"
#include "tools/hilo/wording.hpp"

namespace hilo::command {
namespace {

class json_report {
 public:
  json_report(std::FILE* out, const picture& all, const unwinder* stacks, symbols& names)
      : out_(out), all_(all), stacks_(stacks), names_(names) {}

  void print(std::optional<std::uint64_t> only) {
    out_.begin_object();
    out_.text("target", all_.target);
    out_.text("program", all_.program);
    out_.text("hilo", all_.hilos.front().version);
    out_.flag("still", all_.still);
    out_.number("missing_stacks", std::uint64_t{all_.missing_stacks});
    print_runtimes();
    print_backtraces(only);
    if (!only) print_groups();
    print_fibers(only);
    print_threads();
    out_.end_object();
  }

 private:
  void print_runtimes() {
    out_.begin_array("runtimes");
    for (const runtime_view& one : all_.runtimes) {
      out_.begin_object();
      out_.flag("left_behind", one.left_behind);
      out_.number("carriers", std::uint64_t{one.carriers});
      out_.number("injected", one.injected);
      out_.number("ended_not_joined", one.unjoined);
      out_.begin_array("workers");
      for (const worker_view& worker : one.workers) print_worker(worker);
      out_.end_array();
      out_.end_object();
    }
    out_.end_array();
  }

  void print_worker(const worker_view& one) {
    out_.begin_object();
    out_.number("index", std::uint64_t{one.index});
    out_.number("thread", std::int64_t{one.thread});
    out_.text("state", to_string(one.state));
    if (const fiber_view* const running = all_.fiber_at(one.fiber)) {
      out_.number("fiber", running->id);
    }
    out_.flag("blocking", one.blocking);
    out_.number("switches", one.switches);
    out_.number("parks", one.parks);
    out_.number("stolen", one.stolen);
    out_.number("spawned", one.spawned);
    out_.number("ended", one.ended);
    out_.begin_object("queues");
    out_.number("next", one.next);
    out_.number("new", one.fresh);
    out_.number("ready", one.ready);
    out_.number("pinned", one.mail);
    out_.end_object();
    out_.end_object();
  }

  void print_frame(const frame& one) {
    out_.text("function", one.function);
    if (!one.file.empty()) {
      out_.text("file", one.file);
      out_.number("line", std::int64_t{one.line});
    }
    out_.text("module", one.module);
    out_.text("offset", hex(one.offset));
  }

  void print_backtraces(std::optional<std::uint64_t> only) {
    if (stacks_ == nullptr) return;
    out_.begin_array("backtraces");
    for (std::uint32_t i = 0; i < stacks_->size(); ++i) {
      const bool used =
          !only || std::any_of(all_.fibers.begin(), all_.fibers.end(), [&](const fiber_view& one) {
            return one.id == *only && one.stack == i;
          });
      if (!used) continue;
      const backtrace& its = stacks_->at(i);
      out_.begin_object();
      out_.number("number", std::uint64_t{i});
      out_.flag("cut", its.cut);
      out_.begin_array("frames");
      for (const address code : its.code) {
        for (const frame& one : names_.at(code)) {
          out_.begin_object();
          print_frame(one);
          out_.flag("inlined", one.inlined);
          out_.end_object();
        }
      }
      out_.end_array();
      out_.end_object();
    }
    out_.end_array();
  }

  void print_groups() {
    out_.begin_array("groups");
    for (const group& one : group_fibers(all_)) {
      out_.begin_object();
      out_.number("count", std::uint64_t{one.fibers.size()});
      out_.text("state", to_string(one.state));
      if (!one.reason.empty()) out_.text("reason", one.reason);
      if (stacks_ != nullptr && one.stack != no_stack) {
        out_.number("backtrace", std::uint64_t{one.stack});
        if (const frame* const user = find_user_frame(names_, stacks_->at(one.stack))) {
          out_.begin_object("in");
          print_frame(*user);
          out_.end_object();
        }
      }
      if (one.spawned_at != 0) print_site(one.spawned_at);
      out_.end_object();
    }
    out_.end_array();
  }

  void print_site(address returned_to) {
    const frame*& site = sites_[returned_to];
    if (site == nullptr) site = &find_spawn_site(names_, returned_to);
    out_.begin_object("spawned_at");
    print_frame(*site);
    out_.end_object();
  }

  void print_fibers(std::optional<std::uint64_t> only) {
    out_.begin_array("fibers");
    for (const fiber_view& one : all_.fibers) {
      if (!only || one.id == *only) print_fiber(one);
    }
    out_.end_array();
  }

  void print_fiber(const fiber_view& one) {
    out_.begin_object();
    out_.number("number", one.id);
    if (!one.its_name().empty()) out_.text("name", one.its_name());
    out_.number("runtime", std::uint64_t{one.runtime});
    out_.text("state", to_string(one.state));
    if (const std::string& reason = all_.reason_of(one); !reason.empty()) {
      out_.text("reason", reason);
    }
    if (const auto time = all_.waited(one)) {
      out_.number("waited_ms", std::int64_t{time->count()});
    }
    print_awaited(one);
    out_.number("stack_size", one.top - one.low);
    if (one.stack_used() != 0) out_.number("stack_used", one.stack_used());
    if (one.owns_tls) out_.flag("owns_tls", true);
    if (one.stop_requested) out_.flag("stop_requested", true);
    if (stacks_ != nullptr && one.stack != no_stack) {
      out_.number("backtrace", std::uint64_t{one.stack});
    }
    print_site(one.spawned_at);
    out_.end_object();
  }

  void print_awaited(const fiber_view& one) {
    const awaited& its = one.waits_for;
    if (one.state != fiber_state::waiting) return;
    const std::int64_t until = its.what == awaited::kind::time ? its.until : one.deadline;
    if (all_.now && until != detail::no_deadline) out_.number("ns_left", until - *all_.now);
    if (its.what == awaited::kind::unknown || its.what == awaited::kind::time) return;
    out_.begin_object("waits_for");
    out_.text("kind", kind_name(its.what));
    switch (its.what) {
      case awaited::kind::fiber:
        break;
      case awaited::kind::descriptor:
        out_.number("descriptor", static_cast<std::int64_t>(its.count));
        out_.text("call", call_name(its.call));
        break;
      default:
        out_.text("address", hex(its.at));
        if (const std::string& name = names_.variable_at(its.at); !name.empty()) {
          out_.text("variable", name);
        }
    }
    if (its.what == awaited::kind::channel) {
      out_.number("values", its.count);
      if (its.capacity != detail::no_bound) out_.number("capacity", its.capacity);
      out_.flag("closed", its.closed);
    }
    if (its.what == awaited::kind::semaphore) out_.number("count", its.count);
    if (its.by_thread) out_.flag("held_by_thread", true);
    if (its.by_ended) out_.flag("held_by_ended_fiber", true);
    if (const fiber_view* const other = all_.fiber_at(its.holder)) {
      out_.number(its.what == awaited::kind::mutex ? "held_by" : "fiber", other->id);
    }
    out_.end_object();
  }

  static const char* kind_name(awaited::kind one) {
    switch (one) {
      case awaited::kind::mutex:
        return "mutex";
      case awaited::kind::channel:
        return "channel";
      case awaited::kind::semaphore:
        return "semaphore";
      case awaited::kind::fiber:
        return "fiber";
      case awaited::kind::descriptor:
        return "descriptor";
      default:
        return "object";
    }
  }

  void print_threads() {
    out_.begin_array("threads");
    for (const kernel_thread& one : all_.threads) {
      out_.begin_object();
      out_.number("number", std::int64_t{one.number});
      if (!one.name.empty()) out_.text("name", one.name);
      if (one.state != '?') out_.text("state", std::string_view(&one.state, 1));
      out_.end_object();
    }
    out_.end_array();
  }

  json out_;
  const picture& all_;
  const unwinder* const stacks_;
  symbols& names_;
  std::unordered_map<address, const frame*> sites_;
};

}  // namespace

void print_json(std::FILE* out, const picture& all, const unwinder* stacks, symbols& names,
                std::optional<std::uint64_t> only) {
  json_report(out, all, stacks, names).print(only);
  std::fputc('\n', out);
}

}  // namespace hilo::command
