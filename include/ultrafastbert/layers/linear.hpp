// SPDX-License-Identifier: MIT
//
// The linear layer, y = x W^T + b, over weights packed for the own kernels or over a backend.
// Layer: layers.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/load.hpp"
#include "ultrafastbert/products/packed_matrix.hpp"

namespace ultrafastbert {

/// Sizes of a linear layer.
struct linear_shape {
  std::size_t output_width = 0;
  std::size_t input_width = 0;
  bool bias = false;
};

/// What computes the product of a linear layer.
enum class projection_engine : std::uint8_t {
  automatic,  ///< `packed` for float, unless the backend is `plain_backend` and nothing else was asked for
  packed,     ///< own kernels: a row's bits depend on no other row; double takes `blas` instead
  blas,       ///< the backend's product, in the weights' own precision: a row's bits may depend on how many there are
};

/// How linear layers are stored and computed, fixed when they are built. `blas` and double round nothing.
struct projection_choices {
  projection_engine engine = projection_engine::automatic;
  weight_storage storage = weight_storage::float32;  ///< of the weights: float32, bfloat16 or int8
  isa_level isa = isa_level::automatic;              ///< kernels of `packed`
};

/// Whether the choices stand for the library's own kernels, which float has, or for the backend.
template <class Scalar, class Backend>
[[nodiscard]] constexpr bool has_own_kernels(const projection_choices& choices) noexcept {
  if (!std::same_as<Scalar, float> || choices.engine == projection_engine::blas) return false;
  return !std::same_as<Backend, plain_backend> || choices.engine == projection_engine::packed ||
         choices.isa != isa_level::automatic || choices.storage != weight_storage::float32;
}

/// A linear layer. Immutable after construction; `forward` is safe from any number of threads.
template <class Scalar, class Backend = default_backend>
requires blas_backend<Backend, Scalar>
class linear {
 public:
  linear() = default;

  /// Copies and packs the weights. Shapes: weight: (output_width, input_width); bias: (output_width), or empty for
  ///   none.
  /// Throws: shape_mismatch, unsupported (the processor lacks the level asked for, no such storage), overflow,
  ///   std::bad_alloc.
  linear(const matrix_view<const Scalar>& weight, std::span<const Scalar> bias, const projection_choices& choices = {})
      : weight_(make_weights({weight.rows(), weight.cols()}, choices)), bias_(bias.size()) {
    if (!bias.empty() && bias.size() != weight.rows()) {
      fail(error_code::shape_mismatch, {.where = "bias",
                                        .expected = std::to_string(weight.rows()) + " elements, or none",
                                        .found = std::to_string(bias.size())});
    }
    store_rows(0, weight);
    std::copy(bias.begin(), bias.end(), bias_.data());
  }

  /// Takes `weight` and, if the shape says so, `bias` below `prefix`.
  /// Shapes: (output_width, input_width), (output_width). Throws: what the source throws; unsupported, overflow and
  /// std::bad_alloc as the constructor.
  template <tensor_source Source>
  [[nodiscard]] static linear load(const Source& source, const std::string& prefix, const linear_shape& shape,
                                   const projection_choices& choices = {}) {
    linear layer;
    layer.weight_ = make_weights({shape.output_width, shape.input_width}, choices);
    layer.load_weight(source, prefix + "weight");
    if (shape.bias) {
      layer.bias_ = aligned_buffer<Scalar>(shape.output_width);
      layers::load_vector(source, prefix + "bias", layer.bias_.span());
    }
    return layer;
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const linear_shape& shape, Visitor&& visit) {
    visit(prefix + "weight", {shape.output_width, shape.input_width});
    if (shape.bias) visit(prefix + "bias", {shape.output_width});
  }

  /// Columns of x.
  [[nodiscard]] std::size_t input_width() const noexcept {
    return std::visit([](const auto& w) { return inputs_of(w); }, weight_);
  }
  /// Columns of y.
  [[nodiscard]] std::size_t output_width() const noexcept {
    return std::visit([](const auto& w) { return outputs_of(w); }, weight_);
  }
  /// `packed` or `blas`.
  [[nodiscard]] projection_engine engine() const noexcept {
    return packed() != nullptr ? projection_engine::packed : projection_engine::blas;
  }
  /// Level of the kernels that run; `portable` for the `blas` engine.
  [[nodiscard]] isa_level isa() const noexcept { return packed() != nullptr ? packed()->isa() : isa_level::portable; }
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return std::visit([](const auto& w) { return w.bytes(); }, weight_) + bias_.size() * sizeof(Scalar);
  }

