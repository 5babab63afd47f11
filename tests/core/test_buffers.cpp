// SPDX-License-Identifier: MIT
//
// Owned memory: alignment, zero filling, moves, sizes that do not fit.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

static_assert(!std::is_copy_constructible_v<ufb::aligned_buffer<float>> &&
              !std::is_copy_assignable_v<ufb::aligned_buffer<float>>);
static_assert(std::is_nothrow_move_constructible_v<ufb::aligned_buffer<float>> &&
              std::is_nothrow_move_assignable_v<ufb::aligned_buffer<float>>);
static_assert(!std::is_convertible_v<std::size_t, ufb::aligned_buffer<float>>);
static_assert(!std::is_copy_constructible_v<ufb::matrix<float>> &&
              std::is_nothrow_move_constructible_v<ufb::matrix<float>>);

namespace {

constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();

bool aligned(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % 64 == 0; }

template <class T>
void check_buffer(std::size_t size) {
  const ufb::aligned_buffer<T> buffer(size);
  CHECK(buffer.size() == size);
  CHECK(buffer.empty() == (size == 0));
  CHECK(buffer.span().size() == size);
  CHECK(aligned(buffer.data()));
  CHECK(std::all_of(buffer.span().begin(), buffer.span().end(), [](T value) { return value == T{0}; }));
}

}  // namespace

TEST_CASE("Buffers lie on 64-byte boundaries and are filled with zeros", "[buffer]") {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 1000U, 100'003U}) {
    check_buffer<float>(size);
    check_buffer<double>(size);
    check_buffer<std::int8_t>(size);
  }
  CHECK(ufb::aligned_buffer<float>().data() == nullptr);
  CHECK(ufb::aligned_buffer<float>().empty());
}

TEST_CASE("A buffer whose bytes do not fit is an overflow before anything is allocated", "[buffer]") {
  const std::size_t too_many = static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / 8 + 1;
  CHECK(error_text_of([&] { (void)ufb::aligned_buffer<double>(too_many); }) ==
        "overflow: buffer: : " + std::to_string(too_many) + " elements");
  CHECK(error_text_of([] { (void)ufb::aligned_buffer<char>(largest); }) ==
        "overflow: buffer: : " + std::to_string(largest) + " elements");
}

TEST_CASE("A moved buffer keeps its memory and leaves an empty one", "[buffer]") {
  ufb::aligned_buffer<int> a(10);
  a[3] = 7;
  const int* const memory = a.data();
  ufb::aligned_buffer<int> b = std::move(a);
  CHECK(b.data() == memory);
  CHECK(b[3] == 7);
  CHECK(a.empty());            // NOLINT(bugprone-use-after-move): what is left behind is documented by its size
  CHECK(a.data() == nullptr);  // NOLINT(bugprone-use-after-move)
  ufb::aligned_buffer<int> c(5);
  c = std::move(b);
  CHECK(c.data() == memory);
  CHECK(c.size() == 10);
  CHECK(b.empty());  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("Rows of a matrix begin on 64-byte boundaries", "[matrix]") {
  for (const std::size_t cols : {1U, 3U, 15U, 16U, 17U, 64U, 65U}) {
    ufb::matrix<float> m({5, cols});
    CHECK(m.rows() == 5);
    CHECK(m.cols() == cols);
    CHECK(m.stride() >= cols);
    CHECK(m.stride() < cols + 16);
    CHECK(m.bytes() == 5 * m.stride() * sizeof(float));
    for (std::size_t r = 0; r < 5; ++r) CHECK(aligned(m.row(r)));
    CHECK(&m(4, cols - 1) == m.view().row(4) + cols - 1);
    CHECK(std::as_const(m).view().data() == m.row(0));
    CHECK(m(4, cols - 1) == 0);
  }
  CHECK(ufb::matrix<double>({2, 9}).stride() == 16);
}

TEST_CASE("A matrix takes the stride it is given", "[matrix]") {
  const ufb::matrix<float> m({4, 3, 5});
  CHECK(m.stride() == 5);
  CHECK(m.bytes() == 4 * 5 * sizeof(float));
  CHECK(error_text_of([] { (void)ufb::matrix<float>({4, 3, 2}); }) == "invalid_input: stride: at least 3: 2");
}

TEST_CASE("Matrices without elements hold no memory", "[matrix]") {
  CHECK(ufb::matrix<float>().view().empty());
  const ufb::matrix<float> no_rows({0, 7});
  CHECK(no_rows.cols() == 7);
  CHECK(no_rows.bytes() == 0);
  CHECK(ufb::matrix<float>({7, 0}).bytes() == 0);
}

TEST_CASE("A matrix whose size does not fit is an overflow", "[matrix]") {
  const auto code = [](const ufb::matrix_extents& extents) {
    const auto problem = error_of([&] { (void)ufb::matrix<float>(extents); });
    return problem ? std::string(name(problem->code())) : "none";
  };
  CHECK(code({largest, largest}) == "overflow");
  CHECK(code({2, largest}) == "overflow");
  CHECK(code({1, largest}) == "overflow");
  CHECK(code({largest, 2}) == "overflow");
  CHECK(code({largest / 16, 1}) == "overflow");
  CHECK(code({std::size_t{1} << 32U, std::size_t{1} << 32U}) == "overflow");
  CHECK(code({std::size_t{1} << 31U, std::size_t{1} << 31U}) == "overflow");
}

TEST_CASE("A matrix that was moved from has no rows, no columns and no memory", "[matrix]") {
  ufb::matrix<float> a({3, 4});
  ufb::matrix<float> b = std::move(a);
  ufb::matrix<float> c({5, 6});
  c = std::move(b);
  for (const auto* empty : {&a, &b}) {  // NOLINT(bugprone-use-after-move): what is left behind is documented
    CHECK(empty->rows() == 0);
    CHECK(empty->cols() == 0);
    CHECK(empty->stride() == 0);
    CHECK(empty->bytes() == 0);
    CHECK(empty->view().empty());
    CHECK(empty->view().data() == nullptr);
  }
  CHECK(c.rows() == 3);
  a = ufb::matrix<float>({2, 2});
  CHECK(a.view().rows() == 2);
}

TEST_CASE("What is assigned to itself stays as it is", "[matrix]") {
  ufb::matrix<float> m({3, 4});
  m(2, 3) = 5;
  const float* const memory = m.row(0);
  auto& same_matrix = m;
  m = std::move(same_matrix);
  CHECK(m.row(0) == memory);
  CHECK(m.rows() == 3);
  CHECK(m(2, 3) == 5);
  ufb::aligned_buffer<int> buffer(7);
  buffer[6] = 9;
  auto& same_buffer = buffer;
  buffer = std::move(same_buffer);
  CHECK(buffer.size() == 7);
  CHECK(buffer[6] == 9);
}

TEST_CASE("A moved matrix keeps its memory", "[matrix]") {
  ufb::matrix<float> a({3, 4});
  a(2, 3) = 5;
  const float* const memory = a.row(0);
  const ufb::matrix<float> b = std::move(a);
  CHECK(b.row(0) == memory);
  CHECK(b.rows() == 3);
  CHECK(b(2, 3) == 5);
}
