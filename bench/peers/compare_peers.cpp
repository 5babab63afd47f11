// SPDX-License-Identifier: MIT
//
// The whole encoder, from ids to final states, in this library, in ONNX Runtime and in PyTorch: the same weights, the
// same ids, checked against each other and then timed in turns. Started by run.sh, which sets the number of threads in
// the environment.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "../machine.hpp"
#include "../random.hpp"
#include "../report.hpp"
#include "../timing.hpp"
#include "peers.hpp"

namespace {

using namespace ufb_bench;

constexpr std::size_t variants = 4;
constexpr double float_error = 1e-4;   // |states - ours| / |ours| of a sequence
constexpr double narrow_error = 0.25;  // the same for products of narrow numbers, whose error grows through 16 layers

// One way to compute the encoder. `peer` is its name in the JSON; `worker` the process that has it, empty for ours.
struct peer_form {
  std::string peer{};
  std::string title{};
  std::string worker{};
  bool fff = false;
  ufb::weight_storage projections = ufb::weight_storage::float32;
};

const std::vector<peer_form>& forms() {
  using enum ufb::weight_storage;
  static const std::vector<peer_form> all{
      {"ours_fff_f32", "this library, FFF, f32", "", true, float32},
      {"ours_fff_bf16", "this library, FFF, bf16 projections", "", true, bfloat16},
      {"ours_fff_int8", "this library, FFF, int8 projections", "", true, int8},
      {"ours_dense_f32", "this library, dense, f32", "", false, float32},
      {"onnxruntime_dense", "ONNX Runtime, dense, f32", "onnxruntime", false, float32},
      {"torch_dense", "PyTorch, dense, f32", "torch", false, float32},
      {"torch_dense_int8", "PyTorch, dense, dynamic int8", "torch", false, int8},
      {"torch_fff_masked", "PyTorch, FFF as published: all neurons, then a mask", "torch", true, float32},
      {"torch_fff_gather", "PyTorch, FFF by batched gathers", "torch", true, float32},
  };
  return all;
}

struct peer_options {
  bool quick = false;
  std::size_t threads = 1;
  std::size_t rounds = 0;
  std::vector<std::string> shapes{"1x16", "1x128", "8x128"};
  std::filesystem::path folder{};
  std::filesystem::path scripts{};
  std::string json{};
};

// Sequences of one length, in several variants.
struct batch_shape {
  std::string name{};
  std::size_t batch = 0;
  std::size_t length = 0;
  std::vector<ufb::token_id> ids{};
  std::vector<std::size_t> offsets{};

  [[nodiscard]] std::size_t tokens() const { return batch * length; }
  [[nodiscard]] std::span<const ufb::token_id> variant(std::size_t index) const {
    return std::span(ids).subspan(index * tokens(), tokens());
  }
};

std::size_t number_in(const std::string& text) {
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) return 0;
  return std::stoul(text);
}

batch_shape make_shape(const std::string& name) {
  const auto limits = peer_shape(true).embedding;
  const auto cross = std::min(name.find('x'), name.size() - 1);
  batch_shape out{.name = name, .batch = number_in(name.substr(0, cross)), .length = number_in(name.substr(cross + 1))};
  if (out.batch == 0 || out.length == 0 || out.length > limits.max_sequence_length) {
    throw std::runtime_error("shape " + name + ": BATCHxLENGTH with at most " +
                             std::to_string(limits.max_sequence_length) + " tokens a sequence");
  }
  const normal_stream random(std::hash<std::string>{}(name), 1.0F);
  out.ids.resize(variants * out.tokens());
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    const double share = 0.5 * std::erfc(-static_cast<double>(random[i]) / std::sqrt(2.0));
    const auto id = static_cast<std::size_t>(share * static_cast<double>(limits.vocabulary_size));
    out.ids[i] = static_cast<ufb::token_id>(std::min(id, limits.vocabulary_size - 1));
  }
  for (std::size_t i = 0; i <= out.batch; ++i) out.offsets.push_back(i * out.length);
  return out;
}

