// SPDX-License-Identifier: MIT
//
// Threads share constant models and layers, a workspace each, while others load and destroy models of their own:
//   ufb_hammer [--model DIR]... [--threads LIST] [--seconds S] [--host LIST]
// Every result has to have the bits of a run alone. Without a folder the models are small ones of every family and
// task. Each number of threads, such as 2,4,8,16, runs for S seconds on each host of the second list:
//   plain   threads as a host makes them, some with a pool of their own, some on a pool that all share
//   fork    the same, and the process forks meanwhile; the child computes with the parent's models and an own pool
//   openmp  the threads are those of OpenMP, if the compiler has it, and calls run on an executor over OpenMP
//   flush   half of the threads flush subnormal numbers to zero, set after the pools were made
//   upward  half of the threads round upward, set after the pools were made
// The last line is `N comparisons, N mismatches`; what fails in any other way counts as a mismatch.
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "hammer/subjects.hpp"
#include "support/floating_point.hpp"
#include "support/generator.hpp"

namespace {

using namespace ufb_test;

constexpr std::size_t calls_per_model = 6;
constexpr std::size_t threads_of_pools = 3;
constexpr ufb::fast_feedforward_shape shape{.input_width = 40, .output_width = 36, .depth = 5, .parallel_size = 8};

struct options {
  std::vector<std::filesystem::path> models{};
  std::vector<std::size_t> threads{4};
  double seconds = 2;
  std::vector<std::string> hosts{"plain"};
};

struct tally {
  std::atomic<std::size_t> comparisons{0};
  std::atomic<std::size_t> mismatches{0};

  void compare(bool equal) {
    ++comparisons;
    if (!equal) ++mismatches;
  }
  // Says what happened, for something that is no comparison.
  void fail(const std::string& what) {
    ++mismatches;
    std::cerr << what.substr(0, 1000).append("\n");
  }
};

// `smaller`: powers of two by which all weights are smaller.
ufb::fast_feedforward<float> make_layer(ufb::fff_engine engine, ufb::weight_storage storage, int smaller = 0) {
  constexpr std::size_t nodes = 8 * 63;
  const auto linear_in = uniform(1, nodes * shape.input_width, -2 - smaller);
  const auto linear_out = uniform(2, nodes * shape.output_width, -1 - smaller);
  return {shape,
          {linear_in.data(), {nodes, shape.input_width}},
          uniform(3, nodes, -3 - smaller),
          {linear_out.data(), {shape.output_width, nodes}},
          {.engine = engine, .storage_in = storage, .storage_out = storage}};
}

std::string outputs_of(const ufb::fast_feedforward<float>& layer, ufb::workspace& scratch, ufb::executor_ref threads) {
  constexpr std::size_t tokens = 600;  // enough to be worth several threads
  const auto x = uniform(4, tokens * shape.input_width, 0);
  ufb::matrix<float> y({tokens, shape.output_width});
  layer.forward({x.data(), {tokens, shape.input_width}}, y.view(), scratch, threads);
  result_bytes bytes;
  bytes.add(y.view());
  return bytes.take();
}

/// A call of a model: texts for its task, or a padded batch of ids.
std::string run_call(const any_model& model, const std::string& mask, std::size_t call, ufb::workspace& scratch,
                     ufb::executor_ref threads) {
  if (call % 3 == 2) return states_of_ids(model, call, scratch, threads);
  return answers(model, random_texts(call, 1 + 3 * call, mask), scratch, threads);
}

/// A model that threads load for themselves, with one of the storages that its folder has.
struct loadable {
  std::filesystem::path folder;
  storages kept;
};

std::vector<loadable> loadables_of(const std::vector<subject>& subjects) {
  const std::vector<storages> kinds = all_storages();
  std::vector<loadable> all;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    for (const std::size_t kind : {std::size_t{0}, 1 + i % (kinds.size() - 1), 1 + (i + 3) % (kinds.size() - 1)}) {
      all.push_back({subjects[i].folder, kinds[kind]});
    }
  }
  return all;
}

std::string load_and_run(const loadable& each) {
  const auto model = any_model::load(each.folder, each.kept.options());
  ufb::workspace scratch;
  return run_call(model, mask_of(model), 1, scratch, {});
}

