// SPDX-License-Identifier: MIT
#include "timing.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

namespace ufb_bench {

namespace {

using namespace std::chrono_literals;

constexpr auto spinning_time = 40ms;     // OpenBLAS's threads sleep after 2^26 ticks
constexpr double warm_up_limit = 0.005;  // seconds; longer calls are warm by themselves
constexpr double hopeless = 1.5;         // times the fastest of its kind
constexpr std::size_t rounds_before_retiring = 2;

// One contender's turns.
class turns {
 public:
  turns(const contender& who, const schedule& plan) : who_(who), plan_(plan) {}

  // First touch of its memory; finds out how many calls make a turn.
  void prepare() {
    double estimate = take_turn(1);
    if (estimate < warm_up_limit) estimate = take_turn(1);
    calls_ = static_cast<std::size_t>(std::clamp(plan_.seconds / std::max(estimate, 1e-8), 1.0, 1e6));
  }

  void take() {
    times_.push_back(take_turn(calls_) / static_cast<double>(calls_) * 1e6 / static_cast<double>(plan_.batch));
  }

  [[nodiscard]] timing result() const {
    auto sorted = times_;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t half = sorted.size() / 2;
    const double median = sorted.size() % 2 != 0 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    return {.median = median, .least = sorted.front(), .most = sorted.back()};
  }

  [[nodiscard]] bool may_retire() const { return who_.may_retire; }

 private:
  // Seconds that `calls` calls took.
  double take_turn(std::size_t calls) {
    if (who_.enter) who_.enter();
    if (calls > 1) call();
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < calls; ++i) call();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (who_.spins) std::this_thread::sleep_for(spinning_time);
    return seconds;
  }

  void call() {
    sum_ = sum_ + who_.run(next_);
    next_ += plan_.batch;
    if (next_ + plan_.batch > plan_.tokens) next_ = 0;
  }

  const contender& who_;
  const schedule& plan_;
  std::size_t calls_ = 1;
  std::size_t next_ = 0;
  volatile float sum_ = 0.0F;  // consumes the outputs
  std::vector<double> times_{};
};

}  // namespace

std::vector<timing> measure(const std::vector<contender>& contenders, const schedule& plan) {
  std::vector<turns> all;
  all.reserve(contenders.size());
  for (const auto& who : contenders) all.emplace_back(who, plan);
  for (auto& one : all) one.prepare();

  std::vector<bool> retired(all.size(), false);
  for (std::size_t round = 0; round < plan.rounds; ++round) {
    if (round == rounds_before_retiring) {
      double fastest = std::numeric_limits<double>::max();
      for (const auto& one : all) {
        if (one.may_retire()) fastest = std::min(fastest, one.result().median);
      }
      for (std::size_t i = 0; i < all.size(); ++i) {
        retired[i] = all[i].may_retire() && all[i].result().median > hopeless * fastest;
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!retired[i]) all[i].take();
    }
  }

  std::vector<timing> results;
  results.reserve(all.size());
  for (const auto& one : all) results.push_back(one.result());
  return results;
}

}  // namespace ufb_bench
