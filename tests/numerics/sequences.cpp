// SPDX-License-Identifier: MIT
//
// Attention of a head and of an encoder over long sequences, rotary positions, and numbers that are none, which have to
// give the same bits every time and a path inside the tree.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "encoder/support.hpp"
#include "kernels/support.hpp"
#include "numerics/report.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/layers/fast_feedforward.hpp"
#include "ultrafastbert/layers/rotary.hpp"
#include "ultrafastbert/products/head_attention.hpp"

namespace ufb_test::numerics {

namespace {

using namespace ultrafastbert;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// An encoder of random weights, and the weights. Without the checks of Catch2, which this program does not have.
struct random_encoder {
  random_encoder(const encoder_config& shape, std::uint64_t seed, isa_level level)
      : config(shape), source(random_weights(shape, seed)), model(load(source, shape, level)) {}

  [[nodiscard]] static noted_source random_weights(const encoder_config& shape, std::uint64_t seed) {
    encoder<float> empty(shape);
    parameter_list list;
    empty.parameters(encoder_prefix, word_name, list);
    noted_source source;
    random_numbers random(seed);
    for (const auto& [name, extents, take] : list.parameters()) source.add_random(name, extents, random);
    return source;
  }
  [[nodiscard]] static encoder<float> load(const noted_source& source, const encoder_config& shape, isa_level level) {
    return encoder<float>::load(source, encoder_prefix, word_name, shape, encoder_options{.isa = level});
  }

