// SPDX-License-Identifier: MIT
//
// What every model of texts has: an encoder, a tokenizer, states of padded batches, and texts packed for a pass.
// Layer: model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/model/padded_batch.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"

namespace ultrafastbert {

/// Two texts that a model reads together.
struct text_pair {
  std::string first{};
  std::string second{};
};

/// An encoder and its tokenizer, the base of the models with a head. Immutable after loading: share one between any
/// number of threads, and give each thread its own workspace.
template <class Scalar, class Backend>
class text_model {
 public:
  using scalar_type = Scalar;

  /// The stack.
  [[nodiscard]] const ultrafastbert::encoder<Scalar, Backend>& encoder() const noexcept { return encoder_; }
  /// Columns of a state.
  [[nodiscard]] std::size_t hidden_size() const noexcept { return encoder_.config().hidden_size; }
  [[nodiscard]] std::size_t vocabulary_size() const noexcept { return encoder_.config().vocabulary_size; }  ///< words

  /// The folder's tokenizer. Throws: invalid_input if the folder has none.
  [[nodiscard]] const ultrafastbert::tokenizer& tokenizer() const {
    if (!tokenizer_) fail_input("tokenizer", "a tokenizer.json or vocab.txt in the checkpoint folder", "none");
    return *tokenizer_;
  }

  /// Scratch memory for this model's calls; it grows to the largest call and is then reused.
  [[nodiscard]] workspace make_workspace() const { return workspace{}; }

  /// Final states of a padded batch. Padding, the positions behind the last one whose mask is not 0, is not computed
  /// unless the options ask for it; its states are 0.
  /// Shapes: ids: (batch, length); mask: (batch, length) with 1 for tokens and 0 for padding, or (batch * length,
  ///   length) with a row of its own for each token, or empty for none; states: (batch * length, hidden_size),
  ///   overwritten, row b * length + s; `trace` may be null.
  /// Throws: invalid_input (an id, length, mask or shape out of range; states is untouched then), std::bad_alloc while
  ///   the workspace grows. Complexity: see `encoder::forward`; no allocation after warm-up.
  void encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
              const matrix_view<Scalar>& states, workspace& scratch, const padded_batch_options& options = {},
              encoder_trace<Scalar>* trace = nullptr) const {
    models::encode_padded(encoder_, ids, mask, states, scratch, options, trace);
  }

  /// As above, into a matrix of its own. Shapes: result: (batch * length, hidden_size). Throws: as above,
  /// std::bad_alloc.
  [[nodiscard]] matrix<Scalar> encode(const matrix_view<const token_id>& ids, const matrix_view<const float>& mask,
                                      workspace& scratch, const padded_batch_options& options = {}) const {
    matrix<Scalar> states({ids.rows() * ids.cols(), hidden_size()});
    encode(ids, mask, states.view(), scratch, options);
    return states;
  }

 protected:
  using encoder_type = ultrafastbert::encoder<Scalar, Backend>;

  /// Texts one behind another, as one pass of the encoder takes them: never padded, each at its own length.
  struct packed_texts {
    std::vector<token_id> ids{};
    std::vector<std::size_t> offsets{0};
    std::vector<std::size_t> numbers{};  // of the texts in the call
    std::vector<encoding> encodings{};

    [[nodiscard]] std::size_t size() const noexcept { return offsets.size() - 1; }
    [[nodiscard]] std::size_t length(std::size_t i) const noexcept { return offsets[i + 1] - offsets[i]; }
    void add(std::size_t number, encoding text) {
      ids.insert(ids.end(), text.ids.begin(), text.ids.end());
      offsets.push_back(ids.size());
      numbers.push_back(number);
      encodings.push_back(std::move(text));
    }
  };

  text_model(encoder_type encoder, std::optional<ultrafastbert::tokenizer> text)
      : encoder_(std::move(encoder)), tokenizer_(std::move(text)) {}

  /// Packs those of the texts 0 to count - 1, which `encode(i)` tokenizes, that `wanted(i, encoding)` asks for, and
  /// calls `pass(texts)` for every pack.
  /// Throws: invalid_input (a text with more tokens than the encoder has positions, wanted or not), what `encode`,
  ///   `wanted` and `pass` throw.
  template <class Encode, class Wanted, class Pass>
  void for_each_pass(std::size_t count, const Encode& encode, const Wanted& wanted, const Pass& pass) const {
    const std::size_t most = encoder_.embedding_layer().max_sequence_length();
    packed_texts texts;
    for (std::size_t i = 0; i < count; ++i) {
      encoding text = encode(i);
      if (text.size() > most) {
        fail_text(i, "at most " + std::to_string(most) + " tokens", std::to_string(text.size()));
      }
      if (!wanted(i, std::as_const(text))) continue;
      if (texts.size() != 0 && texts.ids.size() + text.size() > encoder_.choices().token_budget) {
        pass(std::as_const(texts));
        texts = packed_texts{};
      }
      texts.add(i, std::move(text));
    }
    if (texts.size() != 0) pass(std::as_const(texts));
  }

  /// Throws invalid_input about a text. Pre: `text` is its number in the call.
  [[noreturn]] static void fail_text(std::size_t text, std::string expected, std::string found) {
    fail_input("texts[" + std::to_string(text) + ']', std::move(expected), std::move(found));
  }

  /// Final states of packed texts. A causal encoder gets a mask, without which it would look ahead; masks of ones
  /// change nothing else. Shapes: states: (tokens, hidden_size), overwritten.
  void encode_packed(const packed_texts& texts, const matrix_view<Scalar>& states, workspace& scratch,
                     executor_ref threads) const {
    if (!encoder_.config().causal) {
      return encoder_.forward(texts.ids, {.offsets = texts.offsets}, states, scratch, threads);
    }
    std::size_t longest = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) longest = std::max(longest, texts.length(i));
    workspace::frame frame(scratch);
    const auto mask = frame.take_matrix<float>(texts.size(), longest);
    for (std::size_t i = 0; i < texts.size(); ++i) std::fill_n(mask.row(i), longest, 1.0F);
    encoder_.forward(texts.ids, {.offsets = texts.offsets, .mask = mask}, states, scratch, threads);
  }

 private:
  encoder_type encoder_;
  std::optional<ultrafastbert::tokenizer> tokenizer_;
};

}  // namespace ultrafastbert
