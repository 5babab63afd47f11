// SPDX-License-Identifier: MIT
//
// The row kernels against double precision, at every width and in every place.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "support.hpp"
#include "support/catch.hpp"
#include "ultrafastbert/kernels/dispatch.hpp"

namespace ufb_test {

using namespace ultrafastbert;

namespace {

constexpr double unit = 0x1p-24;
constexpr float epsilon = 1e-5F;

std::vector<double> exact_of(const std::vector<float>& x) { return {x.begin(), x.end()}; }

double mean_of(const std::vector<double>& x, double power, double center = 0) {
  double sum = 0;
  for (const double value : x) sum += std::pow(value - center, power);
  return sum / static_cast<double>(x.size());
}

double largest_magnitude(const std::vector<double>& x) {
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::abs(value));
  return largest;
}

// The operands of one call, and what it is called with.
struct operands {
  operands(std::size_t width, random_numbers& random)
      : x(random.reals<float>(width, 3)), a(random.reals<float>(width)), b(random.reals<float>(width)) {}
  std::vector<float> x;
  std::vector<float> a;
  std::vector<float> b;
};

struct operation {
  std::string name;
  std::function<void(const kernels::row_kernels&, const operands&, const float* x, float* y)> run;
  std::function<std::vector<double>(const operands&)> expected;
  double roundings;  // of a result, besides those of a sum over the row
};

std::vector<operation> all_operations() {
  std::vector<operation> all;
  all.push_back({"layer_norm",
                 [](const auto& k, const operands& o, const float* x, float* y) {
                   k.layer_norm(o.x.size(), epsilon, o.a.data(), o.b.data(), x, y);
                 },
                 [](const operands& o) {
                   std::vector<double> y = exact_of(o.x);
                   const double mean = mean_of(y, 1);
                   const double root = std::sqrt(mean_of(y, 2, mean) + exact(epsilon));
                   for (std::size_t i = 0; i < y.size(); ++i)
                     y[i] = (y[i] - mean) / root * exact(o.a[i]) + exact(o.b[i]);
                   return y;
                 },
                 8});
  all.push_back({"rms_norm",
                 [](const auto& k, const operands& o, const float* x, float* y) {
                   k.rms_norm(o.x.size(), epsilon, o.a.data(), x, y);
                 },
                 [](const operands& o) {
                   std::vector<double> y = exact_of(o.x);
                   const double root = std::sqrt(mean_of(y, 2) + exact(epsilon));
                   for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] / root * exact(o.a[i]);
                   return y;
                 },
                 6});
  all.push_back({"scale_norm",
                 [](const auto& k, const operands& o, const float* x, float* y) {
                   k.scale_norm(o.x.size(), epsilon, 1.75F, x, y);
                 },
                 [](const operands& o) {
                   std::vector<double> y = exact_of(o.x);
                   const double length = std::sqrt(mean_of(y, 2) * static_cast<double>(y.size()));
                   for (double& value : y) value *= 1.75 / std::max(length, exact(epsilon));
                   return y;
                 },
                 6});
  all.push_back(
      {"sum", [](const auto& k, const operands& o, const float* x, float* y) { k.sum(o.x.size(), x, o.a.data(), y); },
       [](const operands& o) {
         std::vector<double> y = exact_of(o.x);
         for (std::size_t i = 0; i < y.size(); ++i) y[i] += exact(o.a[i]);
         return y;
       },
       1});
  all.push_back(
      {"product",
       [](const auto& k, const operands& o, const float* x, float* y) { k.product(o.x.size(), x, o.a.data(), y); },
       [](const operands& o) {
         std::vector<double> y = exact_of(o.x);
         for (std::size_t i = 0; i < y.size(); ++i) y[i] *= exact(o.a[i]);
         return y;
       },
       1});
  all.push_back({"scale",
                 [](const auto& k, const operands& o, const float* x, float* y) { k.scale(o.x.size(), 0.37F, x, y); },
                 [](const operands& o) {
                   std::vector<double> y = exact_of(o.x);
                   for (double& value : y) value *= exact(0.37F);
                   return y;
                 },
                 1});
  return all;
}

}  // namespace

