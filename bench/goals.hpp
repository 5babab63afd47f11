// SPDX-License-Identifier: MIT
//
// The ratios to reach against the fastest external dense layer, as data.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "ultrafastbert/core/storage.hpp"

namespace ufb_bench {

struct goal {
  std::size_t batch;
  std::size_t threads;
  ultrafastbert::weight_storage storage;
  double ratio;
};

/// 1x11 of width 768 on uniform data, against 4095 neurons.
inline constexpr std::array cmm_goals{
    goal{1, 1, ultrafastbert::weight_storage::float32, 300},      //
    goal{8, 1, ultrafastbert::weight_storage::float32, 130},      //
    goal{32, 1, ultrafastbert::weight_storage::float32, 105},     //
    goal{128, 1, ultrafastbert::weight_storage::float32, 115},    //
    goal{2048, 1, ultrafastbert::weight_storage::float32, 150},   //
    goal{16384, 1, ultrafastbert::weight_storage::float32, 165},  //
    goal{8, 2, ultrafastbert::weight_storage::float32, 130},      //
    goal{32, 2, ultrafastbert::weight_storage::float32, 110},     //
    goal{128, 2, ultrafastbert::weight_storage::float32, 115},    //
    goal{2048, 2, ultrafastbert::weight_storage::float32, 140},   //
    goal{16384, 2, ultrafastbert::weight_storage::float32, 140},  //
    goal{1, 1, ultrafastbert::weight_storage::float16, 480},      //
    goal{8, 1, ultrafastbert::weight_storage::float16, 190},      //
    goal{32, 1, ultrafastbert::weight_storage::float16, 140},     //
    goal{128, 1, ultrafastbert::weight_storage::float16, 155},    //
    goal{2048, 1, ultrafastbert::weight_storage::float16, 170},   //
    goal{16384, 1, ultrafastbert::weight_storage::float16, 170},  //
    goal{1, 1, ultrafastbert::weight_storage::int8, 600},         //
    goal{8, 1, ultrafastbert::weight_storage::int8, 220},         //
    goal{32, 1, ultrafastbert::weight_storage::int8, 165},        //
    goal{128, 1, ultrafastbert::weight_storage::int8, 170},       //
    goal{2048, 1, ultrafastbert::weight_storage::int8, 195},      //
    goal{16384, 1, ultrafastbert::weight_storage::int8, 170},
};

[[nodiscard]] constexpr std::optional<double> cmm_goal(std::size_t batch, std::size_t threads,
                                                       ultrafastbert::weight_storage storage) {
  for (const goal& one : cmm_goals) {
    if (one.batch == batch && one.threads == threads && one.storage == storage) return one.ratio;
  }
  return std::nullopt;
}

/// A share of the bound for K trees of a depth, at batch 2048.
[[nodiscard]] constexpr double family_goal(std::size_t depth, double bound) {
  if (depth >= 9) return 0.5 * bound;
  return depth >= 6 ? 0.4 * bound : 1.0;
}

inline constexpr double gpt3_share_of_bound = 0.9;  // at batch 1
inline constexpr double gpt3_ratio_at_128 = 600;

}  // namespace ufb_bench
