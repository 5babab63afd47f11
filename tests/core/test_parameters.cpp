// SPDX-License-Identifier: MIT
//
// The list of parameters: reading in order, one error for all that is missing or misshapen, the nearest name among
// those that nothing else needs, and names that a file spells otherwise.
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "ultrafastbert/core/memory_source.hpp"
#include "ultrafastbert/core/nearest_name.hpp"
#include "ultrafastbert/core/parameters.hpp"

using namespace ufb_test;
namespace ufb = ultrafastbert;

namespace {

/// Something with two parameters, as layers note them.
struct scaled_rows {
  std::vector<float> rows = std::vector<float>(6);
  double scale = 0;
  std::vector<std::string> order{};

  void parameters(const std::string& prefix, ufb::parameter_list& list) {
    list.add(prefix + "rows.weight", {2, 3}, [this](const ufb::tensor& from) {
      order.emplace_back(from.name());
      from.read(0, std::span<float>(rows));
    });
    list.add(prefix + "scale", {}, [this](const ufb::tensor& from) {
      order.emplace_back(from.name());
      from.read(0, std::span<double>(&scale, 1));
    });
  }
};

const std::vector<float> six{1, 2, 3, 4, 5, 6};

std::string found_of(const ufb::parameter_list& list, const ufb::tensor_source& source) {
  const auto problem = error_of([&] { list.load(source); });
  if (!problem) return "none";
  CHECK(problem->code() == ufb::error_code::missing_tensor);
  CHECK(problem->expected() == "every tensor that the configuration calls for");
  return problem->where() + ": " + problem->found();
}

}  // namespace

TEST_CASE("A list reads every parameter in the order in which it was noted", "[parameters]") {
  ufb::memory_source source;
  source.add("x.scale", {}, {0.5F});
  source.add("x.rows.weight", {2, 3}, six);
  source.add("something else", {1}, {1});
  scaled_rows layer;
  ufb::parameter_list list;
  layer.parameters("x.", list);
  REQUIRE(list.parameters().size() == 2);
  CHECK(list.parameters()[0].name == "x.rows.weight");
  CHECK(list.parameters()[0].shape == std::vector<std::size_t>{2, 3});
  CHECK(list.parameters()[1].shape.empty());
  list.check(source);
  CHECK(layer.order.empty());
  list.load(source);
  CHECK(layer.order == std::vector<std::string>{"x.rows.weight", "x.scale"});
  CHECK(layer.rows == six);
  CHECK(layer.scale == 0.5);
  ufb::parameter_list().load(source);  // nothing is wanted, nothing is wrong
}

TEST_CASE("One error lists what is missing and what has another shape, before anything is read", "[parameters]") {
  ufb::memory_source source("some.file");
  source.add("a.rows.weight", {3, 2}, six);
  source.add("b.rows.weight", {2, 3}, six);
  source.add("b.scale", {}, {1});
  scaled_rows a;
  scaled_rows b;
  ufb::parameter_list list;
  a.parameters("a.", list);
  b.parameters("b.", list);
  CHECK(found_of(list, source) == "2 of 4 tensors: a.rows.weight (2, 3) is (3, 2); a.scale () is missing");
  CHECK((a.order.empty() && b.order.empty()));
  const auto problem = error_of([&] { list.check(source, "the configuration is of another model"); });
  REQUIRE(problem);
  CHECK(problem->file() == "some.file");
  CHECK(problem->reason() == "the configuration is of another model");
  CHECK(error_of([&] { list.load(source); })->reason().empty());
}

TEST_CASE("A missing parameter is told the nearest name among those that nothing else needs", "[parameters]") {
  ufb::memory_source source;
  source.add("layers.0.rows.weight", {2, 3}, six);
  source.add("layers.1.row.weight", {2, 3}, six);  // misspelled
  source.add("layers.0.scale", {}, {1});
  source.add("layers.1.scale", {}, {1});
  scaled_rows zero;
  scaled_rows one;
  ufb::parameter_list list;
  zero.parameters("layers.0.", list);
  one.parameters("layers.1.", list);
  // "layers.0.rows.weight" is as near, but it is needed itself.
  CHECK(found_of(list, source) ==
        "1 of 4 tensors: layers.1.rows.weight (2, 3) is missing, but there is 'layers.1.row.weight' (2, 3)");
}

