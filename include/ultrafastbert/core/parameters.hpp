// SPDX-License-Identifier: MIT
//
// The parameters of a layer or model, each said once: its name, its shape, and what becomes of its elements. Loading,
// checking, the load report and `strict` all walk this one list.
//
//   parameter_list list;
//   layer.parameters("ffn.", list);  // the layer notes what it needs
//   list.load(source);               // checks all of them, then reads each
//
// Layer: core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/nearest_name.hpp"
#include "ultrafastbert/core/progress.hpp"
#include "ultrafastbert/core/tensor_source.hpp"

namespace ultrafastbert {

/// A shape as text, such as "(3, 768)".
[[nodiscard]] inline std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "(";
  for (const std::size_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ')';
}

/// One parameter.
struct parameter {
  std::string name{};                ///< in the checkpoint
  std::vector<std::size_t> shape{};  ///< row-major; empty for a scalar
  /// Takes the elements. Throws: what reading throws, and what the layer has to say about the values.
  std::function<void(const tensor&)> take{};
};

/// What a layer or a whole model reads from a source. The layers that noted their parameters stay where they are until
/// `load` has returned.
class parameter_list {
 public:
  /// Notes a parameter. Throws: std::bad_alloc.
  void add(std::string name, std::vector<std::size_t> shape, std::function<void(const tensor&)> take) {
    parameters_.push_back({.name = std::move(name), .shape = std::move(shape), .take = std::move(take)});
  }

  /// Notes what a layer does once all parameters are read: tables that it computes from its shape alone belong here, so
  /// that a shape which no tensor bears out costs no memory. Throws: std::bad_alloc.
  void add_step(std::function<void()> step) { steps_.push_back(std::move(step)); }

  /// Notes the name of a tensor of another class: where it is there and a parameter is not, `check` refuses the source
  /// with `reason`, which names the class. Throws: std::bad_alloc.
  void refuse(std::string name, std::string reason) { others_.push_back({std::move(name), std::move(reason)}); }

  /// Replaces every name by `stored_name(name)`, where a file calls parameters otherwise. Throws: std::bad_alloc.
  void rename(const std::function<std::string(const std::string&)>& stored_name) {
    for (parameter& each : parameters_) each.name = stored_name(each.name);
    for (other_form& each : others_) each.name = stored_name(each.name);
  }

  [[nodiscard]] std::span<const parameter> parameters() const noexcept { return parameters_; }  ///< in order

  /// Compares the list with what a source has; `advice` goes into the message as its reason.
  /// Throws: missing_tensor, one error that lists every parameter that the source lacks or has in another shape, a
  ///   missing one with the most similar name among those that nothing else needs; unsupported (a parameter is missing,
  ///   and a tensor that `refuse` named is there).
  void check(const tensor_source& source, const std::string& advice = {}) const {
    std::vector<const parameter*> wrong;
    for (const parameter& wanted : parameters_) {
      const auto found = source.find(wanted.name);
      if (!found || source.shape(*found) != wanted.shape) wrong.push_back(&wanted);
    }
    if (wrong.empty()) return;
    for (const other_form& other : others_) {
      if (source.contains(other.name)) fail_other(source, *wrong.front(), other);
    }
    fail_missing(source, wrong, advice);
  }

  /// Reads every parameter, then takes the steps behind them. Throws: as `check`, before anything is read; then what
  /// reading and the steps throw.
  void load(const tensor_source& source) const {
    check(source);
    read(source);
  }

  /// The same without the check; `progress` counts numbers, and is called after each parameter. Pre: `check`
  /// succeeded. Throws: what reading and the steps throw, canceled.
  void read(const tensor_source& source, const progress_callback& progress = {}) const {
    std::size_t total = 0;
    for (const parameter& wanted : parameters_) total += numbers_of(wanted);
    std::size_t done = 0;
    for (const parameter& wanted : parameters_) {
      const auto found = source.find(wanted.name);
      if (found) wanted.take(tensor(source, *found));
      done += numbers_of(wanted);
      core::report_progress(progress, source.name(), " numbers", done, total);
    }
    for (const std::function<void()>& step : steps_) step();
  }

 private:
  struct other_form {
    std::string name{};
    std::string reason{};
  };

  [[nodiscard]] static std::size_t numbers_of(const parameter& each) noexcept {
    std::size_t product = 1;
    for (const std::size_t size : each.shape) product *= size;
    return product;
  }

  [[noreturn]] static void fail_other(const tensor_source& source, const parameter& wanted, const other_form& other) {
    fail(error_code::unsupported, {.file = source.name(),
                                   .where = other.name,
                                   .expected = wanted.name + ' ' + shape_text(wanted.shape),
                                   .found = "a tensor of another class",
                                   .reason = other.reason});
  }

  [[noreturn]] void fail_missing(const tensor_source& source, std::span<const parameter* const> wrong,
                                 const std::string& advice) const {
    constexpr std::size_t listed = 20;
    const std::vector<std::string_view> spare = spare_names(source);
    core::nearest_name_search search(spare);
    std::string list;
    for (std::size_t i = 0; i < (std::min)(wrong.size(), listed); ++i) {
      const parameter& wanted = *wrong[i];
      list += (i == 0 ? "" : "; ") + wanted.name + ' ' + shape_text(wanted.shape);
      if (const auto found = source.find(wanted.name)) {
        list += " is " + shape_text(source.shape(*found));
        continue;
      }
      const std::string_view nearest = search.find(wanted.name);
      list += nearest.empty() ? " is missing"
                              : " is missing, but there is " + excerpt(nearest, 120) + ' ' +
                                    shape_text(source.shape(source.find(nearest).value_or(0)));
    }
    if (wrong.size() > listed) list += "; and " + std::to_string(wrong.size() - listed) + " more";
    fail(error_code::missing_tensor,
         {.file = source.name(),
          .where = std::to_string(wrong.size()) + " of " + std::to_string(parameters_.size()) + " tensors",
          .expected = "every tensor that the configuration calls for",
          .found = std::move(list),
          .reason = advice});
  }

  [[nodiscard]] std::vector<std::string_view> spare_names(const tensor_source& source) const {
    std::vector<std::string_view> needed;
    needed.reserve(parameters_.size());
    for (const parameter& wanted : parameters_) needed.emplace_back(wanted.name);
    std::sort(needed.begin(), needed.end());
    std::vector<std::string_view> spare;
    for (std::size_t i = 0; i < source.size(); ++i) {
      const std::string_view name = source.tensor_name(i);
      if (!std::binary_search(needed.begin(), needed.end(), name)) spare.push_back(name);
    }
    return spare;
  }

  std::vector<parameter> parameters_{};
  std::vector<other_form> others_{};
  std::vector<std::function<void()>> steps_{};
};

}  // namespace ultrafastbert