// How far states are from the reference's, sequence by sequence.
struct deviation {
  double worst = 0.0;      // of the sequences that agree
  std::size_t differ = 0;  // sequences further away than the tolerance
  std::size_t sequences = 0;
  bool finite = true;

  void add(const float* states, const float* expected, std::size_t count, double tolerance) {
    double square = 0;
    double norm = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double difference = static_cast<double>(states[i]) - static_cast<double>(expected[i]);
      square += difference * difference;
      norm += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
    }
    const double error = std::sqrt(square / norm);
    finite = finite && std::isfinite(error);
    ++sequences;
    if (error <= tolerance) {
      worst = std::max(worst, error);
    } else {
      ++differ;
    }
  }
};

class peers_bench {
 public:
  explicit peers_bench(const peer_options& options) : options_(options), pool_(options.threads) {
    std::cerr << "takes 5 GB of memory, and 1.7 GB on the disk until it ends, in " << options.folder.string() << '\n';
    for (const bool fff : {false, true}) write_peer_checkpoint(options.folder / (fff ? "fff" : "dense"), fff);
    start("torch");
    start("onnxruntime");
    for (const auto& form : forms()) {
      if (!form.worker.empty()) continue;
      ours_[form.peer] = load(form.fff, form.projections);
    }
    check_narrow();
  }

  void describe() const {
    std::string versions;
    for (const auto& [name, process] : workers_) {
      if (!process->failure().empty()) continue;
      versions += (versions.empty() ? "" : "; ") + process->version();
    }
    std::cout << "# The whole encoder, here and elsewhere\n\n"
              << describe_machine(options_.threads) << "- Peers: " << (versions.empty() ? "none" : versions) << '\n';
    for (const auto& [title, reason] : left_out_) std::cout << "- Left out: " << title << " (" << reason << ")\n";
    std::cout
        << "- 16 layers of width 768 with 12 heads, ids to final states; FFF: one tree of depth 11; dense: 4095 "
           "neurons. All read the same random weights and ids, of one length in a batch\n"
        << "- Medians of " << rounds() << " interleaved rounds; spread: slowest and fastest round; ratio: tokens/s "
        << "of this library's FFF encoder in f32 over the peer's, so above 1 the peer is slower\n"
        << "- Deviation: |states - ours| / |ours| over a sequence, against this library's f32 encoder of the same "
           "kind, the worst of those within "
        << float_error << " (" << narrow_error
        << " for int8). At a near-tie rounding decides where a token goes, so one in four sequences of an FFF "
           "encoder may differ; bf16 and int8 of this library are compared as dense encoders\n";
    for (const auto& [name, process] : workers_) {
      if (process->failure().empty()) {
        std::cout << "- A request to " << name << " and its answer take " << short_number(ping(*process))
                  << " us, which count as its time\n";
      }
    }
  }

  void run(const std::string& name) {
    const auto shape = make_shape(name);
    send_ids(shape);
    std::map<std::string, deviation> deviations;
    expect(shape);
    std::vector<const peer_form*> present;
    std::vector<contender> contenders;
    for (const auto& form : forms()) {
      if (!form.worker.empty() && !offered(form)) continue;
      if (!form.worker.empty()) deviations[form.peer] = compare(form, shape);
      present.push_back(&form);
      contenders.push_back(contender_of(form, shape));
    }
    const auto times = measure(contenders, {.batch = shape.tokens(),
                                            .tokens = variants * shape.tokens(),
                                            .rounds = rounds(),
                                            .seconds = options_.quick ? 0.1 : 0.5});
    for (std::size_t i = 0; i < present.size(); ++i) {
      report_form(*present[i], shape, times[i], times.front(), deviations);
    }
    results_.note(shape.name + ": " + describe_leaves(shape));
  }

