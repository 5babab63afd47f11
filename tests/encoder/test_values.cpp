// SPDX-License-Identifier: MIT
//
// Random encoders against a straightforward stack of references: final states, and everything recorded on the way.
#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>

#include "encoder/reference_stack.hpp"
#include "encoder/support.hpp"
#include "support/allocation_counter.hpp"
#include "support/backends.hpp"
#include "support/blas_allocation.hpp"

using namespace ufb_test;

namespace {

// Every step from what was recorded before it: sharp bounds in float and double.
template <class TestType>
void check_steps(bool fast, bool with_mask, std::uint64_t seed) {
  using Scalar = typename TestType::scalar;
  ufb::workspace scratch;
  random_numbers random(seed);
  std::size_t contested = 0;
  std::size_t steps = 0;
  for (std::uint64_t round = 0; round < 4; ++round) {
    auto config = small_config(fast);
    set_activation(config, random.pick({ufb::activation_kind::gelu, ufb::activation_kind::silu}));
    const encoder_problem<Scalar, typename TestType::backend> problem(config, seed + round);
    const auto sequences = random_sequences(4, random);
    const auto batch = with_mask ? padded(sequences, 24, 3) : joined(sequences);
    const auto got = run(problem, batch, scratch);
    const auto expected = expected_of(config, problem.source, batch, got.trace, start::recorded);
    CHECK(expected.wrong_turns == 0);
    CHECK(worst_of(got, expected) <= 1);
    CHECK(largest_error(expected) < 1e4 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
    contested += expected.contested;
    steps += batch.ids.size() * config.layers * 6;
    CHECK(got.trace.layers.size() == config.layers);
    CHECK(got.trace.layers[0].paths.cols() == (fast ? 8 : 0));
  }
  CHECK(contested * 1000 < steps);
}

// The whole stack in one go, in double: the bounds grow from step to step, but from a small beginning.
template <class Backend>
void check_stack(bool fast, bool with_mask, std::uint64_t seed) {
  ufb::workspace scratch;
  random_numbers random(seed);
  for (std::uint64_t round = 0; round < 4; ++round) {
    const encoder_problem<double, Backend> problem(small_config(fast), seed + round);
    const auto sequences = random_sequences(4, random);
    const auto batch = with_mask ? padded(sequences, 24, 3) : joined(sequences);
    const auto got = run(problem, batch, scratch);
    const auto expected = expected_of(problem.config, problem.source, batch, got.trace, start::computed);
    CHECK(expected.wrong_turns == 0);
    CHECK(worst_of(got, expected) <= 1);
    if (!with_mask) CHECK(largest_error(expected) < 1e-3);
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Every step of an encoder of FFF layers follows the reference", "[encoder]",
                        every_layer_backend) {
  check_steps<TestType>(true, false, 131);
  check_steps<TestType>(true, true, 132);
}

TEMPLATE_LIST_TEST_CASE("Every step of an encoder of dense layers follows the reference", "[encoder]",
                        every_layer_backend) {
  check_steps<TestType>(false, false, 133);
  check_steps<TestType>(false, true, 134);
}

TEMPLATE_TEST_CASE("A whole encoder in double follows the reference from ids to states", "[encoder]",
                   ufb::plain_backend, ufb::default_backend<double>) {
  check_stack<TestType>(true, false, 143);
  check_stack<TestType>(true, true, 144);
  check_stack<TestType>(false, false, 145);
  check_stack<TestType>(false, true, 146);
}

TEST_CASE("An encoder lists the checkpoint's tensors and reads each of them", "[encoder]") {
  using problem_type = encoder_problem<float, ufb::default_backend<float>>;
  for (const bool fast : {true, false}) {
    tensor_list expected{{word_name, {37, 16}}, {"encoder.embedding.pos_embedding.scale_factor", {1}}};
    const auto add_norm = [&](const std::string& name) {
      expected["encoder." + name + ".weight"] = {16};
      expected["encoder." + name + ".bias"] = {16};
    };
    add_norm("embedding.norm");
    add_norm("final_norm");
    for (const std::string layer : {"layers.0.", "layers.1."}) {
      add_norm(layer + "norm1");
      add_norm(layer + "norm2");
      expected["encoder." + layer + "attn.self_attention.norm_factor"] = {};
      expected["encoder." + layer + "attn.self_attention.query_key_value.weight"] = {48, 16};
      expected["encoder." + layer + "attn.dense.weight"] = {16, 16};
      if (fast) {
        expected["encoder." + layer + "ffn.linear_in.weight"] = {30, 16};
        expected["encoder." + layer + "ffn.linear_in.bias"] = {30};
        expected["encoder." + layer + "ffn.linear_out.weight"] = {16, 30};
      } else {
        expected["encoder." + layer + "ffn.dense_in.weight"] = {20, 16};
        expected["encoder." + layer + "ffn.dense_out.weight"] = {16, 20};
      }
    }
    CHECK(problem_type::list(small_config(fast)) == expected);
    const problem_type problem(small_config(fast), 135);
    CHECK(problem.source.unread().empty());
    for (const auto& [name, shape] : expected) {
      auto source = random_source(expected, 136);
      source.remove(name);
      CHECK(error_text_of([&] {
              (void)problem_type::encoder_type::load(source, encoder_prefix, word_name, small_config(fast));
            }) == missing_text(expected, name));
    }
  }
}

TEST_CASE("The prefix and the name of the word matrix are the caller's", "[encoder]") {
  using encoder_type = ufb::encoder<float, ufb::plain_backend>;
  const auto config = small_config(true);
  const encoder_problem<float, ufb::plain_backend> problem(config, 137);
  noted_source renamed;
  for (const std::string& name : problem.source.names()) {
    const auto& tensor = problem.source.at(name);
    renamed.add(name == word_name ? "decoder.weight" : name.substr(encoder_prefix.size()), tensor.shape, tensor.values);
  }
  const auto model = encoder_type::load(renamed, "", "decoder.weight", config);
  random_numbers random(138);
  const auto batch = joined(random_sequences(3, random));
  ufb::workspace scratch;
  guarded_matrix<float> states(batch.ids.size(), 16, 3);
  model.forward(batch.ids, batch.view(), states.view(), scratch);
  CHECK(same_rows(states, 0, run(problem, batch, scratch).states, 0, batch.ids.size()));
}

TEMPLATE_TEST_CASE("Recording changes no bit, and only paths are recorded unless states are asked for", "[encoder]",
                   float, double) {
  const encoder_problem<TestType, ufb::default_backend<TestType>> problem(small_config(true), 139);
  random_numbers random(140);
  const auto batch = joined(random_sequences(3, random));
  ufb::workspace scratch;
  const auto recorded = run(problem, batch, scratch);
  guarded_matrix<TestType> states(batch.ids.size(), 16, 3);
  problem.model.forward(batch.ids, batch.view(), states.view(), scratch);
  CHECK(same_rows(states, 0, recorded.states, 0, batch.ids.size()));
  ufb::encoder_trace<TestType> paths_only;
  problem.model.forward(batch.ids, batch.view(), states.view(), scratch, &paths_only);
  CHECK(same_rows(states, 0, recorded.states, 0, batch.ids.size()));
  CHECK(paths_only.embedding.rows() == 0);
  REQUIRE(paths_only.layers.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& paths = paths_only.layers[i].paths;
    CHECK(paths_only.layers[i].output.rows() == 0);
    REQUIRE(paths.rows() == batch.ids.size());
    REQUIRE(paths.cols() == 8);
    std::size_t different = 0;
    for (std::size_t t = 0; t < paths.rows(); ++t) {
      for (std::size_t k = 0; k < paths.cols(); ++k) {
        if (paths(t, k) != recorded.trace.layers[i].paths(t, k)) ++different;
      }
    }
    CHECK(different == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("An encoder's forward allocates nothing once a call of its size was repeated", "[encoder]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  if (!runs_on_one_thread<typename TestType::backend>()) {
    WARN("not checked: OPENBLAS_NUM_THREADS is not 1");
    return;
  }
  if (allocates_by_itself<typename TestType::backend, Scalar>()) {
    WARN("not checked: this BLAS allocates in small products on this processor");
    return;
  }
  for (const bool fast : {true, false}) {
    const encoder_problem<Scalar, typename TestType::backend> problem(small_config(fast), 141);
    random_numbers random(142);
    const auto sequences = random_sequences(5, random);
    const auto ragged = joined(sequences);
    const auto masked = padded(sequences, 24, 0);
    const auto single = joined({sequences[1]});
    ufb::workspace scratch;
    guarded_matrix<Scalar> states(masked.ids.size(), 16);
    const auto forward = [&] {
      for (const auto* batch : {&ragged, &masked, &single}) {
        problem.model.forward(batch->ids, batch->view(), states.view().rows_from(0, batch->ids.size()), scratch);
      }
    };
    forward();
    forward();
    CHECK(allocations_in(forward) == 0);
  }
}
