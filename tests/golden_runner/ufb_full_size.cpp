// SPDX-License-Identifier: MIT
//
// Judges a checkpoint of the published model's size: `ufb_full_size MODEL_DIR EXPECTED.safetensors`; with `--write`
// before them it makes the checkpoint first. Paths must be equal in every layer, states and logits within their
// tolerances. Prints what loading and computing took.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "support/full_size_checkpoint.hpp"
#include "support/tensors.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using namespace ufb_test;
using clock_type = std::chrono::steady_clock;

constexpr double states_tolerance = 8.9e-5;
constexpr double logits_tolerance = 3e-4;

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

std::size_t differing_paths(const ufb::encoder_trace<float>& trace, const ufb::safetensors& expected,
                            const std::string& batch) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < trace.layers.size(); ++i) {
    const auto want = read<std::int32_t>(expected, batch + ".fff_path.layer." + std::to_string(i));
    const auto& got = trace.layers[i].paths;
    for (std::size_t t = 0; t < got.rows(); ++t) {
      const auto row = want.values.begin() + static_cast<std::ptrdiff_t>(t * got.cols());
      wrong += std::equal(got.row(t), got.row(t) + got.cols(), row) ? 0U : 1U;
    }
  }
  return wrong;
}

// Whether one batch agrees.
bool judge(const ufb::masked_lm<float>& model, const ufb::safetensors& expected, const std::string& batch) {
  const auto ids = read<std::int32_t>(expected, batch + ".input_ids");
  const ufb::matrix_view<const ufb::token_id> id_view(ids.values.data(), {ids.shape[0], ids.shape[1]});
  std::vector<float> mask;
  ufb::matrix_view<const float> mask_view;
  if (expected.find(batch + ".attention_mask") != nullptr) {
    const auto values = read<std::int32_t>(expected, batch + ".attention_mask").values;
    mask.assign(values.begin(), values.end());
    mask_view = {mask.data(), {ids.shape[0], ids.shape[1]}};
  }
  auto workspace = model.make_workspace();
  ufb::encoder_trace<float> trace;
  ufb::matrix<float> states({ids.values.size(), model.hidden_size(), model.hidden_size()});
  model.encode(id_view, mask_view, states.view(), workspace, {.padding_states = true}, &trace);
  const auto wanted = read<std::int32_t>(expected, batch + ".logit_rows").values;
  const std::vector<std::size_t> rows(wanted.begin(), wanted.end());
  ufb::matrix<float> logits({rows.size(), model.vocabulary_size(), model.vocabulary_size()});
  model.logits(states.view(), rows, logits.view(), workspace);

  const auto final_states = read<double>(expected, batch + ".final_f64").values;
  const double states_error = largest_difference<float, double>({states.row(0), final_states.size()}, final_states);
  const auto want = read<double>(expected, batch + ".logits_at_rows_f64").values;
  const double logits_error = largest_difference<float, double>({logits.row(0), want.size()}, want);
  const std::size_t wrong = differing_paths(trace, expected, batch);
  std::cout << batch << ": " << wrong << " paths differ, states within " << states_error << ", logits within "
            << logits_error << '\n';

  std::vector<double> times;
  for (int run = 0; run < 7; ++run) {
    const auto start = clock_type::now();
    model.encode(id_view, mask_view, states.view(), workspace, {.padding_states = true});
    times.push_back(seconds_since(start));
  }
  std::sort(times.begin(), times.end());
  std::cout << batch << ": " << static_cast<double>(ids.values.size()) / times[3] << " tokens/s (median of 7)\n";
  return wrong == 0 && states_error <= states_tolerance && logits_error <= logits_tolerance;
}

bool run(const std::string& folder, const std::string& expected_path) {
  const auto expected = ufb::safetensors::open(expected_path);
  const auto start = clock_type::now();
  const auto model = ufb::masked_lm<float>::load(folder);
  std::cout << "loaded in " << seconds_since(start) << " s, peak memory " << peak_megabytes() << " MiB\n";
  const bool first = judge(model, expected, "b0");
  const bool second = judge(model, expected, "b1");
  std::cout << "peak memory " << peak_megabytes() << " MiB\n";
  return first && second;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool make = !arguments.empty() && arguments.front() == "--write";
    if (make) arguments.erase(arguments.begin());
    if (arguments.size() != 2)
      throw std::runtime_error("usage: ufb_full_size [--write] MODEL_DIR EXPECTED.safetensors");
    if (make) write_full_size_checkpoint(arguments[0]);
    const bool good = run(arguments[0], arguments[1]);
    std::cout << (good ? "passed" : "FAILED") << '\n';
    return good ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
