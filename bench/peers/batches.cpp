// SPDX-License-Identifier: MIT
#include "batches.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ufb_bench {

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
