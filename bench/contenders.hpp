// SPDX-License-Identifier: MIT
//
// FFF engines and dense layers brought together: verified first, then timed in turns, then reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dense.hpp"
#include "limits.hpp"
#include "problem.hpp"
#include "reference.hpp"
#include "report.hpp"

namespace ufb_bench {

/// What the command line asks for; empty lists stand for a group's own choice.
struct bench_options {
  bool quick = false;
  std::size_t threads = 1;
  std::vector<std::size_t> batches{};
  std::vector<ufb::weight_storage> storages{};
  ufb::isa_level isa = ufb::isa_level::automatic;
  std::size_t rounds = 5;
  std::filesystem::path model{};      ///< folder of the encoder that is measured; empty for one of random weights
  std::vector<std::string> shapes{};  ///< of the encoder's batches
  ufb::weight_storage projection = ufb::weight_storage::float32;  ///< of the encoder's own products
};

/// What the groups share.
struct bench_context {
  bench_options options;
  ufb::thread_pool pool;
  report results{};
  machine_limits limits{options.threads};
};

/// An FFF layer in one form. Not for use from several threads at a time.
class fff_under_test {
 public:
  fff_under_test() = default;
  fff_under_test(const fff_under_test&) = delete;
  fff_under_test& operator=(const fff_under_test&) = delete;
  virtual ~fff_under_test() = default;

  [[nodiscard]] virtual std::string engine() const = 0;
  [[nodiscard]] virtual std::string isa() const = 0;
  [[nodiscard]] virtual ufb::weight_storage storage() const = 0;
  virtual void forward(const ufb::matrix_view<const float>& x, const ufb::matrix_view<float>& y,
                       const ufb::matrix_view<std::int32_t>& paths) = 0;
};

/// One of the library's engines.
[[nodiscard]] std::unique_ptr<fff_under_test> make_fff(const problem& what, ufb::fff_engine engine,
                                                       ufb::weight_storage storage, ufb::isa_level isa,
                                                       ufb::thread_pool& pool);

/// The layer over BLAS level 2; null where there is no BLAS.
[[nodiscard]] std::unique_ptr<fff_under_test> make_level2_fff(const stored_problem& what, ufb::thread_pool& pool);

/// The dense layers of one shape. Remembers which came close to the fastest at a batch size, so that further data sets,
/// on which dense layers do the same work, need not time all of them again.
struct dense_set {
  dense_set(const dense_shape& shape, bench_context& context, std::size_t times_neurons = 1);

  dense_weights weights;
  dense_layers layers;               ///< external ones
  std::unique_ptr<dense_layer> own;  ///< the library's
  std::size_t times;                 ///< the layer stands for one of `times` as many neurons: its time counts so often
  std::map<std::size_t, std::vector<std::size_t>> candidates{};  ///< indices of layers by batch
};

/// One problem with its engines, at any number of batch sizes.
class experiment {
 public:
  /// `dense` may be null; it and the rest have to outlive the experiment.
  experiment(bench_context& context, std::string group, const problem& what, dense_set* dense,
             std::size_t verified_tokens);

  /// An engine of the library in every storage type given. Throws: what building throws.
  void add(ufb::fff_engine engine, const std::vector<ufb::weight_storage>& storages);
  void add(std::unique_ptr<fff_under_test> one);

  /// The ratio that the automatic choice has to reach.
  /// `limit_ratio`: what the machine's limit allows, if it is known.
  std::function<std::optional<ratio_goal>(std::size_t batch, ufb::weight_storage storage,
                                          std::optional<double> limit_ratio)>
      goal{};

  /// Verifies, measures and reports all engines. Throws: std::runtime_error if a dense layer computes something else.
  /// Returns the median time of the first engine in microseconds per token.
  double run(std::size_t batch);

  /// Adds notes on leaves, deviations and dense layers to the table.
  void add_notes();

 private:
  struct dense_result {
    std::optional<double> time{};  // microseconds per token
    std::string name{};
  };

  void add_dense_contenders(std::size_t batch, std::vector<contender>& to, std::vector<std::size_t>& indices);
  void add_fff_contenders(std::size_t batch, std::vector<contender>& to);
  void add_dense_contender(dense_layer& layer, std::size_t batch, bool may_retire, std::vector<contender>& to);
  void check_dense(dense_layer& layer, std::size_t batch);
  dense_result fastest_dense(std::size_t batch, const std::vector<std::size_t>& indices,
                             const std::vector<timing>& times);
  [[nodiscard]] least_work work_of(fff_under_test& engine, std::size_t batch);
  void note_dense(std::size_t batch, const std::vector<std::size_t>& indices, const std::vector<timing>& times);

  bench_context& context_;
  std::string group_;
  const problem& problem_;
  dense_set* dense_;
  reference expected_;
  std::vector<std::unique_ptr<fff_under_test>> engines_{};
  std::vector<verdict> last_verdicts_{};
  std::vector<std::string> notes_{};
  ufb::matrix<float> y_{};
};

// The groups: cmm_group.cpp, size_groups.cpp, leaf_group.cpp, static_group.cpp, encoder_group.cpp, paper_group.cpp,
// choice_group.cpp, machine_group.cpp.
void run_cmm(bench_context& context);
void run_family(bench_context& context);
void run_depth(bench_context& context);
void run_gpt3(bench_context& context);
void run_leaves(bench_context& context);
void run_static(bench_context& context);
void run_encoder(bench_context& context);
void run_paper(bench_context& context);
void run_choice(bench_context& context);
void run_machine(bench_context& context);

}  // namespace ufb_bench
