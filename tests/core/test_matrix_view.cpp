// SPDX-License-Identifier: MIT
//
// Views: which Eigen types they take without a copy, which do not compile, strides, parts, overlap.
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

template <class T>
using row_major = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using col_major = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

using reading = ufb::matrix_view<const float>;
using writing = ufb::matrix_view<float>;

template <class View, class From>
constexpr bool takes = std::constructible_from<View, From>&& std::convertible_to<From, View>;
template <class View, class From>
constexpr bool refuses = !std::constructible_from<View, From> && !std::convertible_to<From, View>;

// What compiles, and beside it what must not.
static_assert(takes<reading, row_major<float>&>);
static_assert(refuses<reading, col_major<float>&>);
static_assert(takes<reading, const row_major<float>&>);
static_assert(refuses<reading, const col_major<float>&>);
static_assert(takes<writing, row_major<float>&>);
static_assert(refuses<writing, const row_major<float>&>, "a view must not cast constness away");
static_assert(refuses<writing, col_major<float>&>);
static_assert(refuses<reading, row_major<double>&>, "a view must not convert numbers");
static_assert(refuses<ufb::matrix_view<double>, row_major<float>&>);

static_assert(takes<reading, decltype(std::declval<row_major<float>&>().block(0, 0, 1, 1))>);
static_assert(takes<writing, decltype(std::declval<row_major<float>&>().middleCols(0, 1))>);
static_assert(takes<reading, decltype(std::declval<const row_major<float>&>().topRows(1))>);
static_assert(refuses<writing, decltype(std::declval<const row_major<float>&>().topRows(1))>);
static_assert(refuses<reading, decltype(std::declval<col_major<float>&>().block(0, 0, 1, 1))>);
static_assert(takes<reading, decltype(std::declval<row_major<float>&>().row(0))>);
static_assert(refuses<reading, decltype(std::declval<row_major<float>&>().col(0))>);
static_assert(refuses<reading, decltype(std::declval<col_major<float>&>().row(0))>, "its elements are not adjacent");

static_assert(takes<writing, decltype(std::declval<col_major<float>&>().transpose())>);
static_assert(refuses<reading, decltype(std::declval<row_major<float>&>().transpose())>);

static_assert(takes<writing, Eigen::Map<row_major<float>>>);
static_assert(takes<reading, Eigen::Map<const row_major<float>>>);
static_assert(refuses<writing, Eigen::Map<const row_major<float>>>);
static_assert(takes<writing, Eigen::Map<row_major<float>, Eigen::Unaligned, Eigen::OuterStride<>>>);
static_assert(refuses<reading, Eigen::Map<row_major<float>, Eigen::Unaligned, Eigen::InnerStride<2>>>);
static_assert(refuses<reading, Eigen::Map<row_major<float>, Eigen::Unaligned, Eigen::Stride<-1, -1>>>);
static_assert(refuses<reading, Eigen::Map<col_major<float>>>);

static_assert(takes<writing, Eigen::Ref<row_major<float>>>);
static_assert(takes<reading, Eigen::RowVectorXf&>);
static_assert(takes<reading, Eigen::RowVectorXf>);
static_assert(takes<writing, Eigen::Map<Eigen::RowVectorXf>>);
static_assert(refuses<reading, Eigen::VectorXf&>, "one column of many rows is hardly ever meant");
static_assert(refuses<writing, Eigen::Map<Eigen::VectorXf>>);
static_assert(takes<writing, decltype(std::declval<Eigen::VectorXf&>().transpose())>);
static_assert(takes<reading, decltype(std::declval<const Eigen::VectorXf&>().transpose())>);
static_assert(takes<reading, Eigen::Matrix<float, 3, 4, Eigen::RowMajor>&>);
static_assert(takes<reading, Eigen::Array<float, 3, 4, Eigen::RowMajor>&>);
static_assert(refuses<reading, decltype(std::declval<row_major<float>&>() + std::declval<row_major<float>&>())>,
              "an expression has no memory");
static_assert(takes<reading, decltype((std::declval<row_major<float>&>() * 2.0F).eval())>);
static_assert(refuses<reading, std::vector<float>&> && refuses<reading, const std::vector<float>&>);
static_assert(refuses<reading, std::array<float, 4>&> && refuses<reading, std::span<const float>>);
static_assert(refuses<reading, float (&)[4]> && refuses<reading, float*> && refuses<reading, const float*>);
static_assert(refuses<reading, ufb::matrix<float>&> &&
              takes<reading, decltype(std::declval<ufb::matrix<float>&>().view())>);
