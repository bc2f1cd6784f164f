// Just enough of JSON to read recorded figures: docs/benchmarks.md says what is in them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace scaling {

struct json {
  enum class kind : std::uint8_t { nothing, truth, number, text, list, object };

  kind is = kind::nothing;
  double number = 0;
  std::string text;
  std::vector<json> items;           // of a list, or the values of an object
  std::vector<std::string> names{};  // of an object's values

  // The member of an object; null if there is none, or if this is no object.
  const json* find(const std::string& name) const;
};

// Returns what is wrong with the file; empty if nothing.
std::string read_json(json& into, const std::string& path);

}  // namespace scaling
