// SPDX-License-Identifier: MIT
#include "contenders.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <stdexcept>

#include "ultrafastbert/cmm/walk.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t most_waiting_tokens = 8;

// Beside certified routes the second matrix is in float16.
ufb::weight_storage second_of(ufb::weight_storage storage) {
  return ufb::is_certified(storage) ? ufb::weight_storage::float16 : storage;
}

constexpr std::uint64_t dense_in_seed = 11;
constexpr std::uint64_t dense_out_seed = 12;
constexpr double close_to_fastest = 1.2;

// Row strides of whole cache lines, but not of whole pages: rows would meet in the same cache sets.
std::size_t row_stride(std::size_t cols) {
  constexpr std::size_t line = 16;
  constexpr std::size_t page = 1024;
  const std::size_t stride = (cols + line - 1) / line * line;
  return stride % page == 0 ? stride + line : stride;
}

void fill(ufb::matrix<float>& rows, std::uint64_t seed, float scale) {
  const normal_stream values(seed, scale);
  for (std::size_t r = 0; r < rows.rows(); ++r) values.read(r * rows.cols(), {rows.row(r), rows.cols()});
}

class library_fff final : public fff_under_test {
 public:
  library_fff(fff_layer layer, ufb::fff_engine engine, ufb::weight_storage storage, ufb::thread_pool& pool)
      : layer_(std::move(layer)), engine_(engine), storage_(storage), pool_(pool) {}

  [[nodiscard]] std::string engine() const override { return std::string(ufb::name(engine_)); }
  [[nodiscard]] std::string isa() const override {
    return engine_ == ufb::fff_engine::blas ? "-" : std::string(ufb::name(layer_.isa()));
  }
  [[nodiscard]] ufb::weight_storage storage() const override { return storage_; }
  void forward(const ufb::matrix_view<const float>& x, const ufb::matrix_view<float>& y,
               const ufb::matrix_view<std::int32_t>& paths) override {
    layer_.forward(x, y, workspace_, paths, pool_);
  }

 private:
  fff_layer layer_;
  ufb::fff_engine engine_;
  ufb::weight_storage storage_;
  ufb::thread_pool& pool_;
  ufb::workspace workspace_{};
};

std::string deviation_note(const fff_under_test& engine, const verdict& result) {
  std::array<char, 256> text{};
  std::snprintf(
      text.data(), text.size(),
      "%s, %s: of %zu tokens %zu (%.3f %%) take another path than in double precision, %zu more at near-ties; "
      "error on equal paths %.2g, worst token %.2g",
      std::string(ufb::name(engine.storage())).c_str(), engine.engine().c_str(), result.tokens, result.differing,
      100.0 * static_cast<double>(result.differing) / static_cast<double>(result.tokens), result.near_ties,
      result.overall, result.worst);
  if (result.near_ties == 0) return text.data();
  return text.data() + ("; near-ties at tokens" + result.near_tie_list);
}

}  // namespace

dense_weights::dense_weights(const dense_shape& sizes)
    : shape(sizes),
      in({sizes.neurons, sizes.width, row_stride(sizes.width)}),
      out({sizes.width, sizes.neurons, row_stride(sizes.neurons)}) {
  constexpr float scale = 0.03F;
  fill(in, dense_in_seed, scale);
  fill(out, dense_out_seed, scale);
}

shared_gelu::shared_gelu(ufb::thread_pool& pool)
    : pool_(pool), kernel_(ufb::kernels::activations_of(ufb::resolve(ufb::isa_level::automatic)).gelu) {}

void shared_gelu::operator()(const ufb::matrix_view<float>& values) const {
  constexpr std::size_t worth_a_thread = 16;  // rows; below, waking it takes longer
  const std::size_t parts = std::clamp<std::size_t>(values.rows() / worth_a_thread, 1, pool_.concurrency());
  pool_.run(parts, [&](std::size_t i) {
    const std::size_t last = values.rows() * (i + 1) / parts;
    for (std::size_t r = values.rows() * i / parts; r < last; ++r) kernel_(values.cols(), values.row(r));
  });
}

