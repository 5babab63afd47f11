// SPDX-License-Identifier: MIT
//
// Loading: each layer reads exactly the tensors that it lists, by the checkpoint's names, and misses each one that is
// gone.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "layers/support.hpp"

using namespace ufb_test;

namespace {

/// Loads through `load(source)` from exactly the tensors of `list`, then with each of them missing or misshapen.
template <class Load>
void check_loading(const tensor_list& list, Load load) {
  const auto source = random_source(list, 111);
  load(source);
  CHECK(source.unread().empty());
  const std::string start = "missing_tensor: 1 of " + std::to_string(list.size()) +
                            " tensors: every tensor that the configuration calls for: ";
  for (const auto& [name, shape] : list) {
    INFO(name);
    auto without = random_source(list, 111);
    without.remove(name);
    CHECK(error_text_of([&] { load(without); }) == start + name + ' ' + ufb::shape_text(shape) + " is missing");
    CHECK(without.unread() == without.names());  // the check comes before the first reading
    auto misshapen = random_source(list, 111);
    auto other = shape;
    other.push_back(1);
    misshapen.add(name, other, misshapen.at(name).values);
    CHECK(error_text_of([&] { load(misshapen); }) ==
          start + name + ' ' + ufb::shape_text(shape) + " is " + ufb::shape_text(other));
  }
}

constexpr ufb::fast_feedforward_shape fff_shape{.input_width = 7, .output_width = 18, .depth = 4, .parallel_size = 2};

}  // namespace

TEMPLATE_TEST_CASE("An FFF layer reads what it lists", "[load]", float, double) {
  using layer_type = ufb::fast_feedforward<TestType>;
  const auto list = tensors_of<layer_type>(fff_shape, "a.ffn.");
  CHECK(list == tensor_list{{"a.ffn.linear_in.weight", {62, 7}},
                            {"a.ffn.linear_in.bias", {62}},
                            {"a.ffn.linear_out.weight", {18, 62}}});
  check_loading(list, [](const noted_source& source) { (void)layer_type::load(source, "a.ffn.", fff_shape); });
}

TEST_CASE("An FFF layer of static sizes lists its own, whatever the shape leaves out", "[load]") {
  using fixed = ufb::fast_feedforward<float, 7, 18, 4, 2>;
  const auto list = tensors_of<ufb::fast_feedforward<float>>(fff_shape, "f.");
  CHECK(tensors_of<fixed>(fff_shape, "f.") == list);
  CHECK(tensors_of<fixed>(ufb::fast_feedforward_shape{}, "f.") == list);
  check_loading(list, [](const noted_source& source) { (void)fixed::load(source, "f.", {}); });
}

TEMPLATE_TEST_CASE("A loaded FFF layer is the constructed one", "[load]", float, double) {
  using layer_type = ufb::fast_feedforward<TestType>;
  const auto source = random_source(tensors_of<layer_type>(fff_shape, "f."), 112);
  const auto copy = [&](const std::string& name) {
    const auto tensor = source.at(name);
    return std::vector<TestType>(tensor.values.begin(), tensor.values.end());
  };
  const auto linear_in = copy("f.linear_in.weight");
  const auto bias_in = copy("f.linear_in.bias");
  const auto linear_out = copy("f.linear_out.weight");
  const layer_type constructed(fff_shape, {linear_in.data(), {62, 7}}, bias_in, {linear_out.data(), {18, 62}});
  const auto loaded = layer_type::load(source, "f.", fff_shape);
  CHECK(loaded.bytes() == constructed.bytes());
  random_numbers random(113);
  const guarded_matrix<TestType> x(40, 7, 0, random);
  guarded_matrix<TestType> a(40, 18);
  guarded_matrix<TestType> b(40, 18);
  ufb::workspace scratch;
  constructed.forward(x.view(), a.view(), scratch);
  loaded.forward(x.view(), b.view(), scratch);
  CHECK(same_bits(a, b));
}

TEMPLATE_TEST_CASE("A linear layer reads what it lists", "[load]", float, double) {
  using layer_type = ufb::linear<TestType>;
  const ufb::linear_shape plain{.output_width = 17, .input_width = 5};
  const ufb::linear_shape with_bias{.output_width = 17, .input_width = 5, .bias = true};
  CHECK(tensors_of<layer_type>(plain, "l.") == tensor_list{{"l.weight", {17, 5}}});
  const auto list = tensors_of<layer_type>(with_bias, "l.");
  CHECK(list == tensor_list{{"l.weight", {17, 5}}, {"l.bias", {17}}});
  check_loading(list, [&](const noted_source& source) {
    const auto layer = layer_type::load(source, "l.", with_bias);
    const auto weight = source.at("l.weight").values;
    const auto bias = source.at("l.bias").values;
    guarded_matrix<TestType> unit(5, 5);
    for (std::size_t c = 0; c < 5; ++c) {
      for (std::size_t k = 0; k < 5; ++k) unit(c, k) = c == k ? TestType{1} : TestType{0};
    }
    guarded_matrix<TestType> y(5, 17);
    ufb::workspace scratch;
    layer.forward(unit.view(), y.view(), scratch);
    std::size_t different = 0;
    for (std::size_t r = 0; r < 17; ++r) {
      for (std::size_t c = 0; c < 5; ++c) {
        const auto sum = static_cast<TestType>(weight[r * 5 + c]) + static_cast<TestType>(bias[r]);
        if (y(c, r) != sum) ++different;
      }
    }
    CHECK(different == 0);
  });
}