TEST_CASE("Row kernels follow their definitions and touch nothing else, in place and not, wherever the row stands",
          "[kernels]") {
  random_numbers random(91);
  for (const operation& op : all_operations()) {
    for (const std::size_t width : widths) {
      const operands o(width, random);
      const std::vector<double> expected = op.expected(o);
      // A lane of the sums takes at most a part of the terms; magnitudes grow where a mean is subtracted from few
      // terms.
      const double scale = std::max(largest_magnitude(expected), 1.0);
      const double bound = (op.roundings + static_cast<double>(width) / 4) * 4 * unit * scale;
      for (const isa_level level : levels_of_this_machine()) {
        std::vector<float> first;
        for (const placement where : placements) {
          CAPTURE(op.name, width, std::string(name(level)));
          fenced<float> x(width, where);
          fenced<float> y(width, where);
          std::copy(o.x.begin(), o.x.end(), x.data());
          op.run(kernels::rows_of(level), o, x.data(), y.data());
          REQUIRE(y.surroundings_intact());
          for (std::size_t i = 0; i < width; ++i) REQUIRE(std::abs(exact(y[i]) - expected[i]) <= bound);
          op.run(kernels::rows_of(level), o, x.data(), x.data());
          REQUIRE(equal_bits(x.span(), y.span()));
          REQUIRE(x.surroundings_intact());
          if (first.empty()) first.assign(y.data(), y.data() + width);
          REQUIRE(equal_bits(y.span(), first));
        }
      }
    }
  }
}

TEST_CASE("Layer normalization of a row far from zero subtracts the mean before it squares", "[kernels]") {
  random_numbers random(92);
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t width : {std::size_t{30}, std::size_t{768}}) {
      operands o(width, random);
      for (float& value : o.x) value += 4096.0F;
      std::vector<float> y(width);
      kernels::rows_of(level).layer_norm(width, 0.0F, o.a.data(), o.b.data(), o.x.data(), y.data());
      const std::vector<double> x = exact_of(o.x);
      const double mean = mean_of(x, 1);
      const double root = std::sqrt(mean_of(x, 2, mean));
      for (std::size_t i = 0; i < width; ++i) {
        // The mean is off by some roundings of 4096, which is 2^-12 of the rows' spread.
        REQUIRE(std::abs(exact(y[i]) - ((x[i] - mean) / root * exact(o.a[i]) + exact(o.b[i]))) <= 4096 * 20 * unit);
      }
    }
  }
}

TEST_CASE("Norms of rows without length: zeros stay what the bias says, NaN fills its row", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::row_kernels& k = kernels::rows_of(level);
    const std::vector<float> ones(37, 1.0F);
    std::vector<float> x(37, 0.0F);
    k.rms_norm(37, 1e-6F, ones.data(), x.data(), x.data());
    CHECK(x == std::vector<float>(37, 0.0F));
    k.scale_norm(37, 1e-6F, 2.0F, x.data(), x.data());
    CHECK(x == std::vector<float>(37, 0.0F));
    k.layer_norm(37, 1e-6F, ones.data(), ones.data(), x.data(), x.data());
    CHECK(x == ones);
    std::vector<float> y(37);
    x[33] = std::numeric_limits<float>::quiet_NaN();
    const auto all_nan = [&y] { return std::all_of(y.begin(), y.end(), [](float v) { return std::isnan(v); }); };
    k.rms_norm(37, 1e-6F, ones.data(), x.data(), y.data());
    CHECK(all_nan());
    k.scale_norm(37, 1e-6F, 2.0F, x.data(), y.data());
    CHECK(all_nan());
    k.layer_norm(37, 1e-6F, ones.data(), ones.data(), x.data(), y.data());
    CHECK(all_nan());
  }
}