dense_layers make_dense_layers(const dense_weights& weights, ufb::thread_pool& pool) {
  dense_layers all;
  add_openblas_layers(weights, pool, all);
  add_eigen_layers(weights, pool, all);
  add_onednn_layers(weights, pool, all);
  return all;
}

dense_set::dense_set(const dense_shape& shape, bench_context& context, std::size_t times_neurons)
    : weights(shape),
      layers(make_dense_layers(weights, context.pool)),
      own(make_own_dense(weights, context.options.isa, context.pool)),
      times(times_neurons) {}

std::unique_ptr<fff_under_test> make_fff(const problem& what, ufb::fff_engine engine, ufb::weight_storage storage,
                                         ufb::isa_level isa, ufb::thread_pool& pool) {
  const bool has_levels = engine != ufb::fff_engine::blas;
  const ufb::fast_feedforward_options options{.engine = engine,
                                              .storage_in = storage,
                                              .storage_out = second_of(storage),
                                              .isa = has_levels ? isa : ufb::isa_level::automatic};
  return std::make_unique<library_fff>(what.build(options), engine, storage, pool);
}

experiment::experiment(bench_context& context, std::string group, const problem& what, dense_set* dense,
                       std::size_t verified_tokens)
    : context_(context),
      group_(std::move(group)),
      problem_(what),
      dense_(dense),
      expected_(what, std::min(verified_tokens, what.inputs().rows())) {}

void experiment::add(ufb::fff_engine engine, const std::vector<ufb::weight_storage>& storages) {
  for (const auto storage : storages) {
    add(make_fff(problem_, engine, storage, context_.options.isa, context_.pool));
  }
}

void experiment::add(std::unique_ptr<fff_under_test> one) {
  if (one) engines_.push_back(std::move(one));
}

void experiment::check_dense(dense_layer& layer, std::size_t batch) {
  layer.enter();
  layer.forward(problem_.inputs().row(0), y_.row(0), batch);
  for (const std::size_t token : std::set<std::size_t>{0, batch / 2, batch - 1}) {
    const auto x = problem_.inputs().row(token);
    if (!is_dense_output(dense_->weights.in.view(), dense_->weights.out.view(), x, y_.row(token))) {
      throw std::runtime_error(layer.name() + " computes a wrong output at batch " + std::to_string(batch));
    }
  }
}

void experiment::add_dense_contenders(std::size_t batch, std::vector<contender>& to,
                                      std::vector<std::size_t>& indices) {
  if (dense_ == nullptr) return;
  const auto candidates = dense_->candidates.find(batch);
  for (std::size_t i = 0; i < dense_->layers.size(); ++i) {
    dense_layer& layer = *dense_->layers[i];
    if (batch > layer.largest_batch()) continue;
    if (candidates != dense_->candidates.end() && std::ranges::count(candidates->second, i) == 0) continue;
    indices.push_back(i);
    add_dense_contender(layer, batch, true, to);
  }
}

void experiment::add_dense_contender(dense_layer& layer, std::size_t batch, bool may_retire,
                                     std::vector<contender>& to) {
  layer.prepare(batch);
  check_dense(layer, batch);
  to.push_back({.name = layer.name(),
                .enter = [&layer] { layer.enter(); },
                .run =
                    [this, &layer, batch](std::size_t first) {
                      layer.forward(problem_.inputs().row(first), y_.row(0), batch);
                      return y_(0, 0);
                    },
                .spins = layer.spins(),
                .may_retire = may_retire});
}

