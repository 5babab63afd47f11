// SPDX-License-Identifier: MIT
//
// Fused attention of one head against double precision, the independence of its queries, masks, and its limits in
// memory.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kernels/support.hpp"
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/products/head_attention.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr double unit = 0x1p-24;
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Two heads' rows as a projection leaves them, the second of which is computed, and what may be said about keys.
struct sequence {
  sequence(std::size_t length_, std::size_t width_, random_numbers& random)
      : length(length_), width(width_), rows(length, 6 * width, 5, random, 1.5) {}

  [[nodiscard]] attention_operands operands() const {
    const auto part = [this](std::size_t which) { return rows.view().cols_from((3 + which) * width, width); };
    return {.queries = part(0),
            .keys = part(1),
            .values = part(2),
            .norm_factor = norm_factor,
            .visible_keys = visible == 0 ? length : visible,
            .key_bias = bias,
            .query_mask = mask,
            .causal = causal};
  }

  std::size_t length;
  std::size_t width;
  guarded_matrix<float> rows;
  float norm_factor = 0.4F;
  std::size_t visible = 0;
  std::vector<float> bias{};
  matrix_view<const float> mask{};
  bool causal = false;
};

double bias_of(const attention_operands& o, std::size_t query, std::size_t key) {
  if (o.causal && key > query) return -10000.0;
  if (o.query_mask.data() != nullptr) return exact((1.0F - o.query_mask(query, key)) * -10000.0F);
  return o.key_bias.empty() ? 0.0 : exact(o.key_bias[key]);
}

// Whether a query's result is as near to the exact one as roundings of scores, weights and their sums allow.
bool near(const attention_operands& o, std::size_t query, const float* context) {
  const std::size_t width = o.keys.cols();
  std::vector<double> score(o.visible_keys);
  std::vector<double> error(o.visible_keys);  // of a score: a rounding per term of its chain, one per product and sum
  for (std::size_t key = 0; key < o.visible_keys; ++key) {
    double magnitude = 0;
    for (std::size_t k = 0; k < width; ++k) {
      const double term = exact(o.queries(query, k)) * exact(o.keys(key, k)) * exact(o.norm_factor);
      score[key] += term;
      magnitude += std::abs(term);
    }
    const double bias = bias_of(o, query, key);
    score[key] += bias;
    error[key] =
        (static_cast<double>(width) + 4) * unit * magnitude + (2 * std::abs(score[key]) + std::abs(bias)) * unit;
  }
  const double largest = *std::max_element(score.begin(), score.end());
  double sum = 0;
  double worst = 0;
  for (std::size_t key = 0; key < o.visible_keys; ++key) {
    const double weight = std::exp(score[key] - largest);
    if (weight > 1e-9) worst = std::max(worst, error[key] + std::abs(score[key] - largest) * unit);
    sum += weight;
  }
  const double relative = 4 * worst + (2 * static_cast<double>(o.visible_keys) + 40) * unit;
  for (std::size_t k = 0; k < width; ++k) {
    double expected = 0;
    double magnitude = 0;
    for (std::size_t key = 0; key < o.visible_keys; ++key) {
      const double term = std::exp(score[key] - largest) / sum * exact(o.values(key, k));
      expected += term;
      magnitude += std::abs(term);
    }
    if (!(std::abs(exact(context[k]) - expected) <= relative * magnitude + 1e-9)) return false;
  }
  return true;
}

guarded_matrix<float> context_of(const attention_operands& o, isa_level level, workspace& scratch,
                                 std::size_t gap = 3) {
  guarded_matrix<float> context(o.queries.rows(), o.keys.cols(), gap);
  head_attention(level).forward(o, context.view(), scratch);
  REQUIRE(context.surroundings_intact());
  return context;
}

bool equal_rows(const guarded_matrix<float>& a, const guarded_matrix<float>& b, std::size_t rows) {
  for (std::size_t r = 0; r < rows; ++r) {
    if (!equal_bits({a.row(r), a.cols()}, {b.row(r), b.cols()})) return false;
  }
  return true;
}

bool all_near(const attention_operands& o, const guarded_matrix<float>& context) {
  for (std::size_t query = 0; query < context.rows(); ++query) {
    if (!near(o, query, context.row(query))) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("Attention of a head follows its definition for any width and length", "[attention]") {
  random_numbers random(101);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t width : std::initializer_list<std::size_t>{1, 4, 16, 30, 64, 120}) {
      for (const std::size_t length : std::initializer_list<std::size_t>{1, 2, 5, 16, 24, 25, 33, 64, 100}) {
        CAPTURE(std::string(name(level)), width, length);
        const sequence s(length, width, random);
        REQUIRE(all_near(s.operands(), context_of(s.operands(), level, scratch)));
      }
    }
    for (const std::size_t length : std::initializer_list<std::size_t>{255, 256, 257, 600}) {
      CAPTURE(std::string(name(level)), length);
      const sequence s(length, 30, random);
      REQUIRE(all_near(s.operands(), context_of(s.operands(), level, scratch)));
    }
  }
}

