// SPDX-License-Identifier: MIT
//
// Operations on rows, dot products, weighted sums and packed products against double precision. Errors are counted in
// the roundings that a result may have: each is half a unit in the last place of the sum of all magnitudes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/support.hpp"
#include "numerics/report.hpp"
#include "products/narrow_products.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ufb_test::numerics {

namespace {

using namespace ultrafastbert;

constexpr double tiny = 0x1p-149;  // where numbers are subnormal, a rounding is as large as that
constexpr std::size_t row_widths[] = {1, 7, 16, 33, 64, 100, 257, 768, 1024, 4096};
// Scales of operands: ordinary, huge, and such that products are subnormal.
constexpr double scales[] = {1.0, 1e15, 1e-20};

// How many of the allowed roundings an error has.
double share(double got, double expected, double roundings, double magnitude) {
  if (got == expected) return 0;
  return std::abs(got - expected) / (roundings * (unit * magnitude + tiny));
}

struct operands {
  operands(std::size_t width, double scale, random_numbers& random)
      : x(random.reals<float>(width, scale)), a(random.reals<float>(width)), b(random.reals<float>(width)) {
    if (random.coin()) {
      for (float& v : x) v += static_cast<float>(scale) * 4;  // far from zero
    }
  }
  [[nodiscard]] double mean() const { return power_mean(1, 0); }
  [[nodiscard]] double power_mean(int power, double center) const {
    double sum = 0;
    for (const float v : x) sum += std::pow(static_cast<double>(v) - center, power);
    return sum / static_cast<double>(x.size());
  }
  std::vector<float> x;
  std::vector<float> a;
  std::vector<float> b;
};

struct result {
  double value;
  double magnitude;
};

struct operation {
  std::string name;
  std::function<void(const kernels::row_kernels&, const operands&, float* y)> run;
  std::function<result(const operands&, std::size_t i, const std::array<double, 2>& moments)> expected;
  double roundings;  // of an element by itself
  bool sums;         // whether an element has those of a sum over the row, too
};

constexpr float epsilon = 1e-12F;

std::vector<operation> all_operations() {
  return {
      {"layer norm",
       [](const auto& k, const operands& o, float* y) {
         k.layer_norm(o.x.size(), epsilon, o.a.data(), o.b.data(), o.x.data(), y);
       },
       [](const operands& o, std::size_t i, const std::array<double, 2>& m) {
         const double root = std::sqrt(m[1] + static_cast<double>(epsilon));
         const double a = static_cast<double>(o.a[i]);
         const double normed = (static_cast<double>(o.x[i]) - m[0]) / root * a;
         // The mean's roundings are those of its own size.
         const double lost = (std::abs(m[0]) + std::abs(static_cast<double>(o.x[i]))) / root * std::abs(a);
         return result{normed + static_cast<double>(o.b[i]), std::abs(normed) * (1 + m[0] * m[0] / (root * root)) +
                                                                 lost + std::abs(static_cast<double>(o.b[i]))};
       },
       8, true},
      {"RMS norm",
       [](const auto& k, const operands& o, float* y) { k.rms_norm(o.x.size(), epsilon, o.a.data(), o.x.data(), y); },
       [](const operands& o, std::size_t i, const std::array<double, 2>&) {
         const double root = std::sqrt(o.power_mean(2, 0) + static_cast<double>(epsilon));
         const double value = static_cast<double>(o.x[i]) / root * static_cast<double>(o.a[i]);
         return result{value, std::abs(value)};
       },
       8, true},
      {"scale norm",
       [](const auto& k, const operands& o, float* y) { k.scale_norm(o.x.size(), epsilon, 1.75F, o.x.data(), y); },
       [](const operands& o, std::size_t i, const std::array<double, 2>&) {
         const double length = std::sqrt(o.power_mean(2, 0) * static_cast<double>(o.x.size()));
         const double value = static_cast<double>(o.x[i]) * 1.75 / std::max(length, static_cast<double>(epsilon));
         return result{value, std::abs(value)};
       },
       8, true},
      {"sum of rows", [](const auto& k, const operands& o, float* y) { k.sum(o.x.size(), o.x.data(), o.a.data(), y); },
       [](const operands& o, std::size_t i, const std::array<double, 2>&) {
         const double value = static_cast<double>(o.x[i]) + static_cast<double>(o.a[i]);
         return result{value, std::abs(value)};
       },
       1, false},
      {"product of rows",
       [](const auto& k, const operands& o, float* y) { k.product(o.x.size(), o.x.data(), o.a.data(), y); },
       [](const operands& o, std::size_t i, const std::array<double, 2>&) {
         const double value = static_cast<double>(o.x[i]) * static_cast<double>(o.a[i]);
         return result{value, std::abs(value)};
       },
       1, false},
      {"scaled row", [](const auto& k, const operands& o, float* y) { k.scale(o.x.size(), 0.37F, o.x.data(), y); },
       [](const operands& o, std::size_t i, const std::array<double, 2>&) {
         const double value = static_cast<double>(o.x[i]) * static_cast<double>(0.37F);
         return result{value, std::abs(value)};
       },
       1, false},
  };
}

void check_row_operations(report& to, int rounds, isa_level level) {
  const kernels::row_kernels& k = kernels::rows_of(level);
  for (const operation& op : all_operations()) {
    random_numbers random(301);
    double worst = 0;
    std::uint64_t values = 0;
    for (const std::size_t width : row_widths) {
      for (int round = 0; round < rounds; ++round) {
        const operands o(width, op.sums ? random.pick({1.0, 1e-3, 1e12}) : random.pick({1.0, 1e15, 1e-36}), random);
        const double mean = o.mean();
        const std::array<double, 2> moments{mean, o.power_mean(2, mean)};
        std::vector<float> y(width);
        op.run(k, o, y.data());
        // A sum over a row has chains of a sixteenth of it at least, and five steps over chains and lanes.
        const double roundings = op.roundings + (op.sums ? 2 * std::ceil(static_cast<double>(width) / 16) + 10 : 0);
        for (std::size_t i = 0; i < width; ++i) {
          const result expected = op.expected(o, i, moments);
          keep_worst(worst, share(static_cast<double>(y[i]), expected.value, roundings, expected.magnitude));
        }
        values += width;
      }
    }
    to.line(op.name, std::string(name(level)), worst, 1, "of its roundings", values);
  }
}

void check_softmax(report& to, int rounds, isa_level level) {
  random_numbers random(302);
  double worst = 0;
  double worst_sum = 0;
  std::uint64_t values = 0;
  for (const std::size_t width : row_widths) {
    for (int round = 0; round < 2 * rounds; ++round) {
      const double scale = random.pick({1e-3, 1.0, 30.0, 1e4, 1e30});
      const std::vector<float> scores = random.reals<float>(width, scale);
      const std::vector<float> bias = random.reals<float>(width, random.pick({0.0, 1.0, 1e4}));
      const bool biased = random.coin();
      std::vector<double> s(width);
      for (std::size_t i = 0; i < width; ++i) {
        const volatile float product = scores[i] * 0.125F;  // rounded, then the bias is added
        const float sum = biased ? product + bias[i] : product;
        s[i] = static_cast<double>(sum);
      }
      const double largest = *std::max_element(s.begin(), s.end());
      std::vector<float> got = scores;
      kernels::running_softmax state;
      kernels::rows_of(level).softmax(
          {.scores = got.data(), .count = width, .factor = 0.125F, .bias = biased ? bias.data() : nullptr}, state);
      double total = 0;
      for (std::size_t i = 0; i < width; ++i) {
        const double difference = largest - s[i];
        const double expected = std::exp(-difference);
        total += expected;
        // The exponential's 1.2 units, and the rounding of what it is taken of. Less than 2^-126 is 0.
        keep_worst(worst, std::abs(static_cast<double>(got[i]) - expected) /
                              (expected * (2.4 + difference) * unit * 1.01 + 0x1.01p-126));
      }
      const double chain = std::ceil(static_cast<double>(width) / 4) + 4;
      keep_worst(worst_sum, std::abs(static_cast<double>(state.sum) - total) / (total * (chain + 2.4 + 20) * unit));
      values += width;
    }
  }
  to.line("softmax, weights", std::string(name(level)), worst, 1, "of its roundings", values);
  to.line("softmax, sums", std::string(name(level)), worst_sum, 1, "of its roundings", values);
}

template <class Weight>
void check_dots_and_sums(report& to, int rounds, isa_level level) {
  const weight_storage storage = storage_of<Weight>;
  const kernels::dot_kernels& dots = kernels::dots_of(level, storage);
  const kernels::sum_kernels& sums = kernels::sums_of(level, storage);
  random_numbers random(303);
  double worst_dot = 0;
  double worst_sum = 0;
  std::uint64_t products = 0;
  std::uint64_t terms = 0;
  constexpr std::size_t count = 21;
  for (const std::size_t width : row_widths) {
    for (int round = 0; round < rounds; ++round) {
      weight_rows<Weight> weights(count, width, random);
      const double scale = random.pick({scales[0], scales[1], scales[2]});
      const std::vector<float> x = random.reals<float>(width, scale);
      std::array<const std::byte*, count> rows{};
      for (std::size_t r = 0; r < count; ++r) rows[r] = bytes_of(weights.row(r));
      const double chain = std::ceil(static_cast<double>(width) / static_cast<double>(dots.partial_sums));
      // Products may be rounded before they are added; then the chains are added, pair by pair.
      const double roundings = 2 * chain + std::log2(static_cast<double>(dots.partial_sums)) + 1;
      for (std::size_t r = 0; r < count; ++r) {
        float z = 0;
        dots.pair(rows[r], x.data(), width, &z, {});
        double expected = 0;
        double magnitude = 0;
        for (std::size_t c = 0; c < width; ++c) {
          const double term = exact(weights.row(r)[c]) * static_cast<double>(x[c]);
          expected += term;
          magnitude += std::abs(term);
        }
        keep_worst(worst_dot, share(static_cast<double>(z), expected, roundings, magnitude));
      }
      products += count;
      const std::vector<float> coefficients = random.reals<float>(count, scale);
      std::vector<float> y = random.reals<float>(width, scale);
      const std::vector<float> before = y;
      sums.sum(rows.data(), coefficients.data(), count, {.first = 0, .last = width}, kernels::sum_target::add, y.data(),
               {});
      for (std::size_t c = 0; c < width; ++c) {
        double expected = static_cast<double>(before[c]);
        double magnitude = std::abs(expected);
        for (std::size_t r = 0; r < count; ++r) {
          const double term = exact(weights.row(r)[c]) * static_cast<double>(coefficients[r]);
          expected += term;
          magnitude += std::abs(term);
        }
        keep_worst(worst_sum, share(static_cast<double>(y[c]), expected, 2 * count + 1, magnitude));
      }
      terms += width;
    }
  }
  const std::string of = std::string(" of ").append(name(storage));
  to.line("dot products" + of, std::string(name(level)), worst_dot, 1, "of its roundings", products);
  to.line("weighted sums" + of, std::string(name(level)), worst_sum, 1, "of its roundings", terms);
}

// x and W as a storage keeps them, in double.
struct rounded_operands {
  rounded_operands(const guarded_matrix<float>& m, weight_storage storage, bool by_inverse) {
    for (std::size_t r = 0; r < m.rows(); ++r) {
      float largest = 0;
      for (std::size_t k = 0; k < m.cols(); ++k) largest = std::max(largest, std::abs(m(r, k)));
      scales.push_back(storage == weight_storage::int8 ? static_cast<double>(largest / 127.0F) : 1.0);
      for (std::size_t k = 0; k < m.cols(); ++k) {
        const float v = m(r, k);
        if (storage == weight_storage::bfloat16) {
          values.push_back(to_bfloat16(v));
        } else if (storage == weight_storage::int8) {
          const float ratio = largest == 0 ? 0.0F : by_inverse ? v * (127.0F / largest) : v / (largest / 127.0F);
          values.push_back(std::nearbyint(std::clamp(static_cast<double>(ratio), -127.0, 127.0)));
        } else {
          values.push_back(static_cast<double>(v));
        }
      }
    }
  }
  std::vector<double> values{};
  std::vector<double> scales{};
};

void check_products(report& to, int rounds, const variant& v, weight_storage storage) {
  random_numbers random(304);
  workspace scratch;
  double worst = 0;
  std::uint64_t values = 0;
  std::string kernel;
  for (const std::size_t width : {std::size_t{1}, std::size_t{30}, std::size_t{768}, std::size_t{3073}}) {
    for (int round = 0; round < rounds; ++round) {
      const std::size_t rows = random.size(1, 14);
      const std::size_t outputs = random.size(1, 70);
      const double scale = random.pick({1.0, 1e15, 1e-15});
      const guarded_matrix<float> x(rows, width, 1, random, scale);
      const guarded_matrix<float> w(outputs, width, 1, random);
      const packed_matrix matrix =
          storage == weight_storage::float32 ? packed_matrix(w.view(), v.level) : packed(w, storage, v);
      kernel = matrix.kernel_name();
      guarded_matrix<float> y(rows, outputs, 1);
      matrix.multiply(x.view(), y.view(), scratch);
      const rounded_operands left(x, storage, true);
      const rounded_operands right(w, storage, false);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t n = 0; n < outputs; ++n) {
          double sum = 0;
          double magnitude = 0;
          for (std::size_t k = 0; k < width; ++k) {
            const double term = left.values[r * width + k] * right.values[n * width + k];
            sum += term;
            magnitude += std::abs(term);
          }
          const double factor = left.scales[r] * right.scales[n];
          // int8: an exact sum, rounded to float and twice multiplied; others: a chain, rounded at each term.
          const bool scaled = storage == weight_storage::int8;
          const double roundings = scaled ? 3.1 : 2 * static_cast<double>(width) + 1;
          keep_worst(worst, share(static_cast<double>(y(r, n)), sum * factor, roundings,
                                  (scaled ? std::abs(sum) : magnitude) * std::abs(factor)));
        }
      }
      values += rows * outputs;
    }
  }
  to.line(std::string("packed products of ").append(name(storage)), kernel, worst, 1, "of its roundings", values);
}

}  // namespace

void check_rows(report& to, int rounds) {
  for (const isa_level level : levels_of_this_machine()) {
    check_row_operations(to, rounds, level);
    check_softmax(to, rounds, level);
    check_dots_and_sums<float>(to, rounds, level);
    check_dots_and_sums<float16_bits>(to, rounds, level);
    check_dots_and_sums<bfloat16_bits>(to, rounds, level);
    check_dots_and_sums<std::int8_t>(to, rounds, level);
    check_products(to, rounds, {level, {}}, weight_storage::float32);
  }
  for (const variant& v : variants()) {
    for (const weight_storage storage : narrow_storages) check_products(to, rounds, v, storage);
  }
}

}  // namespace ufb_test::numerics
