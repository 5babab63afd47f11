// SPDX-License-Identifier: MIT
//
// Rotary positions, and the operations other than softmax, against formulas in double.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "support/backends.hpp"
#include "ultrafastbert/core/thread_pool.hpp"

using namespace ufb_test;
using ufb::rotary_kind;
using ufb::score_operation;

namespace {

/// Attention without an output projection, of random weights.
template <class Scalar, class Backend>
struct form_problem {
  form_problem(const ufb::attention_shape& wanted, random_numbers& random) : shape(wanted) {
    shape.output_projection = false;
    shape.norm_factor = 0.25;
    using layer_type = ufb::attention<Scalar, Backend>;
    source = random_source(tensors_of<layer_type>(shape, std::string("attn.")), random.bits());
    weight = source.at("attn.self_attention.query_key_value.weight").values;
    layer = std::make_unique<layer_type>(layer_type::load(source, "attn.", shape));
  }

  [[nodiscard]] guarded_matrix<Scalar> run(const guarded_matrix<Scalar>& x, const std::vector<std::size_t>& offsets,
                                           ufb::executor_ref threads = {}) const {
    guarded_matrix<Scalar> y(x.rows(), shape.width, 3);
    ufb::workspace scratch;
    layer->forward(x.view(), y.view(), {.offsets = offsets}, scratch, threads);
    CHECK(y.surroundings_intact());
    return y;
  }

  // Element `k` of part 0 (queries), 1 (keys) or 2 (values) of a head, turned by its place.
  [[nodiscard]] double element(const guarded_matrix<Scalar>& x, std::size_t token, std::size_t place, std::size_t head,
                               std::size_t part, std::size_t k) const {
    const std::size_t width = shape.width / shape.heads;
    if (part == 2 || shape.rotary.kind == rotary_kind::none) return projected(x, token, (3 * head + part) * width + k);
    const bool halves = shape.rotary.kind == rotary_kind::halves;
    const std::size_t pair = halves ? k % (width / 2) : k / 2;
    const bool second = halves ? k >= width / 2 : k % 2 == 1;
    const std::size_t other = halves ? (second ? k - width / 2 : k + width / 2) : (second ? k - 1 : k + 1);
    const double angle =
        static_cast<double>(place) * std::pow(10000.0, -2.0 * static_cast<double>(pair) / static_cast<double>(width));
    const double a = projected(x, token, (3 * head + part) * width + k);
    const double b = projected(x, token, (3 * head + part) * width + other);
    return a * std::cos(angle) + (second ? b : -b) * std::sin(angle);
  }

  [[nodiscard]] double projected(const guarded_matrix<Scalar>& x, std::size_t token, std::size_t row) const {
    double sum = 0;
    for (std::size_t k = 0; k < shape.width; ++k) {
      sum += static_cast<double>(x(token, k)) * static_cast<double>(weight[row * shape.width + k]);
    }
    return sum;
  }