static_assert(refuses<writing, std::vector<float>&> && refuses<writing, ufb::matrix<float>&>);
static_assert(refuses<ufb::matrix_view<const double>, reading>);

// Refused constructors must not compete where an argument is meant for another parameter.
using forward_type = void(const reading& x, std::span<const float> list, const reading& paths);
static_assert(std::invocable<forward_type, writing, std::vector<float>&, reading>);
static_assert(!std::invocable<forward_type, std::vector<float>&, std::vector<float>&, reading>);

static_assert(takes<reading, writing>);
static_assert(refuses<writing, reading>);
static_assert(std::is_trivially_copyable_v<reading>);
static_assert(std::same_as<decltype(ufb::matrix_view(std::declval<row_major<float>&>())), writing>);
static_assert(std::same_as<decltype(ufb::matrix_view(std::declval<const row_major<float>&>())), reading>);

template <class T>
bool same(const ufb::matrix_view<T>& view, const float* data, std::size_t rows, std::size_t cols, std::size_t stride) {
  return view.data() == data && view.rows() == rows && view.cols() == cols && view.stride() == stride;
}

row_major<float> counted(Eigen::Index rows, Eigen::Index cols) {
  row_major<float> m(rows, cols);
  std::iota(m.data(), m.data() + m.size(), 0.0F);
  return m;
}

}  // namespace

TEST_CASE("A view of an Eigen matrix has its memory, sizes and stride", "[matrix_view]") {
  row_major<float> m = counted(5, 7);
  CHECK(same(writing(m), m.data(), 5, 7, 7));
  CHECK(same(reading(std::as_const(m)), std::as_const(m).data(), 5, 7, 7));
  const writing view = m;
  view(4, 6) = -1;
  CHECK(m(4, 6) == -1);
  Eigen::RowVectorXf row(3);
  CHECK(same(writing(row), row.data(), 1, 3, 3));
}

TEST_CASE("A view of an Eigen block keeps the stride of the whole matrix", "[matrix_view]") {
  row_major<float> m = counted(5, 7);
  const writing block = m.block(1, 2, 3, 4);
  CHECK(same(block, &m(1, 2), 3, 4, 7));
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 4; ++c) CHECK(block(r, c) == static_cast<float>((r + 1) * 7 + c + 2));
  }
  const reading rows = std::as_const(m).bottomRows(2);
  CHECK(same(rows, std::as_const(m).data() + 21, 2, 7, 7));
}

TEST_CASE("A view of an Eigen map keeps its outer stride", "[matrix_view]") {
  std::vector<float> memory(40);
  std::iota(memory.begin(), memory.end(), 0.0F);
  Eigen::Map<row_major<float>, Eigen::Unaligned, Eigen::OuterStride<>> map(memory.data(), 3, 4,
                                                                           Eigen::OuterStride<>(11));
  const writing view = map;
  CHECK(same(view, memory.data(), 3, 4, 11));
  CHECK(view(2, 3) == 25);
}

TEST_CASE("Maps, row vectors and results are taken where they are written", "[matrix_view]") {
  std::vector<float> memory(12);
  std::iota(memory.begin(), memory.end(), 0.0F);
  const auto sum = [](const reading& x) {
    float total = 0;
    for (std::size_t r = 0; r < x.rows(); ++r) {
      for (const float value : x.row_span(r)) total += value;
    }
    return total;
  };
  const auto sizes = [](const reading& x) { return std::pair(x.rows(), x.cols()); };
  CHECK(sum(Eigen::Map<row_major<float>>(memory.data(), 3, 4)) == 66);
  CHECK(sum(Eigen::Map<const row_major<float>>(memory.data(), 2, 4)) == 28);
  CHECK(sizes(Eigen::Map<const row_major<float>>(memory.data(), 2, 4)) == std::pair<std::size_t, std::size_t>(2, 4));
  CHECK(sizes(Eigen::Map<const Eigen::RowVectorXf>(memory.data(), 12)) == std::pair<std::size_t, std::size_t>(1, 12));
  CHECK(sum(counted(3, 4)) == 66);
  CHECK(sum((counted(3, 4) * 2).eval()) == 132);
  const Eigen::VectorXf column = Eigen::VectorXf::LinSpaced(5, 0, 4);
  CHECK(sizes(column.transpose()) == std::pair<std::size_t, std::size_t>(1, 5));
  CHECK(sum(column.transpose()) == 10);
  const auto fill = [](const writing& y) { std::fill(y.row(0), y.row(0) + y.cols(), 7.0F); };
  fill(Eigen::Map<row_major<float>>(memory.data() + 4, 1, 3));
  CHECK(memory[3] == 3);
  CHECK(memory[6] == 7);
  CHECK(memory[8] == 8);
}

