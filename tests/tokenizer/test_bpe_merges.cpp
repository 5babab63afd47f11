// SPDX-License-Identifier: MIT
//
// Merges of rows of every length against the definition: of all pairs that have a merge the one of the lowest rank, and
// among these the leftmost, again and again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "ultrafastbert/tokenizer/models/bpe_merges.hpp"

using namespace ultrafastbert;
using namespace ultrafastbert::tokenizers;

namespace {

using row_of_symbols = std::vector<std::pair<token_id, std::size_t>>;  // ids and bytes

// Merges among a few letters and what they become; every second one is of a symbol and itself.
bpe_merge_table random_merges(std::mt19937& generator, token_id letters, std::uint32_t count) {
  bpe_merge_table table(count);
  std::vector<std::uint32_t> ranks(count);
  std::iota(ranks.begin(), ranks.end(), 0U);
  std::shuffle(ranks.begin(), ranks.end(), generator);
  std::set<std::pair<token_id, token_id>> pairs;
  for (std::uint32_t i = 0; i < count; ++i) {
    const token_id made = letters + static_cast<token_id>(i);
    std::uniform_int_distribution<token_id> any(0, (std::min)(made, letters + 4) - 1);
    const token_id left = any(generator);
    const token_id right = i % 2 == 0 ? left : any(generator);
    if (pairs.emplace(left, right).second) table.add(left, right, {.rank = ranks[i], .merged = made});
  }
  table.seal();
  return table;
}

row_of_symbols plainly_merged(std::vector<token_id> ids, const bpe_merge_table& merges) {
  row_of_symbols row;
  for (const token_id id : ids) row.emplace_back(id, 1);
  while (true) {
    const bpe_merge* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      const bpe_merge* found = merges.find(row[i].first, row[i + 1].first);
      if (found == nullptr || (best != nullptr && found->rank >= best->rank)) continue;
      best = found;
      at = i;
    }
    if (best == nullptr) return row;
    row[at] = {best->merged, row[at].second + row[at + 1].second};
    row.erase(row.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

}  // namespace

TEST_CASE("Rows of symbols of every length merge as the definition says", "[tokenizer][bpe]") {
  std::mt19937 generator(11);
  bpe_symbols symbols;  // one for all, as a call with many texts has it
  for (const std::size_t length : {0U, 1U, 2U, 3U, 17U, 300U, 4095U, 4096U, 4097U, 4500U}) {
    for (const token_id letters : {1, 2, 5}) {
      INFO(length << " symbols of " << letters << " letters");
      const bpe_merge_table merges = random_merges(generator, letters, 24);
      std::uniform_int_distribution<token_id> any(0, letters - 1);
      std::vector<token_id> ids(length);
      for (token_id& id : ids) id = any(generator);
      symbols.restart(length);
      for (const token_id id : ids) symbols.add(id, 1);
      symbols.merge(merges);
      row_of_symbols found;
      symbols.for_each([&](token_id id, std::size_t bytes) { found.emplace_back(id, bytes); });
      CHECK(symbols.left() == found.size());
      const bool same = found == plainly_merged(ids, merges);
      CHECK(same);
    }
  }
}

TEST_CASE("Candidates leave a queue by rank in the order in which they leave a heap", "[tokenizer][bpe]") {
  std::mt19937 generator(12);
  for (const std::uint32_t ranks : {1U, 3U, 40U}) {
    std::uniform_int_distribution<std::uint32_t> any_rank(0, ranks - 1);
    std::uniform_int_distribution<std::uint32_t> any_place(0, 300);
    bpe_heap heap;
    bpe_ranked_queue by_rank;
    by_rank.restart(ranks);
    std::size_t different = 0;
    const auto take = [&] {
      const bpe_candidate expected = heap.pop();
      const bpe_candidate found = by_rank.pop();
      if (found.order() != expected.order() || found.merge.merged != expected.merge.merged) ++different;
    };
    for (int step = 0; step < 20'000; ++step) {
      // By turns mostly more and mostly fewer, down to none.
      const bool grows = step / 500 % 2 == 0;
      if (generator() % 4 < (grows ? 1U : 3U) && !heap.empty()) {
        take();
        continue;
      }
      const std::uint32_t rank = any_rank(generator);
      const bpe_candidate next{.merge = {.rank = rank, .merged = static_cast<token_id>(rank) + 7},
                               .at = any_place(generator)};
      heap.push(next);
      by_rank.push(next);
    }
    while (!heap.empty()) take();
    CHECK(by_rank.empty());
    CHECK(different == 0);
  }
}

TEST_CASE("Merges that would share the places of a table with a known hash are spread over it", "[tokenizer][bpe]") {
  constexpr token_id ids = 3000;
  constexpr std::size_t count = 20'000;
  const auto place = [](std::uint64_t left, std::uint64_t right) {
    std::uint64_t mixed = (left << 32U | right) * 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 32U)) * 0xd6e8feb86659fd93U;
    return static_cast<std::uint32_t>(mixed >> 32U) % 65'536U;
  };
  bpe_merge_table table(count);
  std::vector<std::pair<token_id, token_id>> pairs;
  for (token_id left = 0; left < ids; ++left) {
    for (token_id right = 0; right < ids && pairs.size() < count; ++right) {
      if (place(static_cast<std::uint64_t>(left), static_cast<std::uint64_t>(right)) >= 160) continue;
      table.add(left, right, {.rank = static_cast<std::uint32_t>(pairs.size()), .merged = left});
      pairs.emplace_back(left, right);
    }
  }
  REQUIRE(pairs.size() > count / 2);
  table.seal();
  std::size_t found = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const bpe_merge* merge = table.find(pairs[i].first, pairs[i].second);
    if (merge != nullptr && merge->rank == i) ++found;
  }
  CHECK(found == pairs.size());
  CHECK(table.longest_chain() < 64);
}