TEST_CASE("Masks lower scores: per key, per query, of the keys behind a query", "[attention]") {
  random_numbers random(102);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (int round = 0; round < 40; ++round) {
      const auto length = random.pick<std::size_t>({1, 7, 40, 130, 300});
      sequence s(length, random.pick<std::size_t>({4, 16, 33}), random);
      s.visible = random.size(1, s.length);
      guarded_matrix<float> mask(s.length, s.length, 2);
      for (std::size_t q = 0; q < s.length; ++q) {
        for (std::size_t k = 0; k < s.length; ++k) mask(q, k) = random.pick({0.0F, 1.0F, 1.0F, 0.9995F});
      }
      if (random.coin()) std::fill_n(mask.row(0), s.length, 0.0F);  // all masked
      const int kind = round % 3;
      if (kind == 0) {
        for (std::size_t k = 0; k < s.visible; ++k) s.bias.push_back(mask_bias(mask(0, k)));
      }
      if (kind == 1) s.mask = std::as_const(mask).view();
      s.causal = kind == 2 || random.coin();
      CAPTURE(std::string(name(level)), s.length, s.visible, s.width, kind, s.causal);
      REQUIRE(all_near(s.operands(), context_of(s.operands(), level, scratch)));
    }
  }
}

TEST_CASE("A query's bits do not depend on the queries computed beside it", "[attention]") {
  random_numbers random(103);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t length : std::initializer_list<std::size_t>{3, 40, 97, 530}) {
      sequence s(length, 20, random);
      const guarded_matrix<float> mask(length, length, 0, random, 1e-3);
      for (int kind = 0; kind < 3; ++kind) {
        s.causal = kind == 1;
        s.mask = kind == 2 ? mask.view() : matrix_view<const float>{};
        const guarded_matrix<float> whole = context_of(s.operands(), level, scratch);
        for (int part = 0; part < 8; ++part) {
          const std::size_t first = random.size(0, length - 1);
          const std::size_t count = random.size(1, std::min<std::size_t>(length - first, 50));
          CAPTURE(std::string(name(level)), length, kind, first, count);
          attention_operands some = s.operands();
          some.queries = some.queries.rows_from(first, count);
          if (kind == 2) some.query_mask = mask.view().rows_from(first, count);
          some.first_query = first;
          const guarded_matrix<float> context = context_of(some, level, scratch, 40);
          for (std::size_t r = 0; r < count; ++r) {
            REQUIRE(equal_bits({context.row(r), s.width}, {whole.row(first + r), s.width}));
          }
        }
      }
    }
  }
}

TEST_CASE("Keys that are cut off or masked at the end leave no trace, nor does a mask of ones", "[attention]") {
  random_numbers random(104);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t length : std::initializer_list<std::size_t>{1, 5, 31, 32, 33, 256, 300, 512}) {
      for (const std::size_t more : std::initializer_list<std::size_t>{1, 30, 270}) {
        CAPTURE(std::string(name(level)), length, more);
        const sequence s(length, 16, random);
        const guarded_matrix<float> expected = context_of(s.operands(), level, scratch);
        sequence longer(length + more, 16, random);
        for (std::size_t r = 0; r < length; ++r) std::copy_n(s.rows.row(r), 6 * s.width, longer.rows.row(r));
        longer.bias.assign(length, mask_bias(1.0F));
        longer.bias.resize(length + more, mask_bias(0.0F));
        REQUIRE(equal_rows(expected, context_of(longer.operands(), level, scratch), length));
        for (std::size_t r = length; r < length + more; ++r) std::fill_n(longer.rows.row(r), 6 * s.width, not_a_number);
        longer.visible = length;
        longer.bias.resize(length);
        REQUIRE(equal_rows(expected, context_of(longer.operands(), level, scratch), length));
        longer.bias.clear();
        REQUIRE(equal_rows(expected, context_of(longer.operands(), level, scratch), length));
        const std::vector<float> ones((length + more) * length, 1.0F);
        longer.mask = {ones.data(), {length + more, length}};
        REQUIRE(equal_rows(expected, context_of(longer.operands(), level, scratch), length));
      }
    }
  }
}

