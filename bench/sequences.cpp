// SPDX-License-Identifier: MIT
#include "sequences.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "random.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t mixed_sequences = 64;
constexpr std::size_t mixed_shortest = 5;
constexpr std::size_t mixed_longest = 128;

std::size_t number_in(const std::string& text) {
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) return 0;
  return std::stoul(text);
}

// Numbers below a limit, all alike, from the normal ones of a stream.
std::size_t uniform(float normal, std::size_t below) {
  const double share = 0.5 * std::erfc(-static_cast<double>(normal) / std::sqrt(2.0));
  return std::min(static_cast<std::size_t>(share * static_cast<double>(below)), below - 1);
}

}  // namespace

bool sequence_set::ragged() const {
  for (std::size_t i = 1; i < sequences(); ++i) {
    if (length(i) != length(0)) return true;
  }
  return false;
}

sequence_set make_sequences(const std::string& name, std::size_t vocabulary, std::size_t longest) {
  sequence_set out{.name = name};
  const normal_stream random(std::hash<std::string>{}(name), 1.0F);
  if (name == "mixed") {
    for (std::size_t i = 0; i < mixed_sequences; ++i) {
      const std::size_t length = mixed_shortest + uniform(random[i], mixed_longest - mixed_shortest + 1);
      out.offsets.push_back(out.tokens() + std::min(length, longest));
    }
  } else {
    const auto cross = std::min(name.find('x'), name.size() - 1);
    const std::size_t batch = number_in(name.substr(0, cross));
    const std::size_t length = number_in(name.substr(cross + 1));
    if (batch == 0 || length == 0 || length > longest) {
      throw std::runtime_error("shape " + name + ": BATCHxLENGTH with at most " + std::to_string(longest) +
                               " tokens a sequence, or mixed");
    }
    for (std::size_t i = 0; i < batch; ++i) out.offsets.push_back(out.tokens() + length);
  }
  out.ids.resize(sequence_set::variants * out.tokens());
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    out.ids[i] = static_cast<ultrafastbert::token_id>(uniform(random[mixed_sequences + i], vocabulary));
  }
  return out;
}

}  // namespace ufb_bench
