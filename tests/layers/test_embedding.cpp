// SPDX-License-Identifier: MIT
//
// The embedding: the position table against three other computations of it, values, refusals.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>

#include "layers/support.hpp"
#include "support/reference_forms.hpp"
#include "support/tensors.hpp"

using namespace ufb_test;

namespace {

const std::string word_name = "words.word_embedding.weight";
const std::string prefix = "emb.";

template <class Scalar>
noted_source source_for(const ufb::embedding_shape& shape, std::uint64_t seed) {
  return random_source(tensors_of<ufb::embedding<Scalar>>(shape, prefix, word_name), seed);
}

constexpr ufb::embedding_shape small{.vocabulary_size = 23,
                                     .width = 10,
                                     .max_sequence_length = 9,
                                     .norm = ufb::norm_shape{.width = 10, .epsilon = 1e-12}};

}  // namespace

TEMPLATE_TEST_CASE("Positions are those of float32 step by step, whatever the scalar", "[embedding]", float, double) {
  for (const std::size_t width : {2U, 10U, 64U, 768U}) {
    const float scale = 0.037F;
    guarded_matrix<TestType> table(128, width, 3);
    ufb::layers::sinusoidal_positions(scale, table.view());
    const auto expected = reference::arithmetic::positions(scale, 128, width);
    std::size_t different = 0;
    for (std::size_t s = 0; s < 128; ++s) {
      for (std::size_t k = 0; k < width; ++k) {
        if (static_cast<double>(table(s, k)) != expected(s, k)) ++different;
      }
    }
    CHECK(different == 0);
    CHECK(table.surroundings_intact());
  }
}

TEST_CASE("Positions are close to the formula in double", "[embedding]") {
  constexpr std::size_t width = 64;
  const float scale = 0.75F;
  guarded_matrix<float> table(128, width);
  ufb::layers::sinusoidal_positions(scale, table.view());
  double worst = 0;
  for (std::size_t s = 0; s < 128; ++s) {
    for (std::size_t j = 0; j < width; j += 2) {
      const double frequency = std::pow(10000.0, -static_cast<double>(j) / width);
      const double angle = static_cast<double>(s) * frequency;
      // The exponent is rounded twice, and the exponential and the product once each; sine and cosine are no steeper
      // than 1.
      const double exponent = -std::log(frequency);
      const double bound = static_cast<double>(scale) * (angle * (2 * exponent + 3) + 4) * 0x1p-24;
      worst = std::max(worst, std::abs(static_cast<double>(table(s, j)) - std::sin(angle) * 0.75) / bound);
      worst = std::max(worst, std::abs(static_cast<double>(table(s, j + 1)) - std::cos(angle) * 0.75) / bound);
    }
  }
  CHECK(worst <= 1);
}

TEST_CASE("Positions agree with the table of a reference model, which stores it without the scale", "[embedding]") {
  const auto file = ufb::safetensors::open(std::string(UFB_TEST_DATA_DIR) + "/models/mlm_fff_d4_p1/golden.safetensors");
  const auto expected = read<float>(file, "pe");
  REQUIRE(expected.shape == std::vector<std::size_t>{12, 64});
  guarded_matrix<float> table(12, 64);
  ufb::layers::sinusoidal_positions(1.0F, table.view());
  double worst = 0;
  for (std::size_t s = 0; s < table.rows(); ++s) {
    // Libraries differ in the last bit of exp, which the position multiplies, and in that of sine and cosine.
    const double bound = 6e-8 * static_cast<double>(s + 1);
    for (std::size_t k = 0; k < table.cols(); ++k) {
      const auto golden = static_cast<double>(expected.values[s * table.cols() + k]);
      worst = std::max(worst, std::abs(static_cast<double>(table(s, k)) - golden) / bound);
    }
  }
  CHECK(worst <= 1);
}

