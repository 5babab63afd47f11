// SPDX-License-Identifier: MIT
//
// A non-owning row-major matrix: pointer, rows, columns, stride. It takes row-major Eigen matrices, maps, blocks and
// row vectors without a copy, also as temporaries. What cannot be viewed does not compile, because every kernel walks
// along rows of adjacent elements; the compiler then shows a line that says what to write instead.
// Layer: core.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "ultrafastbert/core/error.hpp"

namespace ultrafastbert {

/// Sizes of a row-major matrix in elements. A stride of 0 means "rows follow each other without a gap".
struct matrix_extents {
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;
};

namespace core {

/// What has rows and columns as Eigen's objects have, expressions included; recognized by its members, so that this
/// header does not include Eigen.
template <class Eigenlike>
concept eigen_object = requires(const std::remove_cvref_t<Eigenlike>& m) {
  { m.rows() } -> std::convertible_to<std::ptrdiff_t>;
  { m.cols() } -> std::convertible_to<std::ptrdiff_t>;
  { std::remove_cvref_t<Eigenlike>::IsRowMajor } -> std::convertible_to<bool>;
};

/// Eigen's matrices, arrays, maps and blocks: those whose elements lie in memory at regular distances.
template <class Eigenlike>
concept eigen_in_memory = eigen_object<Eigenlike> && requires(Eigenlike& m) {
  m.data();
  { m.outerStride() } -> std::convertible_to<std::ptrdiff_t>;
  { std::remove_cvref_t<Eigenlike>::InnerStrideAtCompileTime } -> std::convertible_to<int>;
};

template <class Eigenlike>
concept adjacent_eigen = eigen_in_memory<Eigenlike> &&
                         static_cast<int>(std::remove_cvref_t<Eigenlike>::InnerStrideAtCompileTime) == 1;

template <class Eigenlike>
concept row_major_eigen = adjacent_eigen<Eigenlike> && static_cast<bool>(std::remove_cvref_t<Eigenlike>::IsRowMajor);

// The kinds of arguments that are refused, each by a constructor that tells why.
template <class Eigenlike>
concept eigen_column_vector = adjacent_eigen<Eigenlike> && !row_major_eigen<Eigenlike> &&
                              static_cast<int>(std::remove_cvref_t<Eigenlike>::ColsAtCompileTime) == 1;

template <class Eigenlike>
concept column_major_eigen =
    adjacent_eigen<Eigenlike> && !row_major_eigen<Eigenlike> && !eigen_column_vector<Eigenlike>;

template <class Eigenlike>
concept strided_eigen = eigen_in_memory<Eigenlike> && !adjacent_eigen<Eigenlike>;

template <class Eigenlike>
concept eigen_expression = eigen_object<Eigenlike> && !eigen_in_memory<Eigenlike>;

/// Vectors, arrays, spans and pointers of numbers, which do not know how many rows they stand for.
template <class List>
concept list_of_numbers = (std::is_pointer_v<std::decay_t<List>> &&
                           std::is_arithmetic_v<std::remove_pointer_t<std::decay_t<List>>>) ||
                          (!eigen_object<List> && requires(List & list) {
                            list.size();
                            requires std::is_arithmetic_v<std::remove_cvref_t<decltype(*list.data())>>;
                          });

template <class Eigenlike>
concept has_view = requires(Eigenlike& m) {
  m.view().stride();
};

}  // namespace core

/// A borrowed row-major matrix; valid while the memory it points to lives. Element (r, c) is `data()[r * stride() +
/// c]`.
template <class Element>
class matrix_view {
 public:
  using value_type = std::remove_cv_t<Element>;

  constexpr matrix_view() noexcept = default;

  /// Shapes: `data` holds (rows - 1) * stride + cols elements.
  /// Throws: invalid_input if the stride is smaller than a row.
  constexpr matrix_view(Element* data, const matrix_extents& extents)
      : data_(data),
        rows_(extents.rows),
        cols_(extents.cols),
        stride_(extents.stride == 0 ? extents.cols : extents.stride) {
    if (stride_ < cols_) {
      fail_input("stride", "at least " + std::to_string(cols_), std::to_string(stride_));
    }
  }

  /// Views a row-major Eigen matrix, block, map or row vector with adjacent elements, without a copy. The view has its
  /// rows and columns. It may be a temporary that lives until the call ends, such as a map.
  template <core::row_major_eigen Eigenlike>
  requires std::convertible_to<decltype(std::declval<Eigenlike&>().data()), Element*>
  // NOLINTNEXTLINE(bugprone-forwarding-reference-overload): constrained to Eigen's types
  constexpr matrix_view(Eigenlike&& m) noexcept
      : data_(m.data()),
        rows_(static_cast<std::size_t>(m.rows())),
        cols_(static_cast<std::size_t>(m.cols())),
        stride_(m.rows() > 1 ? static_cast<std::size_t>(m.outerStride()) : static_cast<std::size_t>(m.cols())) {}