void experiment::add_fff_contenders(std::size_t batch, std::vector<contender>& to) {
  last_verdicts_.clear();
  set_blas_threads(1);
  for (const auto& engine : engines_) {
    const auto forward = [&one = *engine](const auto& x, const auto& y, const auto& paths) {
      one.forward(x, y, paths);
    };
    last_verdicts_.push_back(verify(problem_, expected_, forward, batch, engine->storage()));
    to.push_back({.name = engine->engine(),
                  .enter = [] { set_blas_threads(1); },  // the pool's threads call it side by side
                  .run =
                      [this, batch, &one = *engine](std::size_t first) {
                        one.forward(problem_.inputs().rows_from(first, batch), y_.view().rows_from(0, batch), {});
                        return y_(0, 0);
                      }});
  }
}

experiment::dense_result experiment::fastest_dense(std::size_t batch, const std::vector<std::size_t>& indices,
                                                   const std::vector<timing>& times) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < indices.size(); ++i) {
    if (times[i].median < times[best].median) best = i;
  }
  const auto [place, first_time] = dense_->candidates.try_emplace(batch);
  for (std::size_t i = 0; first_time && i < indices.size(); ++i) {
    if (times[i].median <= close_to_fastest * times[best].median) place->second.push_back(indices[i]);
  }
  note_dense(batch, indices, times);
  return {.time = times[best].median * static_cast<double>(dense_->times),
          .name = dense_->layers[indices[best]]->name()};
}

double experiment::run(std::size_t batch) {
  if (y_.rows() < batch) y_ = ufb::matrix<float>({batch, problem_.shape().output_width, problem_.shape().output_width});
  std::vector<contender> contenders;
  std::vector<std::size_t> dense_indices;
  add_dense_contenders(batch, contenders, dense_indices);
  add_fff_contenders(batch, contenders);
  if (dense_ != nullptr) add_dense_contender(*dense_->own, batch, false, contenders);  // the last one
  const auto times =
      measure(contenders, {.batch = batch, .tokens = problem_.inputs().rows(), .rounds = context_.options.rounds});

  const auto dense = dense_indices.empty() ? dense_result{} : fastest_dense(batch, dense_indices, times);
  const auto own_dense =
      dense_ == nullptr ? std::nullopt : std::optional(times.back().median * static_cast<double>(dense_->times));
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    auto& engine = *engines_[i];
    const bool automatic = engine.engine() == ufb::name(ufb::fff_engine::automatic);
    const least_work work = last_verdicts_[i].verified ? work_of(engine, batch) : least_work{};
    const double to_us = 1e6 / static_cast<double>(batch);
    std::optional<double> limit;
    std::optional<double> chain;
    if (work.flops > 0) {
      limit = context_.limits.least_time(work) * to_us;
      // Few tokens wait for a load on every level; trees do not wait for each other.
      if (batch <= most_waiting_tokens) {
        chain = static_cast<double>(expected_.levels) * context_.limits.latency(work.weight_table / 2) * to_us;
      }
    }
    const verdict& found = last_verdicts_[i];
    std::optional<double> limit_ratio;
    if (limit && dense.time) limit_ratio = *dense.time / *limit;
    context_.results.add({.group = group_,
                          .case_name = problem_.name(),
                          .batch = batch,
                          .threads = context_.pool.concurrency(),
                          .storage = engine.storage() == ufb::weight_storage::certified_float16
                                         ? "certified"
                                         : std::string(ufb::name(engine.storage())),
                          .engine = engine.engine(),
                          .isa = engine.isa(),
                          .time = times[dense_indices.size() + i],
                          .dense_time = dense.time,
                          .dense_backend = dense.name,
                          .own_dense_time = own_dense,
                          .limit = limit,
                          .chain = chain,
                          .verified = found.verified,
                          .goal = automatic && goal ? goal(batch, engine.storage(), limit_ratio) : std::nullopt,
                          .accuracy = row_accuracy{.tokens = found.tokens,
                                                   .other_paths = found.differing,
                                                   .near_ties = found.near_ties,
                                                   .error = found.overall}});
    if (!found.verified) {
      notes_.push_back("NOT VERIFIED: " + problem_.name() + ", batch " + std::to_string(batch) + ", " +
                       engine.engine() + ": " + found.problem);
    }
  }
  return engines_.empty() ? 0.0 : times[dense_indices.size()].median;
}

