// SPDX-License-Identifier: MIT
//
// Norms over the columns of each row, of the kinds that checkpoints name: LayerNorm, RMSNorm, ScaleNorm.
// Layer: layers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ultrafastbert/core/aligned_buffer.hpp"
#include "ultrafastbert/core/executor.hpp"
#include "ultrafastbert/core/matrix_view.hpp"
#include "ultrafastbert/core/parameters.hpp"
#include "ultrafastbert/core/parts.hpp"
#include "ultrafastbert/core/tensor_source.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/kernels/row_operations.hpp"

namespace ultrafastbert {

/// The norms that checkpoints name.
enum class norm_kind : std::uint8_t {
  layer_norm,  ///< (x - mean) / sqrt(var + epsilon) * weight + bias. Source: torch.nn.LayerNorm, biased variance
  rms_norm,    ///< x / sqrt(mean(x^2) + epsilon) * scale. Source: Zhang & Sennrich, arXiv 1910.07467
  scale_norm,  ///< x * scale / max(|x|, epsilon), one scale. Source: Nguyen & Salazar, arXiv 1910.05895
};

/// Kind, size and constant of a norm.
struct norm_shape {
  norm_kind kind = norm_kind::layer_norm;
  std::size_t width = 0;
  double epsilon = 1e-12;  ///< its meaning is the kind's
};

/// A norm with learned parameters. Immutable after construction; safe from any number of threads.
template <class Scalar>
class norm {
 public:
  norm() = default;

  /// Sizes alone: `parameters` says what fills them. Float runs kernels of the level `isa`.
  /// Throws: unsupported (the processor lacks the level), invalid_input (a level, but not for float).
  explicit norm(const norm_shape& shape, isa_level isa = isa_level::automatic) : shape_(shape), rows_(isa) {}

  /// Copies the parameters. Shapes: scale: (width), or one element for ScaleNorm; bias: (width) for LayerNorm, else
  /// empty. Throws: shape_mismatch, as above, std::bad_alloc.
  norm(const norm_shape& shape, std::span<const Scalar> scale, std::span<const Scalar> bias = {},
       isa_level isa = isa_level::automatic)
      : norm(shape, isa) {
    check_size("scale", scale.size(), scale_size());
    check_size("bias", bias.size(), bias_size());
    scale_ = aligned_buffer<Scalar>(scale.size());
    bias_ = aligned_buffer<Scalar>(bias.size());
    std::copy(scale.begin(), scale.end(), scale_.data());
    std::copy(bias.begin(), bias.end(), bias_.data());
  }

  /// Loads the parameters below `prefix`. Throws: missing_tensor, what the source throws, unsupported, std::bad_alloc.
  [[nodiscard]] static norm load(const tensor_source& source, const std::string& prefix, const norm_shape& shape,
                                 isa_level isa = isa_level::automatic) {
    norm layer(shape, isa);
    parameter_list list;
    layer.parameters(prefix, list);
    list.load(source);
    return layer;
  }

  /// Notes `weight` and `bias`, or `learnable_scale`, below `prefix`. Throws: std::bad_alloc.
  void parameters(const std::string& prefix, parameter_list& list) {
    const auto into = [](aligned_buffer<Scalar>& buffer, std::size_t size) {
      return [&buffer, size](const tensor& from) {
        buffer = aligned_buffer<Scalar>(size);
        from.read(0, buffer.span());
      };
    };
    if (shape_.kind == norm_kind::layer_norm) {
      list.add(prefix + "weight", {shape_.width}, into(scale_, shape_.width));
      list.add(prefix + "bias", {shape_.width}, into(bias_, shape_.width));
    } else {
      const bool single = shape_.kind == norm_kind::scale_norm;
      list.add(prefix + "learnable_scale", single ? std::vector<std::size_t>{} : std::vector{shape_.width},
               into(scale_, scale_size()));
    }
  }

  [[nodiscard]] const norm_shape& shape() const noexcept { return shape_; }  ///< as given
  [[nodiscard]] std::size_t width() const noexcept { return shape_.width; }  ///< columns of x and y
  /// Memory held by the weights. Units: bytes.
  [[nodiscard]] std::size_t bytes() const noexcept { return (scale_.size() + bias_.size()) * sizeof(Scalar); }

  /// y = norm(x) row by row; y may be x itself. Shapes: x, y: (tokens, width) row-major; y overwritten.
  /// Throws: invalid_input (shapes), what the executor throws. Complexity: tokens * width.
  void forward(const matrix_view<const Scalar>& x, const matrix_view<Scalar>& y, executor_ref threads = {}) const {
    core::check_extents(x, x.rows(), width(), "x");
    core::check_extents(y, x.rows(), width(), "y");
    constexpr std::size_t rows_per_task = 512;
    core::for_each_part(x.rows(), rows_per_task, threads, [&](const core::index_range& rows) {
      for (std::size_t t = rows.first; t < rows.last; ++t) forward_row(x.row(t), y.row(t));
    });
  }

  /// The same for one row, unchecked, so that callers can norm a row that they have just written.
  /// Shapes: x, y: (width); y may be x.
  void forward_row(const Scalar* x, Scalar* y) const noexcept {
    const auto epsilon = static_cast<Scalar>(shape_.epsilon);
    switch (shape_.kind) {
      case norm_kind::layer_norm: return rows_.layer_norm(width(), epsilon, scale_.data(), bias_.data(), x, y);
      case norm_kind::rms_norm: return rows_.rms_norm(width(), epsilon, scale_.data(), x, y);
      case norm_kind::scale_norm: return rows_.scale_norm(width(), epsilon, scale_[0], x, y);
    }
  }

 private:
  [[nodiscard]] std::size_t scale_size() const noexcept {
    return shape_.kind == norm_kind::scale_norm ? 1 : shape_.width;
  }
  [[nodiscard]] std::size_t bias_size() const noexcept {
    return shape_.kind == norm_kind::layer_norm ? shape_.width : 0;
  }
  static void check_size(const char* what, std::size_t found, std::size_t expected) {
    if (found == expected) return;
    fail(error_code::shape_mismatch,
         {.where = what, .expected = std::to_string(expected) + " elements", .found = std::to_string(found)});
  }

  norm_shape shape_{};
  aligned_buffer<Scalar> scale_{};  // (width), or one element
  aligned_buffer<Scalar> bias_{};   // (width) for LayerNorm, or empty
  row_operations<Scalar> rows_{};
};

}  // namespace ultrafastbert