  report& results() { return results_; }

 private:
  using encoder_type = ufb::encoder_model<float>;

  static constexpr double micro = 1e6;

  [[nodiscard]] std::size_t rounds() const { return options_.rounds != 0 ? options_.rounds : options_.quick ? 3 : 7; }

  void start(const std::string& name) {
    auto process = std::make_unique<worker>(std::vector<std::string>{
        (options_.scripts / "start.sh").string(), name, options_.folder.string(), std::to_string(options_.threads)});
    if (process->failure().empty() && name == "torch") {
      try {
        process->ask("export 17");
      } catch (const std::exception& problem) {
        std::cerr << "PyTorch cannot write the model for ONNX Runtime: " << problem.what() << '\n';
      }
    }
    for (const auto& form : forms()) {
      if (form.worker != name) continue;
      const auto missing = process->missing().find(form.peer);
      if (!process->failure().empty()) {
        left_out_.emplace_back(form.title, process->failure());
      } else if (missing != process->missing().end()) {
        left_out_.emplace_back(form.title, missing->second);
      } else {
        offered_.insert(form.peer);
      }
    }
    workers_[name] = std::move(process);
  }

  [[nodiscard]] bool offered(const peer_form& form) const { return offered_.count(form.peer) != 0; }

  [[nodiscard]] std::unique_ptr<const encoder_type> load(bool fff, ufb::weight_storage projections) const {
    const ufb::load_options options{.projections = {.engine = ufb::projection_engine::packed, .storage = projections}};
    return std::make_unique<const encoder_type>(encoder_type::load(options_.folder / (fff ? "fff" : "dense"), options));
  }

  [[nodiscard]] ufb::matrix<float> states_of(const encoder_type& model, const batch_shape& shape, std::size_t variant) {
    ufb::matrix<float> states({shape.tokens(), model.stack().config().hidden_size()});
    forward(model, shape, variant, states);
    return states;
  }

  void forward(const encoder_type& model, const batch_shape& shape, std::size_t variant, ufb::matrix<float>& states) {
    model.stack().forward(shape.variant(variant), {.offsets = shape.offsets}, states.view(), scratch_, pool_);
  }

  // Rounded projections send tokens of a random stack another way in every layer, so that nothing is left to compare;
  // what can be compared are the same projections between dense layers.
  void check_narrow() {
    const auto shape = make_shape("2x64");
    const auto expected = states_of(*ours_.at("ours_dense_f32"), shape, 0);
    for (const auto& form : forms()) {
      if (!form.worker.empty() || form.projections == ufb::weight_storage::float32) continue;
      const auto twin = load(false, form.projections);
      const auto states = states_of(*twin, shape, 0);
      narrow_[form.peer].add(states.row(0), expected.row(0), shape.tokens() * expected.cols(), narrow_error);
    }
  }

  static double ping(worker& process) {
    constexpr std::size_t calls = 201;
    const auto times = measure({{.name = "ping",
                                 .run =
                                     [&process](std::size_t) {
                                       process.ask("ping");
                                       return 0.0F;
                                     }}},
                               {.rounds = calls, .seconds = 0});
    return times.front().median;
  }

