// SPDX-License-Identifier: MIT
//
// Layers of other sizes: families of K trees, depths 5 to 15, and the shape of GPT-3.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "contenders.hpp"
#include "goals.hpp"
#include "machine.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t bert_width = 768;
constexpr std::size_t bert_neurons = 4095;

std::vector<ufb::weight_storage> storages_or_float(const bench_options& options) {
  return options.storages.empty() ? std::vector{ufb::weight_storage::float32} : options.storages;
}

std::vector<std::size_t> batches_or(const bench_options& options, const std::vector<std::size_t>& own) {
  return options.batches.empty() ? own : options.batches;
}

std::size_t largest(const std::vector<std::size_t>& batches) {
  return *std::max_element(batches.begin(), batches.end());
}

// So many tokens that the reference takes about as long for any layer.
std::size_t verified_tokens(std::size_t path_length) {
  constexpr std::size_t nodes = 16'384 * 12;
  return std::clamp<std::size_t>(nodes / path_length, 64, 16'384);
}

std::string format(const char* text, double a, double b, double c) {
  std::array<char, 200> line{};
  std::snprintf(line.data(), line.size(), text, a, b, c);
  return line.data();
}

}  // namespace

void run_family(bench_context& context) {
  struct member {
    std::size_t trees;
    std::size_t depth;
  };
  constexpr std::array members{member{2, 10}, member{4, 9},   member{8, 8},   member{16, 7},  member{32, 6},
                               member{64, 5}, member{128, 4}, member{256, 3}, member{512, 2}, member{1536, 1}};
  const auto batches = batches_or(context.options, {2048});
  const auto storages = storages_or_float(context.options);
  context.results.begin_table("family: K trees, width 768, against 4095 dense neurons");
  dense_set dense({.width = bert_width, .neurons = bert_neurons}, context);
  for (const auto& [trees, depth] : members) {
    const ufb::fast_feedforward_shape shape{
        .input_width = bert_width, .output_width = bert_width, .depth = depth, .parallel_size = trees};
    const std::size_t used = trees * ufb::cmm::tree::levels(depth);
    const double bound = static_cast<double>(bert_neurons) / static_cast<double>(used);
    const auto problem = stored_problem::random(shape, std::max<std::size_t>(4096, largest(batches)));
    experiment runs(context, "family", *problem, &dense, verified_tokens(used));
    runs.add(ufb::fff_engine::automatic, storages);
    runs.goal = [](std::size_t batch, ufb::weight_storage storage,
                   std::optional<double> limit_ratio) -> std::optional<ratio_goal> {
      if (batch != 2048 || storage != ufb::weight_storage::float32) return std::nullopt;
      return family_goal(limit_ratio);
    };
    for (const std::size_t batch : batches) {
      runs.run(batch);
      const auto ratio = context.results.last_ratio();
      context.results.note(std::to_string(trees) + 'x' + std::to_string(depth) + ", batch " + std::to_string(batch) +
                           format(": bound %.2f, reached %.2f, %.0f %% of it", bound, ratio, 100.0 * ratio / bound));
    }
    runs.add_notes();
  }
  context.results.end_table();
}

void run_depth(bench_context& context) {
  constexpr std::size_t shallowest = 5;
  constexpr std::size_t deepest = 15;
  const auto batches = batches_or(context.options, {1, 128, 2048});
  const auto storages = storages_or_float(context.options);
  context.results.begin_table("depth: one tree, width 768; time grows with the depth, neurons double with it");
  for (std::size_t depth = shallowest; depth <= deepest; ++depth) {
    const ufb::fast_feedforward_shape shape{.input_width = bert_width, .output_width = bert_width, .depth = depth};
    const generated_problem problem(shape, std::max(rotated_tokens, largest(batches)));
    experiment runs(context, "depth", problem, nullptr, context.options.quick ? 512 : 4096);
    runs.add(ufb::fff_engine::automatic, storages);
    for (const std::size_t batch : batches) {
      const double time = runs.run(batch);
      context.results.note("depth " + std::to_string(depth) + ", batch " + std::to_string(batch) +
                           format(": %.0f neurons, %.3f us/token, %.4f us per level",
                                  static_cast<double>(problem.neurons()), time,
                                  time / static_cast<double>(ufb::cmm::tree::levels(depth))));
    }
  }
  context.results.end_table();
}

void run_gpt3(bench_context& context) {
  constexpr std::size_t width = 12'288;
  constexpr std::size_t dense_neurons = 49'152;
  // The whole dense layer would need as much memory again. A twelfth of its neurons is still far beyond every cache, so
  // its time counts twelvefold.
  constexpr std::size_t dense_parts = 12;
  constexpr ufb::fast_feedforward_shape shape{.input_width = width, .output_width = width, .depth = 15};
  const auto storages = context.options.storages.empty()
                            ? std::vector{ufb::weight_storage::float32, ufb::weight_storage::certified_float16}
                            : context.options.storages;
  const auto batches = batches_or(context.options, {1, 128});

  context.results.begin_table("gpt3: FFF 1x15, width 12288, against 49152 dense neurons");
  constexpr double gigabyte = 1e9;
  constexpr double others = 1.6e9;  // the part of the dense layer, plain and packed, and inputs
  const double weights = 2.0 * static_cast<double>(ufb::cmm::tree::node_count(shape.depth) * width) * sizeof(float);
  const std::size_t free_memory = available_memory();
  if (free_memory != 0 && static_cast<double>(free_memory) < weights + others) {
    context.results.note(format("left out: %.1f GB of memory are needed, %.1f GB are free%.0s",
                                (weights + others) / gigabyte, static_cast<double>(free_memory) / gigabyte, 0.0));
    context.results.end_table();
    return;
  }
  const double bound = static_cast<double>(dense_neurons) / static_cast<double>(ufb::cmm::tree::levels(shape.depth));
  const generated_problem problem(shape, std::max<std::size_t>(1024, largest(batches)));
  dense_set dense({.width = width, .neurons = dense_neurons / dense_parts}, context, dense_parts);
  for (const auto storage : storages) {  // one layer at a time fits
    experiment runs(context, "gpt3", problem, &dense, 512);
    runs.add(ufb::fff_engine::automatic, {storage});
    runs.goal = [bound](std::size_t batch, ufb::weight_storage kind,
                        std::optional<double> /*limit_ratio*/) -> std::optional<ratio_goal> {
      if (batch == 1 && kind == ufb::weight_storage::float32) return ratio_goal{.ratio = gpt3_share_of_bound * bound};
      if (batch == 128 && kind == ufb::weight_storage::certified_float16) return ratio_goal{.ratio = gpt3_ratio_at_128};
      return std::nullopt;
    };
    for (const std::size_t batch : batches) runs.run(batch);
    runs.add_notes();
  }
  context.results.note(format("bound %.0f; the layer's weights take %.2f GB%.0s", bound, weights / gigabyte, 0.0));
  context.results.end_table();
}

}  // namespace ufb_bench
