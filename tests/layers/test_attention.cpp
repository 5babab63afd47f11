// SPDX-License-Identifier: MIT
//
// Attention over ragged sequences against the reference; masks of all kinds; sequences that do not see each other.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "layers/support.hpp"
#include "support/backends.hpp"
#include "support/reference_forms.hpp"

using namespace ufb_test;

namespace {

/// A random attention layer and its weights.
template <class Scalar, class Backend>
struct attention_problem {
  attention_problem(std::size_t head_width, std::size_t head_count, random_numbers& random)
      : width(head_width * head_count),
        heads(head_count),
        projection(3 * width, width, 0, random),
        dense(width, width, 0, random),
        norm_factor(static_cast<Scalar>(static_cast<float>(1 / std::sqrt(static_cast<double>(head_width))))),
        layer(ufb::linear<Scalar, Backend>(projection.view(), {}), ufb::linear<Scalar, Backend>(dense.view(), {}),
              heads, norm_factor) {}

  guarded_matrix<Scalar> run(const guarded_matrix<Scalar>& x, const std::vector<std::size_t>& offsets,
                             const ufb::matrix_view<const float>& mask = {}) const {
    guarded_matrix<Scalar> y(x.rows(), width, 3);
    ufb::workspace scratch;
    layer.forward(x.view(), y.view(), {.offsets = offsets, .mask = mask}, scratch);
    CHECK(y.surroundings_intact());
    return y;
  }

  reference::table expected(const guarded_matrix<Scalar>& x, const std::vector<std::size_t>& offsets,
                            const reference::exact& mask = {}) const {
    return reference::arithmetic::of<Scalar>().attention(
        reference::table_of(reference::exact_of(x.view())), reference::exact_of(projection.view()),
        reference::exact_of(dense.view()), heads, static_cast<double>(norm_factor), offsets, mask);
  }

  std::size_t width;
  std::size_t heads;
  guarded_matrix<Scalar> projection;
  guarded_matrix<Scalar> dense;
  Scalar norm_factor;
  ufb::attention<Scalar, Backend> layer;
};

/// A mask row per sequence, each filled by fill(sequence, key); columns past a sequence's end hold NaN.
template <class Fill>
guarded_matrix<float> make_mask(const std::vector<std::size_t>& lengths, Fill fill) {
  guarded_matrix<float> mask(lengths.size(), *std::max_element(lengths.begin(), lengths.end()) + 2, 3);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    for (std::size_t key = 0; key < lengths[i]; ++key) mask(i, key) = fill(i, key);
  }
  return mask;
}

template <class TestType>
using problem_of = attention_problem<typename TestType::scalar, typename TestType::backend>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("Attention without a mask follows the reference in every sequence", "[attention]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(91);
  for (int round = 0; round < 12; ++round) {
    const problem_of<TestType> problem{random.size(1, 6), random.size(1, 4), random};
    const auto offsets = offsets_of({random.size(1, 9), 1, random.size(1, 20), random.size(17, 34)});
    const guarded_matrix<Scalar> x(offsets.back(), problem.width, 2, random, 2);
    CHECK(reference::worst_ratio(problem.run(x, offsets).view(), problem.expected(x, offsets)) <= 1);
  }
}

