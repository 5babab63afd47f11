// SPDX-License-Identifier: MIT
//
// Whole encoders, from ids to final states, in this library, in ONNX Runtime and in PyTorch: the same weights, the same
// ids, checked against each other and then timed in turns. Group by group: UltraFastBERT beside dense peers, or a dense
// BERT of the hub. Started by run.sh, which sets the number of threads in the environment.
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

#include "../goals.hpp"
#include "../machine.hpp"
#include "../report.hpp"
#include "../sequences.hpp"
#include "../timing.hpp"
#include "../words.hpp"
#include "batches.hpp"
#include "groups.hpp"
#include "peers.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

using namespace ufb_bench;

namespace ufb = ultrafastbert;

constexpr double float_error = 1e-4;   // |states - ours| / |ours| of a sequence
constexpr double narrow_error = 0.25;  // the same for products of narrow numbers, whose error grows through the layers
constexpr std::size_t variants = sequence_set::variants;

const peer_group& group_of(const std::string& name) {
  const auto& all = peer_groups();
  const auto at = std::find_if(all.begin(), all.end(), [&](const peer_group& one) { return one.name == name; });
  if (at == all.end()) throw std::runtime_error("no group is called '" + name + "'");
  return *at;
}

sequence_set make_sequences_of(peer_encoder encoder, const std::string& name) {
  const peer_sizes sizes = sizes_of(encoder);
  return make_sequences(name, sizes.vocabulary, sizes.positions);
}