TEMPLATE_TEST_CASE("Tokens get their word, their position in their own sequence, and the norm", "[embedding]", float,
                   double) {
  const auto source = source_for<TestType>(small, 101);
  const auto layer = ufb::embedding<TestType>::load(source, prefix, word_name, small);
  CHECK(layer.width() == 10);
  CHECK(layer.max_sequence_length() == 9);
  CHECK(layer.vocabulary_size() == 23);
  CHECK(layer.positions().rows() == 9);
  CHECK(layer.word_embedding()->rows() == 23);
  CHECK(static_cast<float>((*layer.word_embedding())(22, 9)) == source.at(word_name).values.back());

  random_numbers random(102);
  const auto offsets = offsets_of({9, 1, 4, 9});
  std::vector<std::int32_t> ids;
  for (std::size_t t = 0; t < offsets.back(); ++t) ids.push_back(static_cast<std::int32_t>(random.size(0, 22)));
  ids[3] = 0;
  ids[10] = 22;
  guarded_matrix<TestType> y(ids.size(), 10, 2);
  layer.forward(ids, y.view(), {.offsets = offsets});
  const auto position_table =
      reference::arithmetic::positions(source.at(prefix + "pos_embedding.scale_factor").values[0], 9, 10);
  const auto expected = reference::arithmetic::of<TestType>().embedding(
      ids, offsets, reference::exact_of(source.at(word_name)), position_table,
      reference::exact_of(source.at(prefix + "norm.weight")), reference::exact_of(source.at(prefix + "norm.bias")),
      small.norm->epsilon);
  CHECK(reference::worst_ratio(y.view(), expected) <= 1);
  CHECK(y.surroundings_intact());
}

TEMPLATE_TEST_CASE("Every kind of positions, with and without each norm, follows the reference", "[embedding]", float,
                   double) {
  random_numbers random(105);
  for (int round = 0; round < 40; ++round) {
    const auto kind = random.pick({ufb::norm_kind::layer_norm, ufb::norm_kind::rms_norm, ufb::norm_kind::scale_norm});
    const auto norm =
        random.coin() ? std::optional(ufb::norm_shape{.kind = kind, .width = 10, .epsilon = 1e-6}) : std::nullopt;
    const ufb::embedding_shape shape{
        .vocabulary_size = 23,
        .width = 10,
        .max_sequence_length = 9,
        .positions = random.pick({ufb::position_kind::none, ufb::position_kind::learned, ufb::position_kind::sinusoidal,
                                  ufb::position_kind::scaled_sinusoidal}),
        .norm = norm};
    const auto source = source_for<TestType>(shape, 106 + static_cast<std::uint64_t>(round));
    const auto layer = ufb::embedding<TestType>::load(source, prefix, word_name, shape);
    CHECK(source.unread().empty());
    CHECK(layer.max_sequence_length() == 9);
    CHECK(layer.width() == 10);
    const auto offsets = offsets_of({9, 1, 4});
    std::vector<std::int32_t> ids;
    for (std::size_t t = 0; t < offsets.back(); ++t) ids.push_back(static_cast<std::int32_t>(random.size(0, 22)));
    guarded_matrix<TestType> y(ids.size(), 10, 2);
    layer.forward(ids, y.view(), {.offsets = offsets});
    reference::exact table;
    if (shape.positions == ufb::position_kind::learned) {
      table = reference::exact_of(source.at(prefix + "pos_embedding.embedding.weight"));
    } else if (shape.positions != ufb::position_kind::none) {
      const bool scaled = shape.positions == ufb::position_kind::scaled_sinusoidal;
      table = reference::arithmetic::positions(
          scaled ? source.at(prefix + "pos_embedding.scale_factor").values[0] : 1.0F, 9, 10);
    }
    auto expected = reference::placed_words<TestType>(ids, offsets, reference::exact_of(source.at(word_name)), table);
    if (norm) expected = reference::norm_of<TestType>(kind, expected, source, prefix + "norm.", norm->epsilon);
    CHECK(reference::worst_ratio(y.view(), expected) <= 1);
    CHECK(y.surroundings_intact());
  }
}

