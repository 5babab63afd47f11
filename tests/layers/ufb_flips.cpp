// SPDX-License-Identifier: MIT
//
// How many tokens take another path with certified storage than with float32: none may. `ufb_flips [TOKENS]` (20,000)
// runs the layer of UltraFastBERT-1x11 with random weights, half of the tokens pushed toward a hyperplane of their own
// path, to 1 down to 2^-30 of where they stood.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "support/random.hpp"
#include "ultrafastbert/layers/fast_feedforward.hpp"

namespace {

namespace ufb = ultrafastbert;
using layer_type = ufb::fast_feedforward<float>;

constexpr std::size_t width = 768;
constexpr std::size_t depth = 11;
constexpr std::size_t at_once = 4096;

// A sum of four uniform numbers from one draw: close to normal, and quick.
float draw(std::uint64_t seed, std::uint64_t i) {
  const std::uint64_t bits = ufb_test::splitmix64(seed, i);
  float sum = -2.0F;
  for (unsigned part = 0; part < 64; part += 16) sum += static_cast<float>((bits >> part) & 0xFFFFU) * 0x1p-16F;
  return sum * 1.732F;
}

struct paths_of_tokens {
  ufb::matrix<float> y{{at_once, width}};
  std::vector<std::int32_t> paths = std::vector<std::int32_t>(at_once * (depth + 1));
  ufb::workspace scratch{};

  void run(const layer_type& layer, const ufb::matrix_view<const float>& x) {
    layer.forward(x, y.view().rows_from(0, x.rows()), scratch, {paths.data(), {x.rows(), depth + 1}});
  }
};

// Moves a token toward the hyperplane of a node of its path.
void push(float* x, const float* row, float factor) {
  double z = 0;
  double square = 0;
  for (std::size_t k = 0; k < width; ++k) {
    z += static_cast<double>(row[k]) * static_cast<double>(x[k]);
    square += static_cast<double>(row[k]) * static_cast<double>(row[k]);
  }
  const double step = z * (1.0 - static_cast<double>(factor)) / square;
  for (std::size_t k = 0; k < width; ++k) x[k] -= static_cast<float>(step * static_cast<double>(row[k]));
}

int run(std::size_t tokens) {
  constexpr std::size_t nodes = (std::size_t{2} << depth) - 1;
  ufb::matrix<float> in({nodes, width});
  ufb::matrix<float> out({width, nodes});
  for (std::size_t n = 0; n < nodes; ++n) {
    for (std::size_t k = 0; k < width; ++k) {
      in(n, k) = draw(1, n * width + k) * 0.036F;
      out(k, n) = draw(2, n * width + k) * 0.03F;
    }
  }
  const auto build = [&](ufb::weight_storage storage) {
    const bool narrow = ufb::is_certified(storage);
    return layer_type({.input_width = width, .output_width = width, .depth = depth, .parallel_size = 1}, in.view(), {},
                      out.view(),
                      {.storage_in = storage, .storage_out = narrow ? ufb::weight_storage::float16 : storage});
  };
  const layer_type exact = build(ufb::weight_storage::float32);
  paths_of_tokens expected;
  paths_of_tokens found;
  ufb::matrix<float> x({at_once, width});
  int status = 0;
  for (const auto storage : {ufb::weight_storage::certified_float16, ufb::weight_storage::certified_int8,
                             ufb::weight_storage::split_float32}) {
    const layer_type certified = build(storage);
    std::uint64_t flips = 0;
    std::uint64_t looks[2] = {0, 0};  // of tokens as they are drawn, and of those pushed
    std::uint64_t logits[2] = {0, 0};
    std::size_t part = 0;
    for (std::size_t first = 0; first < tokens; first += at_once, ++part) {
      const std::size_t count = (std::min)(at_once, tokens - first);
      const auto batch = x.view().rows_from(0, count);
      for (std::size_t t = 0; t < count; ++t) {
        for (std::size_t k = 0; k < width; ++k) x(t, k) = draw(3, (first + t) * width + k);
      }
      const std::size_t pushed = part % 2;
      expected.run(exact, batch);
      if (pushed == 1) {
        for (std::size_t t = 0; t < count; ++t) {
          const std::uint64_t choice = ufb_test::splitmix64(4, first + t);
          const auto level = static_cast<std::size_t>(choice % (depth + 1));
          const auto node = static_cast<std::size_t>(expected.paths[t * (depth + 1) + level]);
          float factor = 1.0F;
          for (std::uint64_t halvings = (choice >> 32U) % 31; halvings > 0; --halvings) factor *= 0.5F;
          push(x.row(t), in.row(node), factor);
        }
        expected.run(exact, batch);
      }
      found.run(certified, batch);
      for (std::size_t t = 0; t < count; ++t) {
        const auto* const path = expected.paths.data() + t * (depth + 1);
        flips += std::equal(path, path + depth + 1, found.paths.data() + t * (depth + 1)) ? 0U : 1U;
      }
      if (first < 16 * at_once) {  // counting computes everything once more
        looks[pushed] += certified.second_looks(batch, found.scratch);
        logits[pushed] += count * (depth + 1);
      }
    }
    const auto share = [&](std::size_t i) {
      return logits[i] == 0
                 ? std::string("-")
                 : std::to_string(100.0 * static_cast<double>(looks[i]) / static_cast<double>(logits[i])) + " %";
    };
    std::cout << ufb::name(storage) << ": " << tokens << " tokens, " << flips << " on another path; second looks at "
              << share(0) << " of the logits, " << share(1) << " where tokens were pushed\n";
    if (flips != 0) status = 1;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(argc > 1 ? std::stoull(argv[1]) : 20'000);
} catch (const std::exception& problem) {
  std::cerr << "ufb_flips: " << problem.what() << '\n';
  return 2;
}