  encoder_config config;
  noted_source source;
  encoder<float> model;
};

double mask_of(const attention_operands& o, std::size_t query, std::size_t key) {
  if (o.causal && key > o.first_query + query) return static_cast<double>(o.masked_score);
  return o.key_bias.empty() ? 0.0 : static_cast<double>(o.key_bias[key]);
}

// The largest share that a query's result has of what roundings of scores, weights and sums allow.
// `exact_scores`: they are integers that a float holds.
double worst_of_query(const attention_operands& o, std::size_t query, const float* context, bool exact_scores) {
  const std::size_t width = o.keys.cols();
  std::vector<double> score(o.visible_keys);
  std::vector<double> error(o.visible_keys);
  for (std::size_t key = 0; key < o.visible_keys; ++key) {
    double magnitude = 0;
    for (std::size_t k = 0; k < width; ++k) {
      const double term = static_cast<double>(o.queries(query, k)) * static_cast<double>(o.keys(key, k)) *
                          static_cast<double>(o.norm_factor);
      score[key] += term;
      magnitude += std::abs(term);
    }
    const double bias = mask_of(o, query, key);
    score[key] += bias;
    error[key] =
        (2 * static_cast<double>(width) + 4) * unit * magnitude + 2 * (std::abs(score[key]) + std::abs(bias)) * unit;
  }
  if (exact_scores) std::fill(error.begin(), error.end(), 0.0);
  const double largest = *std::max_element(score.begin(), score.end());
  // A score counts if its weight may not vanish, its error included.
  double worst_error = 0;
  double sum = 0;
  for (std::size_t key = 0; key < o.visible_keys; ++key) {
    sum += std::exp(score[key] - largest);
    if (score[key] - largest + error[key] > -30) {
      worst_error = std::max(worst_error, error[key] + std::abs(score[key] - largest) * unit);
    }
  }
  const double blocks = static_cast<double>(o.visible_keys / 256 + 1);
  const double relative =
      std::expm1(std::min(2 * worst_error, 700.0)) + (2 * static_cast<double>(o.visible_keys) + 40 + 8 * blocks) * unit;
  double worst = 0;
  for (std::size_t k = 0; k < width; ++k) {
    double expected = 0;
    double magnitude = 0;
    for (std::size_t key = 0; key < o.visible_keys; ++key) {
      const double term = std::exp(score[key] - largest) / sum * static_cast<double>(o.values(key, k));
      expected += term;
      magnitude += std::abs(term);
    }
    double most = 0;  // of the values: weights that vanish may count by their errors
    for (std::size_t key = 0; key < o.visible_keys; ++key) {
      most = std::max(most, std::abs(static_cast<double>(o.values(key, k))));
    }
    const double allowed =
        relative * magnitude + 1e-12 * most + static_cast<double>(o.visible_keys) * (0x1p-126 * most + 0x1p-149);
    keep_worst(worst, std::abs(static_cast<double>(context[k]) - expected) / allowed);
  }
  return worst;
}

struct attention_case {
  const char* name;
  double scale;   // of queries and keys
  double values;  // of values
  float norm_factor;
  double visible;  // share of the keys whose mask is 1
  bool causal;
  bool integers;  // queries and keys: scores are exact, however large
};

void check_attention(report& to, int rounds, isa_level level) {
  constexpr attention_case cases[] = {{"attention", 1.5, 1, 0.25F, 1, false, false},
                                      {"attention, masked", 1.5, 1, 0.25F, 0.5, false, false},
                                      {"attention, all keys masked", 1.5, 1, 0.25F, 0, false, false},
                                      {"attention, causal", 1.5, 1, 0.25F, 1, true, false},
                                      {"attention, scores up to 1e5", 40, 1, 1.0F, 0.8, false, true},
                                      {"attention, scores up to 1e7", 300, 1, 1.0F, 0.8, false, true},
                                      {"attention, subnormal values", 1, 1e-40, 0.25F, 1, false, false},
                                      {"attention, subnormal scores", 1e-22, 1, 0.25F, 1, false, false}};
  for (const attention_case& c : cases) {
    random_numbers random(401);
    workspace scratch;
    double worst = 0;
    std::uint64_t values = 0;
    for (const std::size_t length : {std::size_t{1}, std::size_t{33}, std::size_t{300}}) {
      for (int round = 0; round < rounds; ++round) {
        const auto width = random.pick<std::size_t>({1, 16, 30, 64});
        guarded_matrix<float> queries(length, width, 3, random, c.scale);
        guarded_matrix<float> keys(length, width, 3, random, c.scale);
        for (std::size_t t = 0; c.integers && t < length; ++t) {
          for (std::size_t k = 0; k < width; ++k) {
            queries(t, k) = std::floor(queries(t, k));
            keys(t, k) = std::floor(keys(t, k));
          }
        }
        const guarded_matrix<float> rows(length, width, 3, random, c.values);
        std::vector<float> bias(length);
        for (float& b : bias) b = mask_bias(random.real<double>() < 2 * c.visible - 1 ? 1.0F : 0.0F);
        const attention_operands o{.queries = std::as_const(queries).view(),
                                   .keys = std::as_const(keys).view(),
                                   .values = rows.view(),
                                   .norm_factor = c.norm_factor,
                                   .visible_keys = length,
                                   .key_bias = bias,
                                   .causal = c.causal};
        guarded_matrix<float> context(length, width, 3);
        head_attention(level).forward(o, context.view(), scratch);
        for (std::size_t q = 0; q < length; ++q) keep_worst(worst, worst_of_query(o, q, context.row(q), c.integers));
        values += length * width;
      }
    }
    to.line(c.name, std::string(name(level)), worst, 1, "of its roundings", values);
  }
}

void check_rotary(report& to, isa_level level) {
  constexpr std::size_t positions = 600;
  constexpr std::size_t width = 32;
  for (const rotary_kind kind : {rotary_kind::neighbors, rotary_kind::halves}) {
    random_numbers random(402);
    const layers::rotary_table<float> table({.kind = kind, .positions = positions}, width, level);
    const guarded_matrix<float> x(positions, 3 * width, 1, random);
    const layers::head_parts<float> parts{.queries = x.view().cols_from(0, width),
                                          .keys = x.view().cols_from(width, width),
                                          .values = x.view().cols_from(2 * width, width)};
    workspace scratch;
    workspace::frame frame(scratch);
    const auto turned = table.turned(parts, frame);
    double worst = 0;
    for (std::size_t s = 0; s < positions; ++s) {
      for (std::size_t i = 0; i < width / 2; ++i) {
        const bool halves = kind == rotary_kind::halves;
        const std::size_t a = halves ? i : 2 * i;
        const std::size_t b = halves ? i + width / 2 : 2 * i + 1;
        const double angle =
            static_cast<double>(s) * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(width));
        for (const auto& [from, got] : {std::pair{parts.queries, turned.queries}, std::pair{parts.keys, turned.keys}}) {
          const auto u = static_cast<double>(from(s, a));
          const auto v = static_cast<double>(from(s, b));
          // The angle is computed in float, step by step: see rotary_table.
          const double allowed = (static_cast<double>(s) * 3e-7 + 6 * unit) * (std::abs(u) + std::abs(v));
          keep_worst(worst,
                     std::abs(static_cast<double>(got(s, a)) - (u * std::cos(angle) - v * std::sin(angle))) / allowed);
          keep_worst(worst,
                     std::abs(static_cast<double>(got(s, b)) - (u * std::sin(angle) + v * std::cos(angle))) / allowed);
        }
      }
    }
    to.line(kind == rotary_kind::halves ? "rotary, halves" : "rotary, neighbors", std::string(name(level)), worst, 1,
            "of its roundings", 2 * positions * width);
  }
}

// One attention layer over a sequence, some of its queries; and an encoder whole, with and without threads.
void check_length(report& to, std::size_t length, isa_level level) {
  random_numbers random(403);
  constexpr std::size_t samples = 64;
  {
    const guarded_matrix<float> rows(length, 48, 0, random, 2);
    const auto part = [&rows](std::size_t which) { return rows.view().cols_from(16 * which, 16); };
    attention_operands o{
        .queries = part(0), .keys = part(1), .values = part(2), .norm_factor = 1.0F, .visible_keys = length};
    guarded_matrix<float> context(length, 16, 0);
    workspace scratch;
    head_attention(level).forward(o, context.view(), scratch);
    double worst = 0;
    for (std::size_t i = 0; i < samples; ++i) {
      const std::size_t query = random.size(0, length - 1);
      keep_worst(worst, worst_of_query(o, query, context.row(query), false));
    }
    to.line("attention, " + std::to_string(length) + " tokens", std::string(name(level)), worst, 1, "of its roundings",
            samples * 16);
  }
  auto config = small_config(true);
  config.layers = 1;
  config.embedding.max_sequence_length = length;
  const random_encoder problem(config, 404, level);
  token_batch batch;
  batch.append(random_ids(length, random));
  workspace scratch;
  thread_pool pool(2);
  guarded_matrix<float> states(length, config.hidden_size(), 0);
  guarded_matrix<float> again(length, config.hidden_size(), 0);
  encoder_trace<float> trace{.states = true};
  problem.model.forward(batch.ids, batch.view(), states.view(), scratch, &trace);
  problem.model.forward(batch.ids, batch.view(), again.view(), scratch, pool);
  std::uint64_t wrong = same_bits(states, again) ? 0 : 1;
  for (std::size_t s = 0; s < length; ++s) {
    for (std::size_t k = 0; k < config.hidden_size(); ++k) wrong += std::isfinite(states(s, k)) ? 0U : 1U;
  }
  to.exact("encoder, " + std::to_string(length) + " tokens, finite", std::string(name(level)), wrong,
           length * config.hidden_size());

  // The heads' weighted values from the states before, in double; without the output projection's roundings.
  const std::size_t width = config.hidden_size();
  const std::size_t head_width = width / config.block.attention.heads;
  const auto projection = problem.source.at("encoder.layers.0.attn.self_attention.query_key_value.weight").values;
  const auto dense = problem.source.at("encoder.layers.0.attn.dense.weight").values;
  const double factor = 0.5;
  const auto& normed = trace.layers[0].norm1;
  std::vector<double> qkv(length * 3 * width);
  for (std::size_t s = 0; s < length; ++s) {
    for (std::size_t r = 0; r < 3 * width; ++r) {
      for (std::size_t k = 0; k < width; ++k) {
        qkv[s * 3 * width + r] += static_cast<double>(projection[r * width + k]) * static_cast<double>(normed(s, k));
      }
    }
  }
  double worst = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t query = random.size(0, length - 1);
    std::vector<double> context(width);
    for (std::size_t head = 0; head < config.block.attention.heads; ++head) {
      const auto at = [&](std::size_t s, std::size_t which, std::size_t k) {
        return qkv[s * 3 * width + (3 * head + which) * head_width + k];
      };
      std::vector<double> score(length);
      for (std::size_t s = 0; s < length; ++s) {
        for (std::size_t k = 0; k < head_width; ++k) score[s] += factor * at(query, 0, k) * at(s, 1, k);
      }
      const double largest = *std::max_element(score.begin(), score.end());
      double sum = 0;
      for (double& v : score) sum += v = std::exp(v - largest);
      for (std::size_t s = 0; s < length; ++s) {
        for (std::size_t k = 0; k < head_width; ++k) context[head * head_width + k] += score[s] / sum * at(s, 2, k);
      }
    }
    for (std::size_t r = 0; r < width; ++r) {
      double expected = 0;
      for (std::size_t k = 0; k < width; ++k) expected += static_cast<double>(dense[r * width + k]) * context[k];
      keep_worst(worst, std::abs(static_cast<double>(trace.layers[0].attn(query, r)) - expected));
    }
  }
  // Values are around 1; scores up to some ten have errors of some 2^-20, and sums of weights those of their length.
  to.line("encoder, " + std::to_string(length) + " tokens, attention", std::string(name(level)), worst,
          1e-5 + static_cast<double>(length) * unit, "absolute", samples * width);
}