TEST_CASE("Ids, lengths and shapes out of range are invalid and leave the output alone", "[embedding]") {
  const auto source = source_for<float>(small, 103);
  const auto layer = ufb::embedding<float>::load(source, prefix, word_name, small);
  guarded_matrix<float> y(3, 10);
  const auto text = [&](const std::vector<std::int32_t>& ids, const std::vector<std::size_t>& offsets) {
    return error_text_of([&] { layer.forward(ids, y.view(), {.offsets = offsets}); });
  };
  CHECK(text({1, -1, 2}, {0, 3}) == "invalid_input: ids[1]: 0 to 22: -1");
  CHECK(text({1, 2, 23}, {0, 3}) == "invalid_input: ids[2]: 0 to 22: 23");
  CHECK(text({1, 2, 2'147'483'647}, {0, 3}) == "invalid_input: ids[2]: 0 to 22: 2147483647");
  CHECK(text({1, 2, 3}, {0, 2}) == "invalid_input: ids: 2 tokens: 3");
  CHECK(text({1, 2, 3}, {0, 3, 3}) == "invalid_input: sequence 1: at least one token: none");
  CHECK(text({1, 2, 3}, {1, 3}) == "invalid_input: offsets: 0 first: 1");
  CHECK(text(std::vector<std::int32_t>(10, 0), {0, 10}) == "invalid_input: sequence 0: at most 9 tokens: 10");
  CHECK(text({1, 2}, {0, 2}) == "invalid_input: y: (2, 10): (3, 10)");
  CHECK(y.untouched());
  CHECK(text({1, 2, 3}, {0, 1, 3}) == "none");
  CHECK_FALSE(y.untouched());
}

TEST_CASE("No tokens are an empty result", "[embedding]") {
  const auto source = source_for<float>(small, 104);
  const auto layer = ufb::embedding<float>::load(source, prefix, word_name, small);
  layer.forward({}, {nullptr, {0, 10}}, {});
  const std::array<std::size_t, 1> none{0};
  layer.forward({}, {nullptr, {0, 10}}, {.offsets = none});
  CHECK(layer.vocabulary_size() == 23);
}

TEMPLATE_TEST_CASE("Token types are added, and tokens may take other positions than their own", "[embedding]", float,
                   double) {
  random_numbers random(107);
  for (int round = 0; round < 20; ++round) {
    ufb::embedding_shape shape = small;
    shape.token_types = random.size(1, 3);
    shape.positions = random.pick({ufb::position_kind::learned, ufb::position_kind::scaled_sinusoidal});
    if (random.coin()) shape.norm.reset();
    const auto list = tensors_of<ufb::embedding<TestType>>(shape, prefix, word_name);
    CHECK(list.at(prefix + "token_type_embedding.weight") == tensor_shape{shape.token_types, 10});
    const auto source = source_for<TestType>(shape, 108 + static_cast<std::uint64_t>(round));
    const auto layer = ufb::embedding<TestType>::load(source, prefix, word_name, shape);
    CHECK(source.unread().empty());
    CHECK(layer.bytes() > shape.token_types * 10 * sizeof(TestType));
    const auto offsets = offsets_of({9, 1, 4});
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> types;
    std::vector<std::uint32_t> positions;
    for (std::size_t t = 0; t < offsets.back(); ++t) {
      ids.push_back(static_cast<std::int32_t>(random.size(0, 22)));
      types.push_back(static_cast<std::uint32_t>(random.size(0, shape.token_types - 1)));
      positions.push_back(static_cast<std::uint32_t>(random.size(0, 8)));
    }
    const auto words = reference::exact_of(source.at(word_name));
    const auto type_table = reference::exact_of(source.at(prefix + "token_type_embedding.weight"));
    const bool learned = shape.positions == ufb::position_kind::learned;
    const auto table =
        learned ? reference::exact_of(source.at(prefix + "pos_embedding.embedding.weight"))
                : reference::arithmetic::positions(source.at(prefix + "pos_embedding.scale_factor").values[0], 9, 10);
    const auto arithmetic = reference::arithmetic::of<TestType>();
    for (const bool has_types : {false, true}) {
      for (const bool has_positions : {false, true}) {
        reference::table expected(ids.size(), 10);
        for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
          for (std::size_t t = offsets[i]; t < offsets[i + 1]; ++t) {
            const std::size_t position = has_positions ? positions[t] : t - offsets[i];
            for (std::size_t k = 0; k < 10; ++k) {
              const auto word = arithmetic.sum({words(static_cast<std::size_t>(ids[t]), k)}, {table(position, k)});
              expected(t, k) = arithmetic.sum(word, {type_table(has_types ? types[t] : 0, k)});
            }
          }
        }
        if (shape.norm) {
          expected =
              reference::norm_of<TestType>(shape.norm->kind, expected, source, prefix + "norm.", shape.norm->epsilon);
        }
        ufb::sequence_batch batch{.offsets = offsets};
        if (has_types) batch.type_ids = types;
        if (has_positions) batch.positions = positions;
        guarded_matrix<TestType> y(ids.size(), 10, 2);
        layer.forward(ids, y.view(), batch);
        CHECK(reference::worst_ratio(y.view(), expected) <= 1);
        CHECK(y.surroundings_intact());
      }
    }
  }
}

TEST_CASE("Token types and positions out of range, or for a layer that has none, are invalid", "[embedding]") {
  ufb::embedding_shape shape = small;
  shape.token_types = 2;
  const auto source = source_for<float>(shape, 109);
  const auto layer = ufb::embedding<float>::load(source, prefix, word_name, shape);
  const auto plain = ufb::embedding<float>::load(source, prefix, word_name, small);
  shape.positions = ufb::position_kind::none;
  const auto placeless = ufb::embedding<float>::load(source, prefix, word_name, shape);
  const std::vector<std::int32_t> ids{1, 2, 3};
  const std::vector<std::size_t> offsets{0, 1, 3};
  guarded_matrix<float> y(3, 10);
  const auto text = [&](const ufb::embedding<float>& of, const std::vector<std::uint32_t>& types,
                        const std::vector<std::uint32_t>& positions) {
    return error_text_of(
        [&] { of.forward(ids, y.view(), {.offsets = offsets, .type_ids = types, .positions = positions}); });
  };
  CHECK(text(layer, {0, 1, 2}, {}) == "invalid_input: type_ids[2]: 0 to 1: 2");
  CHECK(text(layer, {0, 1}, {}) == "invalid_input: type_ids: 3 numbers, or none: 2");
  CHECK(text(layer, {}, {8, 9, 0}) == "invalid_input: positions[1]: 0 to 8: 9");
  CHECK(text(layer, {}, {8, 0, 0, 0}) == "invalid_input: positions: 3 numbers, or none: 4");
  CHECK(text(plain, {0, 1, 0}, {}) == "invalid_input: type_ids[1]: 0 to 0: 1");
  CHECK(text(placeless, {}, {0, 0, 0}) == "invalid_input: positions: none, as the embedding adds no positions: 3");
  CHECK(y.untouched());
  CHECK(text(plain, {0, 0, 0}, {}) == "none");
  CHECK(text(placeless, {0, 1, 0}, {}) == "none");
  CHECK(text(layer, {0, 1, 1}, {8, 8, 0}) == "none");
  CHECK_FALSE(y.untouched());
}

TEST_CASE("A sequence may be shorter than the position table says where the shape limits it", "[embedding]") {
  ufb::embedding_shape shape = small;
  shape.longest_sequence = 7;  // of nine positions
  const auto source = source_for<float>(shape, 110);
  const auto layer = ufb::embedding<float>::load(source, prefix, word_name, shape);
  CHECK(layer.max_sequence_length() == 7);
  CHECK(layer.positions().rows() == 9);
  guarded_matrix<float> y(8, 10);
  const std::vector<std::int32_t> ids(8, 1);
  const std::vector<std::size_t> offsets{0, 8};
  CHECK(error_text_of([&] { layer.forward(ids, y.view(), {.offsets = offsets}); }) ==
        "invalid_input: sequence 0: at most 7 tokens: 8");
  const std::vector<std::size_t> two{0, 7, 8};
  const std::vector<std::uint32_t> last(8, 8);
  layer.forward(ids, y.view(), {.offsets = two, .positions = last});
  CHECK_FALSE(y.untouched());
}

TEST_CASE("Embeddings refuse shapes that do not fit together", "[embedding]") {
  const auto text = [](const ufb::embedding_shape& shape) {
    return error_text_of([&] { (void)ufb::embedding<float>(shape); });
  };
  ufb::embedding_shape shape = small;
  shape.norm->width = 11;
  CHECK(text(shape) == "shape_mismatch: norm: the width 10: 11");
  shape.norm->width = 9;
  CHECK(text(shape) == "shape_mismatch: norm: the width 10: 9");
  shape.width = 9;
  CHECK(text(shape) == "invalid_input: width: an even width for sinusoidal positions: 9");
  shape.positions = ufb::position_kind::learned;
  CHECK(text(shape) == "none");
  shape.padding = 7;
  CHECK(text(shape) == "none");
  shape.padding = 8;
  CHECK(text(shape) == "invalid_input: padding: an id with a row behind its own, of 9: 8");
  shape.padding = -1;
  CHECK(text(shape) == "invalid_input: padding: an id with a row behind its own, of 9: -1");
  shape.padding = 1;
  shape.positions = ufb::position_kind::none;
  CHECK(text(shape) == "invalid_input: padding: none, as the embedding adds no positions: 1");
}
