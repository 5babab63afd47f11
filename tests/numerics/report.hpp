// SPDX-License-Identifier: MIT
//
// What the numerics campaign counts: functions, values, and which functions were worse than the bound that is
// documented for them, or promised by the number of roundings.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace ufb_test::numerics {

/// Half a unit in the last place of 1.
inline constexpr double unit = 0x1p-24;

/// Keeps the larger error; NaN is larger than any.
inline void keep_worst(double& worst, double error) {
  if (!(error <= worst)) worst = error;
}

/// Lines for a terminal, and the sums of them.
class report {
 public:
  /// One function at one level: its worst error beside its bound, in units of `unit_name`. NaN is over every bound.
  void line(const std::string& function, const std::string& level, double worst, double bound, const char* unit_name,
            std::uint64_t values) {
    const bool over = !(worst <= bound);
    std::printf("%-34s %-12s %10.4g of at most %-8.4g %-22s %12llu values%s\n", function.c_str(), level.c_str(), worst,
                bound, unit_name, static_cast<unsigned long long>(values), over ? "  OVER ITS BOUND" : "");
    std::fflush(stdout);
    ++functions_;
    values_ += values;
    if (over) ++over_;
  }
  /// A function whose values are right or wrong.
  void exact(const std::string& function, const std::string& level, std::uint64_t wrong, std::uint64_t values) {
    line(function, level, static_cast<double>(wrong), 0, "wrong", values);
  }

  /// Prints the closing line; 0 if nothing was over its bound.
  [[nodiscard]] int close() const {
    std::printf("%llu functions, %llu values, %llu over their bound\n", static_cast<unsigned long long>(functions_),
                static_cast<unsigned long long>(values_), static_cast<unsigned long long>(over_));
    return over_ == 0 && functions_ > 0 ? 0 : 1;
  }

 private:
  std::uint64_t functions_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t over_ = 0;
};

/// Functions of one number, over every `step`-th of all floats.
void check_functions(report& to, std::uint32_t step);
/// Rounding to narrow storage and back, over every `step`-th of all floats and all numbers of the narrow types.
void check_storage(report& to, std::uint32_t step);
/// Operations on rows, dot products, weighted sums, packed products; `rounds` of each.
void check_rows(report& to, int rounds);
/// Attention, rotary positions, sequences of `longest` tokens, and numbers that are none.
void check_sequences(report& to, int rounds, std::size_t longest);

}  // namespace ufb_test::numerics
