// SPDX-License-Identifier: MIT
//
// The ratios to reach against the fastest external dense layer, as data.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "report.hpp"
#include "ultrafastbert/core/storage.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ufb_bench {

struct goal {
  std::size_t batch;
  std::size_t threads;
  ultrafastbert::weight_storage storage;
  double ratio;
};

/// 1x11 of width 768 on uniform data, against 4095 neurons.
inline constexpr std::array cmm_goals{
    goal{1, 1, ultrafastbert::weight_storage::float32, 300},                //
    goal{8, 1, ultrafastbert::weight_storage::float32, 100},                //
    goal{32, 1, ultrafastbert::weight_storage::float32, 78},                //
    goal{128, 1, ultrafastbert::weight_storage::float32, 78},               //
    goal{2048, 1, ultrafastbert::weight_storage::float32, 78},              //
    goal{16384, 1, ultrafastbert::weight_storage::float32, 90},             //
    goal{8, 2, ultrafastbert::weight_storage::float32, 100},                //
    goal{32, 2, ultrafastbert::weight_storage::float32, 78},                //
    goal{128, 2, ultrafastbert::weight_storage::float32, 78},               //
    goal{2048, 2, ultrafastbert::weight_storage::float32, 78},              //
    goal{16384, 2, ultrafastbert::weight_storage::float32, 90},             //
    goal{1, 1, ultrafastbert::weight_storage::certified_float16, 450},      //
    goal{8, 1, ultrafastbert::weight_storage::certified_float16, 130},      //
    goal{32, 1, ultrafastbert::weight_storage::certified_float16, 100},     //
    goal{128, 1, ultrafastbert::weight_storage::certified_float16, 90},     //
    goal{2048, 1, ultrafastbert::weight_storage::certified_float16, 90},    //
    goal{16384, 1, ultrafastbert::weight_storage::certified_float16, 110},  //
    goal{1, 1, ultrafastbert::weight_storage::int8, 550},                   //
    goal{8, 1, ultrafastbert::weight_storage::int8, 150},                   //
    goal{32, 1, ultrafastbert::weight_storage::int8, 120},                  //
    goal{128, 1, ultrafastbert::weight_storage::int8, 110},                 //
    goal{2048, 1, ultrafastbert::weight_storage::int8, 110},                //
    goal{16384, 1, ultrafastbert::weight_storage::int8, 120},               //
};

/// From this batch on half of the limit's ratio will do, where memory allows no more than that.
inline constexpr std::size_t limited_batch = 8;
inline constexpr double share_of_limit = 0.5;

[[nodiscard]] constexpr std::optional<ratio_goal> cmm_goal(std::size_t batch, std::size_t threads,
                                                           ultrafastbert::weight_storage storage,
                                                           std::optional<double> limit_ratio) {
  for (const goal& one : cmm_goals) {
    if (one.batch != batch || one.threads != threads || one.storage != storage) continue;
    if (batch >= limited_batch && limit_ratio && share_of_limit * *limit_ratio < one.ratio) {
      return ratio_goal{.ratio = share_of_limit * *limit_ratio, .of_limit = true};
    }
    return ratio_goal{.ratio = one.ratio};
  }
  return std::nullopt;
}

/// Several trees at batch 2048: a share of the limit's ratio, but never less than the dense layer.
[[nodiscard]] constexpr std::optional<ratio_goal> family_goal(std::optional<double> limit_ratio) {
  constexpr double share = 0.6;
  if (!limit_ratio || share * *limit_ratio < 1.0) return ratio_goal{.ratio = 1.0};
  return ratio_goal{.ratio = share * *limit_ratio, .of_limit = true};
}

inline constexpr double gpt3_share_of_bound = 0.9;  // at batch 1
inline constexpr double gpt3_ratio_at_128 = 450;    // with certified float16

/// A dense BERT of the hub: against ONNX Runtime, and int8 projections against float32.
namespace hub_goals {

inline constexpr double equal_lengths = 1.2;
inline constexpr double padded = 2.0;

/// Byte products have instructions of their own (VNNI) on newer processors. Pre: the level is supported.
[[nodiscard]] inline double int8(ultrafastbert::isa_level level) noexcept {
#if UFB_KERNELS_X86
  if (ultrafastbert::resolve(level) == ultrafastbert::isa_level::avx512 && ultrafastbert::kernels::has_avx512_vnni()) {
    return 2.5;
  }
#endif
  return 1.5;
}

}  // namespace hub_goals

}  // namespace ufb_bench