TEST_CASE("A softmax in blocks has the weights of one in a piece, and its bias is added to rounded scores",
          "[kernels]") {
  random_numbers random(93);
  constexpr float factor = 0.3F;
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::row_kernels& k = kernels::rows_of(level);
    for (const std::size_t width : widths) {
      for (const bool biased : {false, true}) {
        CAPTURE(width, biased, std::string(name(level)));
        const std::vector<float> scores = random.reals<float>(width, 30);
        const std::vector<float> bias = random.reals<float>(width, 2);
        std::vector<float> s(width);
        double largest = -1e300;
        for (std::size_t i = 0; i < width; ++i) {
          const volatile float product = scores[i] * factor;  // rounded
          s[i] = biased ? product + bias[i] : product;
          largest = std::max(largest, exact(s[i]));
        }
        double sum = 0;
        for (const float value : s) sum += std::exp(exact(value) - largest);
        for (const std::size_t cut : {width, width / 3, std::size_t{1}}) {
          if (cut == 0 || cut > width) continue;
          fenced<float> values(width, placement::at_end);
          std::copy(scores.begin(), scores.end(), values.data());
          kernels::running_softmax state;
          std::vector<double> earlier(width, 1.0);
          for (std::size_t at = 0; at < width;) {
            const std::size_t count = at == 0 ? cut : width - at;
            const float correction = k.softmax({.scores = values.data() + at,
                                                .count = count,
                                                .factor = factor,
                                                .bias = biased ? bias.data() + at : nullptr},
                                               state);
            for (std::size_t i = 0; i < at; ++i) earlier[i] *= exact(correction);
            at += count;
          }
          REQUIRE(exact(state.largest) == largest);
          const double bound = (static_cast<double>(width) / 4 + 8) * 2 * unit;
          REQUIRE(std::abs(exact(state.sum) / sum - 1) <= bound);
          for (std::size_t i = 0; i < width; ++i) {
            const double expected = std::exp(exact(s[i]) - largest);
            // The difference of the scores is rounded, too: an error of its size times the weight.
            const double difference = largest - exact(s[i]);
            REQUIRE(std::abs(exact(values[i]) * earlier[i] - expected) <=
                    expected * (8 + 2 * difference) * unit + 1e-37);
          }
          REQUIRE(values.surroundings_intact());
        }
      }
    }
  }
}

TEST_CASE("Keys of weight zero behind a row of scores leave its bits alone", "[kernels]") {
  random_numbers random(94);
  for (const isa_level level : levels_of_this_machine()) {
    const kernels::row_kernels& k = kernels::rows_of(level);
    for (const std::size_t width : widths) {
      const std::vector<float> scores = random.reals<float>(width, 10);
      for (const std::size_t more : {std::size_t{1}, std::size_t{40}}) {
        std::vector<float> alone = scores;
        kernels::running_softmax state;
        k.softmax({.scores = alone.data(), .count = width}, state);
        std::vector<float> padded = scores;
        padded.resize(width + more, 5.0F);
        std::vector<float> bias(width + more, -0.0F);
        std::fill(bias.begin() + static_cast<std::ptrdiff_t>(width), bias.end(), -10000.0F);
        kernels::running_softmax padded_state;
        k.softmax({.scores = padded.data(), .count = width + more, .bias = bias.data()}, padded_state);
        REQUIRE(equal_bits(state.sum, padded_state.sum));
        REQUIRE(equal_bits(alone, std::span<const float>(padded).first(width)));
        REQUIRE(std::all_of(padded.begin() + static_cast<std::ptrdiff_t>(width), padded.end(),
                            [](float e) { return e == 0.0F; }));
      }
    }
  }
}

TEST_CASE("NaN among the scores shows in the sum", "[kernels]") {
  for (const isa_level level : levels_of_this_machine()) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{36}}) {
      std::vector<float> scores(37, 1.0F);
      scores[at] = std::numeric_limits<float>::quiet_NaN();
      kernels::running_softmax state;
      kernels::rows_of(level).softmax({.scores = scores.data(), .count = scores.size()}, state);
      CHECK(std::isnan(state.sum));
    }
  }
}

}  // namespace ufb_test