TEMPLATE_LIST_TEST_CASE("Masks of ones and zeros, and values between, follow the reference", "[attention]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(92);
  for (int round = 0; round < 12; ++round) {
    const problem_of<TestType> problem{random.size(1, 6), random.size(1, 4), random};
    const std::vector<std::size_t> lengths{random.size(1, 9), 5, random.size(1, 20)};
    const auto offsets = offsets_of(lengths);
    const guarded_matrix<Scalar> x(offsets.back(), problem.width, 2, random, 2);
    std::vector<std::size_t> real;
    for (const std::size_t length : lengths) real.push_back(random.size(1, length));
    const auto prefix = make_mask(lengths, [&](std::size_t i, std::size_t key) { return key < real[i] ? 1.0F : 0.0F; });
    // 0.9999 lowers a score by about 1: neither nothing nor everything.
    const auto fraction = make_mask(lengths, [&](std::size_t, std::size_t) {
      return random.pick({1.0F, 0.9999F, 0.99995F, 0.5F});
    });
    for (const auto* mask : {&prefix, &fraction}) {
      const auto expected = problem.expected(x, offsets, reference::exact_of(mask->view()));
      CHECK(reference::worst_ratio(problem.run(x, offsets, mask->view()).view(), expected) <= 1);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("A sequence whose keys are all masked attends to all of them", "[attention]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(93);
  const problem_of<TestType> problem(5, 3, random);
  const std::vector<std::size_t> lengths{7, 4};
  const auto offsets = offsets_of(lengths);
  const guarded_matrix<Scalar> x(11, 15, 0, random);
  const auto mask = make_mask(lengths, [](std::size_t i, std::size_t) { return i == 0 ? 0.0F : 1.0F; });
  // The bound of the masked computation, in which float scores are rounded to multiples of about 2^-10, around the
  // values of the unmasked one.
  auto expected = problem.expected(x, offsets, reference::exact_of(mask.view()));
  const auto unmasked = problem.expected(x, offsets);
  for (std::size_t i = 0; i < expected.cells.size(); ++i) expected.cells[i].value = unmasked.cells[i].value;
  CHECK(reference::worst_ratio(problem.run(x, offsets, mask.view()).view(), expected) <= 1);
  CHECK(reference::largest_error(expected) < (std::is_same_v<Scalar, float> ? 0.3 : 1e-9));
}

TEMPLATE_TEST_CASE("A mask of ones changes no bit", "[attention]", float, double) {
  random_numbers random(94);
  const attention_problem<TestType, ufb::default_backend<TestType>> problem(4, 3, random);
  const std::vector<std::size_t> lengths{6, 1, 19};
  const auto offsets = offsets_of(lengths);
  const guarded_matrix<TestType> x(26, 12, 0, random);
  const auto mask = make_mask(lengths, [](std::size_t, std::size_t) { return 1.0F; });
  CHECK(same_bits(problem.run(x, offsets, mask.view()), problem.run(x, offsets)));
}

TEMPLATE_TEST_CASE("What stands at a masked key changes no other token", "[attention]", float, double) {
  random_numbers random(95);
  const attention_problem<TestType, ufb::plain_backend> problem(4, 3, random);
  const std::vector<std::size_t> lengths{9};
  guarded_matrix<TestType> x(9, 12, 0, random);
  const auto mask = make_mask(lengths, [](std::size_t, std::size_t key) { return key < 6 ? 1.0F : 0.0F; });
  const auto before = problem.run(x, {0, 9}, mask.view());
  for (std::size_t k = 0; k < 12; ++k) x(7, k) = random.real<TestType>(3);
  const auto after = problem.run(x, {0, 9}, mask.view());
  for (std::size_t t = 0; t < 9; ++t) {
    const bool same = std::memcmp(before.row(t), after.row(t), 12 * sizeof(TestType)) == 0;
    CHECK(same == (t != 7));
  }
}

TEMPLATE_LIST_TEST_CASE("Keys of mask 0 count where their scores are larger than what a mask takes off", "[attention]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(112);
  std::size_t counted = 0;  // sequences in which keys behind the last one seen change a result
  for (int round = 0; round < 40; ++round) {
    const problem_of<TestType> problem{random.size(1, 20), random.size(1, 4), random};
    const std::vector<std::size_t> lengths{random.size(2, 9), random.size(2, 9), random.size(2, 40)};
    const auto offsets = offsets_of(lengths);
    guarded_matrix<Scalar> x(offsets.back(), problem.width, 2, random, 2);
    const auto scale = random.pick<Scalar>({10, 30, 60, 100, 150});  // of scores: its square
    for (std::size_t t = 0; t < x.rows(); ++t) {
      for (std::size_t k = 0; k < x.cols(); ++k) x(t, k) *= scale;
    }
    std::vector<std::size_t> seen;
    for (const std::size_t length : lengths) seen.push_back(random.size(1, length - 1));
    const float weight = random.pick({1.0F, 0.75F, 2.0F});
    const auto mask = make_mask(lengths, [&](std::size_t i, std::size_t key) { return key < seen[i] ? weight : 0.0F; });
    const auto expected = problem.expected(x, offsets, reference::exact_of(mask.view()));
    CHECK(reference::worst_ratio(problem.run(x, offsets, mask.view()).view(), expected) <= 1);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      guarded_matrix<Scalar> part(seen[i], problem.width, 0);
      for (std::size_t t = 0; t < seen[i]; ++t) std::copy_n(x.row(offsets[i] + t), problem.width, part.row(t));
      const auto alone = problem.expected(part, {0, seen[i]});
      bool differs = false;
      for (std::size_t t = 0; t < seen[i] * problem.width; ++t) {
        const auto& cell = expected.cells[offsets[i] * problem.width + t];
        differs = differs || std::abs(alone.cells[t].value - cell.value) > 2 * (alone.cells[t].error + cell.error);
      }
      if (differs) ++counted;
    }
  }
  CHECK(counted > (std::is_same_v<Scalar, float> ? 0 : 20));  // bounds of float are wide where scores are large
}

TEMPLATE_LIST_TEST_CASE("Keys of mask 0 have the weights of their scores, however large, where scores are exact",
                        "[attention]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using linear_type = ufb::linear<Scalar, typename TestType::backend>;
  random_numbers random(114);
  constexpr std::size_t width = 8;
  constexpr std::size_t length = 12;
  // Queries and keys are the tokens and values their negatives: all scores are integers.
  guarded_matrix<Scalar> projection(3 * width, width, 0);
  for (std::size_t r = 0; r < 3 * width; ++r) {
    for (std::size_t k = 0; k < width; ++k) projection(r, k) = Scalar(r % width != k ? 0 : r < 2 * width ? 1 : -1);
  }
  const ufb::attention<Scalar, typename TestType::backend> layer(linear_type(projection.view(), {}), std::nullopt, 1,
                                                                 Scalar{1});
  std::size_t counted = 0;  // queries that attend to a key of mask 0
  for (int round = 0; round < 60; ++round) {
    const auto scale = static_cast<double>(random.pick({1, 8, 16, 24, 40, 60}));  // scores up to 200,000
    guarded_matrix<Scalar> x(length, width, 1);
    for (std::size_t t = 0; t < length; ++t) {
      for (std::size_t k = 0; k < width; ++k) x(t, k) = std::floor(random.real<Scalar>(3)) * static_cast<Scalar>(scale);
    }
    const std::size_t seen = random.size(1, length - 1);
    const auto mask = make_mask({length}, [&](std::size_t, std::size_t key) { return key < seen ? 1.0F : 0.0F; });
    guarded_matrix<Scalar> y(length, width, 1);
    ufb::workspace scratch;
    layer.forward(x.view(), y.view(), {.offsets = std::vector<std::size_t>{0, length}, .mask = mask.view()}, scratch);
    for (std::size_t query = 0; query < length; ++query) {
      std::vector<double> score(length);
      for (std::size_t key = 0; key < length; ++key) {
        for (std::size_t k = 0; k < width; ++k)
          score[key] += static_cast<double>(x(query, k)) * static_cast<double>(x(key, k));
        if (key >= seen) score[key] -= 10000;
      }
      const double largest = *std::max_element(score.begin(), score.end());
      double sum = 0;
      for (double& s : score) sum += s = std::exp(s - largest);
      if (std::any_of(score.begin() + static_cast<std::ptrdiff_t>(seen), score.end(),
                      [](double s) { return s > 1e-6; })) {
        ++counted;
      }
      for (std::size_t k = 0; k < width; ++k) {
        double expected = 0;
        for (std::size_t key = 0; key < length; ++key) expected -= score[key] / sum * static_cast<double>(x(key, k));
        CHECK(std::abs(static_cast<double>(y(query, k)) - expected) <= 1e-5 * scale);
      }
    }
  }
  CHECK(counted > 100);
}

TEMPLATE_TEST_CASE("What cannot be told from a bound is not left out: NaN and infinity behind the last key seen",
                   "[attention]", float, double) {
  random_numbers random(113);
  const attention_problem<TestType, ufb::default_backend<TestType>> problem(4, 3, random);
  guarded_matrix<TestType> x(9, 12, 0, random);
  const auto mask = make_mask({9}, [](std::size_t, std::size_t key) { return key < 6 ? 1.0F : 0.0F; });
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    x(8, 3) = static_cast<TestType>(value);
    const auto y = problem.run(x, {0, 9}, mask.view());
    for (std::size_t t = 0; t < 9; ++t) CHECK(std::isnan(y(t, 0)));
    CHECK(same_bits(problem.run(x, {0, 9}, mask.view()), y));
  }
}

TEST_CASE("Keys are negligible if no two scores of a query can differ by what their mask takes off", "[attention]") {
  // Scores: one query (3, 4), keys (6, 8) seen and (0, 5) hidden: lengths 5, 10 and 5.
  const std::vector<float> numbers{3, 4, 6, 8, 0, 5};
  const ufb::matrix_view<const float> all(numbers.data(), {3, 2});
  const ufb::layers::head_parts<float> parts{.queries = all.rows_from(0, 1), .keys = all.rows_from(1, 2)};
  const auto left_out = [&](float norm_factor, float gap) {
    return ufb::layers::keys_are_negligible(parts, norm_factor, {.keys = 1, .gap = gap});
  };
  constexpr float huge = std::numeric_limits<float>::max();
  CHECK(left_out(1, 10000));  // scores at most 75 apart
  CHECK(left_out(-100, 10000));
  CHECK_FALSE(left_out(130, 10000));
  CHECK_FALSE(left_out(-130, 10000));
  CHECK(left_out(130, 20000));
  CHECK(left_out(1e30F, huge));
  CHECK_FALSE(left_out(huge, huge));
  CHECK_FALSE(left_out(std::numeric_limits<float>::quiet_NaN(), huge));
  CHECK_FALSE(left_out(0, 700));  // exponentials of -700 are not 0 in double
  CHECK(left_out(0, 800));
}

TEMPLATE_TEST_CASE("With the plain backend a sequence in a batch has the bits it has alone", "[attention]", float,
                   double) {
  random_numbers random(96);
  for (int round = 0; round < 10; ++round) {
    const attention_problem<TestType, ufb::plain_backend> problem{random.size(1, 6), random.size(1, 4), random};
    const std::vector<std::size_t> lengths{random.size(1, 20), random.size(1, 20), random.size(1, 40)};
    const auto offsets = offsets_of(lengths);
    const guarded_matrix<TestType> x(offsets.back(), problem.width, 0, random);
    const auto batch = problem.run(x, offsets);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      guarded_matrix<TestType> part(lengths[i], problem.width, 1);
      for (std::size_t t = 0; t < lengths[i]; ++t) {
        std::copy_n(x.row(offsets[i] + t), problem.width, part.row(t));
      }
      const auto alone = problem.run(part, {0, lengths[i]});
      std::size_t different = 0;
      for (std::size_t t = 0; t < lengths[i]; ++t) {
        if (std::memcmp(alone.row(t), batch.row(offsets[i] + t), problem.width * sizeof(TestType)) != 0) ++different;
      }
      REQUIRE(different == 0);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("Biases, causal and per-token masks, and no output projection follow the reference",
                        "[attention]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using linear_type = ufb::linear<Scalar, typename TestType::backend>;
  random_numbers random(110);
  for (int round = 0; round < 12; ++round) {
    const std::size_t heads = random.size(1, 4);
    const std::size_t width = heads * random.size(1, 6);
    const bool project = random.coin();
    const guarded_matrix<Scalar> projection(3 * width, width, 0, random);
    const guarded_matrix<Scalar> dense(width, width, 0, random);
    const auto projection_bias = random.reals<Scalar>(3 * width);
    const auto dense_bias = random.reals<Scalar>(width);
    using attention_type = ufb::attention<Scalar, typename TestType::backend>;
    const attention_type layer(linear_type(projection.view(), projection_bias),
                               project ? std::optional(linear_type(dense.view(), dense_bias)) : std::nullopt, heads,
                               static_cast<Scalar>(0.5), true);
    CHECK(layer.has_projection() == project);
    const std::vector<std::size_t> lengths{random.size(1, 9), 5, random.size(1, 20)};
    const auto offsets = offsets_of(lengths);
    const guarded_matrix<Scalar> x(offsets.back(), width, 2, random, 2);
    const auto per_sequence = make_mask(lengths, [&](std::size_t, std::size_t key) {
      return key == 0 ? 1.0F : random.pick({1.0F, 0.0F, 0.9999F});
    });
    guarded_matrix<float> per_token(offsets.back(), 20, 3);
    for (std::size_t t = 0; t < per_token.rows(); ++t) {
      for (std::size_t key = 0; key < 20; ++key) per_token(t, key) = random.pick({1.0F, 1.0F, 0.0F, 0.9999F});
    }
    const auto check = [&](const ufb::sequence_batch& batch, const reference::exact& mask) {
      guarded_matrix<Scalar> y(x.rows(), width, 3);
      ufb::workspace scratch;
      layer.forward(x.view(), y.view(), batch, scratch);
      const auto expected = reference::arithmetic::of<Scalar>().attention(
          reference::table_of(reference::exact_of(x.view())), reference::exact_of(projection.view()),
          project ? reference::exact_of(dense.view()) : reference::exact(), heads, 0.5, offsets, mask,
          std::vector<double>(projection_bias.begin(), projection_bias.end()),
          std::vector<double>(dense_bias.begin(), dense_bias.end()));
      CHECK(reference::worst_ratio(y.view(), expected) <= 1);
      CHECK(y.surroundings_intact());
    };
    check({.offsets = offsets}, {});  // causal without a mask: both directions
    check({.offsets = offsets, .mask = per_sequence.view()},
          reference::causal(reference::exact_of(per_sequence.view()), offsets));
    check({.offsets = offsets, .query_mask = per_token.view()}, reference::exact_of(per_token.view()));
  }
}

TEST_CASE("No sequences are an empty result", "[attention]") {
  random_numbers random(97);
  const attention_problem<float, ufb::kernel_backend> problem(4, 2, random);
  const guarded_matrix<float> x(0, 8, 0, random);
  CHECK(problem.run(x, {}).rows() == 0);
  CHECK(problem.run(x, {0}).rows() == 0);
}

TEST_CASE("Attention refuses heads and weights that do not fit", "[attention]") {
  random_numbers random(98);
  const guarded_matrix<float> projection(24, 8, 0, random);
  const guarded_matrix<float> dense(8, 8, 0, random);
  const auto text = [&](std::size_t rows, std::size_t dense_cols, std::size_t heads) {
    return error_text_of([&] {
      (void)ufb::attention<float>(ufb::linear<float>(projection.view().rows_from(0, rows), {}),
                                  ufb::linear<float>(dense.view().cols_from(0, dense_cols), {}), heads, 0.5F);
    });
  };
  const std::string start = "shape_mismatch: query_key_value: (3 * width, width) with heads dividing width: ";
  CHECK(text(24, 8, 4) == "none");
  CHECK(text(24, 8, 3) == start + "(24, 8) and 3 heads");
  CHECK(text(24, 8, 0) == start + "(24, 8) and 0 heads");
  CHECK(text(23, 8, 4) == start + "(23, 8) and 4 heads");
  CHECK(text(24, 7, 4) == "shape_mismatch: dense: 8 columns and rows: 7 and 8");
  CHECK(error_text_of([] {
          (void)ufb::attention<float>(
              {.width = 8, .heads = 4, .masked_score = -std::numeric_limits<float>::infinity(), .norm_factor = 0.5});
        }) == "invalid_input: masked_score: a finite number: -inf");
}

TEST_CASE("Wrong offsets, masks and shapes are invalid and leave the output alone", "[attention]") {
  random_numbers random(99);
  const attention_problem<float, ufb::kernel_backend> problem(4, 2, random);
  const guarded_matrix<float> x(6, 8, 0, random);
  guarded_matrix<float> y(6, 8);
  ufb::workspace scratch;
  const std::vector<float> mask(100, 1.0F);
  const auto text = [&](const std::vector<std::size_t>& offsets, const ufb::matrix_view<const float>& mask_view = {}) {
    return error_text_of(
        [&] { problem.layer.forward(x.view(), y.view(), {.offsets = offsets, .mask = mask_view}, scratch); });
  };
  CHECK(text({1, 6}) == "invalid_input: offsets: 0 first: 1");
  CHECK(text({0, 3, 3, 6}) == "invalid_input: sequence 1: at least one token: none");
  CHECK(text({0, 4, 3, 6}) == "invalid_input: sequence 1: at least one token: none");
  CHECK(text({0, 3, 5}) == "invalid_input: x: (5, 8): (6, 8)");
  CHECK(text({0, 3, 7}) == "invalid_input: x: (7, 8): (6, 8)");
  CHECK(text({}) == "invalid_input: x: (0, 8): (6, 8)");
  CHECK(text({0, 2, 6}, {mask.data(), {2, 3}}) == "invalid_input: mask: 4 columns: 3");
  CHECK(text({0, 2, 6}, {mask.data(), {1, 4}}) == "invalid_input: mask: 2 rows: 1");
  CHECK(text({0, 2, 6}, {mask.data(), {3, 4}}) == "invalid_input: mask: 2 rows: 3");
  const std::vector<std::size_t> good{0, 2, 6};
  const auto query_text = [&](const ufb::matrix_view<const float>& per_token,
                              const ufb::matrix_view<const float>& per_sequence = {}) {
    return error_text_of([&] {
      problem.layer.forward(x.view(), y.view(), {.offsets = good, .mask = per_sequence, .query_mask = per_token},
                            scratch);
    });
  };
  CHECK(query_text({mask.data(), {6, 3}}) == "invalid_input: query_mask: 4 columns: 3");
  CHECK(query_text({mask.data(), {5, 4}}) == "invalid_input: query_mask: 6 rows: 5");
  CHECK(query_text({mask.data(), {6, 4}}, {mask.data(), {2, 4}}) ==
        "invalid_input: query_mask: one mask, per sequence or per token: both");
  CHECK(error_text_of([&] { problem.layer.forward(x.view(), y.view().cols_from(0, 7), {.offsets = good}, scratch); }) ==
        "invalid_input: y: (6, 8): (6, 7)");
  CHECK(error_text_of([&] {
          const std::vector<std::size_t> lengths{1, 4};
          problem.layer.forward(x.view(), y.view(), {.offsets = good, .lengths = lengths}, scratch);
        }) == "invalid_input: lengths: none: 2");
  CHECK(y.untouched());
  CHECK(text(good, {mask.data(), {2, 4}}) == "none");
  CHECK_FALSE(y.untouched());
}

TEST_CASE("NaN in a mask is invalid and named by its place, but not behind the end of a sequence", "[attention]") {
  random_numbers random(100);
  const attention_problem<float, ufb::kernel_backend> problem(4, 2, random);
  const guarded_matrix<float> x(6, 8, 0, random);
  guarded_matrix<float> y(6, 8);
  ufb::workspace scratch;
  const std::vector<std::size_t> offsets{0, 2, 6};
  std::vector<float> mask(2 * 4, 1.0F);
  std::vector<float> query_mask(6 * 4, 1.0F);
  const auto text = [&] {
    return error_text_of([&] {
      problem.layer.forward(x.view(), y.view(), {.offsets = offsets, .mask = {mask.data(), {2, 4}}}, scratch);
    });
  };
  const auto query_text = [&] {
    return error_text_of([&] {
      problem.layer.forward(x.view(), y.view(), {.offsets = offsets, .query_mask = {query_mask.data(), {6, 4}}},
                            scratch);
    });
  };
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  mask[4 + 3] = -nan;
  CHECK(text() == "invalid_input: mask(1, 3): a number: NaN");
  query_mask[5 * 4] = nan;
  CHECK(query_text() == "invalid_input: query_mask(5, 0): a number: NaN");
  CHECK(y.untouched());
  mask[4 + 3] = 1.0F;
  mask[2] = nan;  // the first sequence has two tokens
  CHECK(text() == "none");
  query_mask[5 * 4] = 1.0F;
  query_mask[4 + 2] = nan;
  CHECK(query_text() == "none");
}

TEMPLATE_LIST_TEST_CASE("Separate query, key and value tensors make the layer that one interleaved tensor makes",
                        "[attention]", every_layer_backend) {
  using Scalar = typename TestType::scalar;
  using attention_type = ufb::attention<Scalar, typename TestType::backend>;
  random_numbers random(112);
  for (const bool bias : {false, true}) {
    const std::size_t heads = 3;
    const std::size_t width = heads * 5;
    ufb::attention_shape shape{.width = width,
                               .heads = heads,
                               .query_key_value_bias = bias,
                               .output_bias = bias,
                               .layout = ufb::attention_layout::separate};
    const auto list = tensors_of<attention_type>(shape, "a.");
    tensor_list expected{{"a.self_attention.norm_factor", {}}, {"a.dense.weight", {width, width}}};
    if (bias) expected["a.dense.bias"] = {width};
    for (const std::string part : {"query", "key", "value"}) {
      expected["a.self_attention." + part + ".weight"] = {width, width};
      if (bias) expected["a.self_attention." + part + ".bias"] = {width};
    }
    CHECK(list == expected);
    auto source = random_source(list, 113);
    const auto separate = attention_type::load(source, "a.", shape);
    CHECK(source.unread().empty());
    // The same rows, of each head its queries, then its keys, then its values.
    std::vector<float> weight;
    std::vector<float> biases;
    for (std::size_t head = 0; head < heads; ++head) {
      for (const std::string part : {"query", "key", "value"}) {
        const auto rows = source.at("a.self_attention." + part + ".weight").values;
        const auto first = static_cast<std::ptrdiff_t>(head * 5 * width);
        weight.insert(weight.end(), rows.begin() + first,
                      rows.begin() + first + static_cast<std::ptrdiff_t>(5 * width));
        if (!bias) continue;
        const auto values = source.at("a.self_attention." + part + ".bias").values;
        biases.insert(biases.end(), values.begin() + static_cast<std::ptrdiff_t>(head * 5),
                      values.begin() + static_cast<std::ptrdiff_t>(head * 5 + 5));
      }
    }
    source.add("a.self_attention.query_key_value.weight", {3 * width, width}, weight);
    if (bias) source.add("a.self_attention.query_key_value.bias", {3 * width}, biases);
    shape.layout = ufb::attention_layout::interleaved;
    const auto interleaved = attention_type::load(source, "a.", shape);
    CHECK(separate.bytes() == interleaved.bytes());
    const auto offsets = offsets_of({9, 1, 20});
    const guarded_matrix<Scalar> x(offsets.back(), width, 0, random);
    guarded_matrix<Scalar> a(x.rows(), width);
    guarded_matrix<Scalar> b(x.rows(), width);
    ufb::workspace scratch;
    separate.forward(x.view(), a.view(), {.offsets = offsets}, scratch);
    interleaved.forward(x.view(), b.view(), {.offsets = offsets}, scratch);
    CHECK(same_bits(a, b));
    source.remove("a.self_attention.key.weight");
    shape.layout = ufb::attention_layout::separate;
    const auto problem = error_of([&] { (void)attention_type::load(source, "a.", shape); });
    REQUIRE(problem);
    CHECK(problem->found().find("a.self_attention.key.weight (15, 15) is missing") == 0);
  }
}