// Tokens some of which have numbers that are none: twice the same bits, on any number of threads, and paths inside.
void check_bad_inputs(report& to, isa_level level) {
  random_numbers random(405);
  constexpr std::size_t tokens = 200;
  constexpr std::size_t width = 40;
  constexpr std::size_t depth = 5;
  constexpr std::size_t nodes = (std::size_t{2} << depth) - 1;
  for (const auto storage : {weight_storage::float32, weight_storage::float16, weight_storage::int8,
                             weight_storage::certified_float16, weight_storage::split_float32}) {
    const bool certified = is_certified(storage);
    const guarded_matrix<float> in(2 * nodes, width, 0, random);
    const guarded_matrix<float> out(width, 2 * nodes, 0, random);
    const fast_feedforward<float> layer(
        {.input_width = width, .output_width = width, .depth = depth, .parallel_size = 2}, in.view(), {}, out.view(),
        {.storage_in = storage, .storage_out = certified ? weight_storage::float32 : storage, .isa = level});
    guarded_matrix<float> x(tokens, width, 0, random);
    for (std::size_t t = 0; t < tokens; t += 2) {
      x(t, random.size(0, width - 1)) =
          random.pick({not_a_number, -not_a_number, infinity, -infinity, 3e38F, 0x1p-149F, -0.0F});
    }
    for (std::size_t k = 0; k < width; ++k) x(0, k) = not_a_number;
    guarded_matrix<float> y(tokens, width, 0);
    guarded_matrix<float> again(tokens, width, 0);
    const std::size_t path_length = 2 * (depth + 1);
    std::vector<std::int32_t> paths(tokens * path_length);
    std::vector<std::int32_t> others(paths.size());
    workspace scratch;
    thread_pool pool(2);
    layer.forward(x.view(), y.view(), scratch, {paths.data(), {tokens, path_length}});
    layer.forward(x.view(), again.view(), scratch, {others.data(), {tokens, path_length}}, pool);
    std::uint64_t wrong = same_bits(y, again) && paths == others ? 0 : 1;
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t tree = 0; tree < 2; ++tree) {
        std::int32_t node = 0;
        for (std::size_t l = 0; l <= depth; ++l) {
          const std::int32_t got = paths[t * path_length + tree * (depth + 1) + l];
          const bool inside = l == 0 ? got == 0 : got == 2 * node + 1 || got == 2 * node + 2;
          const bool left = t != 0 || l == 0 || got == 2 * node + 1;  // NaN logits lead to the left
          if (!inside || !left) ++wrong;
          node = got;
        }
      }
    }
    to.exact(std::string("paths of bad inputs, ").append(name(storage)), std::string(name(level)), wrong, paths.size());
  }
}

