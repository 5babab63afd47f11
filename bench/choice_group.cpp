// SPDX-License-Identifier: MIT
//
// Whether the engine that a layer chooses by itself is the right one: widths, depths and batch sizes in a grid, the
// automatic choice against every engine that it chooses among.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "contenders.hpp"

namespace ufb_bench {

namespace {

struct choice_cell {
  std::size_t width = 0;
  std::size_t depth = 0;
  std::size_t batch = 0;
  ufb::weight_storage storage = ufb::weight_storage::float32;
  double automatic = 0;  // microseconds per token
  double best = 0;       // of the engines asked for by name
  std::string engine{};  // the best one
  std::string chosen{};  // by the automatic choice
  bool verified = false;

  [[nodiscard]] double behind() const { return automatic / best - 1.0; }
};

std::string name_of_cell(const choice_cell& cell) {
  return "width " + std::to_string(cell.width) + ", depth " + std::to_string(cell.depth) + ", batch " +
         std::to_string(cell.batch) + ", " + std::string(ufb::name(cell.storage));
}

std::string percent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %%", 100.0 * share);
  return text.data();
}

// A layer once for each engine.
class layer_choice {
 public:
  layer_choice(bench_context& context, const stored_problem& what, ufb::weight_storage storage)
      : context_(context), problem_(what), storage_(storage) {
    const auto& shape = what.shape();
    const std::size_t tokens = what.inputs().rows();
    engines_.push_back(ufb::fff_engine::automatic);
    for (const auto engine : {ufb::fff_engine::fused, ufb::fff_engine::interleaved, ufb::fff_engine::grouped}) {
      engines_.push_back(engine);
    }
    // As the choice: packed products of all nodes are for shallow trees in float32.
    if (shape.depth <= 4 && storage == ufb::weight_storage::float32) engines_.push_back(ufb::fff_engine::dense);
    for (const auto engine : engines_) {
      layers_.push_back(std::make_unique<fff_layer>(
          problem_.build({.engine = engine,
                          .storage_in = storage,
                          .storage_out = ufb::is_certified(storage) ? ufb::weight_storage::float16 : storage,
                          .isa = context.options.isa})));
    }
    const auto found = verify(
        what, reference(what, std::min<std::size_t>(tokens, 256)),
        [this](const auto& x, const auto& y, const auto& paths) { layers_[1]->forward(x, y, workspace_, paths); }, 1,
        storage);
    right_ = found.verified;
    if (!right_) {
      context.results.note("not verified: width " + std::to_string(shape.input_width) + ", depth " +
                           std::to_string(shape.depth) + ", " + std::string(ufb::name(storage)) + ": " + found.problem);
    }
    y_ = ufb::matrix<float>({tokens, shape.output_width});
    expected_ = ufb::matrix<float>({tokens, shape.output_width});
  }

  [[nodiscard]] choice_cell measure_batch(std::size_t batch) {
    choice_cell cell{
        .width = problem_.shape().input_width, .depth = problem_.shape().depth, .batch = batch, .storage = storage_};
    cell.chosen = std::string(ufb::name(layers_[0]->engine(batch)));
    cell.verified = right_ && agree(batch);
    std::vector<contender> contenders;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      contenders.push_back({.name = std::string(ufb::name(engines_[i])), .run = [this, i, batch](std::size_t first) {
                              forward(i, first, batch);
                              return y_(0, 0);
                            }});
    }
    const auto times = measure(contenders, {.batch = batch,
                                            .tokens = problem_.inputs().rows(),
                                            .rounds = context_.options.rounds,
                                            .seconds = context_.options.quick ? 0.002 : 0.01});
    // The engine chosen is timed twice, as itself and by name: the less disturbed figure stands for both.
    cell.automatic = times[0].median;
    cell.best = times[1].median;
    cell.engine = contenders[1].name;
    for (std::size_t i = 1; i < times.size(); ++i) {
      if (times[i].median < cell.best) {
        cell.best = times[i].median;
        cell.engine = contenders[i].name;
      }
      if (contenders[i].name == cell.chosen) cell.automatic = std::min(cell.automatic, times[i].median);
    }
    cell.best = std::min(cell.best, cell.automatic);
    if (cell.best == cell.automatic) cell.engine = cell.chosen;
    return cell;
  }

 private:
  void forward(std::size_t layer, std::size_t first, std::size_t batch) {
    layers_[layer]->forward(problem_.inputs().rows_from(first, batch), y_.view().rows_from(0, batch), workspace_, {},
                            context_.pool);
  }

