// SPDX-License-Identifier: MIT
//
// A norm of the kind that a checkpoint names, chosen when it is built.
// Layer: layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/layers/layer_norm.hpp"
#include "ultrafastbert/layers/length_norms.hpp"

namespace ultrafastbert {

/// The norms that checkpoints name: LayerNorm, RMSNorm, ScaleNorm.
enum class norm_kind : std::uint8_t { layer_norm, rms_norm, scale_norm };

/// Kind, size and constant of a norm.
struct norm_shape {
  norm_kind kind = norm_kind::layer_norm;
  std::size_t width = 0;
  double epsilon = 1e-12;  ///< its meaning is the kind's
};

/// A norm of any kind. Immutable after construction; safe from any number of threads.
template <class Scalar>
class norm {
 public:
  using layer_type = std::variant<layer_norm<Scalar>, rms_norm<Scalar>, scale_norm<Scalar>>;

  norm() = default;

  /// A norm that was built before.
  explicit norm(layer_type layer) : layer_(std::move(layer)) {}

  /// Takes the parameters of the shape's kind below `prefix`; float runs kernels of the level `isa`.
  /// Throws: what the source throws, unsupported (the processor lacks the level), std::bad_alloc.
  template <tensor_source Source>
  [[nodiscard]] static norm load(const Source& source, const std::string& prefix, const norm_shape& shape,
                                 isa_level isa = isa_level::automatic) {
    const length_norm_shape sizes{.width = shape.width, .epsilon = shape.epsilon};
    switch (shape.kind) {
      case norm_kind::rms_norm: return norm(rms_norm<Scalar>::load(source, prefix, sizes, isa));
      case norm_kind::scale_norm: return norm(scale_norm<Scalar>::load(source, prefix, sizes, isa));
      case norm_kind::layer_norm: break;
    }
    return norm(layer_norm<Scalar>::load(source, prefix, {.width = shape.width, .epsilon = shape.epsilon}, isa));
  }

  /// Tells `visit(name, sizes)` every tensor that `load` reads.
  template <class Visitor>
  static void for_each_tensor(const std::string& prefix, const norm_shape& shape, Visitor&& visit) {
    switch (shape.kind) {
      case norm_kind::rms_norm: return rms_norm<Scalar>::for_each_tensor(prefix, {.width = shape.width}, visit);
      case norm_kind::scale_norm: return scale_norm<Scalar>::for_each_tensor(prefix, {.width = shape.width}, visit);
      case norm_kind::layer_norm: break;
    }
    layer_norm<Scalar>::for_each_tensor(prefix, {.width = shape.width}, visit);
  }

  [[nodiscard]] const layer_type& layer() const noexcept { return layer_; }  ///< the norm itself
  /// Columns of x and y.
  [[nodiscard]] std::size_t width() const noexcept {
    return std::visit([](const auto& layer) { return layer.width(); }, layer_);
  }
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return std::visit([](const auto& layer) { return layer.bytes(); }, layer_);
  }

  /// y = norm(x) row by row; y may be x itself. Shapes: x, y: (tokens, width) row-major; y overwritten.
  /// Throws: invalid_input (shapes). Complexity: tokens * width.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y) const {
    std::visit([&](const auto& layer) { layer.forward(x, y); }, layer_);
  }

  /// The same for one row, unchecked, so that callers can norm a row that they have just written.
  /// Shapes: x, y: (width()); y may be x.
  void forward_row(const Scalar* x, Scalar* y) const noexcept {
    std::visit([x, y](const auto& layer) { layer.forward_row(x, y); }, layer_);
  }

 private:
  layer_type layer_{};
};

}  // namespace ultrafastbert
