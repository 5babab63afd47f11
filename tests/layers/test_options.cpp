// SPDX-License-Identifier: MIT
//
// Options of layers do what they say or are refused: what contradicts the backend in the type, what contradicts the
// engine, weights that a storage cannot hold, and dense trees with weights that are no numbers.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "layers/support.hpp"
#include "support/backends.hpp"

using namespace ufb_test;
using ufb::fast_feedforward_options;
using ufb::fff_engine;
using ufb::isa_level;
using ufb::projection_engine;
using ufb::projection_options;
using ufb::weight_storage;

namespace {

template <class Scalar, class Backend>
using fff = ufb::fast_feedforward<Scalar, ufb::dynamic_extent, ufb::dynamic_extent, ufb::dynamic_extent,
                                  ufb::dynamic_extent, ufb::positive_goes_right, Backend>;

constexpr ufb::fast_feedforward_shape small{.input_width = 3, .output_width = 2, .depth = 2};
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// What building an FFF layer says, from views and by loading, which must be the same.
template <class Layer>
std::string fff_text(const fast_feedforward_options& options) {
  using Scalar = typename Layer::scalar_type;
  const std::vector<Scalar> ones(7 * 3, Scalar{1});
  const noted_source source = random_source(tensors_of<Layer>(small, ""), 411);
  const std::string text = error_text_of([&] {
    (void)Layer(small, {ones.data(), {7, 3}}, {}, {ones.data(), {2, 7}}, options);
  });
  CHECK(error_text_of([&] { (void)Layer::load(source, "", small, options); }) == text);
  CHECK(source.unread().empty() == (text == "none"));  // what is refused is refused before anything is read
  return text;
}

template <class Scalar, class Backend>
std::string linear_text(const projection_options& options) {
  using layer_type = ufb::linear<Scalar, Backend>;
  const std::vector<Scalar> ones(12, Scalar{1});
  const noted_source source = random_source(tensors_of<layer_type>(ufb::linear_shape{4, 3}, ""), 412);
  const std::string text = error_text_of([&] { (void)layer_type({ones.data(), {4, 3}}, {}, options); });
  CHECK(error_text_of([&] { (void)layer_type::load(source, "", {4, 3}, options); }) == text);
  // Layers that are made of linear ones hand on what those say.
  CHECK(error_text_of([&] { (void)ufb::feedforward<Scalar, Backend>({.width = 4, .intermediate = 6}, options); }) ==
        text);
  CHECK(error_text_of([&] { (void)ufb::attention<Scalar, Backend>({.width = 4, .heads = 2}, options); }) == text);
  return text;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("A BLAS refuses engines, storage and levels of the library's own kernels", "[options]",
                        every_backend) {
  using layer_type = fff<typename TestType::scalar, typename TestType::backend>;
  const std::string backend(TestType::backend::name);
  CHECK(fff_text<layer_type>({}) == "none");
  CHECK(fff_text<layer_type>({.engine = fff_engine::blas}) == "none");
  CHECK(fff_text<layer_type>({.engine = fff_engine::fused}) ==
        "invalid_input: fast_feedforward.engine: auto or blas with the backend " + backend + ": fused");
  CHECK(fff_text<layer_type>({.engine = fff_engine::dense}) ==
        "invalid_input: fast_feedforward.engine: auto or blas with the backend " + backend + ": dense");
  CHECK(fff_text<layer_type>({.storage_in = weight_storage::int8}) ==
        "invalid_input: fast_feedforward.storage_in: f32 with the backend " + backend + ", which rounds nothing: int8");
  CHECK(fff_text<layer_type>({.storage_out = weight_storage::float16}) ==
        "invalid_input: fast_feedforward.storage_out: f32 with the backend " + backend + ", which rounds nothing: f16");
  CHECK(fff_text<layer_type>({.isa = isa_level::portable}) ==
        "invalid_input: fast_feedforward.isa: automatic with the backend " + backend +
            ", which has no levels: portable");

  const auto linear = linear_text<typename TestType::scalar, typename TestType::backend>;
  CHECK(linear({}) == "none");
  CHECK(linear({.engine = projection_engine::blas}) == "none");
  CHECK(linear({.engine = projection_engine::packed}) ==
        "invalid_input: projections.engine: automatic or blas with the backend " + backend + ": packed");
  CHECK(linear({.storage = weight_storage::int8}) ==
        "invalid_input: projections.storage: f32 with the backend " + backend + ", which rounds nothing: int8");
  CHECK(linear({.isa = isa_level::avx2}) ==
        "invalid_input: projections.isa: automatic with the backend " + backend + ", which has no levels: avx2");
}

TEST_CASE("The three wishes of a double layer that nobody would fulfill are refused", "[options]") {
  CHECK(fff_text<ufb::fast_feedforward<double>>(
            {.engine = fff_engine::fused, .storage_in = weight_storage::int8, .isa = isa_level::avx2})
            .find("invalid_input: fast_feedforward.engine: auto or blas with the backend ") == 0);
}

TEST_CASE("Norms and embeddings of double refuse a level, which only float has", "[options]") {
  const std::string refused = "invalid_input: isa: automatic, as only float has levels: avx2";
  const ufb::embedding_shape words{.vocabulary_size = 2, .width = 4, .max_sequence_length = 3};
  CHECK(error_text_of([] { (void)ufb::norm<double>({.width = 4}, isa_level::avx2); }) == refused);
  CHECK(error_text_of([&] { (void)ufb::embedding<double>(words, isa_level::avx2); }) == refused);
  CHECK(error_text_of([] { (void)ufb::norm<double>(ufb::norm_shape{.width = 4}); }) == "none");
  CHECK(error_text_of([&] { (void)ufb::embedding<double>(words); }) == "none");
  CHECK(error_text_of([] { (void)ufb::norm<float>({.width = 4}, isa_level::portable); }) == "none");
  CHECK(error_text_of([&] { (void)ufb::embedding<float>(words, isa_level::portable); }) == "none");
}

TEST_CASE("Engines of the library's own kernels refuse what they make no use of", "[options]") {
  using layer_type = ufb::fast_feedforward<float>;
  for (const auto storage : {weight_storage::float16, weight_storage::bfloat16, weight_storage::int8}) {
    const std::string word(name(storage));
    for (const auto engine : {fff_engine::dense, fff_engine::blas}) {
      const std::string with = "f32 with the engine " + std::string(name(engine)) + ", which rounds nothing: " + word;
      CHECK(fff_text<layer_type>({.engine = engine, .storage_in = storage}) ==
            "invalid_input: fast_feedforward.storage_in: " + with);
      CHECK(fff_text<layer_type>({.engine = engine, .storage_out = storage}) ==
            "invalid_input: fast_feedforward.storage_out: " + with);
    }
    CHECK(fff_text<layer_type>({.engine = fff_engine::grouped, .storage_in = storage, .storage_out = storage}) ==
          "none");
  }
  CHECK(fff_text<layer_type>({.engine = fff_engine::blas, .isa = isa_level::portable}) ==
        "invalid_input: fast_feedforward.isa: automatic with the engine blas, which has no levels: portable");
  CHECK(fff_text<layer_type>({.engine = fff_engine::dense, .isa = isa_level::portable}) == "none");
  const auto linear = linear_text<float, ufb::kernel_backend>;
  CHECK(linear({.engine = projection_engine::blas, .storage = weight_storage::bfloat16}) ==
        "invalid_input: projections.storage: f32 with the engine blas, which rounds nothing: bf16");
  CHECK(linear({.engine = projection_engine::blas, .isa = isa_level::portable}) ==
        "invalid_input: projections.isa: automatic with the engine blas, which has no levels: portable");
}

TEST_CASE("Finite weights that a storage would make infinite are refused with their place", "[options]") {
  std::vector<float> in(7 * 3, 0.5F);
  std::vector<float> out(2 * 7, 0.5F);
  const auto text = [&](const fast_feedforward_options& options,
                        ufb::linear_out_layout layout = ufb::linear_out_layout::column_per_node) {
    const bool by_row = layout == ufb::linear_out_layout::row_per_node;
    return error_text_of([&] {
      (void)ufb::fast_feedforward<float>(small, {in.data(), {7, 3}}, {},
                                         {out.data(), {by_row ? 7U : 2U, by_row ? 2U : 7U}}, options, layout);
    });
  };
  const fast_feedforward_options half_in{.storage_in = weight_storage::float16};
  const fast_feedforward_options half_out{.storage_out = weight_storage::float16};
  in[4 * 3 + 2] = -65519.0F;  // the largest that is rounded to 65504
  out[7 + 3] = 65504.0F;
  CHECK(text(half_in) == "none");
  CHECK(text(half_out) == "none");
  in[4 * 3 + 2] = -65520.0F;
  CHECK(text(half_in) == "non_finite: linear_in: weights that f16 storage can hold: -65520.000000 at row 4, column 2");
  CHECK(text(half_out) == "none");
  CHECK(text({.storage_in = weight_storage::bfloat16, .storage_out = weight_storage::int8}) == "none");
  // The second matrix is given with a column or a row for each node: the message counts as the caller does.
  out[7 + 3] = 1e5F;
  CHECK(text(half_out) ==
        "non_finite: linear_out: weights that f16 storage can hold: 100000.000000 at row 1, column 3");
  CHECK(text(half_out, ufb::linear_out_layout::row_per_node) ==
        "non_finite: linear_out: weights that f16 storage can hold: 100000.000000 at row 5, column 0");
  in[4 * 3 + 2] = std::numeric_limits<float>::max();
  const std::string found = text({.storage_in = weight_storage::bfloat16});
  CHECK(found.find("non_finite: linear_in: weights that bf16 storage can hold: ") == 0);
  CHECK(text({.storage_in = weight_storage::int8}) == "none");
  // What was infinite before is no accident of the storage.
  in[4 * 3 + 2] = infinity;
  CHECK(text(half_in) == "none");

  const auto linear = [&](weight_storage storage) {
    return error_text_of([&] { (void)ufb::linear<float>({in.data(), {7, 3}}, {}, {.storage = storage}); });
  };
  CHECK(linear(weight_storage::bfloat16) == "none");
  in[4 * 3 + 2] = std::numeric_limits<float>::max();
  CHECK(linear(weight_storage::bfloat16).find("non_finite: weight: weights that bf16 storage can hold: ") == 0);
  CHECK(linear(weight_storage::float32) == "none");
  CHECK(linear(weight_storage::int8) == "none");
}

TEST_CASE("Weights of a file that a storage would make infinite are refused with file, tensor and index", "[options]") {
  using layer_type = ufb::fast_feedforward<float>;
  const auto list = tensors_of<layer_type>(small, "a.ffn.");
  const auto refused = [&](const std::string& tensor, std::size_t element, const fast_feedforward_options& options) {
    auto source = random_source(list, 413);
    auto values = source.at(tensor).values;
    values[element] = 70000.0F;
    source.add(tensor, source.at(tensor).shape, values);
    const auto problem = error_of([&] { (void)layer_type::load(source, "a.ffn.", small, options); });
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::non_finite);
    CHECK(problem->file() == source.name());
    CHECK(problem->where() == tensor);
    return problem->found();
  };
  CHECK(refused("a.ffn.linear_in.weight", 5 * 3 + 1, {.storage_in = weight_storage::float16}) ==
        "70000.000000 at row 5, column 1");
  CHECK(refused("a.ffn.linear_out.weight", 1 * 7 + 6, {.storage_out = weight_storage::float16}) ==
        "70000.000000 at row 1, column 6");

  // Rows of separate tensors are counted within their own.
  const ufb::attention_shape shape{.width = 4, .heads = 2, .layout = ufb::attention_layout::separate, .norm_factor = 1};
  auto source = random_source(tensors_of<ufb::attention<float>>(shape, ""), 414);
  auto values = source.at("self_attention.key.weight").values;
  values[3 * 4 + 2] = std::numeric_limits<float>::max();
  source.add("self_attention.key.weight", {4, 4}, values);
  const auto problem =
      error_of([&] { (void)ufb::attention<float>::load(source, "", shape, {.storage = weight_storage::bfloat16}); });
  REQUIRE(problem);
  CHECK(problem->where() == "self_attention.key.weight");
  CHECK(problem->found().find(" at row 3, column 2") != std::string::npos);
}

TEST_CASE("Weights that are no numbers reach the tokens that visit their node and no others", "[options]") {
  random_numbers random(415);
  ufb::workspace scratch;
  for (const auto kind : {ufb::activation_kind::gelu, ufb::activation_kind::relu, ufb::activation_kind::silu,
                          ufb::activation_kind::tanh}) {
    for (const float poison : {infinity, -infinity, not_a_number}) {
      fff_tensors<float> w({.input_width = 6, .output_width = 5, .depth = 2, .parallel_size = 6, .activation = kind},
                           random);
      const guarded_matrix<float> x(60, 6, 0, random);
      const auto run = [&](fff_engine engine) {
        const ufb::fast_feedforward<float> layer(w.shape, w.linear_in.view(), w.bias_in, w.linear_out.view(),
                                                 {.engine = engine});
        const fff_engine expected = engine != fff_engine::automatic     ? engine
                                    : std::isfinite(w.linear_out(3, 5)) ? fff_engine::dense
                                                                        : fff_engine::interleaved;
        CHECK(layer.engine(60) == expected);
        guarded_matrix<float> y(60, 5);
        reference::grid<std::int32_t> path(60, layer.path_length());
        layer.forward(x.view(), y.view(), scratch, {path.cells.data(), {60, path.cols}});
        std::size_t wrong = 0;
        for (std::size_t t = 0; t < 60; ++t) {
          const bool visits = std::find(&path(t, 0), &path(t, 0) + 3, 5) != &path(t, 0) + 3;
          for (std::size_t k = 0; k < 5; ++k) {
            if (std::isfinite(y(t, k)) != (!visits || k != 3)) ++wrong;
          }
        }
        return wrong;
      };
      w.linear_out(3, 5) = poison;  // node 5 of the first tree
      CHECK(run(fff_engine::automatic) == 0);
      CHECK(run(fff_engine::grouped) == 0);
      CHECK(run(fff_engine::dense) > 0);  // asked for by name: it multiplies every node with zero
    }
  }
}

TEST_CASE("A loaded layer of shallow trees walks, too, where its weights are no numbers", "[options]") {
  const ufb::fast_feedforward_shape shape{.input_width = 3, .output_width = 2, .depth = 1, .parallel_size = 16};
  using layer_type = ufb::fast_feedforward<float>;
  auto source = random_source(tensors_of<layer_type>(shape, ""), 416);
  CHECK(layer_type::load(source, "", shape).engine(500) == fff_engine::dense);
  auto values = source.at("linear_out.weight").values;
  values[7] = not_a_number;
  source.add("linear_out.weight", {2, 48}, values);
  const auto layer = layer_type::load(source, "", shape);
  CHECK(layer.engine(1) == fff_engine::fused);
  CHECK(layer.engine(500) == fff_engine::interleaved);
  CHECK(layer_type::load(source, "", shape, {.engine = fff_engine::dense}).engine(1) == fff_engine::dense);
}