// The mean over the batches that the timed calls take in turn, by the paths that the engine takes.
least_work experiment::work_of(fff_under_test& engine, std::size_t batch) {
  const auto& shape = problem_.shape();
  const std::size_t levels = ufb::cmm::tree::levels(shape.depth);
  const std::size_t path_length = problem_.path_length();
  const std::size_t per_tree = ufb::cmm::tree::node_count(shape.depth);
  std::vector<std::int32_t> paths(batch * path_length);
  std::vector<std::size_t> seen(problem_.neurons(), 0);
  std::size_t rows = 0;
  std::size_t batches = 0;
  for (std::size_t first = 0; first + batch <= problem_.inputs().rows() && batches < 256; first += batch) {
    ++batches;
    engine.forward(problem_.inputs().rows_from(first, batch), y_.view().rows_from(0, batch),
                   {paths.data(), {batch, path_length}});
    for (std::size_t i = 0; i < paths.size(); ++i) {
      const std::size_t tree = i % path_length / levels;
      std::size_t& last = seen[tree * per_tree + static_cast<std::size_t>(paths[i])];
      if (last == batches) continue;
      last = batches;
      ++rows;
    }
  }
  if (batches == 0) return {};
  const double in_bytes =
      static_cast<double>(shape.input_width * ufb::kernels::bytes_of(ufb::first_rows_of(engine.storage())));
  const double out_bytes =
      static_cast<double>(shape.output_width * ufb::kernels::bytes_of(second_of(engine.storage())));
  const double distinct = static_cast<double>(rows) / static_cast<double>(batches);
  const double x = static_cast<double>(batch * shape.input_width * sizeof(float));
  const double y = static_cast<double>(batch * shape.output_width * sizeof(float));
  // Outputs that no cache holds can be written past them; others are read for ownership first.
  const bool streams = y >= static_cast<double>(ufb::cmm::cached_bytes);
  return {.flops = static_cast<double>(2 * batch * problem_.path_length() * (shape.input_width + shape.output_width)),
          .weight_bytes = distinct * (in_bytes + out_bytes),
          .token_bytes = x + (streams ? y : 2 * y),
          .weight_table = static_cast<std::size_t>(static_cast<double>(problem_.neurons()) * (in_bytes + out_bytes)),
          .token_table = problem_.inputs().rows() * shape.input_width * sizeof(float) + static_cast<std::size_t>(y)};
}

void experiment::note_dense(std::size_t batch, const std::vector<std::size_t>& indices,
                            const std::vector<timing>& times) {
  std::string text = "dense at batch " + std::to_string(batch) + ", us/token: ";
  const auto describe = [](const dense_layer& layer, const timing& time) {
    return layer.name() + ' ' + short_number(time.median) + " (" + short_number(time.least) + '-' +
           short_number(time.most) + ')';
  };
  for (std::size_t i = 0; i < indices.size(); ++i) text += describe(*dense_->layers[indices[i]], times[i]) + ", ";
  text += describe(*dense_->own, times.back());
  if (dense_->times != 1) text += ", each times " + std::to_string(dense_->times);
  notes_.push_back(std::move(text));
}

void experiment::add_notes() {
  context_.results.note(problem_.name() + ": " + describe_leaves(problem_, expected_) + "; " +
                        std::to_string(problem_.distinct_inputs()) + " distinct inputs");
  std::set<ufb::weight_storage> told;
  for (std::size_t i = 0; i < engines_.size() && i < last_verdicts_.size(); ++i) {
    if (told.insert(engines_[i]->storage()).second) {
      context_.results.note(deviation_note(*engines_[i], last_verdicts_[i]));
    }
  }
  for (auto& note : notes_) context_.results.note(std::move(note));
  notes_.clear();
}

}  // namespace ufb_bench
