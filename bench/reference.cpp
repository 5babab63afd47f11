// SPDX-License-Identifier: MIT
#include "reference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace ufb_bench {

namespace {

constexpr double near_tie_limit = 0x1p-22;
constexpr double dense_limit = 1e-5;

double gelu(double z) { return 0.5 * z * (1.0 + std::erf(z * 0.70710678118654752440)); }

double dot(const float* a, const float* b, std::size_t n) {
  constexpr std::size_t lanes = 8;  // lets the compiler use vectors without reordering sums
  std::array<double, lanes> sums{};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) sums[k] += static_cast<double>(a[i + k]) * static_cast<double>(b[i + k]);
  }
  double sum = 0.0;
  for (; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  for (const double part : sums) sum += part;
  return sum;
}

double norm(const float* a, std::size_t n) { return std::sqrt(dot(a, a, n)); }

// Of the error over all tokens, relative to the norm of all outputs. The rounding errors of float32 sums add up like a
// random walk over their terms: those of a logit and those of an output. The other types' errors come from the weights.
double limit_of(ufb::weight_storage storage, const problem& what) {
  constexpr double limit = 5e-7;  // of the layer that the goals refer to, 768 and 12 terms
  const double terms = std::max(
      {1.0, static_cast<double>(what.shape().input_width) / 768.0, static_cast<double>(what.path_length()) / 12.0});
  switch (storage) {
    case ufb::weight_storage::float32: break;
    case ufb::weight_storage::float16: return 2e-3;
    case ufb::weight_storage::bfloat16: return 2e-2;
    case ufb::weight_storage::int8: return 1e-1;
    case ufb::weight_storage::certified_float16:
      return 8e-4;  // 2.9e-4 at width 768, by where weights lie between powers of 2
    case ufb::weight_storage::certified_int8: return 2e-2;
    case ufb::weight_storage::split_float32: return 5e-3;
  }
  return limit * std::sqrt(terms);
}

enum class path_match : std::uint8_t { same, near_tie, other };

path_match match_paths(const reference& expected, std::size_t token, const std::int32_t* path) {
  const std::size_t first = token * expected.path_length;
  bool near = false;
  for (std::size_t i = 0; i < expected.path_length; ++i) {
    if (path[i] == expected.paths[first + i]) continue;
    // The decision was taken one level higher; whatever follows in this tree is another path.
    if (i % expected.levels == 0 || !expected.near_tie[first + i - 1]) return path_match::other;
    near = true;
    i += expected.levels - 1 - i % expected.levels;
  }
  return near ? path_match::near_tie : path_match::same;
}

// Squares of |y - expected| and |expected|.
struct deviation {
  double error = 0.0;
  double norm = 0.0;
};

deviation compare(const float* y, const double* expected, std::size_t n) {
  deviation sum;
  for (std::size_t k = 0; k < n; ++k) {
    const double difference = static_cast<double>(y[k]) - expected[k];
    sum.error += difference * difference;
    sum.norm += expected[k] * expected[k];
  }
  return sum;
}

double relative(const deviation& of) {
  if (of.norm == 0.0) return of.error == 0.0 ? 0.0 : HUGE_VAL;
  return std::sqrt(of.error / of.norm);
}

void count_deviation(verdict& result, path_match match, std::size_t token) {
  constexpr std::size_t listed = 16;
  if (match != path_match::near_tie) {
    ++result.differing;
  } else if (result.near_ties++ < listed) {
    result.near_tie_list += ' ' + std::to_string(token);
  }
}

void judge(verdict& result, ufb::weight_storage storage, double limit, bool bits_equal, bool finite) {
  constexpr double tokens_differ = 2.0;  // the worst token may exceed the limit so far
  const bool exact = storage == ufb::weight_storage::float32 || ufb::is_certified(storage);
  if (!bits_equal) {
    result.problem = "outputs depend on whether paths are recorded";
  } else if (!finite || result.overall > limit || result.worst > tokens_differ * limit) {
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), "error %.2g, worst token %.2g, at most %.2g allowed", result.overall,
                  result.worst, limit);
    result.problem = text.data();
  } else if (exact && result.differing != 0) {
    result.problem = std::to_string(result.differing) + " tokens on other paths";
  } else if (result.differing + result.near_ties == result.tokens) {
    result.problem = "no token on the reference's path";
  }
  result.verified = result.problem.empty();
}

}  // namespace