struct peer_options {
  bool quick = false;
  std::size_t threads = 1;
  std::size_t rounds = 0;
  std::string group{"peers"};
  ufb::isa_level isa = ufb::isa_level::automatic;
  std::vector<std::string> shapes{};
  std::filesystem::path folder{};
  std::filesystem::path scripts{};
  std::string json{};
};

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
  explicit peers_bench(const peer_options& options)
      : options_(options), group_(group_of(options.group)), pool_(options.threads) {
    std::cerr << "takes " << group_.resources << " until it ends, in " << options.folder.string() << '\n';
    for (const auto& form : group_.forms) {
      if (written_.insert(form.encoder).second) write_peer_checkpoint(options.folder, form.encoder);
    }
    start("torch");
    start("onnxruntime");
    for (const auto& form : group_.forms) {
      if (form.worker.empty()) ours_[form.peer] = load(form.encoder, form.projections);
    }
    check_narrow();
  }

  void describe() const {
    std::string versions;
    for (const auto& [name, process] : workers_) {
      if (!process->failure().empty()) continue;
      versions += (versions.empty() ? "" : "; ") + process->version();
    }
    std::cout << "# " << group_.title << "\n\n"
              << describe_machine(options_.threads) << "- Peers: " << (versions.empty() ? "none" : versions) << '\n';
    for (const auto& [title, reason] : left_out_) std::cout << "- Left out: " << title << " (" << reason << ")\n";
    std::cout
        << "- " << group_.models << '\n'
        << "- Medians of " << rounds() << " interleaved rounds; spread: slowest and fastest round; tokens: without "
        << "padding; ratio: tokens/s of " << group_.forms.front().title
        << " over the peer's, so above 1 the peer is slower\n"
        << "- Deviation: |states - ours| / |ours| over a sequence, against this library's f32 encoder of the same "
           "kind, the worst of those within "
        << float_error << " (" << narrow_error << " for bf16 and int8)\n";
    if (written_.count(peer_encoder::fff) != 0) {
      std::cout
          << "- At a near-tie rounding decides where a token goes, so one in four sequences of an FFF encoder may "
             "differ; bf16 and int8 of this library are compared as dense encoders\n";
    }
    for (const auto& [name, process] : workers_) {
      if (process->failure().empty()) {
        std::cout << "- A request to " << name << " and its answer take " << short_number(ping(*process))
                  << " us, which count as its time\n";
      }
    }
  }

  void run(const std::string& name) {
    const auto set = make_sequences_of(group_.forms.front().encoder, name);
    send_inputs(set);
    std::map<std::string, deviation> deviations;
    expect(set);
    std::vector<const peer_form*> present;
    std::vector<contender> contenders;
    for (const auto& form : group_.forms) {
      if (!offered(form) || !concerned(form, set)) continue;
      if (!form.worker.empty()) deviations[form.peer] = compare(form, set);
      present.push_back(&form);
      contenders.push_back(contender_of(form, set));
    }
    const auto times = measure(contenders, {.batch = set.tokens(),
                                            .tokens = variants * set.tokens(),
                                            .rounds = rounds(),
                                            .seconds = options_.quick ? 0.1 : 0.5});
    std::map<std::string, double> medians;
    for (std::size_t i = 0; i < present.size(); ++i) {
      report_form(*present[i], set, times[i], times.front(), deviations);
      medians[present[i]->peer] = times[i].median;
    }
    results_.note(set.name + ": " + (group_.name == "hub" ? describe_goals(set, medians) : describe_leaves(set)));
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
        process->ask("export " + group_.exported + " 17");
      } catch (const std::exception& problem) {
        std::cerr << "PyTorch cannot write the model for ONNX Runtime: " << problem.what() << '\n';
      }
    }
    for (const auto& form : group_.forms) {
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

  [[nodiscard]] bool offered(const peer_form& form) const {
    return form.worker.empty() || offered_.count(form.peer) != 0;
  }

  // Other ways to call a peer matter only where it has to pad.
  [[nodiscard]] static bool concerned(const peer_form& form, const sequence_set& set) {
    return form.calls == call_style::at_once || set.ragged();
  }

  [[nodiscard]] std::unique_ptr<const encoder_type> load(peer_encoder encoder, ufb::weight_storage projections) const {
    const ufb::load_options options{.projections = {.engine = ufb::projection_engine::packed, .storage = projections},
                                    .isa = options_.isa};
    return std::make_unique<const encoder_type>(encoder_type::load(options_.folder / folder_of(encoder), options));
  }

  [[nodiscard]] ufb::matrix<float> states_of(const encoder_type& model, const sequence_set& set, std::size_t variant) {
    ufb::matrix<float> states({set.tokens(), model.stack().config().hidden_size()});
    forward(model, set, variant, states);
    return states;
  }

  void forward(const encoder_type& model, const sequence_set& set, std::size_t variant, ufb::matrix<float>& states) {
    model.stack().forward(set.variant(variant), {.offsets = set.offsets}, states.view(), scratch_, pool_);
  }

  // This library's encoder in float32.
  [[nodiscard]] const encoder_type& exact(peer_encoder encoder) const {
    const auto at = std::find_if(group_.forms.begin(), group_.forms.end(), [&](const peer_form& form) {
      return form.worker.empty() && form.encoder == encoder && form.projections == ufb::weight_storage::float32;
    });
    return *ours_.at(at->peer);
  }

  // Rounded projections send tokens of a random stack another way in every layer, so that nothing is left to compare;
  // what can be compared are the same projections between dense layers.
  void check_narrow() {
    for (const auto& form : group_.forms) {
      if (!form.worker.empty() || form.projections == ufb::weight_storage::float32) continue;
      const auto encoder = form.encoder == peer_encoder::fff ? peer_encoder::dense : form.encoder;
      const auto set = make_sequences_of(encoder, "2x64");
      const auto expected = states_of(exact(encoder), set, 0);
      const auto twin = load(encoder, form.projections);
      const auto states = states_of(*twin, set, 0);
      for (std::size_t s = 0; s < set.sequences(); ++s) {
        const std::size_t first = set.offsets[s];
        narrow_[form.peer].add(states.row(first), expected.row(first), set.length(s) * expected.cols(), narrow_error);
      }
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

  // The word for a way to call a peer.
  [[nodiscard]] static const char* plan_name(call_style style) {
    switch (style) {
      case call_style::at_once: return "at_once";
      case call_style::sorted_eights: return "sorted_eights";
      case call_style::one_by_one: return "one_by_one";
    }
    return "";
  }

  void write_numbers(const char* name, const std::vector<std::int64_t>& numbers) const {
    std::ofstream out(options_.folder / name, std::ios::binary);
    out.write(reinterpret_cast<const char*>(numbers.data()),
              static_cast<std::streamsize>(sizeof(numbers[0]) * numbers.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + (options_.folder / name).string());
  }

  void send_inputs(const sequence_set& set) {
    std::set<std::pair<std::string, call_style>> sent;
    for (const auto& form : group_.forms) {
      if (form.worker.empty() || !offered(form) || !concerned(form, set)) continue;
      if (!sent.emplace(form.worker, form.calls).second) continue;
      const auto calls = plan_calls(set, form.calls);
      const auto inputs = pad(set, calls);
      write_numbers("ids.bin", inputs.ids);
      write_numbers("mask.bin", inputs.mask);
      std::string request = std::string("shape ") + plan_name(form.calls);
      for (const auto& call : calls) {
        request.append(" ")
            .append(std::to_string(call.sequences.size()))
            .append("x")
            .append(std::to_string(call.length));
      }
      workers_.at(form.worker)->ask(request);
    }
  }

  // The states that peers are compared with.
  void expect(const sequence_set& set) {
    for (const peer_encoder encoder : written_) {
      auto& all = expected_[encoder];
      all.clear();
      for (std::size_t v = 0; v < variants; ++v) all.push_back(states_of(exact(encoder), set, v));
    }
  }

  [[nodiscard]] static double tolerance_of(const peer_form& form) {
    return form.projections == ufb::weight_storage::float32 ? float_error : narrow_error;
  }

  [[nodiscard]] static std::string request(const char* verb, const peer_form& form, std::size_t variant) {
    return std::string(verb) + ' ' + form.peer + ' ' + plan_name(form.calls) + ' ' + std::to_string(variant);
  }

  [[nodiscard]] deviation compare(const peer_form& form, const sequence_set& set) {
    const auto calls = plan_calls(set, form.calls);
    std::size_t rows = 0;
    for (const auto& call : calls) rows += call.sequences.size() * call.length;
    deviation found;
    for (std::size_t v = 0; v < variants; ++v) {
      const auto& expected = expected_[form.encoder][v];
      const std::size_t width = expected.cols();
      workers_.at(form.worker)->ask(request("states", form, v));
      std::vector<float> states(rows * width);
      std::ifstream in(options_.folder / "states.bin", std::ios::binary);
      const auto bytes = static_cast<std::streamsize>(sizeof(float) * states.size());
      in.read(reinterpret_cast<char*>(states.data()), bytes);
      if (in.gcount() != bytes || in.peek() != std::ifstream::traits_type::eof()) {
        throw std::runtime_error(form.title + " gives states of another size");
      }
      const float* row = states.data();
      for (const auto& call : calls) {
        for (const std::size_t s : call.sequences) {
          found.add(row, expected.row(set.offsets[s]), set.length(s) * width, tolerance_of(form));
          row += call.length * width;
        }
      }
    }
    return found;
  }

  contender contender_of(const peer_form& form, const sequence_set& set) {
    if (form.worker.empty()) {
      auto& states = states_[form.peer];
      states = ufb::matrix<float>({set.tokens(), sizes_of(form.encoder).width});
      return {.name = form.title, .run = [this, &form, &set, &states](std::size_t first) {
                forward(*ours_.at(form.peer), set, first / set.tokens(), states);
                return states(0, 0);
              }};
    }
    worker& process = *workers_.at(form.worker);
    return {.name = form.title,
            .run =
                [&form, &set, &process](std::size_t first) {
                  process.ask(request("run", form, first / set.tokens()));
                  return 0.0F;
                },
            .spins = options_.threads > 1};
  }

  void report_form(const peer_form& form, const sequence_set& set, const timing& time, const timing& first,
                   const std::map<std::string, deviation>& deviations) {
    const auto found = deviations.find(form.peer);
    const auto narrow = narrow_.find(form.peer);
    std::string cell = "reference";
    bool verified = true;
    nlohmann::json error = nullptr;
    if (found != deviations.end()) {
      const auto& one = found->second;
      verified = one.finite && one.differ <= (form.encoder == peer_encoder::fff ? one.sequences / 4 : 0);
      cell = scientific(one.worst);
      if (one.differ != 0) {
        cell += ", " + std::to_string(one.differ) + " of " + std::to_string(one.sequences) + " sequences differ";
      }
      error = one.worst;
    } else if (narrow != narrow_.end()) {
      verified = narrow->second.finite && narrow->second.differ == 0;
      cell = scientific(narrow->second.worst) + (form.encoder == peer_encoder::fff ? " (dense)" : "");
      error = narrow->second.worst;
    }
    if (!verified) cell += " **NOT VERIFIED**";
    const double speed = micro / time.median;
    const double ratio = time.median / first.median;
    results_.add({form.title, set.name, std::to_string(options_.threads), short_number(speed),
                  short_number(micro / time.most) + "-" + short_number(micro / time.least), short_number(ratio), cell},
                 nlohmann::ordered_json{{"group", group_.name},
                                        {"peer", form.peer},
                                        {"title", form.title},
                                        {"shape", set.name},
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
  [[nodiscard]] std::string describe_leaves(const sequence_set& set) {
    ufb::encoder_trace<float> trace;
    ufb::matrix<float> states({set.tokens(), sizes_of(peer_encoder::fff).width});
    exact(peer_encoder::fff).stack().forward(set.variant(0), {.offsets = set.offsets}, states.view(), scratch_, &trace);
    std::size_t leaves = 0;
    for (const auto& layer : trace.layers) {
      std::set<std::int32_t> seen;
      for (std::size_t t = 0; t < layer.paths.rows(); ++t) seen.insert(layer.paths(t, layer.paths.cols() - 1));
      leaves += seen.size();
    }
    return std::to_string(set.tokens()) + " tokens reach " +
           short_number(static_cast<double>(leaves) / static_cast<double>(trace.layers.size())) +
           " different leaves of 2048 in a layer, on average";
  }

  // What was aimed at, beside what was found. Times are per token.
  [[nodiscard]] std::string describe_goals(const sequence_set& set, const std::map<std::string, double>& times) const {
    const double ours = times.at("ours_f32");
    const auto line = [](const std::string& what, double found, double goal, const std::string& than) {
      return what + " is " + short_number(found) + " times as fast as " + than + " (goal " + short_number(goal) + ", " +
             (found >= goal ? "reached" : "**missed**") + ')';
    };
    std::string text;
    if (const auto peer = times.find("onnxruntime"); peer != times.end()) {
      text = line("f32", peer->second / ours, set.ragged() ? hub_goals::padded : hub_goals::equal_lengths,
                  set.ragged() ? "ONNX Runtime in one call, padded" : "ONNX Runtime") +
             "; ";
      double best = peer->second;
      for (const char* other : {"onnxruntime_sorted", "onnxruntime_single"}) {
        if (const auto found = times.find(other); found != times.end()) best = std::min(best, found->second);
      }
      if (set.ragged()) text += short_number(best / ours) + " times as fast as the best way to call it; ";
    }
    return text + line("int8", ours / times.at("ours_int8"), hub_goals::int8(options_.isa), "f32");
  }

  const peer_options& options_;
  const peer_group& group_;
  std::set<peer_encoder> written_{};
  ufb::thread_pool pool_;
  report results_{};
  std::map<std::string, std::unique_ptr<worker>> workers_{};
  std::set<std::string> offered_{};
  std::vector<std::pair<std::string, std::string>> left_out_{};
  std::map<std::string, std::unique_ptr<const encoder_type>> ours_{};
  std::map<std::string, deviation> narrow_{};
  std::map<peer_encoder, std::vector<ufb::matrix<float>>> expected_{};
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
    for (const char* name : {"dense", "fff", "hub", "model.onnx", "ids.bin", "mask.bin", "states.bin"}) {
      std::filesystem::remove_all(path_ / name, ignored);
    }
    std::filesystem::remove(path_, ignored);
  }

 private:
  std::filesystem::path path_;
};

int run(const peer_options& options) {
  check_environment(options.threads);
  const peer_group& group = group_of(options.group);
  const auto& shapes = options.shapes.empty() ? group.shapes : options.shapes;
  const peer_encoder encoder = group.forms.front().encoder;
  for (const auto& name : shapes) {
    if (make_sequences_of(encoder, name).ragged() && encoder != peer_encoder::hub) {
      throw std::runtime_error("shape " + name + ": only the peers of the group hub have a mask for padding");
    }
  }
  const temporary_folder folder(options.folder);
  peers_bench bench(options);
  bench.describe();
  auto& results = bench.results();
  results.begin_table(group.name + ": ids to final states",
                      {"peer", "shape", "threads", "tokens/s", "spread", "ratio", "deviation"});
  for (const auto& name : shapes) bench.run(name);
  results.end_table();
  if (!options.json.empty()) results.write_json(options.json);
  if (results.all_verified()) return 0;
  std::cerr << "states of at least one peer are wrong\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Times whole encoders beside ONNX Runtime and PyTorch, on the same weights and ids.");
  peer_options options;
  app.add_flag("--quick", options.quick, "fewer and shorter rounds");
  app.add_option("--threads", options.threads, "threads of every peer (1)")->check(CLI::PositiveNumber);
  app.add_option("--rounds", options.rounds, "rounds to take medians of (7, with --quick 3)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--group", options.group, "peers or hub: which encoders to compare (peers)")
      ->check(CLI::IsMember({"peers", "hub"}));
  app.add_option("--shapes", options.shapes,
                 "batches x lengths or, with hub, mixed, separated by commas (all of the group)")
      ->delimiter(',');
  ufb_bench::add_word(app, "--isa", options.isa, ufb_bench::isa_levels, "level of this library's kernels (automatic)");
  app.add_option("--json", options.json, "file to write the rows to");
  app.add_option("--folder", options.folder, "for weights and models, removed in the end")->required();
  app.add_option("--scripts", options.scripts, "folder of start.sh")->required()->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  return run(options);
} catch (const std::exception& problem) {
  std::cerr << "bench: " << problem.what() << '\n';
  return 2;
}