  ufb::attention_shape shape;
  noted_source source{};
  std::vector<float> weight{};
  std::unique_ptr<ufb::attention<Scalar, Backend>> layer{};
};

/// The scaled scores of a sequence, then what the operation makes of them: (heads * length, length).
template <class Problem, class Scalar>
std::vector<std::vector<double>> weights_of(const Problem& problem, const guarded_matrix<Scalar>& x, std::size_t first,
                                            std::size_t length) {
  const std::size_t width = problem.shape.width / problem.shape.heads;
  std::vector<std::vector<double>> rows;
  for (std::size_t h = 0; h < problem.shape.heads; ++h) {
    std::vector<std::vector<double>> queries(length), keys(length);
    for (std::size_t s = 0; s < length; ++s) {
      for (std::size_t k = 0; k < width; ++k) {
        queries[s].push_back(problem.element(x, first + s, s, h, 0, k));
        keys[s].push_back(problem.element(x, first + s, s, h, 1, k));
      }
    }
    for (std::size_t q = 0; q < length; ++q) {
      rows.emplace_back();
      for (std::size_t key = 0; key < length; ++key) {
        double score = 0;
        for (std::size_t k = 0; k < width; ++k) score += queries[q][k] * keys[key][k];
        rows.back().push_back(score * problem.shape.norm_factor);
      }
    }
  }
  const double root = std::sqrt(static_cast<double>(length));
  double mean = 0;
  double variance = 0;
  for (const auto& row : rows) {
    for (const double score : row) mean += score;
  }
  const auto count = static_cast<double>(rows.size() * length);
  mean /= count;
  for (const auto& row : rows) {
    for (const double score : row) variance += (score - mean) * (score - mean) / count;
  }
  std::vector<float> gamma(problem.shape.heads);
  std::vector<float> beta(problem.shape.heads);
  if (problem.shape.operation == score_operation::layer_norm) {
    gamma = problem.source.at("attn.self_attention.sequence_op.seq_gamma").values;
    beta = problem.source.at("attn.self_attention.sequence_op.seq_beta").values;
  }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    double sum = 0;
    for (double& score : rows[r]) {
      sum += problem.shape.operation == score_operation::cumsum ? score : std::exp(score);
      switch (problem.shape.operation) {
        case score_operation::softmax: score = std::exp(score); break;
        case score_operation::identity: score /= root; break;
        case score_operation::cumsum: score = sum / root; break;
        case score_operation::cumsumexp: score = std::log(sum) / root; break;
        case score_operation::layer_norm:
          score = (score - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(gamma[r / length]) +
                  static_cast<double>(beta[r / length]);
      }
    }
    if (problem.shape.operation != score_operation::softmax) continue;
    for (double& score : rows[r]) score /= sum;
  }
  return rows;
}

/// The largest difference to the formulas, in units of epsilon times the sum of the magnitudes of what is summed.
template <class Problem, class Scalar>
double worst_difference(const Problem& problem, const guarded_matrix<Scalar>& x, const guarded_matrix<Scalar>& y,
                        const std::vector<std::size_t>& offsets) {
  const std::size_t width = problem.shape.width / problem.shape.heads;
  double worst = 0;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const std::size_t length = offsets[i + 1] - offsets[i];
    const auto weights = weights_of(problem, x, offsets[i], length);
    for (std::size_t h = 0; h < problem.shape.heads; ++h) {
      for (std::size_t k = 0; k < width; ++k) {
        std::vector<double> values;
        for (std::size_t s = 0; s < length; ++s) values.push_back(problem.element(x, offsets[i] + s, s, h, 2, k));
        for (std::size_t q = 0; q < length; ++q) {
          double sum = 0;
          double size = 0;
          for (std::size_t key = 0; key < length; ++key) {
            sum += weights[h * length + q][key] * values[key];
            size += (1 + std::abs(weights[h * length + q][key])) * (0.1 + std::abs(values[key]));
          }
          const double difference = std::abs(static_cast<double>(y(offsets[i] + q, h * width + k)) - sum);
          worst = std::max(worst, difference / size / static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
        }
      }
    }
  }
  return worst;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Rotary positions turn queries and keys by their place in the sequence", "[attention]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(311);
  for (const rotary_kind kind : {rotary_kind::neighbors, rotary_kind::halves}) {
    for (int round = 0; round < 6; ++round) {
      const std::size_t heads = random.size(1, 3);
      const std::size_t width = 2 * random.size(1, 9) * heads;
      const form_problem<Scalar, typename TestType::backend> problem(
          {.width = width, .heads = heads, .rotary = {.kind = kind, .positions = 40}}, random);
      const auto offsets = offsets_of({random.size(1, 9), 40, 1, random.size(17, 34)});
      const guarded_matrix<Scalar> x(offsets.back(), width, 2, random, 2);
      // In double the tables are those of float32 all the same: angles of up to 39 are off by 40 * 2^-24.
      const double bound = std::is_same_v<Scalar, float> ? 200 : 1e-4 / std::numeric_limits<double>::epsilon();
      CHECK(worst_difference(problem, x, problem.run(x, offsets), offsets) < bound);
    }
  }
}

TEST_CASE("Rotary positions change results, and the two kinds differ", "[attention]") {
  random_numbers random(312);
  const auto offsets = offsets_of({12});
  const guarded_matrix<float> x(12, 16, 0, random, 2);
  std::vector<guarded_matrix<float>> results;
  for (const rotary_kind kind : {rotary_kind::none, rotary_kind::neighbors, rotary_kind::halves}) {
    random_numbers same(5);
    const form_problem<float, ufb::default_backend<float>> problem(
        {.width = 16, .heads = 2, .rotary = {.kind = kind, .positions = kind == rotary_kind::none ? 0U : 12U}}, same);
    results.push_back(problem.run(x, offsets));
  }
  CHECK(!same_bits(results[0], results[1]));
  CHECK(!same_bits(results[0], results[2]));
  CHECK(!same_bits(results[1], results[2]));
}

TEMPLATE_LIST_TEST_CASE("Operations other than softmax follow their formulas", "[attention]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(313);
  for (const auto operation :
       {score_operation::identity, score_operation::cumsum, score_operation::cumsumexp, score_operation::layer_norm}) {
    for (int round = 0; round < 4; ++round) {
      const std::size_t heads = random.size(1, 3);
      const std::size_t width = 2 * random.size(1, 9) * heads;
      const form_problem<Scalar, typename TestType::backend> problem(
          {.width = width, .heads = heads, .operation = operation}, random);
      const auto offsets = offsets_of({random.size(2, 9), 2, random.size(17, 34)});
      const guarded_matrix<Scalar> x(offsets.back(), width, 2, random, 2);
      INFO(name(operation) << " heads " << heads << " width " << width);
      CHECK(worst_difference(problem, x, problem.run(x, offsets), offsets) < 500);
    }
  }
}

TEST_CASE("Every form of attention gives a sequence the same bits in any company and with any threads", "[attention]") {
  random_numbers random(314);
  for (const auto operation : {score_operation::softmax, score_operation::identity, score_operation::cumsum,
                               score_operation::cumsumexp, score_operation::layer_norm}) {
    const form_problem<float, ufb::default_backend<float>> problem(
        {.width = 24, .heads = 3, .rotary = {.kind = rotary_kind::halves, .positions = 30}, .operation = operation},
        random);
    const auto offsets = offsets_of({7, 30, 1, 19});
    const guarded_matrix<float> x(offsets.back(), 24, 0, random, 2);
    const auto all = problem.run(x, offsets);
    ufb::thread_pool threads(3);
    CHECK(same_bits(problem.run(x, offsets, threads), all));
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      guarded_matrix<float> alone(offsets[i + 1] - offsets[i], 24, 5);
      for (std::size_t s = 0; s < alone.rows(); ++s) std::copy_n(x.row(offsets[i] + s), 24, alone.row(s));
      const auto y = problem.run(alone, offsets_of({alone.rows()}));
      for (std::size_t s = 0; s < alone.rows(); ++s) {
        CHECK(std::memcmp(y.row(s), all.row(offsets[i] + s), 24 * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("Forms that cannot be computed are refused", "[attention]") {
  using layer_type = ufb::attention<float>;
  CHECK(error_text_of([] {
          layer_type({.width = 6, .heads = 2, .rotary = {rotary_kind::halves, 4}});
        }) == "invalid_input: rotary: heads of an even width: 3");
  CHECK(error_text_of([] {
          layer_type({.width = 8, .heads = 2, .rotary = {rotary_kind::neighbors, 0}});
        }) == "invalid_input: rotary.positions: at least 1: 0");
  CHECK(error_text_of([] {
          layer_type({.width = 8, .heads = 2, .causal = true, .operation = score_operation::cumsum});
        }) == "invalid_input: causal: false with an operation that knows no mask: cumsum");
  random_numbers random(315);
  const form_problem<float, ufb::default_backend<float>> turning(
      {.width = 8, .heads = 2, .rotary = {rotary_kind::neighbors, 4}}, random);
  const guarded_matrix<float> x(5, 8, 0, random);
  CHECK(error_text_of([&] { static_cast<void>(turning.run(x, offsets_of({5}))); }) ==
        "invalid_input: sequence 0: at most 4 tokens, as rotary positions go so far: 5");
  const form_problem<float, ufb::default_backend<float>> normal(
      {.width = 8, .heads = 2, .operation = score_operation::layer_norm}, random);
  const guarded_matrix<float> mask(1, 5, 0, random);
  guarded_matrix<float> y(5, 8);
  ufb::workspace scratch;
  const auto offsets = offsets_of({5});
  CHECK(error_text_of([&] {
          normal.layer->forward(x.view(), y.view(), {.offsets = offsets, .mask = mask.view()}, scratch);
        }) == "invalid_input: mask: none with torch-norm: a mask");
  CHECK(y.untouched());
}
