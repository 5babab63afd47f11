// SPDX-License-Identifier: MIT
//
// Dot products of weight rows with inputs at every level and in every storage type.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr std::size_t count = 8;

template <class Weight>
struct operands {
  operands(std::size_t width_, placement where, random_numbers& random)
      : width(width_), weights(count, width_, random) {
    for (std::size_t i = 0; i < count; ++i) {
      inputs.push_back(std::make_unique<fenced<float>>(width, where));
      for (float& value : inputs[i]->span()) value = random.real<float>(3);
      rows[i] = weights.row(i);
      bytes[i] = bytes_of(rows[i]);
      x[i] = inputs[i]->data();
    }
  }

  std::size_t width;
  weight_rows<Weight> weights;
  std::vector<std::unique_ptr<fenced<float>>> inputs{};
  std::array<const Weight*, count> rows{};
  std::array<const std::byte*, count> bytes{};  // of the rows
  std::array<const float*, count> x{};
};

/// One dot product by the kernel that does nothing else.
template <class Weight>
float alone(const operands<Weight>& o, const kernels::dot_kernels& dots, std::size_t row, std::size_t input) {
  float z = 0;
  dots.pair(o.bytes[row], o.x[input], o.width, &z, {});
  return z;
}

/// What `pair` gives and all the others, too, bit by bit.
template <class Weight>
void require_equal_in_all_kernels(const operands<Weight>& o, const kernels::dot_kernels& dots, placement where) {
  fenced<float> z(12, where);
  for (std::size_t shift = 0; shift < 2; ++shift) {
    const kernels::upcoming next{.block = shift == 0 ? nullptr : o.bytes[2], .x = o.x.data() + 1};
    dots.rows_3_inputs_4(o.bytes[shift], o.weights.stride(), o.x.data() + shift, o.width, z.data(), next);
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t t = 0; t < 4; ++t) {
        REQUIRE(equal_bits(z[r * 4 + t], alone(o, dots, r + shift, t + shift)));
      }
    }
  }
  REQUIRE(z.surroundings_intact());

  fenced<float> eight(8, where);
  dots.pairs_8(o.bytes.data(), o.x.data(), o.width, eight.data());
  for (std::size_t i = 0; i < 8; ++i) REQUIRE(equal_bits(eight[i], alone(o, dots, i, i)));
  REQUIRE(eight.surroundings_intact());

  fenced<float> one(1, where);
  dots.pair(o.bytes[7], o.x[7], o.width, one.data(), {});
  REQUIRE(equal_bits(one[0], eight[7]));
  // What is asked for besides does not show, however long its row is.
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{64}, o.weights.stride(), 3 * o.weights.stride()}) {
    dots.pair(o.bytes[7], o.x[7], o.width, one.data(), {.row = o.bytes[0], .bytes = bytes});
    REQUIRE(equal_bits(one[0], eight[7]));
  }
  REQUIRE(one.surroundings_intact());
}

}  // namespace

TEMPLATE_TEST_CASE("Dot products follow the exact ones within the rounding of their length", "[kernels]", float,
                   float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage_of<TestType>);
    random_numbers random(41);
    for (const std::size_t width : widths) {
      CAPTURE(width);
      const operands<TestType> o(width, placement::at_end, random);
      for (std::size_t r = 0; r < count; ++r) {
        for (std::size_t t = 0; t < count; ++t) {
          double sum = 0;
          double magnitude = 0;
          for (std::size_t k = 0; k < width; ++k) {
            const double product = exact(o.rows[r][k]) * exact(o.x[t][k]);
            sum += product;
            magnitude += std::abs(product);
          }
          const double tolerance = static_cast<double>(width) * 0x1p-24 * magnitude + 0x1p-149;
          REQUIRE(std::abs(exact(alone(o, dots, r, t)) - sum) <= tolerance);
        }
      }
    }
  }
}

TEMPLATE_TEST_CASE("A dot product has the same bits in every kernel and place, and no kernel leaves its operands",
                   "[kernels]", float, float16_bits, bfloat16_bits, std::int8_t) {
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage_of<TestType>);
    for (const std::size_t width : widths) {
      CAPTURE(width);
      std::vector<float> first;
      for (const placement where : placements) {
        random_numbers random(42);
        const operands<TestType> o(width, where, random);
        require_equal_in_all_kernels(o, dots, where);
        for (const auto& input : o.inputs) REQUIRE(input->surroundings_intact());
        std::vector<float> found;
        for (std::size_t i = 0; i < count; ++i) found.push_back(alone(o, dots, i, i));
        if (first.empty()) first = found;
        REQUIRE(equal_bits(found, first));
      }
    }
  }
}

TEMPLATE_TEST_CASE("Wide gaps between the rows of a block change nothing", "[kernels]", float, float16_bits,
                   bfloat16_bits, std::int8_t) {
  constexpr std::size_t width = 40;
  random_numbers random(43);
  operands<TestType> o(width, placement::odd, random);
  const std::size_t stride = 2 * o.weights.stride();
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage_of<TestType>);
    std::array<float, 12> z{};
    dots.rows_3_inputs_4(o.bytes[1], stride, o.x.data(), width, z.data(), {});
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t t = 0; t < 4; ++t) REQUIRE(equal_bits(z[r * 4 + t], alone(o, dots, 1 + 2 * r, t)));
    }
  }
}

TEMPLATE_TEST_CASE("NaN and infinity in an input travel to its own dot products and to no others", "[kernels]", float,
                   float16_bits, bfloat16_bits, std::int8_t) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const isa_level level : levels_of_this_machine()) {
    CAPTURE(std::string(name(level)));
    const kernels::dot_kernels& dots = kernels::dots_of(level, storage_of<TestType>);
    for (const std::size_t width : {std::size_t{1}, std::size_t{7}, std::size_t{16}, std::size_t{33}}) {
      for (std::size_t k = 0; k < width; ++k) {
        random_numbers random(44);
        operands<TestType> o(width, placement::at_end, random);
        for (std::size_t r = 0; r < count; ++r) {
          while (exact(o.weights.row(r)[k]) <= 0) draw(random, o.weights.row(r)[k]);
        }
        (*o.inputs[1])[k] = std::numeric_limits<float>::quiet_NaN();
        (*o.inputs[2])[k] = -infinity;
        std::array<float, 12> z{};
        dots.rows_3_inputs_4(o.bytes[0], o.weights.stride(), o.x.data(), width, z.data(), {});
        std::array<float, 8> eight{};
        dots.pairs_8(o.bytes.data(), o.x.data(), width, eight.data());
        for (std::size_t r = 0; r < 3; ++r) {
          REQUIRE(std::isfinite(z[r * 4]));
          REQUIRE(std::isnan(z[r * 4 + 1]));
          REQUIRE(z[r * 4 + 2] == -infinity);
          REQUIRE(std::isfinite(z[r * 4 + 3]));
        }
        for (std::size_t i = 0; i < 8; ++i) {
          REQUIRE(std::isnan(eight[i]) == (i == 1));
          REQUIRE(std::isinf(eight[i]) == (i == 2));
        }
        REQUIRE(std::isnan(alone(o, dots, 6, 1)));
        REQUIRE(alone(o, dots, 6, 2) == -infinity);
      }
    }
  }
}

}  // namespace ufb_test
