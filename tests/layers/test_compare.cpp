// SPDX-License-Identifier: MIT
//
// The comparison of two layers: what it counts, what it measures, on layers whose answers are known by hand.
#include <cmath>
#include <limits>
#include <vector>

#include "layers/support.hpp"

using namespace ufb_test;

namespace {

constexpr ufb::weight_storage narrow_storages[] = {ufb::weight_storage::float16, ufb::weight_storage::bfloat16,
                                                   ufb::weight_storage::int8};
constexpr auto own_engine = ufb::fff_engine::grouped;  // by name, so that no other engine's rounding is compared

// Two inputs, one output, one tree of three nodes. The root's logit is x0 + 0.001 x1: int8 drops the small weight,
// which is below half of a 127th of the large one. Every output weight is a power of two, which no storage rounds.
struct hand_made {
  std::vector<float> linear_in{1.0F, 0.001F, 1.0F, 0.0F, 1.0F, 0.0F};
  std::vector<float> linear_out{1.0F, 2.0F, 4.0F};

  [[nodiscard]] ufb::fast_feedforward<float> layer(const ufb::fast_feedforward_options& options = {}) const {
    auto grouped = options;
    grouped.engine = own_engine;
    return {{.input_width = 2, .output_width = 1, .depth = 1, .activation = ufb::activation_kind::relu},
            {linear_in.data(), {3, 2}},
            {},
            {linear_out.data(), {1, 3}},
            grouped};
  }
};

ufb::fff_comparison compare(const ufb::fast_feedforward<float>& reference,
                            const ufb::fast_feedforward<float>& candidate, const std::vector<float>& x) {
  ufb::workspace scratch;
  return ufb::compare_layers(reference, candidate,
                             {x.data(), {x.size() / reference.input_width(), reference.input_width()}}, scratch);
}

}  // namespace

TEST_CASE("A token that leaves the reference's path is counted, and its output is not") {
  const hand_made weights;
  // The second token's root logit is -0.5 + 1: right in float32, left without the small weight.
  const std::vector<float> x{1.0F, 0.0F, -0.5F, 1000.0F, -1.0F, 0.0F};
  const auto flipped = compare(weights.layer(), weights.layer({.storage_in = ufb::weight_storage::int8}), x);
  CHECK(flipped.tokens == 3);
  CHECK(flipped.tokens_on_other_paths == 1);
  CHECK(flipped.relative_error == 0.0);
  CHECK(flipped.worst_error == 0.0);
  const auto kept = compare(weights.layer(), weights.layer({.storage_out = ufb::weight_storage::int8}), x);
  CHECK(kept.tokens_on_other_paths == 0);
}

TEST_CASE("The error is that of the norms over all tokens, the worst token is known by its row") {
  const hand_made weights;
  hand_made other = weights;
  other.linear_out = {1.0F, 2.0F, 5.0F};  // the right leaf's weight, 4 before
  // relu leaves: x = 1 gives 1 + 4 and 1 + 5, x = 2 twice that, x = -1 nothing.
  const std::vector<float> x{1.0F, 0.0F, 2.0F, 0.0F, -1.0F, 0.0F};
  const auto got = compare(weights.layer(), other.layer(), x);
  CHECK(got.tokens_on_other_paths == 0);
  CHECK(got.relative_error == Approx(std::sqrt((1.0 + 4.0) / (25.0 + 100.0))));
  CHECK(got.worst_error == Approx(2.0 / std::sqrt((25.0 + 100.0) / 3.0)));
  CHECK(got.worst_token == 1);
}

TEST_CASE("No tokens, no token on an equal path, a reference of zero and NaN have defined errors") {
  const hand_made weights;
  const auto none = compare(weights.layer(), weights.layer(), {});
  CHECK(none.tokens == 0);
  CHECK(none.tokens_on_other_paths == 0);
  CHECK(none.relative_error == 0.0);
  hand_made other = weights;
  other.linear_in = {-1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F};
  const auto apart = compare(weights.layer(), other.layer(), {1.0F, 0.0F, -1.0F, 0.0F});
  CHECK(apart.tokens_on_other_paths == 2);
  CHECK(apart.relative_error == 0.0);
  CHECK(apart.worst_error == 0.0);
  hand_made silent = weights;
  silent.linear_out = {0.0F, 0.0F, 0.0F};
  CHECK(compare(silent.layer(), weights.layer(), {1.0F, 0.0F}).relative_error ==
        std::numeric_limits<double>::infinity());
  CHECK(compare(silent.layer(), silent.layer(), {1.0F, 0.0F}).relative_error == 0.0);
  const auto unknown = compare(weights.layer(), weights.layer(),
                               {1.0F, 0.0F, std::numeric_limits<float>::quiet_NaN(), 0.0F, 2.0F, 0.0F});
  CHECK(std::isnan(unknown.relative_error));
  CHECK(std::isnan(unknown.worst_error));
  CHECK(unknown.worst_token == 1);
}