reference::reference(const problem& from, std::size_t token_count)
    : tokens(token_count),
      path_length(from.path_length()),
      levels(ufb::cmm::tree::levels(from.shape().depth)),
      paths(token_count * from.path_length()),
      near_tie(token_count * from.path_length()),
      y({token_count, from.shape().output_width}) {
  const auto& shape = from.shape();
  std::vector<float> row_in(shape.input_width);
  std::vector<float> row_out(shape.output_width);
  for (std::size_t t = 0; t < tokens; ++t) {
    const float* x = from.inputs().row(t);
    const double x_norm = norm(x, shape.input_width);
    for (std::size_t i = 0, node = 0; i < path_length; ++i) {
      if (i % levels == 0) node = 0;
      const std::size_t row = i / levels * ufb::cmm::tree::node_count(shape.depth) + node;
      from.read_in(row, row_in);
      from.read_out(row, row_out);
      const double logit = dot(row_in.data(), x, shape.input_width) + static_cast<double>(from.bias(row));
      const double activation = gelu(logit);
      for (std::size_t k = 0; k < row_out.size(); ++k) y(t, k) += activation * static_cast<double>(row_out[k]);
      paths[t * path_length + i] = static_cast<std::int32_t>(node);
      near_tie[t * path_length + i] = std::abs(logit) <= near_tie_limit * norm(row_in.data(), row_in.size()) * x_norm;
      node = ufb::cmm::tree::child(node, logit > 0.0);
    }
  }
}

verdict verify(const problem& what, const reference& expected, const fff_function& forward, std::size_t batch,
               ufb::weight_storage storage) {
  const std::size_t width = what.shape().output_width;
  const std::size_t most = std::min(batch, expected.tokens);
  ufb::matrix<float> y({most, width});
  ufb::matrix<float> again({most, width});
  std::vector<std::int32_t> paths(most * expected.path_length);
  verdict result{.tokens = expected.tokens};
  deviation total;
  double largest = 0.0;
  bool bits_equal = true;
  for (std::size_t first = 0; first < expected.tokens; first += most) {
    const std::size_t count = std::min(most, expected.tokens - first);
    const auto x = what.inputs().rows_from(first, count);
    forward(x, y.view().rows_from(0, count), {paths.data(), {count, expected.path_length}});
    forward(x, again.view().rows_from(0, count), {});
    for (std::size_t t = 0; t < count; ++t) {
      bits_equal = bits_equal && std::memcmp(y.row(t), again.row(t), width * sizeof(float)) == 0;
      const auto match = match_paths(expected, first + t, paths.data() + t * expected.path_length);
      if (match != path_match::same) {
        count_deviation(result, match, first + t);
        continue;
      }
      const deviation one = compare(y.row(t), expected.y.row(first + t), width);
      largest = std::max(largest, one.error);
      total.error += one.error;
      total.norm += one.norm;
    }
  }
  result.overall = relative(total);
  const std::size_t same = result.tokens - result.differing - result.near_ties;
  result.worst = relative({.error = largest * static_cast<double>(same), .norm = total.norm});
  judge(result, storage, limit_of(storage, what), bits_equal, std::isfinite(total.error));
  return result;
}

std::string describe_leaves(const problem& what, const reference& expected) {
  const std::size_t depth = what.shape().depth;
  std::vector<std::size_t> visits(ufb::cmm::tree::leaf_count(depth));
  for (std::size_t t = 0; t < expected.tokens; ++t) {
    const std::int32_t leaf = expected.paths[t * expected.path_length + depth];
    ++visits[ufb::cmm::tree::leaf_index(static_cast<std::size_t>(leaf), depth)];
  }
  std::size_t reached = 0;
  double bits = 0.0;
  for (const std::size_t count : visits) {
    if (count == 0) continue;
    ++reached;
    const double share = static_cast<double>(count) / static_cast<double>(expected.tokens);
    bits -= share * std::log2(share);
  }
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(),
                "%zu tokens reach %zu of %zu leaves (%.1f %%), the largest has %.2f %% of them; %.2f of %zu bits",
                expected.tokens, reached, visits.size(),
                100.0 * static_cast<double>(reached) / static_cast<double>(visits.size()),
                100.0 * static_cast<double>(*std::max_element(visits.begin(), visits.end())) /
                    static_cast<double>(expected.tokens),
                bits, depth);
  return text.data();
}

bool is_dense_output(const ufb::matrix_view<const float>& in, const ufb::matrix_view<const float>& out, const float* x,
                     const float* y) {
  std::vector<double> hidden(in.rows());
  for (std::size_t n = 0; n < in.rows(); ++n) hidden[n] = gelu(dot(in.row(n), x, in.cols()));
  std::vector<double> expected(out.rows());
  for (std::size_t k = 0; k < out.rows(); ++k) {
    for (std::size_t n = 0; n < in.rows(); ++n) expected[k] += hidden[n] * static_cast<double>(out(k, n));
  }
  return relative(compare(y, expected.data(), expected.size())) <= dense_limit;
}

}  // namespace ufb_bench
