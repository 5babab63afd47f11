// SPDX-License-Identifier: MIT
//
// Sets the FFF layer against the strongest dense layers there are, and the encoder against its dense twin. Started by
// run.sh, which sets what has to be in the environment before the program begins.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "contenders.hpp"
#include "machine.hpp"
#include "words.hpp"

namespace {

namespace ufb = ultrafastbert;

const ufb_bench::word_map<ufb::weight_storage> storages{{"f32", ufb::weight_storage::float32},
                                                        {"f16", ufb::weight_storage::float16},
                                                        {"bf16", ufb::weight_storage::bfloat16},
                                                        {"int8", ufb::weight_storage::int8},
                                                        {"certified", ufb::weight_storage::certified_float16},
                                                        {"cf16", ufb::weight_storage::certified_float16},
                                                        {"ci8", ufb::weight_storage::certified_int8},
                                                        {"split", ufb::weight_storage::split_float32}};
const ufb_bench::word_map<ufb::weight_storage> projections{{"f32", ufb::weight_storage::float32},
                                                           {"bf16", ufb::weight_storage::bfloat16},
                                                           {"int8", ufb::weight_storage::int8}};

// The OpenMP runtime below oneDNN reads this when the program is loaded.
void check_environment(std::size_t threads) {
  const char* set = std::getenv("OMP_NUM_THREADS");
  if (set == nullptr || std::to_string(threads) != set) {
    throw std::runtime_error("OMP_NUM_THREADS has to be " + std::to_string(threads) + "; bench/run.sh sees to it");
  }
}

int run(const std::string& group, const ufb_bench::bench_options& options, const std::string& json) {
  check_environment(options.threads);
  if (group == "static" && (options.threads != 1 || !options.batches.empty() || !options.storages.empty())) {
    throw std::runtime_error(
        "static takes one token at a time, on one thread, in f32: no --threads, --batch, --storage");
  }
  if (group == "leaves" && !options.storages.empty()) {
    throw std::runtime_error("leaves compares forms of layers in f32: no --storage");
  }
  if (group == "paper" && (options.threads != 1 || !options.storages.empty())) {
    throw std::runtime_error("paper compares levels of BLAS on one thread, in f32: no --threads, --storage");
  }
  ufb_bench::bench_context context{.options = options, .pool = ufb::thread_pool(options.threads)};
  std::cout
      << "# Fast feedforward against dense layers\n\n"
      << ufb_bench::describe_machine(options.threads) << "- OpenBLAS: " << ufb_bench::openblas_version()
      << "\n- Eigen: " << ufb_bench::eigen_version() << "; oneDNN: " << ufb_bench::onednn_version() << "\n- Medians of "
      << options.rounds
      << " interleaved rounds; spread: fastest and slowest round; ratio: fastest external dense layer of the batch / "
         "this engine; every engine verified against double precision first\n";
  if (group == "paper") ufb_bench::run_paper(context);
  if (group == "choice") ufb_bench::run_choice(context);
  if (group == "machine") ufb_bench::run_machine(context);
  const bool all = group == "all";
  if (all || group == "cmm") ufb_bench::run_cmm(context);
  if (all || group == "family") ufb_bench::run_family(context);
  if (all || group == "depth") ufb_bench::run_depth(context);
  if (all || group == "gpt3") ufb_bench::run_gpt3(context);
  if (all || group == "leaves") ufb_bench::run_leaves(context);
  if (all || group == "static") ufb_bench::run_static(context);
  if (all || group == "encoder") ufb_bench::run_encoder(context);
  if (!json.empty()) context.results.write_json(json);
  if (context.results.all_verified()) return 0;
  std::cerr << "outputs of at least one engine are wrong\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Times the fast feedforward layer against the fastest dense layer at the same batch and threads.");
  std::string group = "cmm";
  std::string json;
  ufb_bench::bench_options options;
  std::size_t rounds = 0;
  app.add_option("group", group,
                 "cmm (default), family, leaves, gpt3, depth, static, encoder, paper, choice, machine or all, which "
                 "leaves these three out")
      ->check(CLI::IsMember(
          {"cmm", "family", "leaves", "gpt3", "depth", "static", "encoder", "paper", "choice", "machine", "all"}));
  app.add_flag("--quick", options.quick, "fewer rounds");
  app.add_option("--threads", options.threads, "threads of every contender (1)")->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batches, "batch sizes, separated by commas")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  ufb_bench::add_words(app, "--storage", options.storages, storages,
                       "f32, f16, bf16, int8, certified (or cf16), ci8, split, separated by commas");
  ufb_bench::add_word(app, "--isa", options.isa, ufb_bench::isa_levels, "level of the library's kernels (automatic)");
  app.add_option("--rounds", rounds, "rounds to take medians of (11, with --quick 5)")->check(CLI::Range(1, 1000));
  app.add_option("--model", options.model, "encoder: folder of a checkpoint (random weights of the published shape)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--shapes", options.shapes, "encoder: 1x16,1x128,8x128,mixed, or other batches x lengths")
      ->delimiter(',');
  ufb_bench::add_word(app, "--projection", options.projection, projections,
                      "encoder: f32 (default), bf16 or int8 for its linear layers");
  app.add_option("--json", json, "file to write the rows to");
  CLI11_PARSE(app, argc, argv);
  for (const char* other :
       {"--quick", "--batch", "--storage", "--isa", "--rounds", "--model", "--shapes", "--projection"}) {
    if (group == "machine" && app.count(other) != 0) {
      throw std::runtime_error("machine takes --threads and --json, but no " + std::string(other));
    }
  }
  options.rounds = rounds != 0 ? rounds : options.quick ? 5 : 11;
  return run(group, options, json);
} catch (const std::exception& problem) {
  std::cerr << "bench: " << problem.what() << '\n';
  return 2;
}