  /// y = x W^T + b. Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten.
  /// Pre: y overlaps neither x nor the layer. Throws: invalid_input (shapes), overflow from the backend, std::bad_alloc
  ///   while the workspace grows. Complexity: tokens * input_width * output_width; no allocation after warm-up.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch) const {
    multiply(x, y, scratch, false);
  }

  /// y = activation(x W^T + b). Shapes, Pre, Throws, Complexity: as above.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               activation_kind activation) const {
    const bool fused = packed() != nullptr && activation == activation_kind::gelu;
    multiply(x, y, scratch, fused);
    for (std::size_t t = 0; t < y.rows() && !fused; ++t) kernels::activate(activation, y.row_span(t));
  }

 private:
  static constexpr bool can_be_packed = std::same_as<Scalar, float>;
  using any_weights =
      std::conditional_t<can_be_packed, std::variant<matrix<Scalar>, packed_matrix>, std::variant<matrix<Scalar>>>;

  static std::size_t inputs_of(const matrix<Scalar>& w) noexcept { return w.cols(); }
  static std::size_t inputs_of(const packed_matrix& w) noexcept { return w.inputs(); }
  static std::size_t outputs_of(const matrix<Scalar>& w) noexcept { return w.rows(); }
  static std::size_t outputs_of(const packed_matrix& w) noexcept { return w.outputs(); }

  [[nodiscard]] static any_weights make_weights(const matrix_extents& extents, const projection_choices& choices) {
    if constexpr (can_be_packed) {
      if (has_own_kernels<Scalar, Backend>(choices)) return packed_matrix(extents, choices.storage, choices.isa);
    }
    return matrix<Scalar>(extents);
  }

  [[nodiscard]] const packed_matrix* packed() const noexcept {
    if constexpr (can_be_packed) return std::get_if<packed_matrix>(&weight_);
    return nullptr;
  }

  void store_rows(std::size_t first, const matrix_view<const Scalar>& rows) noexcept {
    if constexpr (can_be_packed) {
      if (auto* own = std::get_if<packed_matrix>(&weight_)) {
        for (std::size_t r = 0; r < rows.rows(); ++r) own->store_row(first + r, rows.row(r));
        return;
      }
    }
    layers::copy_rows(rows, std::get<matrix<Scalar>>(weight_).view().rows_from(first, rows.rows()));
  }

  template <class Source>
  void load_weight(const Source& source, const std::string& name) {
    if (auto* plain = std::get_if<matrix<Scalar>>(&weight_)) return layers::load_matrix(source, name, plain->view());
    constexpr std::size_t rows_at_a_time = 64;
    const std::array<std::size_t, 2> shape{output_width(), input_width()};
    std::vector<Scalar> rows(std::min(rows_at_a_time, output_width()) * input_width());
    for (std::size_t first = 0; first < output_width(); first += rows_at_a_time) {
      const std::size_t count = std::min(rows_at_a_time, output_width() - first);
      source.read(name, shape, first * input_width(), std::span<Scalar>(rows).first(count * input_width()));
      const matrix_view<const Scalar> some(rows.data(), {count, input_width()});
      store_rows(first, some);
    }
  }

  void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch, bool gelu) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    if constexpr (can_be_packed) {
      if (packed() != nullptr) return packed()->multiply(x, y, scratch, {.bias = bias_.span(), .gelu = gelu});
    }
    Backend::multiply_transposed(Scalar{1}, x, std::get<matrix<Scalar>>(weight_).view(), y);
    for (std::size_t t = 0; t < y.rows() && !bias_.empty(); ++t) {
      for (std::size_t j = 0; j < y.cols(); ++j) y(t, j) += bias_[j];
    }
  }

  any_weights weight_{matrix<Scalar>{}};  // (output_width, input_width)
  aligned_buffer<Scalar> bias_{};         // (output_width) or empty
};

}  // namespace ultrafastbert