  // What a compiler prints where an argument is refused: the line of the constructor that would have taken it.
  // clang-format off
  // NOLINTBEGIN(bugprone-forwarding-reference-overload): constrained to what is no view
  template <core::list_of_numbers ListWithoutRows>
  matrix_view(ListWithoutRows&&) = delete;  // a list has no rows: write matrix_view(list.data(), {rows, cols})
  template <core::has_view Matrix>
  matrix_view(Matrix&&) = delete;  // an ultrafastbert::matrix is given as matrix.view()
  template <core::column_major_eigen ColumnMajor>
  matrix_view(ColumnMajor&&) = delete;  // declare it as Eigen::Matrix<T, Dynamic, Dynamic, Eigen::RowMajor>
  template <core::eigen_column_vector ColumnVector>
  matrix_view(ColumnVector&&) = delete;  // for one row write vector.transpose(), or declare an Eigen::RowVector
  template <core::strided_eigen Strided>
  matrix_view(Strided&&) = delete;  // its elements are not adjacent: copy it into a row-major Eigen matrix first
  template <core::eigen_expression Expression>
  matrix_view(Expression&&) = delete;  // an expression has no memory: assign it to a row-major Eigen matrix first
  // NOLINTEND(bugprone-forwarding-reference-overload)
  // clang-format on

  /// A view of mutable elements is a view of constant ones.
  template <class Other>
  requires(std::is_const_v<Element>&& std::same_as<Other, value_type>) constexpr matrix_view(
      const matrix_view<Other>& other) noexcept
      : data_(other.data()), rows_(other.rows()), cols_(other.cols()), stride_(other.stride()) {}

  [[nodiscard]] constexpr Element* data() const noexcept { return data_; }         ///< element (0, 0)
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return rows_; }      ///< number of rows
  [[nodiscard]] constexpr std::size_t cols() const noexcept { return cols_; }      ///< elements of a row
  [[nodiscard]] constexpr std::size_t stride() const noexcept { return stride_; }  ///< elements from row to row
  [[nodiscard]] constexpr bool empty() const noexcept { return rows_ == 0 || cols_ == 0; }  ///< no elements
  [[nodiscard]] constexpr Element* row(std::size_t r) const noexcept {
    return data_ + r * stride_;
  }  ///< first of row r
  [[nodiscard]] constexpr Element& operator()(std::size_t r, std::size_t c) const noexcept {
    return data_[r * stride_ + c];
  }

  /// Rows [first, first + count). Pre: first + count <= rows().
  [[nodiscard]] constexpr matrix_view rows_from(std::size_t first, std::size_t count) const noexcept {
    matrix_view part = *this;
    part.data_ = data_ + first * stride_;
    part.rows_ = count;
    return part;
  }

  /// Columns [first, first + count). Pre: first + count <= cols().
  [[nodiscard]] constexpr matrix_view cols_from(std::size_t first, std::size_t count) const noexcept {
    matrix_view part = *this;
    part.data_ = data_ + first;
    part.cols_ = count;
    return part;
  }

  [[nodiscard]] constexpr std::span<Element> row_span(std::size_t r) const noexcept {
    return {row(r), cols_};
  }  ///< row r

 private:
  Element* data_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::size_t stride_ = 0;
};

template <core::row_major_eigen Eigenlike>
matrix_view(Eigenlike&& m) -> matrix_view<std::remove_pointer_t<decltype(m.data())>>;

namespace core {

/// Whether two views share memory (conservative: compares the ranges from first to last element).
template <class Element, class Other>
[[nodiscard]] bool overlap(const matrix_view<Element>& a, const matrix_view<Other>& b) noexcept {
  if (a.empty() || b.empty()) return false;
  const auto* a_first = reinterpret_cast<const char*>(a.data());
  const auto* b_first = reinterpret_cast<const char*>(b.data());
  const auto* a_last = reinterpret_cast<const char*>(a.row(a.rows() - 1) + a.cols());
  const auto* b_last = reinterpret_cast<const char*>(b.row(b.rows() - 1) + b.cols());
  return std::less<>{}(a_first, b_last) && std::less<>{}(b_first, a_last);
}

/// The complaint that `what` has other sizes than expected, as invalid_input or shape_mismatch.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail_extents(error_code code, const char* what,
                                                                const matrix_extents& expected,
                                                                const matrix_extents& found) {
  const auto text = [](const matrix_extents& sizes) {
    return '(' + std::to_string(sizes.rows) + ", " + std::to_string(sizes.cols) + ')';
  };
  fail(code, {.where = what, .expected = text(expected), .found = text(found)});
}

/// Throws `code` unless `view` has the given sizes.
template <class Element>
void check_extents(const matrix_view<Element>& view, std::size_t rows, std::size_t cols, const char* what,
                   error_code code = error_code::invalid_input) {
  if (view.rows() != rows || view.cols() != cols) {
    fail_extents(code, what, {.rows = rows, .cols = cols}, {.rows = view.rows(), .cols = view.cols()});
  }
}

}  // namespace core

}  // namespace ultrafastbert
