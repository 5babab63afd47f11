// SPDX-License-Identifier: MIT
//
// What calls with texts may ask for: what becomes of texts that are too long, and of texts that cannot be computed.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/progress.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"

namespace ultrafastbert {

/// Two texts that a model reads together.
struct text_pair {
  std::string first{};
  std::string second{};
};

/// What a call noticed about its texts.
struct text_report {
  std::size_t truncated = 0;  ///< texts that lost tokens
  std::size_t left_out = 0;   ///< tokens that they lost; those that came back as further rows do not count
  /// For each row that was computed the number of its text: the rows of the results where a text may have several.
  std::vector<std::size_t> texts{};
  std::vector<std::size_t> tokens{};  ///< of each of these rows, special ones included
};

/// What becomes of texts with more tokens than a model takes. Without truncation such a text is an error, as silence
/// would be a wrong answer.
struct text_options {
  /// Whether texts may be cut; the members up to `overflow` need it. Where nothing is said, embedders and
  /// cross-encoders cut, as the package does whose folders they read, and all others do not.
  std::optional<bool> truncation{};
  /// Most tokens of a row, those of the template included; 0: as many as the model takes, or for embedders and
  /// cross-encoders as their folder says.
  std::size_t max_length = 0;
  truncation_strategy strategy = truncation_strategy::longest_first;  ///< of pairs
  std::optional<truncation_direction> direction{};  ///< which end is cut off; nothing: the folder's, else the right
  std::size_t stride = 0;  ///< tokens that a further row repeats of the one before it; needs `overflow`
  /// Whether what was cut off is computed as well: further rows of results behind the first one of their text, which
  /// the report tells apart, so that there has to be one.
  bool overflow = false;
  text_report* report = nullptr;  ///< takes what the call noticed, if it succeeds; or null
  /// Counts texts, after each pass of as many as the token budget allows; a call that is stopped throws canceled.
  progress_callback progress{};
};

/// The result for one text, or what stands in its way.
template <class Result>
struct text_outcome {
  std::optional<Result> result{};
  std::optional<error> problem{};  ///< set where there is no result
};

namespace models {

/// The choice of texts for a pass: all of them.
struct every_text {
  [[nodiscard]] constexpr bool operator()(const encoding& /*text*/) const noexcept { return true; }
};

/// Makes all token types of an encoding 0.
inline void drop_types(encoding& text) {
  std::fill(text.type_ids.begin(), text.type_ids.end(), 0U);
  for (encoding& further : text.overflow) drop_types(further);
}

/// Refuses a workspace whose size would be no number of bytes, or for more threads than there can be.
/// `first`: bytes of a workspace for one token, which with all that is rounded up are more than each further one adds.
/// Throws: invalid_input, overflow.
inline void check_workspace(std::size_t tokens, std::size_t threads, std::size_t first) {
  if (threads > most_threads) {
    fail_input("threads", "at most " + std::to_string(most_threads), std::to_string(threads));
  }
  constexpr std::size_t most = (std::numeric_limits<std::ptrdiff_t>::max)();
  if (tokens <= most / (std::max<std::size_t>)(threads, 1) / (2 * first)) return;
  fail(error_code::overflow, {.where = "tokens", .found = std::to_string(tokens)});
}

/// The options of a call that cuts texts unless its caller says otherwise.
[[nodiscard]] inline text_options cutting(text_options options) {
  options.truncation = options.truncation.value_or(true);
  return options;
}

/// The options of the tokenizer for a model that takes `most` tokens. `direction` is its folder's.
/// Throws: invalid_input (members that contradict each other; `max_length` over `most`).
[[nodiscard]] inline encode_options encode_options_for(const text_options& options, std::size_t most,
                                                       truncation_direction direction = truncation_direction::right) {
  if (!options.truncation.value_or(false)) {
    const text_options none;
    const bool asks = options.max_length != 0 || options.stride != 0 || options.overflow ||
                      options.strategy != none.strategy || options.direction.has_value();
    if (asks) fail_input("truncation", "true, as other members ask for a truncation", "false");
    return {};
  }
  if (options.max_length > most) {
    fail_input("max_length", "at most " + std::to_string(most) + ", the positions of the model",
               std::to_string(options.max_length));
  }
  if (options.stride != 0 && !options.overflow) fail_input("overflow", "true, as there is a stride", "false");
  if (options.overflow && options.report == nullptr) {
    fail_input("report", "one, which tells the rows of a text apart", "none");
  }
  return {.max_length = options.max_length == 0 ? most : options.max_length,
          .strategy = options.strategy,
          .direction = options.direction.value_or(direction),
          .overflow = options.overflow,
          .stride = options.stride};
}

}  // namespace models

}  // namespace ultrafastbert