  // One engine was judged against double precision; here the others are by it. Walking engines have the same bits;
  // dense products sum in another order.
  [[nodiscard]] bool agree(std::size_t batch) {
    const std::size_t width = problem_.shape().output_width;
    forward(1, 0, batch);
    for (std::size_t t = 0; t < batch; ++t) std::copy_n(y_.row(t), width, expected_.row(t));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      forward(i, 0, batch);
      const bool same_order = layers_[i]->engine(batch) != ufb::fff_engine::dense;
      std::size_t others = 0;
      for (std::size_t t = 0; t < batch; ++t) {
        if (same_order && std::memcmp(y_.row(t), expected_.row(t), width * sizeof(float)) != 0) return false;
        double difference = 0;
        double norm = 0;
        for (std::size_t k = 0; k < width; ++k) {
          const auto e = static_cast<double>(expected_(t, k));
          difference += (static_cast<double>(y_(t, k)) - e) * (static_cast<double>(y_(t, k)) - e);
          norm += e * e;
        }
        others += difference > 1e-8 * norm ? 1U : 0U;  // a logit next to zero may take another path
      }
      if (others > batch / 1000 + 1) return false;
    }
    return true;
  }

  bench_context& context_;
  const stored_problem& problem_;
  ufb::weight_storage storage_;
  std::vector<ufb::fff_engine> engines_{};
  std::vector<std::unique_ptr<fff_layer>> layers_{};
  ufb::workspace workspace_{};
  bool right_ = false;
  ufb::matrix<float> y_{};
  ufb::matrix<float> expected_{};
};

void report_cell(bench_context& context, const choice_cell& cell) {
  const std::string storage =
      cell.storage == ufb::weight_storage::certified_float16 ? "certified" : std::string(ufb::name(cell.storage));
  context.results.add({std::to_string(cell.width), std::to_string(cell.depth), std::to_string(cell.batch), storage,
                       cell.chosen, short_number(cell.automatic), cell.engine, short_number(cell.best),
                       percent(cell.behind()), cell.verified ? "yes" : "**NO**"},
                      nlohmann::ordered_json{{"group", "choice"},
                                             {"width", cell.width},
                                             {"depth", cell.depth},
                                             {"batch", cell.batch},
                                             {"storage", storage},
                                             {"auto_us", cell.automatic},
                                             {"auto_engine", cell.chosen},
                                             {"best_us", cell.best},
                                             {"best_engine", cell.engine},
                                             {"threads", context.pool.concurrency()},
                                             {"verified", cell.verified}}
                          .dump(),
                      cell.verified);
}

}  // namespace

void run_choice(bench_context& context) {
  const auto& options = context.options;
  const auto batches =
      options.batches.empty() ? std::vector<std::size_t>{1, 4, 16, 64, 256, 1024, 4096, 16384} : options.batches;
  const auto storages =
      options.storages.empty()
          ? std::vector{ufb::weight_storage::float32, ufb::weight_storage::certified_float16, ufb::weight_storage::int8}
          : options.storages;
  context.results.begin_table(
      "choice: the automatic engine against the best one",
      {"width", "depth", "batch", "storage", "chosen", "us/token", "best", "its us/token", "behind", "verified"});
  std::vector<choice_cell> cells;
  const auto widths =
      options.quick ? std::vector<std::size_t>{16, 192, 768} : std::vector<std::size_t>{16, 64, 192, 384, 768, 1024};
  const auto depths =
      options.quick ? std::vector<std::size_t>{2, 4, 7, 11} : std::vector<std::size_t>{2, 3, 4, 5, 6, 7, 9, 11, 13};
  for (const std::size_t width : widths) {
    for (const std::size_t depth : depths) {
      const ufb::fast_feedforward_shape shape{.input_width = width, .output_width = width, .depth = depth};
      const auto problem = stored_problem::random(shape, *std::max_element(batches.begin(), batches.end()));
      for (const auto storage : storages) {
        layer_choice layer(context, *problem, storage);
        for (const std::size_t batch : batches) {
          cells.push_back(layer.measure_batch(batch));
          report_cell(context, cells.back());
        }
      }
    }
  }
  const auto within = [&](double share) {
    return static_cast<double>(std::ranges::count_if(cells, [&](const auto& c) { return c.behind() <= share; })) /
           static_cast<double>(cells.size());
  };
  context.results.note(std::to_string(cells.size()) + " cells: at most 10 % behind the best engine in " +
                       percent(within(0.10)) + " of them (goal 95 %), at most 30 % in " + percent(within(0.30)) +
                       " (goal 100 %)");
  std::ranges::sort(cells, [](const auto& a, const auto& b) { return a.behind() > b.behind(); });
  for (std::size_t i = 0; i < std::min<std::size_t>(5, cells.size()); ++i) {
    context.results.note("worst: " + name_of_cell(cells[i]) + ": " + cells[i].chosen + ' ' +
                         short_number(cells[i].automatic) + ", " + cells[i].engine + ' ' + short_number(cells[i].best) +
                         " us, " + percent(cells[i].behind()));
  }
  context.results.end_table();
}

}  // namespace ufb_bench
