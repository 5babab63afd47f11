// SPDX-License-Identifier: MIT
//
// Shows that a sequence has the same bits whatever stands beside it:
//   ufb_invariance --model DIR [--batches N] [--threads LIST] [--projection f32|bf16|int8] [--seed S]
// makes a tie bomb (see tie_bomb.hpp) of the folder's encoder, computes a pool of random sequences one at a time, and
// then random batches of them: 1 to 64 sequences, lengths mixed, in any order and repeated, one behind another and,
// every second batch, padded on the right too (computed or left out), in shifted buffers, once for every number of
// threads in LIST (such as 1,2,4). States and paths of the real tokens have to equal those of the sequence alone, bit
// by bit. The last line is `N passed, N failed`, which counts batches times numbers of threads.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "invariance/batches.hpp"
#include "invariance/tie_bomb.hpp"
#include "support/random.hpp"
#include "ultrafastbert/blas/plain_backend.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/model/checkpoint_reader.hpp"

namespace {

namespace ufb = ultrafastbert;
using namespace ufb_test;

// The library's own kernels, and plain loops where it has none: no BLAS promises equal bits.
using backend = ufb::native_backend;
using encoder_type = ufb::encoder<float, backend>;

constexpr std::size_t pool_size = 48;
constexpr std::size_t longest_sequence = 128;

struct options {
  std::filesystem::path model{};
  std::size_t batches = 200;
  std::vector<std::size_t> threads{1, 2, 4};
  std::string projection = "f32";
  std::uint64_t seed = 1;
};

struct tally {
  std::size_t passed = 0;
  std::size_t failed = 0;
};

struct bombed_model {
  std::vector<token_sequence> pool;
  encoder_type encoder;
};

ufb::weight_storage storage_of(const std::string& wanted) {
  using enum ufb::weight_storage;
  for (const auto storage : {float32, bfloat16, int8}) {
    if (wanted == name(storage)) return storage;
  }
  throw std::runtime_error("--projection takes f32, bf16 or int8");
}

bombed_model load(const options& wanted, random_numbers& random) {
  ufb::models::checkpoint_reader checkpoint(
      wanted.model, {},
      {"ScriptableLM", "ScriptableLMForPreTraining", "ScriptableLMForSequenceClassification",
       "ScriptableLMForTokenClassification"});
  checkpoint.need_encoder<encoder_type>();
  checkpoint.check();
  const ufb::encoder_config& config = checkpoint.config().encoder;
  std::size_t longest = std::min(longest_sequence, config.max_sequence_length);
  if (config.longest_sequence != 0) longest = std::min(longest, config.longest_sequence);
  auto pool = random_pool(config, pool_size, longest, random);
  const ufb::encoder_choices choices{
      .projections = {.engine = ufb::projection_engine::packed, .storage = storage_of(wanted.projection)}};
  replacing_source source(checkpoint.source());
  const encoder_names names{.prefix = checkpoint.names().encoder, .words = checkpoint.names().words};
  const tie_count ties = plant_tie_bomb<backend>(source, names, config, choices, pool);
  if (std::holds_alternative<ufb::fast_feedforward_config>(config.feedforward)) {
    std::cout << "tie bomb: " << ties.zeros << " of " << ties.logits << " logits are exactly 0\n";
    if (ties.zeros == 0) throw std::runtime_error("the tie bomb has no ties");
  } else {
    std::cout << "no tie bomb: the feedforward layers are dense\n";
  }
  return {.pool = std::move(pool), .encoder = encoder_type::load(source, names.prefix, names.words, config, choices)};
}

// Whether every sequence of a batch has the bits that it has alone.
bool agrees(const batch_result& batch, const company& drawn, const std::vector<batch_result>& alone,
            const std::string& what) {
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    if (const auto token = first_difference(batch, i, alone[drawn[i]])) {
      std::cout << "FAIL " << what << ": token " << *token << " of sequence " << i << ", which has "
                << alone[drawn[i]].states.rows() << " tokens, has other bits than alone\n";
      return false;
    }
  }
  return true;
}

tally run(const options& wanted) {
  random_numbers random(wanted.seed);
  const bombed_model model = load(wanted, random);
  const auto alone = run_alone(model.encoder, model.pool);
  std::vector<std::unique_ptr<ufb::thread_pool>> pools;
  for (const std::size_t threads : wanted.threads) pools.push_back(std::make_unique<ufb::thread_pool>(threads));
  ufb::workspace scratch;
  tally counts;
  for (std::size_t b = 0; b < wanted.batches; ++b) {
    const company drawn = random_company(model.pool.size(), random);
    for (std::size_t k = 0; k < pools.size(); ++k) {
      const std::string what = "batch " + std::to_string(b) + " of " + std::to_string(drawn.size()) + " sequences, " +
                               std::to_string(wanted.threads[k]) + " threads";
      batch_choices choices{.traced = b % pools.size() == k, .shift = random.size(0, 15)};
      bool good = agrees(run_ragged(model.encoder, model.pool, drawn, choices, *pools[k], scratch), drawn, alone, what);
      if (b % 2 == 1) {
        choices.shift = random.size(0, 15);
        choices.padding_states = b % 4 == 1;
        const auto padded = run_padded(model.encoder, model.pool, drawn, choices, *pools[k], scratch);
        good = agrees(padded, drawn, alone, what + ", padded") && good;
      }
      ++(good ? counts.passed : counts.failed);
    }
  }
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Shows that a sequence has the same bits whatever stands beside it"};
  app.add_option("--model", wanted.model, "checkpoint folder with an encoder")->required();
  app.add_option("--batches", wanted.batches, "random batches")->check(CLI::PositiveNumber);
  app.add_option("--threads", wanted.threads, "numbers of threads, separated by commas")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--projection", wanted.projection, "weights of attention and dense layers: f32, bf16 or int8")
      ->capture_default_str();
  app.add_option("--seed", wanted.seed, "of pool and batches");
  CLI11_PARSE(app, argc, argv);
  try {
    const tally counts = run(wanted);
    std::cout << counts.passed << " passed, " << counts.failed << " failed\n";
    return counts.failed == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "ufb_invariance: " << e.what() << '\n';
    return 1;
  }
}
