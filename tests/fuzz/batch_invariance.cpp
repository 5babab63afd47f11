// SPDX-License-Identifier: MIT
//
// Fuzz target: an input chooses a tiny model, sequences, and batches of them in any company, order, padding and
// execution. Every sequence has the bits that it has alone, but for padding that a mask does not hide. Where it can be
// done, the model is a tie bomb, whose every decision hangs on the last bit.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/tiny_models.hpp"
#include "invariance/batches.hpp"
#include "invariance/tie_bomb.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

using namespace ufb_fuzz;
using encoder_type = ufb::encoder<float>;

/// An executor of a host that takes tasks from the last to the first.
struct backward_executor {
  std::size_t parts = 2;
  [[nodiscard]] std::size_t concurrency() const noexcept { return parts; }
  template <class Task>
  void run(std::size_t count, const Task& task) const {
    for (std::size_t i = count; i > 0; --i) task(i - 1);
  }
};

void try_batches(byte_stream& input) {
  const tiny_model tiny = make_tiny_model(input);
  const auto document = ufb::json_document::parse(tiny.config, "config.json");
  const auto found = ufb::models::family_of(document.root()).describe(document.root(), tiny.tensors);
  const ufb::encoder_options options = tiny_options(input).encoder();
  const ufb_test::encoder_names names{
      .prefix = found.encoder_prefix, .words = found.words, .stored_name = found.stored_name};

  std::vector<ufb_test::token_sequence> pool(input.size(1, 6));
  const std::size_t longest = found.family == "RoBERTa" ? 12 : 16;
  for (auto& ids : pool) {
    ids.resize(input.size(1, longest));
    for (auto& id : ids) id = static_cast<ufb::token_id>(input.size(0, found.encoder.embedding.vocabulary_size - 1));
  }
  ufb_test::replacing_source source(tiny.tensors);
  const auto* trees = std::get_if<ufb::fast_feedforward_shape>(&found.encoder.block.feedforward);
  const bool bomb = input.coin() && tiny.usual && trees != nullptr && !trees->node_thresholds &&
                    found.encoder.block.placement == ufb::norm_placement::before &&
                    options.fast_feedforward.storage_in == ufb::weight_storage::float32 &&
                    options.fast_feedforward.engine != ufb::fff_engine::automatic;
  if (bomb) ufb_test::plant_tie_bomb<ufb::default_backend<float>>(source, names, found.encoder, options, pool);
  const auto encoder = ufb_test::load_encoder<encoder_type>(source, names, found.encoder, options);
  const auto alone = ufb_test::run_alone(encoder, pool);

  static ufb::thread_pool two(2);
  backward_executor backward{.parts = input.size(2, 5)};
  ufb::workspace scratch;
  const std::size_t batches = input.size(1, 3);
  for (std::size_t round = 0; round < batches; ++round) {
    ufb_test::company drawn(input.size(1, 12));
    for (std::size_t& number : drawn) number = input.size(0, pool.size() - 1);
    const ufb_test::batch_choices how{
        .traced = input.coin(), .padding_states = input.coin(), .shift = input.size(0, 15)};
    const std::size_t threads = input.size(0, 3);
    const ufb::executor_ref executor = threads == 0   ? ufb::executor_ref(two)
                                       : threads == 1 ? ufb::executor_ref(backward)
                                                      : ufb::executor_ref();
    const bool padded = input.coin();
    // Without a mask a causal encoder looks ahead, and operations that know no mask take padding in. No mask hides
    // padding whose keys are no numbers or far longer than those of tokens, as from weights out of all proportion.
    const bool masks = tiny.usual && found.encoder.block.attention.operation == ufb::score_operation::softmax;
    const auto together = padded && masks ? run_padded(encoder, pool, drawn, how, executor, scratch)
                                          : run_ragged(encoder, pool, drawn, how, executor, scratch);
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      const auto place = ufb_test::first_difference(together, i, alone[drawn[i]]);
      if (place && padded && masks && ufb_test::padding_counts(encoder, pool, drawn)) break;
      if (place) fault("a sequence has other bits in company, at its token " + std::to_string(*place));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  byte_stream input(data, size);
  attempt([&] { try_batches(input); });
  return 0;
}
