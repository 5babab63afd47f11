// SPDX-License-Identifier: MIT
//
// After two calls of the largest size, inference allocates nothing. A BLAS that runs threads of its own allocates
// for each of its calls; the suite runs with OPENBLAS_NUM_THREADS=1, and the plain backend needs no such care. Eigen,
// which takes the place of a BLAS where there is none, allocates for large products.
#include <vector>

#include "model/support.hpp"
#include "support/allocation_counter.hpp"
#include "support/backends.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

template <class Backend>
void check_no_allocation() {
  const auto model = masked_lm<float, Backend>::load(std::filesystem::path(UFB_EXAMPLE_MODEL_DIR) / "tiny-mlm");
  auto workspace = model.make_workspace();
  std::vector<token_id> ids(4 * 100);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token_id>(7 + i * 31 % 8000);
  const std::vector<float> mask(ids.size(), 1.0F);
  matrix<float> states({ids.size(), model.hidden_size()});
  matrix<float> logits({3, model.vocabulary_size()});
  const std::vector<std::size_t> rows{0, 17, 99};
  const auto infer = [&](std::size_t batch, std::size_t length) {
    const auto out = states.view().rows_from(0, batch * length);
    model.encode({ids.data(), {batch, length}}, {mask.data(), {batch, length}}, out, workspace);
    model.logits(out, rows, logits.view(), workspace);
  };
  infer(4, 100);
  infer(4, 100);  // joins the blocks that the first call left apart
  CHECK(allocations_in([&] { infer(4, 100); }) == 0);
  CHECK(allocations_in([&] { infer(1, 100); }) == 0);
  CHECK(allocations_in([&] { infer(2, 60); }) == 0);
  if (allocations_are_counted()) {
    // By name: a compiler may leave out what is allocated and dropped unseen.
    CHECK(allocations_in([] { ::operator delete(::operator new(8)); }) > 0);
  }
}

}  // namespace

TEST_CASE("Encoding and logits allocate nothing after warm-up, on the plain backend") {
  check_no_allocation<plain_backend>();
}

TEST_CASE("Encoding and logits allocate nothing after warm-up, on the library's own kernels") {
  check_no_allocation<kernel_backend>();
}

#if UFB_WITH_CBLAS
TEST_CASE("Encoding and logits allocate nothing after warm-up, on a BLAS with one thread") {
  if (runs_on_one_thread<default_blas>()) check_no_allocation<default_blas>();
}
#endif