// Weights that the opt-out lets in: the same bits twice and on any number of threads, and paths inside.
void check_bad_weights(report& to, isa_level level) {
  const auto config = small_config(true);
  for (const float bad : {not_a_number, infinity}) {
    std::uint64_t wrong = 0;
    std::uint64_t values = 0;
    const random_encoder good(config, 406, level);
    for (const std::string& tensor : good.source.names()) {
      noted_source source;
      for (const std::string& other : good.source.names()) {
        auto entry = good.source.at(other);
        if (other == tensor) entry.values[entry.values.size() / 2] = bad;
        source.add(other, entry.shape, std::move(entry.values));
      }
      const auto model = random_encoder::load(source, config, level);
      random_numbers random(407);
      const auto batch = padded(random_sequences(5, random), 24, 7);
      workspace scratch;
      thread_pool pool(2);
      guarded_matrix<float> states(batch.ids.size(), config.hidden_size(), 0);
      guarded_matrix<float> traced(batch.ids.size(), config.hidden_size(), 0);
      model.forward(batch.ids, batch.view(), states.view(), scratch);
      model.forward(batch.ids, batch.view(), traced.view(), scratch, pool);
      if (!same_bits(states, traced)) ++wrong;
      encoder_trace<float> trace;
      model.forward(batch.ids, batch.view(), traced.view(), scratch, &trace);
      if (!same_bits(states, traced)) ++wrong;
      for (const auto& layer : trace.layers) {
        for (std::size_t t = 0; t < layer.paths.rows(); ++t) {
          for (std::size_t l = 0; l < layer.paths.cols(); ++l) {
            if (layer.paths(t, l) < 0 || layer.paths(t, l) >= 15) ++wrong;
          }
        }
      }
      values += states.rows() * states.cols();
    }
    to.exact(std::isnan(bad) ? "encoder with NaN weights" : "encoder with infinite weights", std::string(name(level)),
             wrong, values);
  }
}

}  // namespace

void check_sequences(report& to, int rounds, std::size_t longest) {
  for (const isa_level level : levels_of_this_machine()) {
    check_attention(to, rounds, level);
    check_rotary(to, level);
    check_length(to, longest, level);
    check_bad_inputs(to, level);
    check_bad_weights(to, level);
  }
}

}  // namespace ufb_test::numerics
