// SPDX-License-Identifier: MIT
//
// usage: json_at POINTER... < LINES
// Reads JSON, one document on every line, and prints what the pointers lead to, with tabs between them; a pointer with
// "#" behind it gives the number of elements there. Ends with status 1 where a line is no JSON, an object has a key
// twice or a pointer leads nowhere.
#include <cstddef>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using nlohmann::ordered_json;

ordered_json parse(const std::string& line) {
  std::vector<std::set<std::string>> keys;
  return ordered_json::parse(line, [&](int, ordered_json::parse_event_t event, const ordered_json& value) {
    if (event == ordered_json::parse_event_t::object_start) keys.emplace_back();
    if (event == ordered_json::parse_event_t::object_end) keys.pop_back();
    if (event == ordered_json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      throw std::runtime_error("the key " + value.dump() + " stands twice in one object");
    }
    return true;
  });
}

std::string value_at(const ordered_json& document, std::string pointer) {
  const bool count = pointer.ends_with('#');
  if (count) pointer.pop_back();
  const auto& value = document.at(ordered_json::json_pointer(pointer));
  if (count) return std::to_string(value.size());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t number = 0;
  try {
    for (std::string line; std::getline(std::cin, line);) {
      ++number;
      const auto document = parse(line);
      for (int i = 1; i < argc; ++i) std::cout << (i > 1 ? "\t" : "") << value_at(document, argv[i]);
      std::cout << '\n';
    }
  } catch (const std::exception& problem) {
    std::cerr << "json_at: line " << number << ": " << problem.what() << '\n';
    return 1;
  }
}
