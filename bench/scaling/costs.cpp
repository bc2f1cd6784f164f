#include "bench/scaling/costs.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "bench/scaling/json.hpp"

namespace scaling {
namespace {

constexpr double greatest_cost = 1e12;  // a quarter of an hour

bool is_size(const cost_name& one) {
  return one.value == &costs::group_size || one.value == &costs::socket_size;
}

std::string set_named_cost(costs& all, std::string_view name, double value) {
  for (const cost_name& one : cost_names()) {
    if (one.name != name) continue;
    const double least = is_size(one) ? 1 : 0;
    if (!(value >= least && value <= greatest_cost)) {
      return "the cost " + std::string(name) + " must be a number from " +
             (is_size(one) ? "1" : "0") + " to 1e12";
    }
    all.*one.value = value;
    return "";
  }
  return "there is no cost called " + std::string(name) + "; --print-costs lists them";
}

}  // namespace

const std::vector<cost_name>& cost_names() {
  static const std::vector<cost_name> all = {
      {"near", &costs::near},
      {"group", &costs::group},
      {"socket", &costs::socket},
      {"group_size", &costs::group_size},
      {"socket_size", &costs::socket_size},
      {"locked", &costs::locked},
      {"rewrite", &costs::rewrite},
      {"follow", &costs::follow},
      {"relax", &costs::relax},
      {"clock", &costs::clock},
      {"look", &costs::look},
      {"system_call", &costs::system_call},
      {"futex_wake", &costs::futex_wake},
      {"wake_latency", &costs::wake_latency},
      {"nap_late", &costs::nap_late},
      {"kernel_switch", &costs::kernel_switch},
      {"slice", &costs::slice},
      {"membarrier", &costs::membarrier},
      {"spawn", &costs::spawn},
      {"life", &costs::life},
      {"pick", &costs::pick},
      {"swap", &costs::swap},
      {"join", &costs::join},
      {"park", &costs::park},
      {"channel", &costs::channel},
      {"section", &costs::section},
      {"fork", &costs::fork},
  };
  return all;
}

std::string set_cost(costs& all, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return "a cost is written name=value, not " + std::string(text);
  }
  const std::string number(text.substr(equals + 1));
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0') return "'" + number + "' is not a number";
  return set_named_cost(all, text.substr(0, equals), value);
}

std::string read_costs(costs& all, const std::string& path) {
  json file;
  if (std::string wrong = read_json(file, path); !wrong.empty()) return wrong;
  if (file.is != json::kind::object) return path + " is not a JSON object";
  for (std::size_t i = 0; i < file.names.size(); ++i) {
    const std::string& name = file.names[i];
    const json& value = file.items[i];
    if (name.starts_with('_')) continue;
    if (value.is != json::kind::number) return path + ": the cost " + name + " is not a number";
    if (std::string wrong = set_named_cost(all, name, value.number); !wrong.empty()) {
      return path + ": " + wrong;
    }
  }
  return "";
}

std::string write_costs(const costs& all) {
  std::string text = "{";
  for (const cost_name& one : cost_names()) {
    char number[64];
    std::snprintf(number, sizeof number, "%s\n \"%s\": %.10g", text.size() > 1 ? "," : "", one.name,
                  all.*one.value);
    text += number;
  }
  return text + "\n}\n";
}

// Medians of one way of a compare-exchange that two CPUs make in turns.
const std::vector<known_machine>& known_machines() {
  static const std::vector<known_machine> all = {
      {"epyc", "2 sockets of 64 CPUs, groups of 8: EPYC 7R13 (Milan)", 23, 107, 197, 8, 64},
      {"xeon", "2 sockets of 64 CPUs, one mesh each: Sapphire Rapids", 59, 59, 138, 64, 64},
      {"mesh", "1 socket, one mesh: Graviton 3", 46, 46, 46, 256, 256},
  };
  return all;
}

std::string set_machine(costs& all, std::string_view name) {
  std::string names;
  for (const known_machine& one : known_machines()) {
    if (one.name == name) {
      all.near = one.near;
      all.group = one.group;
      all.socket = one.socket;
      all.group_size = one.group_size;
      all.socket_size = one.socket_size;
      return "";
    }
    names += (names.empty() ? "" : ", ") + std::string(one.name);
  }
  return "there is no machine called " + std::string(name) + "; there are " + names;
}

}  // namespace scaling
