// SPDX-License-Identifier: MIT
//
// The linear layer, y = x W^T + b, over weights packed for the library's own kernels or over a BLAS.
// Layer: layers.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "ultrafastbert/blas/default_backend.hpp"
#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/core/workspace.hpp"
#include "ultrafastbert/kernels/activation.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/storing.hpp"
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
  automatic,  ///< what the backend in the layer's type is: `packed` for the library's own kernels, else `blas`
  packed,     ///< the library's own kernels: a row's bits depend on no other row
  blas,       ///< a BLAS in the weights' own precision: a row's bits may depend on how many rows there are
};

/// How linear layers are stored and computed, fixed when they are built. A BLAS rounds nothing and has no levels:
/// asking for both is refused.
struct projection_options {
  projection_engine engine = projection_engine::automatic;
  weight_storage storage = weight_storage::float32;  ///< of the weights: float32, bfloat16 or int8
  isa_level isa = isa_level::automatic;              ///< kernels of `packed`
};

namespace layers {

/// Whether options stand for the library's own kernels in a layer over `Backend`.
/// Throws: invalid_input (what the backend cannot do, or what contradicts the engine).
template <class Backend>
[[nodiscard]] bool runs_kernels(const projection_options& options) {
  constexpr bool has_kernels = blas::backend_traits<Backend>::has_kernels;
  const bool kernels = has_kernels && options.engine != projection_engine::blas;
  const std::string where = has_kernels ? "the engine blas" : "the backend " + std::string(Backend::name);
  if (!has_kernels && options.engine == projection_engine::packed) {
    fail_input("projections.engine", "automatic or blas with " + where, "packed");
  }
  if (!kernels && options.storage != weight_storage::float32) {
    fail_input("projections.storage", "f32 with " + where + ", which rounds nothing",
               std::string(name(options.storage)));
  }
  if (!kernels && options.isa != isa_level::automatic) {
    fail_input("projections.isa", "automatic with " + where + ", which has no levels", std::string(name(options.isa)));
  }
  return kernels;
}

}  // namespace layers

/// A linear layer. Immutable after construction; `forward` is safe from any number of threads.
template <class Scalar, class Backend = default_backend<Scalar>>
requires layer_backend<Backend, Scalar>
class linear {
 public:
  linear() = default;

  /// Sizes alone: `parameters` says what fills them.
  /// Throws: invalid_input (options that contradict each other or the backend).
  explicit linear(const linear_shape& shape, const projection_options& options = {})
      : shape_(shape), options_(options), runs_kernels_(layers::runs_kernels<Backend>(options)) {}

  /// Copies and packs the weights. Shapes: weight: (output_width, input_width); bias: (output_width), or empty for
  /// none. Throws: invalid_input (see above), shape_mismatch, non_finite (a weight too large for its storage),
  /// unsupported
  ///   (the processor lacks the level asked for, no such storage), overflow, std::bad_alloc.
  linear(const matrix_view<const Scalar>& weight, std::span<const Scalar> bias, const projection_options& options = {})
      : linear({.output_width = weight.rows(), .input_width = weight.cols(), .bias = !bias.empty()}, options) {
    if (!bias.empty() && bias.size() != weight.rows()) {
      fail(error_code::shape_mismatch, {.where = "bias",
                                        .expected = std::to_string(weight.rows()) + " elements, or none",
                                        .found = std::to_string(bias.size())});
    }
    make_room();
    for (std::size_t r = 0; r < weight.rows(); ++r) store_row(r, weight.row(r), {.where = "weight", .number = r});
    bias_ = aligned_buffer<Scalar>(bias.size());
    std::copy(bias.begin(), bias.end(), bias_.data());
  }

  /// Loads `weight` and, if the shape says so, `bias` below `prefix`.
  /// Throws: missing_tensor, what the source throws, otherwise as the constructor.
  [[nodiscard]] static linear load(const tensor_source& source, const std::string& prefix, const linear_shape& shape,
                                   const projection_options& options = {}) {
    linear layer(shape, options);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `weight` and, if the shape says so, `bias` below `prefix`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    row_parameters(
        prefix, shape_.output_width, [](std::size_t row) { return row; }, list);
  }

  /// Notes a weight and a bias below `prefix` that have some of the layer's rows: row r of theirs is row `place(r)` of
  /// the layer. Pre: all of them together fill the layer. Throws: std::bad_alloc.
  void row_parameters(const std::string& prefix, std::size_t rows, const std::function<std::size_t(std::size_t)>& place,
                      parameter_list& list) {
    list.add(prefix + "weight", {rows, shape_.input_width}, [this, rows, place](const tensor& from) {
      make_room();
      layers::read_rows<Scalar>(from, {rows, shape_.input_width}, [&](std::size_t r, const Scalar* row) {
        store_row(place(r), row, {.file = from.source().name(), .where = from.name(), .number = r});
      });
    });
    if (!shape_.bias) return;
    list.add(prefix + "bias", {rows}, [this, rows, place](const tensor& from) {
      if (bias_.size() == 0) bias_ = aligned_buffer<Scalar>(shape_.output_width);
      aligned_buffer<Scalar> values(rows);
      from.read(0, values.span());
      for (std::size_t r = 0; r < rows; ++r) bias_[place(r)] = values[r];
    });
  }