TEST_CASE("A transposed column-major matrix is a row-major view", "[matrix_view]") {
  col_major<float> m = col_major<float>::Random(4, 6);
  const writing view = m.transpose();
  CHECK(same(view, m.data(), 6, 4, 4));
  CHECK(view(5, 3) == m(3, 5));
}

TEST_CASE("Views of Eigen matrices without elements are empty", "[matrix_view]") {
  row_major<float> no_rows(0, 7);
  row_major<float> no_cols(7, 0);
  CHECK(reading(no_rows).empty());
  CHECK(reading(no_rows).cols() == 7);
  CHECK(reading(no_cols).empty());
  CHECK(reading(no_cols).rows() == 7);
  CHECK(reading().empty());
}

TEST_CASE("A stride of 0 means rows without a gap, a short one is refused", "[matrix_view]") {
  std::array<float, 12> memory{};
  CHECK(same(writing(memory.data(), {3, 4}), memory.data(), 3, 4, 4));
  CHECK(same(writing(memory.data(), {2, 4, 5}), memory.data(), 2, 4, 5));
  CHECK(same(writing(memory.data(), {2, 0, 5}), memory.data(), 2, 0, 5));
  CHECK(error_text_of([&] { (void)writing(memory.data(), {2, 4, 3}); }) == "invalid_input: stride: at least 4: 3");
}

TEST_CASE("Parts of a view address the same elements", "[matrix_view]") {
  std::vector<float> memory(60);
  std::iota(memory.begin(), memory.end(), 0.0F);
  const writing view(memory.data(), {5, 8, 12});
  CHECK(same(view.rows_from(2, 3), &view(2, 0), 3, 8, 12));
  CHECK(same(view.cols_from(3, 4), &view(0, 3), 5, 4, 12));
  CHECK(view.rows_from(2, 3).cols_from(3, 4)(1, 2) == view(3, 5));
  CHECK(view.rows_from(5, 0).empty());
  CHECK(view.row(4) == memory.data() + 48);
  CHECK(view.row_span(4).data() == memory.data() + 48);
  CHECK(view.row_span(4).size() == 8);
}

TEST_CASE("Views overlap if their ranges of memory do", "[matrix_view]") {
  std::vector<float> memory(100);
  const auto at = [&](std::size_t first, std::size_t rows, std::size_t cols, std::size_t stride = 0) {
    return writing(memory.data() + first, {rows, cols, stride});
  };
  using ufb::core::overlap;
  CHECK(overlap(at(0, 3, 4), at(0, 3, 4)));
  CHECK(overlap(at(0, 3, 4), at(11, 1, 1)));
  CHECK_FALSE(overlap(at(0, 3, 4), at(12, 1, 1)));
  CHECK_FALSE(overlap(at(12, 1, 1), at(0, 3, 4)));
  CHECK(overlap(at(0, 3, 4, 10), at(23, 1, 1)));
  CHECK_FALSE(overlap(at(0, 3, 4, 10), at(24, 1, 1)));
  CHECK_FALSE(overlap(at(0, 0, 4), at(0, 3, 4)));
  CHECK_FALSE(overlap(at(0, 3, 4), at(0, 3, 0)));
  CHECK(overlap(reading(at(0, 3, 4)), at(5, 1, 1)));
}

TEST_CASE("A view of other sizes than asked for is refused by the argument's name", "[matrix_view]") {
  std::array<float, 12> memory{};
  const writing view(memory.data(), {3, 4});
  CHECK(error_text_of([&] { ufb::core::check_extents(view, 3, 4, "y"); }) == "none");
  CHECK(error_text_of([&] { ufb::core::check_extents(view, 4, 3, "y"); }) == "invalid_input: y: (4, 3): (3, 4)");
  CHECK(error_text_of([&] { ufb::core::check_extents(view, 3, 5, "x"); }) == "invalid_input: x: (3, 5): (3, 4)");
}