TEST_CASE("Of many missing parameters twenty are listed and the others counted", "[parameters]") {
  ufb::parameter_list list;
  for (int i = 0; i < 23; ++i) list.add(std::string("t").append(std::to_string(i)), {1}, [](const ufb::tensor&) {});
  const std::string found = found_of(list, ufb::memory_source());
  CHECK(found.find("23 of 23 tensors: t0 (1) is missing; t1 (1) is missing") == 0);
  CHECK_THAT(found, EndsWith("t19 (1) is missing; and 3 more"));
}

TEST_CASE("Names may be those of another spelling, for checking, messages and reading alike", "[parameters]") {
  ufb::memory_source source;
  source.add("module.x.rows.weight", {2, 3}, six);
  source.add("module.x.scale", {}, {4});
  scaled_rows layer;
  ufb::parameter_list list;
  layer.parameters("x.", list);
  CHECK(error_of([&] { list.load(source); }));
  list.rename([](const std::string& name) { return std::string("module.").append(name); });
  CHECK(list.parameters()[1].name == "module.x.scale");
  list.load(source);
  CHECK(layer.rows == six);
  CHECK(layer.scale == 4);
  ufb::memory_source other;
  other.add("module.x.rows.weight", {2, 3}, six);
  CHECK(found_of(list, other) == "1 of 2 tensors: module.x.scale () is missing");
}

TEST_CASE("What a layer says about its values leaves the list", "[parameters]") {
  ufb::memory_source source;
  source.add("w", {1}, {-1});
  ufb::parameter_list list;
  list.add("w", {1}, [](const ufb::tensor& from) {
    float value = 0;
    from.read(0, std::span<float>(&value, 1));
    if (value < 0) ufb::fail_input("w", "a positive number", "another");
  });
  CHECK(error_text_of([&] { list.load(source); }) == "invalid_input: w: a positive number: another");
}

TEST_CASE("Shapes are written as tuples", "[parameters]") {
  const std::vector<std::size_t> shape{3, 768};
  CHECK(ufb::shape_text(shape) == "(3, 768)");
  CHECK(ufb::shape_text(std::span(shape).first(1)) == "(3)");
  CHECK(ufb::shape_text({}) == "()");
}

TEST_CASE("The nearest name differs least, in at most a third of the letters, the first of several", "[parameters]") {
  const std::vector<std::string_view> names{"encoder.attn", "encoder.norm", "encoder.norn", "x", ""};
  ufb::core::nearest_name_search search(names);
  CHECK(search.find("encoder.nor") == "encoder.norm");
  CHECK(search.find("encoder.attn") == "encoder.attn");
  CHECK(search.find("decoder.attn") == "encoder.attn");
  CHECK(search.find("something else altogether").empty());
  CHECK(search.find("yy").empty());
  CHECK(ufb::core::nearest_name_search({}).find("a").empty());
  std::size_t cells = 0;
  CHECK(ufb::core::edit_distance("kitten", "sitting", 10, cells) == 3);
  CHECK(ufb::core::edit_distance("kitten", "sitting", 2, cells) == 2);
  CHECK(ufb::core::edit_distance("", "abc", 10, cells) == 3);
  CHECK(ufb::core::edit_distance("same", "same", 10, cells) == 0);
}

TEST_CASE("Steps are taken once all parameters are read, and not where one is missing", "[parameters]") {
  ufb::memory_source source;
  source.add("x.scale", {}, {0.5F});
  scaled_rows layer;
  ufb::parameter_list list;
  list.add_step([&layer] { layer.order.emplace_back("a step with scale " + std::to_string(layer.scale)); });
  layer.parameters("x.", list);
  CHECK(error_of([&] { list.load(source); }));
  CHECK(layer.order.empty());
  source.add("x.rows.weight", {2, 3}, six);
  list.load(source);
  CHECK(layer.order == std::vector<std::string>{"x.rows.weight", "x.scale", "a step with scale 0.500000"});
}