/// Everything that threads share.
class shared_things {
 public:
  shared_things(const std::vector<subject>& shared, const std::vector<subject>& loaded)
      : loadables(loadables_of(loaded)) {
    for (const subject& each : shared) {
      models.push_back(any_model::load(each.folder));
      masks.push_back(mask_of(models.back()));
    }
    for (const auto storage : {ufb::weight_storage::float32, ufb::weight_storage::int8}) {
      for (const auto engine : {ufb::fff_engine::fused, ufb::fff_engine::interleaved, ufb::fff_engine::grouped}) {
        layers.push_back(make_layer(engine, storage));
      }
    }
    // Its outputs are subnormal numbers, which a host may flush to zero.
    layers.push_back(make_layer(ufb::fff_engine::grouped, ufb::weight_storage::float32, 66));
  }

  std::vector<loadable> loadables;
  std::vector<any_model> models{};
  std::vector<std::string> masks{};
  std::vector<ufb::fast_feedforward<float>> layers{};
};

/// What one thread alone makes of the shared things, with the floating point modes that it has.
struct solo_results {
  std::vector<std::array<std::string, calls_per_model>> of_models{};
  std::vector<std::string> of_layers{};
  std::vector<std::string> of_loads{};

  solo_results(const shared_things& shared, host_modes modes) {
    const modes_scope scope(modes);
    ufb::workspace scratch;
    for (std::size_t m = 0; m < shared.models.size(); ++m) {
      auto& results = of_models.emplace_back();
      for (std::size_t call = 0; call < calls_per_model; ++call) {
        results[call] = run_call(shared.models[m], shared.masks[m], call, scratch, {});
      }
    }
    for (const auto& layer : shared.layers) of_layers.push_back(outputs_of(layer, scratch, {}));
    for (const loadable& each : shared.loadables) of_loads.push_back(load_and_run(each));
  }
};

/// One result, chosen by `random`, compared with that of a run alone.
void compare_one(const shared_things& shared, const solo_results& solo, random_numbers& random, ufb::workspace& scratch,
                 ufb::executor_ref threads, tally& counts) {
  if (random.size(0, 3) == 0) {
    const std::size_t l = random.size(0, shared.layers.size() - 1);
    counts.compare(outputs_of(shared.layers[l], scratch, threads) == solo.of_layers[l]);
    return;
  }
  const std::size_t m = random.size(0, shared.models.size() - 1);
  const std::size_t call = random.size(0, calls_per_model - 1);
  counts.compare(run_call(shared.models[m], shared.masks[m], call, scratch, threads) == solo.of_models[m][call]);
}

/// Runs on one host with one number of threads.
class round {
 public:
  round(const shared_things& shared, std::string host, std::size_t threads, double seconds)
      : shared_(shared),
        host_(std::move(host)),
        threads_(threads),
        end_(std::chrono::steady_clock::now()),
        plain_(shared, host_modes::plain) {
    if (host_ == "flush") changed_modes_ = host_modes::flush;
    if (host_ == "upward") changed_modes_ = host_modes::upward;
    if (changed_modes_ != host_modes::plain) changed_.emplace(shared, changed_modes_);
    if (changed_ && changed_->of_layers.back() == plain_.of_layers.back()) {
      throw std::runtime_error("the modes of host " + host_ + " change no result, so that nothing would be shown");
    }
    end_ = std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
  }

