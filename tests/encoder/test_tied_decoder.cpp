// SPDX-License-Identifier: MIT
//
// The tied decoder: logits against the reference, and bits that depend neither on the other states nor on threads.
#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "encoder/support.hpp"
#include "support/backends.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/encoder/tied_decoder.hpp"

using namespace ufb_test;

namespace {

template <class Scalar>
struct decoder_problem {
  decoder_problem(std::size_t words, std::size_t width, bool has_bias, random_numbers& random)
      : matrix(std::make_shared<ufb::matrix<Scalar>>(ufb::matrix_extents{words, width})),
        bias(random.reals<Scalar>(has_bias ? words : 0)) {
    for (std::size_t r = 0; r < words; ++r) {
      for (std::size_t k = 0; k < width; ++k) matrix->row(r)[k] = random.real<Scalar>();
    }
  }

  template <class Backend>
  [[nodiscard]] ufb::tied_decoder<Scalar, Backend> decoder(const ufb::projection_options& options = {}) const {
    ufb::aligned_buffer<Scalar> copy(bias.size());
    std::copy(bias.begin(), bias.end(), copy.data());
    return {matrix, std::move(copy), options};
  }

  std::shared_ptr<ufb::matrix<Scalar>> matrix;
  std::vector<Scalar> bias;
};

template <class Decoder, class Scalar>
guarded_matrix<Scalar> logits_of(const Decoder& decoder, const guarded_matrix<Scalar>& x,
                                 ufb::executor_ref threads = {}) {
  guarded_matrix<Scalar> y(x.rows(), decoder.vocabulary_size(), 5);
  decoder.forward(x.view(), y.view(), threads);
  CHECK(y.surroundings_intact());
  return y;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Logits follow the reference for any number of words and states", "[tied_decoder]",
                        every_layer_backend) {
  using Scalar = typename TestType::scalar;
  random_numbers random(241);
  for (const std::size_t words : {1U, 2U, 3U, 4U, 37U, 100U}) {
    for (const std::size_t states : {0U, 1U, 3U, 4U, 9U}) {
      const decoder_problem<Scalar> problem(words, random.size(1, 70), random.coin(), random);
      const auto decoder = problem.template decoder<typename TestType::backend>();
      CHECK(decoder.vocabulary_size() == words);
      CHECK(decoder.bytes() == problem.bias.size() * sizeof(Scalar));
      const guarded_matrix<Scalar> x(states, problem.matrix->cols(), 3, random);
      const auto expected = reference::arithmetic::of<Scalar>().linear(
          reference::table_of(reference::exact_of(x.view())), reference::exact_of(problem.matrix->view()),
          std::vector<double>(problem.bias.begin(), problem.bias.end()));
      INFO(words << " words, " << states << " states");
      CHECK(reference::worst_ratio(logits_of(decoder, x).view(), expected) <= 1);
    }
  }
}

TEST_CASE("A state's logits have the same bits alone, in company and over threads, at every level", "[tied_decoder]") {
  random_numbers random(242);
  // Enough words for several tasks, whose ends fall anywhere between the groups of words.
  for (const std::size_t words : {5U, 2048U, 5003U}) {
    for (const bool has_bias : {false, true}) {
      const decoder_problem<float> problem(words, 33, has_bias, random);
      const guarded_matrix<float> x(7, 33, 1, random);
      for (const auto isa :
           {ufb::isa_level::portable, ufb::isa_level::neon, ufb::isa_level::avx2, ufb::isa_level::avx512}) {
        if (!ufb::supported(isa)) continue;
        INFO(words << " words, " << name(isa));
        const auto decoder = problem.decoder<ufb::default_backend<float>>({.isa = isa});
        const auto all = logits_of(decoder, x);
        for (const std::size_t threads : {2U, 3U, 4U}) {
          ufb::thread_pool pool(threads);
          CHECK(same_bits(logits_of(decoder, x, pool), all));
        }
        for (std::size_t t = 0; t < x.rows(); ++t) {
          guarded_matrix<float> alone(1, 33, 2);
          std::copy_n(x.row(t), 33, alone.row(0));
          CHECK(same_rows(logits_of(decoder, alone), 0, all, t, 1));
        }
      }
    }
  }
}

TEST_CASE("The decoder refuses other sizes and leaves the logits alone", "[tied_decoder]") {
  random_numbers random(243);
  const decoder_problem<float> problem(11, 6, true, random);
  const auto decoder = problem.decoder<ufb::default_backend<float>>();
  const guarded_matrix<float> x(3, 6, 0, random);
  guarded_matrix<float> y(3, 11);
  CHECK(error_text_of([&] { decoder.forward(x.view().cols_from(0, 5), y.view()); }) ==
        "invalid_input: x: (3, 6): (3, 5)");
  CHECK(error_text_of([&] { decoder.forward(x.view(), y.view().cols_from(0, 10)); }) ==
        "invalid_input: y: (3, 11): (3, 10)");
  CHECK(error_text_of([&] { decoder.forward(x.view(), y.view().rows_from(0, 2)); }) ==
        "invalid_input: y: (3, 11): (2, 11)");
  CHECK(y.untouched());
}
