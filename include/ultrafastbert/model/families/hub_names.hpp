// SPDX-License-Identifier: MIT
//
// The names of tensors in the hub's families of encoders, which differ in words and not in structure: a prefix before
// the encoder's names, a word for each of its parts, and others for the parts of its heads.
// Source: the tensor names of published checkpoints.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ultrafastbert/core/tensor_source.hpp"

namespace ultrafastbert::models::hub {

/// The beginning of a name, as the layers of this library have it and as the files of a family have it.
struct name_pair {
  std::string_view ours{};
  std::string_view theirs{};
};

/// How a family calls its tensors.
struct name_table {
  std::string_view prefix{};              ///< before the encoder's names, where an encoder is a part of a model
  std::string_view layer{};               ///< behind the prefix and before a layer's number
  std::span<const name_pair> encoder{};   ///< behind the prefix: embedding and pooler
  std::span<const name_pair> in_layer{};  ///< behind a layer's number
  std::span<const name_pair> heads{};     ///< without the prefix
  std::string_view decoder{};             ///< the decoder's matrix
  std::string_view decoder_bias{};        ///< the decoder's bias
  std::string_view other_decoder_bias{};  ///< the same bias under the decoder's own name, or empty
};

/// Where a folder keeps its tensors.
class tensor_names {
 public:
  /// Looks for the prefix, for FFF layers and for names of old files. A decoder of its own, `untied`, has its own bias,
  /// too, where the file has both. Pre: what `table` refers to outlives the names.
  /// Throws: std::bad_alloc.
  tensor_names(const name_table& table, const tensor_source& weights, bool untied) : table_(&table) {
    const std::string inside = std::string(table.prefix) + "embeddings.";
    bool prefixed = false;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::string_view name = weights.tensor_name(i);
      prefixed = prefixed || name.starts_with(inside);
      if (const auto fresh = without_old_words(name); fresh && !weights.contains(*fresh)) old_.emplace_back(name);
    }
    std::sort(old_.begin(), old_.end());
    if (prefixed) prefix_ = table.prefix;
    layer_ = prefix_ + std::string(table.layer);
    linear_in_ = place_in_layer(weights, "linear_in.weight").value_or("ffn.");
    linear_out_ = place_in_layer(weights, "linear_out.weight").value_or("ffn.");
    leaf_form_ = place_in_layer(weights, "w1s").value_or("ffn.");
    const bool own_bias =
        weights.contains(table.other_decoder_bias) && (untied || !weights.contains(table.decoder_bias));
    decoder_bias_ = own_bias ? table.other_decoder_bias : table.decoder_bias;
  }

  /// The file's name for a layer's name.
  [[nodiscard]] std::string stored(const std::string& name) const {
    if (name == "decoder.weight") return std::string(table_->decoder);
    if (name == "decoder.bias") return decoder_bias_;
    if (auto found = replaced(name, table_->heads)) return of_the_day(*std::move(found));
    if (auto found = replaced(name, table_->encoder)) return of_the_day(prefix_ + *found);
    constexpr std::string_view layers = "encoder.layers.";
    if (!std::string_view(name).starts_with(layers)) return of_the_day(name);
    const std::size_t number_end = name.find('.', layers.size());
    const std::string layer = layer_ + name.substr(layers.size(), number_end + 1 - layers.size());
    const std::string rest = name.substr(number_end + 1);
    if (rest.starts_with("ffn.linear_in")) return layer + linear_in_ + rest.substr(4);
    if (rest.starts_with("ffn.linear_out")) return layer + linear_out_ + rest.substr(4);
    if (rest == "ffn.w1s") return layer + leaf_form_ + rest.substr(4);
    if (const auto found = replaced(rest, table_->in_layer)) return of_the_day(layer + *found);
    return name;
  }

  /// The other name of the decoder's bias, which then says nothing new; or empty.
  [[nodiscard]] std::string other_bias() const {
    return std::string(decoder_bias_ == table_->decoder_bias ? table_->other_decoder_bias : table_->decoder_bias);
  }

 private:
  // The name of today for one that ends as TensorFlow calls the two rows of a norm.
  [[nodiscard]] static std::optional<std::string> without_old_words(std::string_view name) {
    for (const auto& [old, fresh] : old_words) {
      if (name.ends_with(old)) return std::string(name.substr(0, name.size() - old.size())).append(fresh);
    }
    return std::nullopt;
  }

  // The name that the file has: as it is, or in the words of old files.
  [[nodiscard]] std::string of_the_day(std::string name) const {
    for (const auto& [old, fresh] : old_words) {
      if (!name.ends_with(fresh)) continue;
      std::string other = name.substr(0, name.size() - fresh.size()).append(old);
      if (std::binary_search(old_.begin(), old_.end(), other)) return other;
    }
    return name;
  }

  [[nodiscard]] static std::optional<std::string> replaced(std::string_view name, std::span<const name_pair> table) {
    for (const auto& [ours, theirs] : table) {
      if (name.starts_with(ours)) return std::string(theirs).append(name.substr(ours.size()));
    }
    return std::nullopt;
  }

  // What follows the number of the first layer in the name of a tensor that ends in `ending`, without the ending.
  [[nodiscard]] std::optional<std::string> place_in_layer(const tensor_source& weights, std::string_view ending) const {
    const std::string first = layer_ + "0.";
    for (std::size_t i = 0; i < weights.size(); ++i) {
      std::string_view name = weights.tensor_name(i);
      if (!name.starts_with(first) || !name.ends_with(ending)) continue;
      name.remove_prefix(first.size());
      name.remove_suffix(ending.size());
      return std::string(name);
    }
    return std::nullopt;
  }

  static constexpr std::pair<std::string_view, std::string_view> old_words[] = {{".gamma", ".weight"},
                                                                                {".beta", ".bias"}};

  const name_table* table_;
  std::string prefix_{};
  std::string layer_{};
  std::string linear_in_{};
  std::string linear_out_{};
  std::string leaf_form_{};
  std::string decoder_bias_{};
  std::vector<std::string> old_{};  // names in old words whose names of today are not there, sorted
};

}  // namespace ultrafastbert::models::hub
