// SPDX-License-Identifier: MIT
//
// The layer of UltraFastBERT-1x11 on uniform data, which the goals refer to, on a lopsided tree, and a layer of the
// shipped model on the states that reach it.
#include <algorithm>
#include <filesystem>
#include <vector>

#include "contenders.hpp"
#include "goals.hpp"

namespace ufb_bench {

namespace {

constexpr ufb::fast_feedforward_shape bert_shape{.input_width = 768, .output_width = 768, .depth = 11};

// Every node sends 84 % of its tokens to one side. After 11 decisions the largest leaf has 0.84^11 = 15 % of them, and
// the leaves keep 64 % of a balanced tree's bits: much as in trees that were trained without a balance penalty.
constexpr float skew = 1.0F;

constexpr std::size_t model_layer = 2;

void add_engines(experiment& runs, const std::vector<ufb::weight_storage>& storages) {
  runs.add(ufb::fff_engine::automatic, storages);
  runs.add(ufb::fff_engine::fused, storages);
  runs.add(ufb::fff_engine::interleaved, storages);
  runs.add(ufb::fff_engine::grouped, storages);
}

void run_uniform(bench_context& context, const std::vector<std::size_t>& batches, std::size_t tokens,
                 const std::vector<ufb::weight_storage>& storages, dense_set& dense) {
  context.results.begin_table("cmm: FFF 1x11, width 768, uniform routing");
  const auto problem = stored_problem::random(bert_shape, tokens);
  experiment runs(context, "cmm", *problem, &dense, rotated_tokens);
  add_engines(runs, storages);
  runs.add(ufb::fff_engine::blas, {ufb::weight_storage::float32});
  runs.add(make_level2_fff(*problem, context.pool));
  runs.goal = [&](std::size_t batch, ufb::weight_storage storage, std::optional<double> limit_ratio) {
    return cmm_goal(batch, context.options.threads, storage, limit_ratio);
  };
  for (const std::size_t batch : batches) runs.run(batch);
  runs.add_notes();
  context.results.end_table();
}

void run_skewed(bench_context& context, const std::vector<std::size_t>& batches, std::size_t tokens,
                const std::vector<ufb::weight_storage>& storages, dense_set& dense) {
  context.results.begin_table("cmm: FFF 1x11, width 768, skewed routing");
  const auto problem = stored_problem::random(bert_shape, tokens, skew);
  experiment runs(context, "cmm", *problem, &dense, rotated_tokens);
  runs.add(ufb::fff_engine::automatic, storages);
  for (const std::size_t batch : batches) runs.run(batch);
  runs.add_notes();
  context.results.end_table();
}

void run_model(bench_context& context, const std::vector<std::size_t>& batches, std::size_t tokens,
               const std::vector<ufb::weight_storage>& storages) {
  const std::filesystem::path root(UFB_BENCH_SOURCE_DIR);
  const auto folder = root / "examples" / "models" / "tiny-mlm";
  if (!std::filesystem::exists(folder)) return;
  context.results.begin_table("cmm: a layer of the shipped model on its own states");
  const std::vector<std::filesystem::path> texts{root / "README.md", folder / "DATA.md"};
  const auto problem = stored_problem::from_checkpoint(folder, model_layer, texts, tokens);
  dense_set dense({.width = problem->shape().input_width, .neurons = problem->neurons()}, context);
  experiment runs(context, "cmm", *problem, &dense, rotated_tokens);
  runs.add(ufb::fff_engine::automatic, storages);
  runs.add(ufb::fff_engine::blas, {ufb::weight_storage::float32});
  for (const std::size_t batch : batches) runs.run(batch);
  runs.add_notes();
  context.results.end_table();
}

}  // namespace

void run_cmm(bench_context& context) {
  const auto& options = context.options;
  const auto batches = options.batches.empty() ? std::vector<std::size_t>{1, 8, 32, 128, 2048, 16384} : options.batches;
  auto storages = options.storages;
  if (storages.empty()) {
    storages = {ufb::weight_storage::float32,           ufb::weight_storage::float16,
                ufb::weight_storage::bfloat16,          ufb::weight_storage::int8,
                ufb::weight_storage::certified_float16, ufb::weight_storage::certified_int8,
                ufb::weight_storage::split_float32};
  }
  const std::size_t tokens = std::max(rotated_tokens, *std::max_element(batches.begin(), batches.end()));
  {
    dense_set dense({.width = bert_shape.input_width, .neurons = ufb::cmm::tree::node_count(bert_shape.depth)},
                    context);
    run_uniform(context, batches, tokens, storages, dense);
    run_skewed(context, batches, tokens, storages, dense);
  }
  run_model(context, batches, tokens, storages);
}

}  // namespace ufb_bench
