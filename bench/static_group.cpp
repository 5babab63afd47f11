// SPDX-License-Identifier: MIT
//
// Layers of small sizes that the compiler knows, one token at a time, against layers of the same sizes at run time.
//
// This file compiles the library for the whole program (see core/compiled.hpp): it alone needs the kernels in sight,
// because layers of static sizes make their own of them.
#define UFB_COMPILED_SOURCE 1
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "contenders.hpp"
#include "problem.hpp"
#include "reference.hpp"
#include "timing.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t different_tokens = 64;

template <class Layer>
Layer build(const stored_problem& what, const ufb::fast_feedforward_options& options) {
  const node_weights& weights = what.weights();
  return {what.shape(),       weights.in.view(), weights.bias,
          weights.out.view(), options,           ufb::linear_out_layout::row_per_node};
}

// One size, with a layer of either kind.
template <std::size_t Width, std::size_t Depth>
class static_case {
 public:
  explicit static_case(bench_context& context)
      : context_(context),
        problem_(
            stored_problem::random({.input_width = Width, .output_width = Width, .depth = Depth}, different_tokens)),
        static_(build<static_layer>(*problem_, {.isa = context.options.isa})),
        dynamic_(build<fff_layer>(*problem_, {.isa = context.options.isa})) {}

  void run() {
    const std::string wrong = find_fault();
    const auto times =
        measure({contender_of("static", [this](const auto& x, const auto& y) { static_.forward(x, y); }),
                 contender_of("dynamic", [this](const auto& x, const auto& y) { dynamic_.forward(x, y, scratch_); })},
                {.batch = different_tokens, .tokens = different_tokens, .rounds = context_.options.rounds});
    report(times[0], times[1], wrong.empty());
    if (!wrong.empty()) context_.results.note("NOT VERIFIED: " + name() + ": " + wrong);
  }

 private:
  using static_layer = ufb::fast_feedforward<float, Width, Width, Depth, 1>;
  static_assert(static_layer::is_small);

  using token_view = ufb::matrix_view<const float>;
  using output_view = ufb::matrix_view<float>;
  using path_view = ufb::matrix_view<std::int32_t>;

  static constexpr std::size_t path_length = Depth + 1;

  [[nodiscard]] static std::string name() { return "static/w" + std::to_string(Width) + "_d" + std::to_string(Depth); }

  // What is wrong with the layers, if anything: the dynamic one against double precision, the static one against the
  // engine whose bits it has.
  [[nodiscard]] std::string find_fault() {
    const reference expected(*problem_, different_tokens);
    const auto judged = verify(
        *problem_, expected,
        [this](const token_view& x, const output_view& y, const path_view& paths) {
          dynamic_.forward(x, y, scratch_, paths);
        },
        1, ufb::weight_storage::float32);
    if (!judged.verified) return judged.problem;
    const auto fused = build<fff_layer>(*problem_, {.engine = ufb::fff_engine::fused, .isa = context_.options.isa});
    if (fused.isa() != static_.isa()) return "its level is " + std::string(ufb::name(static_.isa()));
    std::vector<std::int32_t> path(path_length);
    std::vector<std::int32_t> fused_path(path_length);
    ufb::matrix<float> y({3, Width});
    for (std::size_t t = 0; t < different_tokens; ++t) {
      const auto x = problem_->inputs().rows_from(t, 1);
      fused.forward(x, y.view().rows_from(0, 1), scratch_, {fused_path.data(), {1, path_length}});
      static_.forward(x, y.view().rows_from(1, 1), {path.data(), {1, path_length}});
      static_.forward(x, y.view().rows_from(2, 1));
      if (path != fused_path) return "token " + std::to_string(t) + " takes another path than with the engine fused";
      for (const std::size_t other : {std::size_t{1}, std::size_t{2}}) {
        if (std::memcmp(y.row(0), y.row(other), Width * sizeof(float)) == 0) continue;
        return "token " + std::to_string(t) + " has other bits than with the engine fused";
      }
    }
    return {};
  }

  // All tokens, one at a time: what it takes to call a contender is shared by them.
  template <class Forward>
  [[nodiscard]] contender contender_of(const std::string& who, const Forward& forward) {
    return {.name = who, .run = [this, forward](std::size_t) {
              for (std::size_t t = 0; t < different_tokens; ++t) {
                forward(problem_->inputs().rows_from(t, 1), y_.view().rows_from(t, 1));
              }
              return y_(0, 0);
            }};
  }

  void report(const timing& own, const timing& dynamic, bool verified) {
    const double ratio = dynamic.median / own.median;
    const std::string isa(ufb::name(static_.isa()));
    const auto spread = [](const timing& time) { return short_number(time.least) + '-' + short_number(time.most); };
    context_.results.add({name(), isa, short_number(own.median), spread(own), short_number(dynamic.median),
                          spread(dynamic), short_number(ratio), verified ? "yes" : "**NO**"},
                         nlohmann::ordered_json{{"group", "static"},
                                                {"case", name()},
                                                {"batch", 1},
                                                {"threads", 1},
                                                {"storage", "f32"},
                                                {"engine", "static"},
                                                {"isa", isa},
                                                {"us_per_token", own.median},
                                                {"dynamic_us_per_token", dynamic.median},
                                                {"ratio", ratio},
                                                {"verified", verified}}
                             .dump(),
                         verified);
  }

  bench_context& context_;
  std::unique_ptr<stored_problem> problem_;
  static_layer static_;
  fff_layer dynamic_;
  ufb::workspace scratch_{};
  ufb::matrix<float> y_{{different_tokens, Width}};
};

template <std::size_t Width, std::size_t... Depths>
void run_width(bench_context& context, std::index_sequence<Depths...> /*depths*/) {
  (static_case<Width, Depths>(context).run(), ...);
}

}  // namespace

void run_static(bench_context& context) {
  context.results.begin_table(
      "static: sizes in the type against sizes at run time, one token at a time",
      {"case", "isa", "us/token", "spread", "dynamic us/token", "its spread", "ratio", "verified"});
  constexpr std::index_sequence<2, 4, 6> depths{};
  run_width<8>(context, depths);
  run_width<16>(context, depths);
  run_width<32>(context, depths);
  run_width<64>(context, depths);
  context.results.note(std::to_string(different_tokens) + " different tokens in turn, random weights; one thread");
  context.results.end_table();
}

}  // namespace ufb_bench