  void send_ids(const batch_shape& shape) {
    const std::vector<std::int64_t> ids(shape.ids.begin(), shape.ids.end());
    std::ofstream out(options_.folder / "ids.bin", std::ios::binary);
    out.write(reinterpret_cast<const char*>(ids.data()), static_cast<std::streamsize>(sizeof(ids[0]) * ids.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + (options_.folder / "ids.bin").string());
    for (const auto& [name, process] : workers_) {
      if (process->failure().empty()) {
        process->ask("shape " + std::to_string(shape.batch) + ' ' + std::to_string(shape.length));
      }
    }
  }

  // The states that peers are compared with.
  void expect(const batch_shape& shape) {
    for (const bool fff : {false, true}) {
      auto& all = expected_[fff];
      all.clear();
      const auto& model = *ours_.at(fff ? "ours_fff_f32" : "ours_dense_f32");
      for (std::size_t v = 0; v < variants; ++v) all.push_back(states_of(model, shape, v));
    }
  }

  [[nodiscard]] static double tolerance_of(const peer_form& form) {
    return form.projections == ufb::weight_storage::float32 ? float_error : narrow_error;
  }

  [[nodiscard]] deviation compare(const peer_form& form, const batch_shape& shape) {
    deviation found;
    for (std::size_t v = 0; v < variants; ++v) {
      const auto& expected = expected_[form.fff][v];
      const std::size_t width = expected.cols();
      workers_.at(form.worker)->ask("states " + form.peer + ' ' + std::to_string(v));
      std::vector<float> states(shape.tokens() * width);
      std::ifstream in(options_.folder / "states.bin", std::ios::binary);
      const auto bytes = static_cast<std::streamsize>(sizeof(float) * states.size());
      in.read(reinterpret_cast<char*>(states.data()), bytes);
      if (in.gcount() != bytes || in.peek() != std::ifstream::traits_type::eof()) {
        throw std::runtime_error(form.title + " gives states of another size");
      }
      for (std::size_t s = 0; s < shape.batch; ++s) {
        const std::size_t first = shape.offsets[s];
        found.add(states.data() + first * width, expected.row(first), shape.length * width, tolerance_of(form));
      }
    }
    return found;
  }

  contender contender_of(const peer_form& form, const batch_shape& shape) {
    if (form.worker.empty()) {
      auto& states = states_[form.peer];
      states = ufb::matrix<float>({shape.tokens(), peer_shape(true).hidden_size()});
      return {.name = form.title, .run = [this, &form, &shape, &states](std::size_t first) {
                forward(*ours_.at(form.peer), shape, first / shape.tokens(), states);
                return states(0, 0);
              }};
    }
    worker& process = *workers_.at(form.worker);
    return {.name = form.title,
            .run =
                [&form, &shape, &process](std::size_t first) {
                  process.ask("run " + form.peer + ' ' + std::to_string(first / shape.tokens()));
                  return 0.0F;
                },
            .spins = options_.threads > 1};
  }

  void report_form(const peer_form& form, const batch_shape& shape, const timing& time, const timing& fff,
                   const std::map<std::string, deviation>& deviations) {
    const auto found = deviations.find(form.peer);
    const auto narrow = narrow_.find(form.peer);
    std::string cell = "reference";
    bool verified = true;
    nlohmann::json error = nullptr;
    if (found != deviations.end()) {
      const auto& one = found->second;
      verified = one.finite && one.differ <= (form.fff ? one.sequences / 4 : 0);
      cell = scientific(one.worst);
      if (one.differ != 0) {
        cell += ", " + std::to_string(one.differ) + " of " + std::to_string(one.sequences) + " sequences differ";
      }
      error = one.worst;
    } else if (narrow != narrow_.end()) {
      verified = narrow->second.finite && narrow->second.differ == 0;
      cell = scientific(narrow->second.worst) + " (dense)";
      error = narrow->second.worst;
    }
    if (!verified) cell += " **NOT VERIFIED**";
    const double speed = micro / time.median;
    const double ratio = time.median / fff.median;
    results_.add({form.title, shape.name, std::to_string(options_.threads), short_number(speed),
                  short_number(micro / time.most) + "-" + short_number(micro / time.least), short_number(ratio), cell},
                 nlohmann::ordered_json{{"group", "peers"},
                                        {"peer", form.peer},
                                        {"shape", shape.name},
                                        {"threads", options_.threads},
                                        {"tokens_per_s", speed},
                                        {"ratio", ratio},
                                        {"deviation", error},
                                        {"verified", verified}}
                     .dump(),
                 verified);
  }

  static std::string scientific(double value) {
    std::ostringstream text;
    text.precision(2);
    text << std::scientific << value;
    return text.str();
  }

  // How many leaves the tokens of a variant reach, as the mean over the layers.
  [[nodiscard]] std::string describe_leaves(const batch_shape& shape) {
    ufb::encoder_trace<float> trace;
    ufb::matrix<float> states({shape.tokens(), peer_shape(true).hidden_size()});
    ours_.at("ours_fff_f32")
        ->stack()
        .forward(shape.variant(0), {.offsets = shape.offsets}, states.view(), scratch_, &trace);
    std::size_t leaves = 0;
    for (const auto& layer : trace.layers) {
      std::set<std::int32_t> seen;
      for (std::size_t t = 0; t < layer.paths.rows(); ++t) seen.insert(layer.paths(t, layer.paths.cols() - 1));
      leaves += seen.size();
    }
    return std::to_string(shape.tokens()) + " tokens reach " +
           short_number(static_cast<double>(leaves) / static_cast<double>(trace.layers.size())) +
           " different leaves of 2048 in a layer, on average";
  }

  const peer_options& options_;
  ufb::thread_pool pool_;
  report results_{};
  std::map<std::string, std::unique_ptr<worker>> workers_{};
  std::set<std::string> offered_{};
  std::vector<std::pair<std::string, std::string>> left_out_{};
  std::map<std::string, std::unique_ptr<const encoder_type>> ours_{};
  std::map<std::string, deviation> narrow_{};
  std::map<bool, std::vector<ufb::matrix<float>>> expected_{};
  std::map<std::string, ufb::matrix<float>> states_{};
  ufb::workspace scratch_{};
};

// The runtimes below the peers read this when they are loaded.
void check_environment(std::size_t threads) {
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) {
    const char* set = std::getenv(name);
    if (set == nullptr || std::to_string(threads) != set) {
      throw std::runtime_error(std::string(name) + " has to be " + std::to_string(threads) +
                               "; bench/run.sh sees to it");
    }
  }
}

