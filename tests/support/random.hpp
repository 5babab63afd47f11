// SPDX-License-Identifier: MIT
//
// Repeatable random numbers, and matrices whose surroundings are watched: a routine that reads outside its elements
// meets NaNs, one that writes there is found out.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/generator.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

namespace ufb_test {

/// The counter generator of generator.hpp as a stream. Two draws in one argument list need braces: round brackets leave
/// their order to the compiler.
class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : seed_(seed) {}

  std::uint64_t bits() { return splitmix64(seed_, count_++); }
  std::size_t size(std::size_t smallest, std::size_t largest) { return smallest + bits() % (largest - smallest + 1); }
  bool coin() { return (bits() >> 63U) != 0; }

  /// Uniform on [-scale, scale), with all the bits that `Scalar` has.
  template <class Scalar>
  Scalar real(double scale = 1) {
    constexpr int digits = std::numeric_limits<Scalar>::digits;
    const double unit = std::ldexp(static_cast<double>(bits() >> static_cast<unsigned>(63 - digits)), -digits);
    return static_cast<Scalar>((unit - 1) * scale);
  }

  template <class Scalar>
  std::vector<Scalar> reals(std::size_t count, double scale = 1) {
    std::vector<Scalar> values(count);
    for (Scalar& value : values) value = real<Scalar>(scale);
    return values;
  }

  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[size(0, choices.size() - 1)];
  }

  /// The numbers below `count` in random order.
  std::vector<std::size_t> permutation(std::size_t count) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[size(0, i - 1)]);
    return order;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

/// A row-major matrix inside memory of which every other element is a marked NaN. Its elements begin as marks, too.
template <class Scalar>
class guarded_matrix {
 public:
  guarded_matrix(std::size_t rows, std::size_t cols, std::size_t gap = 0)
      : rows_(rows), cols_(cols), stride_(cols + gap), memory_(rows * stride_ + 2 * margin, mark()) {}

  /// Filled with random numbers.
  guarded_matrix(std::size_t rows, std::size_t cols, std::size_t gap, random_numbers& random, double scale = 1)
      : guarded_matrix(rows, cols, gap) {
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < cols; ++c) (*this)(r, c) = random.real<Scalar>(scale);
    }
  }

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  Scalar* row(std::size_t r) { return memory_.data() + margin + r * stride_; }
  const Scalar* row(std::size_t r) const { return memory_.data() + margin + r * stride_; }
  Scalar& operator()(std::size_t r, std::size_t c) { return row(r)[c]; }
  const Scalar& operator()(std::size_t r, std::size_t c) const { return row(r)[c]; }
  ultrafastbert::matrix_view<Scalar> view() { return {row(0), {rows_, cols_, stride_}}; }
  ultrafastbert::matrix_view<const Scalar> view() const { return {row(0), {rows_, cols_, stride_}}; }

  /// Whether nothing but the elements was written.
  bool surroundings_intact() const { return count_marks(false) == memory_.size() - rows_ * cols_; }

  /// Whether nothing at all was written since construction.
  bool untouched() const { return count_marks(true) == memory_.size(); }

 private:
  static constexpr std::size_t margin = 32;

  static Scalar mark() { return std::numeric_limits<Scalar>::quiet_NaN(); }
  static bool is_mark(Scalar value) {
    using word = std::conditional_t<sizeof(Scalar) == 4, std::uint32_t, std::uint64_t>;
    return std::bit_cast<word>(value) == std::bit_cast<word>(mark());
  }

  std::size_t count_marks(bool with_elements) const {
    std::size_t marks = 0;
    for (std::size_t i = 0; i < memory_.size(); ++i) {
      const bool inside = i >= margin && i < margin + rows_ * stride_ && (i - margin) % stride_ < cols_;
      if ((with_elements || !inside) && is_mark(memory_[i])) ++marks;
    }
    return marks;
  }

  std::size_t rows_;
  std::size_t cols_;
  std::size_t stride_;
  std::vector<Scalar> memory_;
};

}  // namespace ufb_test