  [[nodiscard]] const linear_shape& shape() const noexcept { return shape_; }              ///< as given
  [[nodiscard]] std::size_t input_width() const noexcept { return shape_.input_width; }    ///< columns of x
  [[nodiscard]] std::size_t output_width() const noexcept { return shape_.output_width; }  ///< columns of y
  /// `packed` or `blas`.
  [[nodiscard]] projection_engine engine() const noexcept {
    return runs_kernels_ ? projection_engine::packed : projection_engine::blas;
  }
  [[nodiscard]] const projection_options& options() const noexcept { return options_; }  ///< as given
  /// Level of the kernels that run; `portable` for the `blas` engine.
  [[nodiscard]] isa_level isa() const noexcept {
    const auto* own = packed();
    return own != nullptr ? own->isa() : isa_level::portable;
  }
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return std::visit([](const auto& w) { return w.bytes(); }, weight_) + bias_.size() * sizeof(Scalar);
  }
  /// Bytes that `forward` takes from its workspace for up to `tokens` tokens, at most.
  [[nodiscard]] std::size_t workspace_bytes(std::size_t tokens) const noexcept {
    const auto* own = packed();
    return own != nullptr ? own->workspace_bytes(tokens) : 0;
  }

  /// y = x W^T + b, spread over an executor's threads; the packed engine gives equal bits for any number of them.
  /// Shapes: x: (tokens, input_width) row-major; y: (tokens, output_width), overwritten.
  /// Pre: y overlaps neither x nor the layer. Throws: invalid_input (shapes), overflow from the backend, what the
  ///   executor throws, std::bad_alloc while the workspace grows.
  /// Complexity: tokens * input_width * output_width; no allocation after warm-up.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               executor_ref threads = {}) const {
    multiply(x, y, scratch, {}, threads);
  }

  /// y = activation(x W^T + b). Shapes, Pre, Throws, Complexity: as above.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
               activation_kind activation, executor_ref threads = {}) const {
    multiply(x, y, scratch, activation, threads);
  }

 private:
  static constexpr bool can_be_packed = blas::backend_traits<Backend>::has_kernels;
  using blas_type = typename blas::backend_traits<Backend>::blas;
  using any_weights =
      std::conditional_t<can_be_packed, std::variant<matrix<Scalar>, packed_matrix>, std::variant<matrix<Scalar>>>;

  [[nodiscard]] const packed_matrix* packed() const noexcept {
    if constexpr (can_be_packed) return std::get_if<packed_matrix>(&weight_);
    return nullptr;
  }

  // Sets memory aside, once.
  void make_room() {
    if (has_room_) return;
    has_room_ = true;
    const matrix_extents extents{shape_.output_width, shape_.input_width};
    if constexpr (can_be_packed) {
      if (runs_kernels_) {
        weight_ = packed_matrix(extents, options_.storage, options_.isa);
        return;
      }
    }
    weight_ = matrix<Scalar>(extents);
  }

  // Shapes: row: (input_width).
  void store_row(std::size_t r, const Scalar* row, const layers::row_origin& from) {
    if constexpr (can_be_packed) {
      if (auto* own = std::get_if<packed_matrix>(&weight_)) {
        layers::check_storable(options_.storage, row, shape_.input_width, from);
        return own->store_row(r, row);
      }
    }
    std::copy_n(row, shape_.input_width, std::get<matrix<Scalar>>(weight_).row(r));
  }

  void multiply(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, workspace& scratch,
                std::optional<activation_kind> activation, executor_ref threads) const {
    core::check_extents(x, x.rows(), input_width(), "x");
    core::check_extents(y, x.rows(), output_width(), "y");
    if constexpr (can_be_packed) {
      if (const auto* own = packed()) {
        return own->multiply(x, y, scratch, threads, {.bias = bias_.span(), .activation = activation});
      }
    }
    blas_type::multiply_transposed(Scalar{1}, x, std::get<matrix<Scalar>>(weight_).view(), y);
    for (std::size_t t = 0; t < y.rows() && bias_.size() != 0; ++t) {
      for (std::size_t j = 0; j < y.cols(); ++j) y(t, j) += bias_[j];
    }
    for (std::size_t t = 0; t < y.rows() && activation; ++t) kernels::activate(*activation, y.row_span(t));
  }

  linear_shape shape_{};
  projection_options options_{};
  bool runs_kernels_ = false;
  bool has_room_ = false;
  any_weights weight_{matrix<Scalar>{}};  // (output_width, input_width)
  aligned_buffer<Scalar> bias_{};         // (output_width) or empty
};

}  // namespace ultrafastbert