TEMPLATE_TEST_CASE("A layer norm reads what it lists", "[load]", float, double) {
  using layer_type = ufb::norm<TestType>;
  const ufb::norm_shape shape{.width = 9, .epsilon = 0.5};
  const auto list = tensors_of<layer_type>(shape, "n.");
  CHECK(list == tensor_list{{"n.weight", {9}}, {"n.bias", {9}}});
  check_loading(list, [&](const noted_source& source) { (void)layer_type::load(source, "n.", shape); });
  const auto source = random_source(list, 114);
  const auto copy = [&](const char* name) {
    const auto values = source.at(name).values;
    return std::vector<TestType>(values.begin(), values.end());
  };
  random_numbers random(115);
  const guarded_matrix<TestType> x(4, 9, 0, random);
  guarded_matrix<TestType> a(4, 9);
  guarded_matrix<TestType> b(4, 9);
  layer_type::load(source, "n.", shape).forward(x.view(), a.view());
  layer_type(shape, copy("n.weight"), copy("n.bias")).forward(x.view(), b.view());
  CHECK(same_bits(a, b));
}

TEMPLATE_TEST_CASE("A dense feedforward layer reads what it lists", "[load]", float, double) {
  using layer_type = ufb::feedforward<TestType>;
  const ufb::feedforward_shape plain{.width = 6, .intermediate = 11};
  CHECK(tensors_of<layer_type>(plain, "d.") ==
        tensor_list{{"d.dense_in.weight", {11, 6}}, {"d.dense_out.weight", {6, 11}}});
  const ufb::feedforward_shape shape{.width = 6, .intermediate = 11, .bias = true};
  const auto list = tensors_of<layer_type>(shape, "d.");
  CHECK(list == tensor_list{{"d.dense_in.weight", {11, 6}},
                            {"d.dense_in.bias", {11}},
                            {"d.dense_out.weight", {6, 11}},
                            {"d.dense_out.bias", {6}}});
  check_loading(list, [&](const noted_source& source) { (void)layer_type::load(source, "d.", shape); });
}

TEMPLATE_TEST_CASE("Attention reads what it lists", "[load]", float, double) {
  using layer_type = ufb::attention<TestType>;
  const ufb::attention_shape shape{.width = 8, .heads = 2};
  const auto list = tensors_of<layer_type>(shape, "x.attn.");
  CHECK(list == tensor_list{{"x.attn.self_attention.norm_factor", {}},
                            {"x.attn.self_attention.query_key_value.weight", {24, 8}},
                            {"x.attn.dense.weight", {8, 8}}});
  check_loading(list, [&](const noted_source& source) {
    const auto layer = layer_type::load(source, "x.attn.", shape);
    CHECK(layer.width() == 8);
    CHECK(layer.heads() == 2);
  });
}

TEMPLATE_TEST_CASE("Loaded attention takes the checkpoint's norm factor", "[load]", float, double) {
  using layer_type = ufb::attention<TestType>;
  const ufb::attention_shape shape{.width = 8, .heads = 2};
  auto source = random_source(tensors_of<layer_type>(shape, ""), 116);
  source.add("self_attention.norm_factor", {}, {0.875F});
  random_numbers random(117);
  const guarded_matrix<TestType> x(13, 8, 0, random, 2);
  guarded_matrix<TestType> y(13, 8);
  const std::vector<std::size_t> offsets{0, 5, 13};
  ufb::workspace scratch;
  layer_type::load(source, "", shape).forward(x.view(), y.view(), {.offsets = offsets}, scratch);
  const auto expected = reference::arithmetic::of<TestType>().attention(
      reference::table_of(reference::exact_of(x.view())),
      reference::exact_of(source.at("self_attention.query_key_value.weight")),
      reference::exact_of(source.at("dense.weight")), 2, 0.875, offsets);
  CHECK(reference::worst_ratio(y.view(), expected) <= 1);
}

TEMPLATE_TEST_CASE("An embedding reads what it lists", "[load]", float, double) {
  using layer_type = ufb::embedding<TestType>;
  const ufb::embedding_shape shape{
      .vocabulary_size = 13, .width = 6, .max_sequence_length = 4, .norm = ufb::norm_shape{.width = 6}};
  const auto list = tensors_of<layer_type>(shape, "e.embedding.", "decoder.weight");
  CHECK(list == tensor_list{{"decoder.weight", {13, 6}},
                            {"e.embedding.pos_embedding.scale_factor", {1}},
                            {"e.embedding.norm.weight", {6}},
                            {"e.embedding.norm.bias", {6}}});
  check_loading(list, [&](const noted_source& source) {
    (void)layer_type::load(source, "e.embedding.", "decoder.weight", shape);
  });
}