TEST_CASE("Narrow storage costs what its unit promises, and no paths where only the second matrix is narrow") {
  random_numbers random(11);
  ufb::workspace scratch;
  for (const std::size_t trees : {1U, 3U}) {
    const fff_tensors<float> w({.input_width = 64, .output_width = 40, .depth = 6, .parallel_size = trees}, random);
    const auto layer = [&](const ufb::fast_feedforward_options& options) {
      return ufb::fast_feedforward<float>(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view(), options);
    };
    const guarded_matrix<float> x(1500, 64, 3, random);
    const auto exact = layer({.engine = own_engine});
    const auto itself = ufb::compare_layers(exact, exact, x.view(), scratch);
    CHECK(itself.tokens == 1500);
    CHECK(itself.tokens_on_other_paths == 0);
    CHECK(itself.relative_error == 0.0);
    double before = 0.0;
    std::size_t flips_before = 0;
    for (const ufb::weight_storage storage : narrow_storages) {
      INFO(name(storage));
      const auto narrow = ufb::compare_layers(
          exact, layer({.engine = own_engine, .storage_in = storage, .storage_out = storage}), x.view(), scratch);
      // Each matrix is off by at most half a unit of its type; int8's unit is relative to a row's largest weight.
      const double unit = storage == ufb::weight_storage::float16    ? 0x1p-11
                          : storage == ufb::weight_storage::bfloat16 ? 0x1p-8
                                                                     : 1.0 / 127;
      CHECK(narrow.relative_error > before);
      CHECK(narrow.relative_error < 2 * unit);
      CHECK(narrow.worst_error > narrow.relative_error);
      CHECK(narrow.tokens_on_other_paths >= flips_before);
      before = narrow.relative_error;
      flips_before = narrow.tokens_on_other_paths;
      const auto second =
          ufb::compare_layers(exact, layer({.engine = own_engine, .storage_out = storage}), x.view(), scratch);
      CHECK(second.tokens_on_other_paths == 0);
      CHECK(second.relative_error > 0.0);
    }
    CHECK(flips_before > 0);
    CHECK(flips_before < 1500 / 2);
  }
}

TEST_CASE("A token that leaves the path in several trees counts once") {
  // Two trees with the root of the hand-made layer: int8 flips the second token in both.
  const std::vector<float> in{1.0F, 0.001F, 1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.001F, 1.0F, 0.0F, 1.0F, 0.0F};
  const std::vector<float> out{1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F};
  const auto layer = [&](ufb::weight_storage storage) {
    return ufb::fast_feedforward<float>({.input_width = 2, .output_width = 1, .depth = 1, .parallel_size = 2},
                                        {in.data(), {6, 2}}, {}, {out.data(), {1, 6}},
                                        {.engine = own_engine, .storage_in = storage});
  };
  const auto got =
      compare(layer(ufb::weight_storage::float32), layer(ufb::weight_storage::int8), {1.0F, 0.0F, -0.5F, 1000.0F});
  CHECK(got.tokens_on_other_paths == 1);
}

TEST_CASE("A double layer is a reference for a float one, over more tokens than are compared at a time") {
  random_numbers random(12);
  const fff_tensors<float> w({.input_width = 48, .output_width = 32, .depth = 5, .parallel_size = 2}, random);
  const auto widened = [](const auto& view) {
    ufb::matrix<double> out({view.rows(), view.cols()});
    for (std::size_t r = 0; r < view.rows(); ++r) std::copy_n(view.row(r), view.cols(), out.row(r));
    return out;
  };
  const auto in = widened(w.linear_in.view());
  const auto out = widened(w.linear_out.view());
  const std::vector<double> bias(w.bias_in.begin(), w.bias_in.end());
  const ufb::fast_feedforward<double> reference(w.shape, in.view(), bias, out.view());
  const ufb::fast_feedforward<float> layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  const guarded_matrix<float> x(1300, 48, 1, random);
  ufb::workspace scratch;
  const auto got = ufb::compare_layers(reference, layer, x.view(), scratch);
  CHECK(got.tokens == 1300);
  CHECK(got.tokens_on_other_paths <= 1);  // a near-tie
  CHECK(got.relative_error > 0.0);
  CHECK(got.relative_error < 5e-7);
  const auto twice = ufb::compare_layers(reference, layer, x.view(), scratch);
  CHECK(twice.relative_error == got.relative_error);
}

TEST_CASE("Layers of other sizes and inputs of another width are refused") {
  random_numbers random(13);
  ufb::workspace scratch;
  const auto layer = [&](const ufb::fast_feedforward_shape& shape) {
    const fff_tensors<float> w(shape, random);
    return ufb::fast_feedforward<float>(shape, w.linear_in.view(), w.bias_in, w.linear_out.view());
  };
  const auto one = layer({.input_width = 4, .output_width = 4, .depth = 3, .parallel_size = 2});
  const auto two = layer({.input_width = 4, .output_width = 4, .depth = 4, .parallel_size = 2});
  const guarded_matrix<float> x(3, 4, 0, random);
  const guarded_matrix<float> wide(3, 5, 0, random);
  CHECK(error_text_of([&] { static_cast<void>(ufb::compare_layers(one, two, x.view(), scratch)); }) ==
        "shape_mismatch: candidate: 2x3, 4 to 4: 2x4, 4 to 4");
  CHECK(error_text_of([&] { static_cast<void>(ufb::compare_layers(one, one, wide.view(), scratch)); }) ==
        "invalid_input: x: (3, 4): (3, 5)");
}