  void run(tally& counts) {
#if defined(_OPENMP)
    if (host_ == "openmp") return run_openmp(counts);
#endif
    ufb::thread_pool common(threads_of_pools);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < threads_; ++i) {
      threads.emplace_back([&, i] { guarded(counts, [&] { use(i, common, counts); }); });
    }
    threads.emplace_back([&] { guarded(counts, [&] { load_and_destroy(counts); }); });
    if (host_ == "fork") {
      while (!over()) fork_once(counts);
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  [[nodiscard]] bool over() const { return std::chrono::steady_clock::now() >= end_; }

  template <class Action>
  static void guarded(tally& counts, const Action& action) {
    try {
      action();
    } catch (const std::exception& problem) {
      counts.fail(problem.what());
    }
  }

  // A third of the threads computes alone, a third has a pool of its own, a third shares one. Where a host changes the
  // modes of half of its threads, it does so after the pools were made.
  void use(std::size_t i, ufb::thread_pool& common, tally& counts) const {
    const bool changes = changed_ && i % 2 == 1;
    ufb::thread_pool own(i % 3 == 1 ? threads_of_pools : 1);
    const modes_scope scope(changes ? changed_modes_ : host_modes::plain);
    ufb::workspace scratch;
    random_numbers random(1000 + i);
    while (!over()) {
      compare_one(shared_, changes ? *changed_ : plain_, random, scratch, i % 3 == 2 ? common : own, counts);
    }
  }

  void load_and_destroy(tally& counts) const {
    const modes_scope scope(changed_modes_);
    const auto& expected = (changed_ ? *changed_ : plain_).of_loads;
    for (std::size_t i = 0; i < expected.size() || !over(); ++i) {
      const std::size_t which = i % expected.size();
      counts.compare(load_and_run(shared_.loadables[which]) == expected[which]);
    }
  }

  // The child has none of the parent's threads, so that it makes a pool of its own. It ends without a word to anybody:
  // what it would destroy is its parent's.
  void fork_once(tally& counts) const {
    constexpr unsigned patience = 60;  // seconds
    const pid_t child = fork();
    if (child < 0) return counts.fail("fork failed");
    if (child == 0) {
      alarm(patience);
      int status = 1;
      try {
        tally own;
        ufb::thread_pool pool(threads_of_pools);
        ufb::workspace scratch;
        random_numbers random(static_cast<std::uint64_t>(getpid()));
        for (int repetition = 0; repetition < 20; ++repetition) {
          compare_one(shared_, plain_, random, scratch, pool, own);
        }
        status = own.mismatches == 0 ? 0 : 1;
      } catch (...) {
      }
      _exit(status);
    }
    int status = 0;
    const bool ended = waitpid(child, &status, 0) == child;
    counts.compare(ended && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }

#if defined(_OPENMP)
  // As a host writes one over its own threads; OpenMP's loop takes no exception, so that this one carries it out.
  struct openmp_executor {
    [[nodiscard]] static std::size_t concurrency() { return threads_of_pools; }
    static void run(std::size_t count, const ufb::task_ref& task) {
      std::exception_ptr first;
#pragma omp parallel for num_threads(threads_of_pools) schedule(dynamic)
      for (std::size_t i = 0; i < count; ++i) {
        try {
          task(i);
        } catch (...) {
#pragma omp critical
          if (!first) first = std::current_exception();
        }
      }
      if (first) std::rethrow_exception(first);
    }
  };

  void run_openmp(tally& counts) const {
    std::thread loads([&] { guarded(counts, [&] { load_and_destroy(counts); }); });
    // The executor's regions are within this one.
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(static_cast <int>(threads_))
    guarded(counts, [&] {
      const auto i = static_cast<std::size_t>(omp_get_thread_num());
      openmp_executor over_openmp;
      ufb::thread_pool own(i % 3 == 1 ? threads_of_pools : 1);
      ufb::workspace scratch;
      random_numbers random(2000 + i);
      while (!over()) {
        const ufb::executor_ref threads = i % 3 == 2 ? ufb::executor_ref(over_openmp) : ufb::executor_ref(own);
        compare_one(shared_, plain_, random, scratch, threads, counts);
      }
    });
    loads.join();
  }
#endif

  const shared_things& shared_;
  std::string host_;
  std::size_t threads_;
  std::chrono::steady_clock::time_point end_;
  host_modes changed_modes_ = host_modes::plain;
  solo_results plain_;
  std::optional<solo_results> changed_{};
};

/// Those that this program can be.
std::vector<std::string> known_hosts() {
  std::vector<std::string> hosts{"plain", "fork", "upward"};
  if (can_flush()) hosts.emplace_back("flush");
#if defined(_OPENMP)
  hosts.emplace_back("openmp");
#endif
  return hosts;
}

int hammer(const options& wanted) {
  const subject_folders families;
  std::vector<subject> shared;
  for (const auto& folder : wanted.models) shared.push_back({folder.filename().string(), folder});
  const shared_things things(shared.empty() ? families.all() : shared, families.all());
  tally counts;
  for (const std::string& host : wanted.hosts) {
    for (const std::size_t threads : wanted.threads) {
      const std::size_t comparisons = counts.comparisons;
      const std::size_t mismatches = counts.mismatches;
      round(things, host, threads, wanted.seconds).run(counts);
      std::cout << host << ", " << threads << " threads: " << counts.comparisons - comparisons << " comparisons, "
                << counts.mismatches - mismatches << " mismatches" << std::endl;
    }
  }
  std::cout << counts.comparisons << " comparisons, " << counts.mismatches << " mismatches\n";
  return counts.mismatches == 0 && counts.comparisons != 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Threads share constant models; every result has to have the bits of a run alone."};
  app.add_option("--model", wanted.models, "folders that the threads share, instead of small ones of every family")
      ->check(CLI::ExistingDirectory);
  app.add_option("--threads", wanted.threads, "numbers of threads, such as 2,4,8,16")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--seconds", wanted.seconds, "for each number of threads on each host")->capture_default_str();
  app.add_option("--host", wanted.hosts, "what else the host does, such as fork,upward")
      ->delimiter(',')
      ->check(CLI::IsMember(known_hosts()))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return hammer(wanted);
  } catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
  }
}
