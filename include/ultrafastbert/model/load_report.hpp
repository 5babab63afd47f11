// SPDX-License-Identifier: MIT
//
// What became of a checkpoint's tensors: those the model took, those it could do without, and those it does not know.
// Layer: model.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/dtype.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/tensor_entry.hpp"

namespace ultrafastbert {

/// One tensor of a checkpoint.
struct reported_tensor {
  std::string name{};                  ///< without the prefix `module.` of wrapped models
  dtype type = dtype::f32;             ///< as stored
  std::vector<std::uint64_t> shape{};  ///< as stored
  std::string file{};                  ///< container that holds it
};

/// Every tensor of a checkpoint, in file order, in exactly one of three lists.
struct load_report {
  std::vector<reported_tensor> used{};       ///< the model took its values
  std::vector<reported_tensor> redundant{};  ///< says nothing new: the other tied copy, a buffer such as position_ids
  std::vector<reported_tensor> unused{};     ///< the model has no place for it; an error under `strict`
};

namespace models {

/// Both names of the one parameter that embeds words and decodes them.
[[nodiscard]] inline bool is_tied_name(std::string_view name) {
  return name == "decoder.weight" || name == "encoder.embedding.word_embedding.weight" ||
         name == "embedding.word_embedding.weight";
}

/// Buffers that the training code stores although the configuration determines them.
[[nodiscard]] inline bool is_buffer_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> buffers = {"position_ids", "norm_factor", "inv_freq", "freqs_cis"};
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return std::find(buffers.begin(), buffers.end(), last) != buffers.end();
}

/// Sorts the tensors by what was read so far.
[[nodiscard]] inline load_report make_load_report(const safetensors_source& source) {
  bool word_was_read = false;
  source.for_each([&](std::string_view name, const tensor_entry&, const safetensors&, bool was_read) {
    word_was_read = word_was_read || (was_read && is_tied_name(name));
  });
  load_report report;
  source.for_each([&](std::string_view name, const tensor_entry& entry, const safetensors& file, bool was_read) {
    const bool redundant = is_buffer_name(name) || (word_was_read && is_tied_name(name));
    auto& list = was_read ? report.used : redundant ? report.redundant : report.unused;
    list.push_back({.name = std::string(name), .type = entry.type, .shape = entry.shape, .file = file.name()});
  });
  return report;
}

/// Throws unused_tensor with all names (the first 20 spelled out) if there are any.
inline void check_all_used(const load_report& report, const std::string& file) {
  if (report.unused.empty()) return;
  constexpr std::size_t listed = 20;
  const std::size_t count = report.unused.size();
  std::string list;
  for (std::size_t i = 0; i < std::min(count, listed); ++i) {
    const reported_tensor& tensor = report.unused[i];
    list += (i == 0 ? "" : "; ") + excerpt(tensor.name, 120) + ' ' + shape_text(tensor.shape);
  }
  if (count > listed) list += "; and " + std::to_string(count - listed) + " more";
  fail(error_code::unused_tensor,
       {.file = file,
        .where = std::to_string(count) + " of " + std::to_string(report.used.size() + report.redundant.size() + count) +
                 " tensors",
        .expected = "no tensor that the model does not take, as strict asks",
        .found = std::move(list)});
}

/// What a model's loading ends with. `report` may be null; it is written last, so a failed load leaves it alone.
/// Throws: unused_tensor (under `strict`), std::bad_alloc.
inline void finish_loading(const safetensors_source& source, bool strict, load_report* report) {
  if (!strict && report == nullptr) return;
  load_report made = make_load_report(source);
  if (strict) check_all_used(made, source.name());
  if (report != nullptr) *report = std::move(made);
}

}  // namespace models

}  // namespace ultrafastbert
