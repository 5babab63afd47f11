// SPDX-License-Identifier: MIT
#include "batches.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>

#include "../random.hpp"

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

sequence_set make_sequences(const std::string& name, const peer_sizes& sizes) {
  sequence_set out{.name = name};
  const normal_stream random(std::hash<std::string>{}(name), 1.0F);
  if (name == "mixed") {
    for (std::size_t i = 0; i < mixed_sequences; ++i) {
      out.offsets.push_back(out.tokens() + mixed_shortest + uniform(random[i], mixed_longest - mixed_shortest + 1));
    }
  } else {
    const auto cross = std::min(name.find('x'), name.size() - 1);
    const std::size_t batch = number_in(name.substr(0, cross));
    const std::size_t length = number_in(name.substr(cross + 1));
    if (batch == 0 || length == 0 || length > sizes.positions) {
      throw std::runtime_error("shape " + name + ": BATCHxLENGTH with at most " + std::to_string(sizes.positions) +
                               " tokens a sequence, or mixed");
    }
    for (std::size_t i = 0; i < batch; ++i) out.offsets.push_back(out.tokens() + length);
  }
  out.ids.resize(sequence_set::variants * out.tokens());
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    out.ids[i] = static_cast<ultrafastbert::token_id>(uniform(random[mixed_sequences + i], sizes.vocabulary));
  }
  return out;
}

std::vector<padded_call> plan_calls(const sequence_set& set, call_style style) {
  std::vector<std::size_t> order(set.sequences());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::size_t size = order.size();
  if (style == call_style::one_by_one) size = 1;
  if (style == call_style::sorted_eights) {
    size = 8;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return set.length(a) < set.length(b); });
  }
  std::vector<padded_call> calls;
  for (std::size_t first = 0; first < order.size(); first += size) {
    padded_call call;
    for (std::size_t i = first; i < std::min(first + size, order.size()); ++i) {
      call.sequences.push_back(order[i]);
      call.length = std::max(call.length, set.length(order[i]));
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

padded_inputs pad(const sequence_set& set, const std::vector<padded_call>& calls) {
  padded_inputs out;
  for (std::size_t v = 0; v < sequence_set::variants; ++v) {
    for (const padded_call& call : calls) {
      for (const std::size_t s : call.sequences) {
        const auto ids = set.variant(v).subspan(set.offsets[s], set.length(s));
        out.ids.insert(out.ids.end(), ids.begin(), ids.end());
        out.mask.insert(out.mask.end(), ids.size(), 1);
        out.ids.insert(out.ids.end(), call.length - ids.size(), 0);
        out.mask.insert(out.mask.end(), call.length - ids.size(), 0);
      }
    }
  }
  return out;
}

}  // namespace ufb_bench