// A folder whose files of the benchmark go when that ends.
class temporary_folder {
 public:
  explicit temporary_folder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    for (const char* name : {"dense", "fff", "dense.onnx", "ids.bin", "states.bin"}) {
      std::filesystem::remove_all(path_ / name, ignored);
    }
    std::filesystem::remove(path_, ignored);
  }

 private:
  std::filesystem::path path_;
};

int run(const peer_options& options) {
  check_environment(options.threads);
  for (const auto& name : options.shapes) static_cast<void>(make_shape(name));
  const temporary_folder folder(options.folder);
  peers_bench bench(options);
  bench.describe();
  auto& results = bench.results();
  results.begin_table("peers: ids to final states",
                      {"peer", "shape", "threads", "tokens/s", "spread", "ratio", "deviation"});
  for (const auto& name : options.shapes) bench.run(name);
  results.end_table();
  if (!options.json.empty()) results.write_json(options.json);
  if (results.all_verified()) return 0;
  std::cerr << "states of at least one peer are wrong\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Times the whole encoder beside ONNX Runtime and PyTorch, on the same weights and ids.");
  peer_options options;
  app.add_flag("--quick", options.quick, "fewer and shorter rounds");
  app.add_option("--threads", options.threads, "threads of every peer (1)")->check(CLI::PositiveNumber);
  app.add_option("--rounds", options.rounds, "rounds to take medians of (7, with --quick 3)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--shapes", options.shapes, "batches x lengths, separated by commas (1x16,1x128,8x128)")
      ->delimiter(',');
  app.add_option("--json", options.json, "file to write the rows to");
  app.add_option("--folder", options.folder, "for weights and models, removed in the end")->required();
  app.add_option("--scripts", options.scripts, "folder of start.sh")->required()->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  return run(options);
} catch (const std::exception& problem) {
  std::cerr << "bench: " << problem.what() << '\n';
  return 2;
}
