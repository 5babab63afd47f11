// SPDX-License-Identifier: MIT
//
// What became of a folder's contents: tensors that the model took, those it could do without, those it does not know,
// and what is odd about its vocabulary.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/io/dtype.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/tensor_entry.hpp"
#include "ultrafastbert/model/families/family.hpp"
#include "ultrafastbert/tokenizer/tokenizer_report.hpp"

namespace ultrafastbert {

/// One tensor of a checkpoint.
struct reported_tensor {
  std::string name{};                  ///< without the prefix `module.` of wrapped models
  dtype type = dtype::f32;             ///< as stored
  std::vector<std::uint64_t> shape{};  ///< as stored
  std::string file{};                  ///< container that holds it
};

/// Every tensor of a checkpoint, in file order, in exactly one of three lists; then the vocabulary.
struct load_report {
  std::vector<reported_tensor> used{};       ///< the model took its values
  std::vector<reported_tensor> redundant{};  ///< says nothing new: the other tied copy, a buffer such as position_ids
  std::vector<reported_tensor> unused{};     ///< the model has no place for it; an error under `strict`
  std::size_t words_without_row = 0;         ///< words whose id is beyond the word matrix; an error under `strict`
  std::vector<std::string> notes{};          ///< what was decided because no file says it
  tokenizer_report vocabulary{};             ///< blank and repeated words, special tokens that files spell differently
};

namespace models {

/// Sorts the tensors by what was read so far. Throws: std::bad_alloc.
[[nodiscard]] inline load_report make_load_report(const safetensors_source& source,
                                                  const model_description& description) {
  const auto among = [](const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<std::string> copies = description.copies;
  for (const std::string& copy : description.word_copies) {
    copies.push_back(description.stored_name ? description.stored_name(copy) : copy);
  }
  load_report report;
  for (std::size_t i = 0; i < source.size(); ++i) {
    const std::string_view name = source.tensor_name(i);
    const bool redundant = among(copies, name) || among(description.buffers, name.substr(name.rfind('.') + 1));
    auto& list = source.was_read(i) ? report.used : redundant ? report.redundant : report.unused;
    const tensor_entry& entry = source.entry(i);
    list.push_back(
        {.name = std::string(name), .type = entry.type, .shape = entry.shape, .file = source.file(i).name()});
  }
  return report;
}

/// Adds the tensors of a further container. Throws: std::bad_alloc.
inline void append(load_report& report, load_report further) {
  std::move(further.used.begin(), further.used.end(), std::back_inserter(report.used));
  std::move(further.unused.begin(), further.unused.end(), std::back_inserter(report.unused));
}

/// Throws unused_tensor with all names (the first 20 spelled out) if there are any.
inline void check_all_used(const load_report& report, const std::string& file) {
  if (report.unused.empty()) return;
  constexpr std::size_t listed = 20;
  const std::size_t count = report.unused.size();
  std::string list;
  for (std::size_t i = 0; i < (std::min)(count, listed); ++i) {
    const reported_tensor& tensor = report.unused[i];
    list += (i == 0 ? "" : "; ") + excerpt(tensor.name, 120) + ' ' + io::shape_text(tensor.shape);
  }
  if (count > listed) list += "; and " + std::to_string(count - listed) + " more";
  fail(error_code::unused_tensor,
       {.file = file,
        .where = std::to_string(count) + " of " + std::to_string(report.used.size() + report.redundant.size() + count) +
                 " tensors",
        .expected = "no tensor that the model does not take, as strict asks",
        .found = std::move(list)});
}

}  // namespace models

}  // namespace ultrafastbert