TEST_CASE("Keys of bias -infinity take no part, even if a whole block of them comes first", "[attention]") {
  random_numbers random(105);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t hidden : std::initializer_list<std::size_t>{1, 256, 300}) {
      sequence s(hidden + 40, 8, random);
      s.bias.assign(hidden, -infinity);
      s.bias.resize(s.length, 0.0F);
      attention_operands rest = s.operands();
      const guarded_matrix<float> context = context_of(rest, level, scratch);
      rest.keys = rest.keys.rows_from(hidden, 40);
      rest.values = rest.values.rows_from(hidden, 40);
      rest.visible_keys = 40;
      rest.key_bias = {};
      REQUIRE(all_near(rest, context));
    }
  }
}

TEST_CASE("NaN in a query stays in its row, in a key or value within its head", "[attention]") {
  random_numbers random(106);
  workspace scratch;
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t length : std::initializer_list<std::size_t>{7, 300}) {
      CAPTURE(std::string(name(level)), length);
      const auto nan_rows = [&](const sequence& s) {
        const guarded_matrix<float> context = context_of(s.operands(), level, scratch);
        std::size_t rows = 0;
        for (std::size_t r = 0; r < length; ++r) {
          if (std::any_of(context.row(r), context.row(r) + s.width, [](float v) { return std::isnan(v); })) ++rows;
        }
        return rows;
      };
      sequence s(length, 12, random);
      for (std::size_t column = 0; column < 3 * s.width; ++column) s.rows(2, column) = not_a_number;  // the other head
      REQUIRE(nan_rows(s) == 0);
      s.rows(3, 3 * s.width + 5) = not_a_number;
      REQUIRE(nan_rows(s) == 1);
      s.rows(3, 5 * s.width + 5) = not_a_number;
      REQUIRE(nan_rows(s) == length);
      sequence t(length, 12, random);
      t.rows(1, 4 * s.width + 5) = not_a_number;
      REQUIRE(nan_rows(t) == length);
    }
  }
}

TEST_CASE("A long sequence needs no more memory than a tile and a block, and two numbers per query", "[attention]") {
  random_numbers random(107);
  for (const isa_level level : levels_of_this_machine()) {
    sequence s(8192, 16, random);
    s.norm_factor = 2.0F;  // the largest score grows over many blocks
    attention_operands o = s.operands();
    o.queries = o.queries.rows_from(77, 30);
    workspace scratch;
    REQUIRE(all_near(o, context_of(o, level, scratch)));
    REQUIRE(scratch.capacity() <= std::size_t{128} * 1024);
  }
}

TEST_CASE("Once a call was repeated, attention of a head allocates nothing", "[attention]") {
  if (!allocations_are_counted()) return;
  random_numbers random(108);
  for (const isa_level level : levels_of_this_machine()) {
    sequence s(300, 30, random);
    s.causal = true;
    const head_attention attention(level);
    guarded_matrix<float> context(300, 30);
    workspace scratch;
    const auto run = [&] { attention.forward(s.operands(), context.view(), scratch); };
    run();
    run();
    CHECK(allocations_in(run) == 0);
  }
}

TEST_CASE("Attention of a head refuses operands that do not fit, and leaves its output alone", "[attention]") {
  random_numbers random(109);
  workspace scratch;
  const sequence s(6, 4, random);
  const head_attention attention;
  guarded_matrix<float> context(6, 4);
  const std::vector<float> numbers(36);
  const auto refused = [&](auto change) {
    attention_operands o = s.operands();
    change(o);
    return error_of([&] { attention.forward(o, context.view(), scratch); })->code() == error_code::invalid_input;
  };
  CHECK(refused([](attention_operands& o) { o.queries = o.queries.cols_from(0, 3); }));
  CHECK(refused([](attention_operands& o) { o.queries = o.queries.rows_from(0, 5); }));
  CHECK(refused([](attention_operands& o) { o.values = o.values.rows_from(0, 5); }));
  CHECK(refused([](attention_operands& o) { o.visible_keys = 0; }));
  CHECK(refused([](attention_operands& o) { o.visible_keys = 7; }));
  CHECK(refused([&](attention_operands& o) { o.key_bias = {numbers.data(), 5}; }));
  CHECK(refused([&](attention_operands& o) { o.query_mask = {numbers.data(), {6, 5}}; }));
  CHECK(refused([&](attention_operands& o) { o.query_mask = {numbers.data(), {5, 6}}; }));
  CHECK(refused([&](attention_operands& o) {
    o.query_mask = {numbers.data(), {6, 6}};
    o.key_bias = {numbers.data(), 6};
  }));
  CHECK(context.untouched());
  for (const isa_level level : {isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (supported(level)) continue;
    CHECK(error_of([&] { const head_attention none(level); })->code() == error_code::unsupported);
  }
}

}  // namespace ufb_test
