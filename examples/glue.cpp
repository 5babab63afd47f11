// SPDX-License-Identifier: MIT
//
// Runs a classifier over a file of the GLUE benchmark and computes the task's metrics:
//   glue --task SST-2 --data dev.tsv --model FOLDER
// Files are the published ones. Class numbers of a model become the task's labels by their names, or by their order
// where the configuration does not name them and only one order is in use; else --labels has to say it. With
// --submission the predictions are written as the benchmark's server takes them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "glue_data.hpp"
#include "lists.hpp"
#include "loading.hpp"
#include "metrics.hpp"
#include "program.hpp"
#include "streaming.hpp"
#include "truncation.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  const examples::glue_task* task = nullptr;
  std::string data{};
  std::string model{};
  std::string labels{};
  std::string submission{};
  bool parse_only = false;
  bool json = false;
  bool skip_bad = false;
  std::size_t threads = 1;
  examples::truncation truncation{};
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

// The number of a task's label, or of the word that models use for it, in any case; or nothing.
std::optional<std::size_t> find_label(const examples::glue_task& task, std::string_view label) {
  const auto known = task.label_names();
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (lower(known[i]) == lower(label)) return i;
  }
  for (std::size_t i = 0; i < task.words.size(); ++i) {
    if (!label.empty() && task.words[i] == lower(label)) return i;
  }
  return std::nullopt;
}

// For each class of a model the number of the task's label that it stands for.
std::vector<std::size_t> match_labels(const examples::glue_task& task, std::span<const std::string> classes,
                                      const std::string& given) {
  const std::size_t count = task.label_names().size();
  if (classes.size() != std::max<std::size_t>(count, 1)) {
    ufb::fail_input("--model",
                    std::to_string(std::max<std::size_t>(count, 1)) + " classes for " + std::string(task.name),
                    std::to_string(classes.size()));
  }
  if (task.is_regression()) {
    if (!given.empty()) ufb::fail_input("--labels", "none, as the task has scores", given);
    return {0};
  }
  const bool is_given = !given.empty();
  const std::vector<std::string_view> names =
      is_given ? examples::split(given, ',') : std::vector<std::string_view>(classes.begin(), classes.end());
  std::vector<std::size_t> out;
  for (const std::string_view name : names) {
    const auto label = find_label(task, name);
    if (label && std::find(out.begin(), out.end(), *label) == out.end()) out.push_back(*label);
  }
  if (out.size() == count && names.size() == count) return out;
  const std::string wanted = examples::join(task.label_names(), ",");
  if (is_given) ufb::fail_input("--labels", "each of " + wanted + " once", given);
  // Models are trained with two orders of three labels, but with one order of two.
  bool numbered = true;
  for (std::size_t i = 0; i < count; ++i) numbered = numbered && classes[i] == "LABEL_" + std::to_string(i);
  if (count == 2 && (task.has_numbers() || numbered)) return {0, 1};
  ufb::fail_input(
      "--labels",
      "the labels of the classes in their order, such as " + wanted + ", as the configuration does not name them",
      ufb::excerpt(examples::join(classes, ",")));
}

// A number and nothing else. Throws: ufb::error.
double read_score(const std::string& text, const std::string& file, std::size_t line) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    ufb::fail(ufb::error_code::bad_value, {.file = file,
                                           .where = "line " + std::to_string(line),
                                           .expected = "a number as score",
                                           .found = ufb::excerpt(text)});
  }
  return value;
}

// What was said and what is right, of the examples that have a label.
struct judgment {
  std::vector<std::size_t> gold{};
  std::vector<std::size_t> predicted{};
  std::vector<double> gold_scores{};
  std::vector<double> scores{};

  [[nodiscard]] std::size_t size() const { return gold.size() + gold_scores.size(); }

  [[nodiscard]] ordered_json metrics(const examples::glue_task& task) const {
    ordered_json out = ordered_json::object();
    if (size() == 0) return out;
    if (task.is_regression()) {
      out["pearson"] = examples::pearson_correlation(gold_scores, scores);
      out["spearman"] = examples::spearman_correlation(gold_scores, scores);
      return out;
    }
    out["accuracy"] = examples::accuracy(gold, predicted);
    if (!task.has_numbers()) return out;
    const examples::confusion counts = examples::count_confusion(gold, predicted);
    out["f1"] = examples::f1_score(counts);
    out["matthews"] = examples::matthews_correlation(counts);
    return out;
  }
};

void print_passed_over(std::size_t lines) {
  if (lines != 0) std::cerr << "passed over: " << lines << " blank or short line" << (lines == 1 ? "\n" : "s\n");
}

void parse_only(const options& wanted, const examples::glue_task& task) {
  examples::glue_reader reader(task, wanted.data);
  examples::bad_texts bad(wanted.skip_bad, true);
  std::size_t count = 0;
  for (bool more = true; more;) {
    try {
      const auto example = reader.next();
      more = example.has_value();
      if (!more) break;
      ++count;
      ordered_json line{{"a", example->first}, {"b", nullptr}, {"label", nullptr}};
      if (example->second) line["b"] = *example->second;
      if (example->label) line["label"] = *example->label;
      examples::print_line(line);
    } catch (const ufb::error& problem) {
      if (problem.code() == ufb::error_code::io_error) throw;  // it would come again and again
      ++count;
      bad.add(problem);
    }
  }
  print_passed_over(reader.skipped());
  bad.print(count);
}

class run {
 public:
  run(const options& wanted, const examples::glue_task& task)
      : wanted_(wanted),
        task_(task),
        model_(ufb::sequence_classifier<float>::load(wanted.model, examples::with_loading_line())),
        labels_(match_labels(task, model_.labels(), wanted.labels)),
        threads_(wanted.threads),
        workspace_(model_.make_workspace()),
        bad_(wanted.skip_bad, wanted.json),
        reader_(task, wanted.data),
        submission_(open_submission(wanted)),
        progress_(size_of(wanted.data), examples::has_terminal(true, false)) {}

  void all() {
    std::vector<examples::glue_example> some;
    for (bool more = true; more;) {
      some.clear();
      const std::size_t shown = count_;
      while (more && some.size() < at_a_time) more = read_one(some);
      answer(some);
      progress_.add(count_ - shown, reader_.bytes_read());
    }
    progress_.end();
    if (submission_ && !submission_->flush()) throw std::runtime_error("cannot write " + wanted_.submission);
    if (wanted_.truncation.wanted) examples::print_truncated(truncated_, count_);
    print_passed_over(reader_.skipped());
    bad_.print(count_);
    print_metrics(reader_.skipped());
  }

 private:
  static constexpr std::size_t at_a_time = 16;

  static std::size_t size_of(const std::string& file) {
    std::error_code unknown;
    const auto bytes = std::filesystem::file_size(file, unknown);
    return unknown ? 0 : static_cast<std::size_t>(bytes);
  }

  static std::optional<std::ofstream> open_submission(const options& wanted) {
    if (wanted.submission.empty()) return std::nullopt;
    examples::refuse_overwriting(wanted.submission, wanted.data);
    std::ofstream out(wanted.submission);
    if (!out) throw std::runtime_error("cannot write " + wanted.submission);
    out << "index\tprediction\n";
    return out;
  }

  // Labels are checked here, so that a wrong one is found before anything is computed from its line.
  bool read_one(std::vector<examples::glue_example>& some) {
    try {
      auto example = reader_.next();
      if (!example) return false;
      if (example->label) check_label(*example);
      some.push_back(*std::move(example));
    } catch (const ufb::error& problem) {
      if (problem.code() == ufb::error_code::io_error) throw;
      answer(some);  // the lines before it come first
      some.clear();
      progress_.clear();
      bad_.add(problem);
      ++count_;
    }
    return true;
  }

  void check_label(const examples::glue_example& example) const {
    if (task_.is_regression()) return static_cast<void>(read_score(*example.label, wanted_.data, example.line));
    const auto known = task_.label_names();
    if (std::find(known.begin(), known.end(), *example.label) != known.end()) return;
    ufb::fail(ufb::error_code::bad_value, {.file = wanted_.data,
                                           .where = "line " + std::to_string(example.line),
                                           .expected = "one of the labels " + examples::join(known, ", "),
                                           .found = ufb::excerpt(*example.label)});
  }

  void answer(const std::vector<examples::glue_example>& some) {
    if (some.empty()) return;
    std::vector<std::string_view> texts;
    std::vector<ufb::text_pair> pairs;
    for (const auto& example : some) {
      texts.push_back(example.first);
      if (example.second) pairs.push_back({.first = example.first, .second = *example.second});
    }
    ufb::text_report report;
    const ufb::text_options how = wanted_.truncation.options(report);
    const auto results = pairs.empty() ? model_.try_classify(texts, workspace_, how, threads_)
                                       : model_.try_classify(pairs, workspace_, how, threads_);
    truncated_ += report.truncated;
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (results[i].problem) {
        progress_.clear();
        bad_.add(*results[i].problem, wanted_.data + ", line " + std::to_string(some[i].line));
      } else {
        add(some[i], *results[i].result);
      }
      ++count_;
    }
  }

  void add(const examples::glue_example& example, const std::vector<ufb::label_score>& scores) {
    const ufb::label_score& best = scores.front();
    if (task_.is_regression()) {
      print(example, ordered_json(best.logit), best.logit);
      if (!example.label) return;
      judged_.gold_scores.push_back(read_score(*example.label, wanted_.data, example.line));
      judged_.scores.push_back(best.logit);
      return;
    }
    const std::size_t said = labels_[best.index];
    const std::string name(task_.label_names()[said]);
    print(example, task_.has_numbers() ? ordered_json(said) : ordered_json(name), best.score);
    if (!example.label) return;
    judged_.gold.push_back(*find_label(task_, *example.label));
    judged_.predicted.push_back(said);
  }

  void print(const examples::glue_example& example, const ordered_json& prediction, double score) {
    const std::string said = prediction.is_string() ? prediction.get<std::string>() : prediction.dump();
    if (submission_) *submission_ << count_ << '\t' << said << '\n';
    if (wanted_.json) {
      examples::print_line({{"index", count_}, {"prediction", prediction}, {"score", score}});
      return;
    }
    std::cout << count_ << '\t' << said << '\t' << std::fixed << std::setprecision(4) << score << '\t' << example.first;
    if (example.second) std::cout << '\t' << *example.second;
    std::cout << '\n';
  }

  void print_metrics(std::size_t skipped) const {
    const ordered_json metrics = judged_.metrics(task_);
    if (wanted_.json) {
      examples::print_line({{"task", task_.name},
                            {"metrics", metrics},
                            {"n", judged_.size()},
                            {"texts", count_},
                            {"skipped", skipped + bad_.count()}});
      return;
    }
    std::cout << task_.name << ", " << judged_.size() << " of " << count_ << " examples with a label";
    for (const auto& [name, value] : metrics.items()) {
      std::cout << ", " << name << ' ' << std::fixed << std::setprecision(4) << value.get<double>();
    }
    std::cout << '\n';
  }

  const options& wanted_;
  const examples::glue_task& task_;
  ufb::sequence_classifier<float> model_;
  std::vector<std::size_t> labels_;
  ufb::thread_pool threads_;
  ufb::workspace workspace_;
  examples::bad_texts bad_;
  examples::glue_reader reader_;
  std::optional<std::ofstream> submission_;
  examples::progress progress_;
  judgment judged_{};
  std::size_t count_ = 0;
  std::size_t truncated_ = 0;
};

void start(const options& wanted) {
  const examples::glue_task& task = *wanted.task;
  if (wanted.parse_only) return parse_only(wanted, task);
  run(wanted, task).all();
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Runs a classifier over a file of the GLUE benchmark", "glue"};
  examples::add_word(app, "--task", wanted.task, "", "CoLA, MNLI, MRPC, QNLI, QQP, RTE, SST-2, STS-B or WNLI",
                     [](const std::string& word) { return &examples::find_glue_task(word); })
      ->required();
  app.add_option("--data", wanted.data, "file of the task, such as dev.tsv")->required();
  auto* model = app.add_option("--model", wanted.model, "checkpoint folder of a sequence classifier");
  auto* only =
      app.add_flag("--parse-only", wanted.parse_only, "no model: print a JSON line per example, with a, b, label");
  auto* labels =
      app.add_option("--labels", wanted.labels, "the task's labels in the order of the model's classes, with commas");
  auto* submission =
      app.add_option("--submission", wanted.submission, "file that takes index and prediction of every example");
  app.add_flag("--json", wanted.json,
               "one JSON line per example: index, prediction, score; then one: task, metrics, n, texts, skipped");
  auto* threads = examples::add_threads(app, wanted.threads);
  examples::bad_texts::add_option(app, wanted.skip_bad);
  auto* truncate = examples::add_truncation(app, wanted.truncation, true);
  for (auto* other : {model, labels, submission, threads, truncate}) only->excludes(other);
  app.final_callback([&] {
    if (wanted.model.empty() && !wanted.parse_only) throw CLI::RequiredError("--model or --parse-only");
  });
  return examples::run_program(app, argc, argv,
                               {"@ --task SST-2 --data FILE --model FOLDER", "@ --task MRPC --data FILE --parse-only"},
                               [&] { start(wanted); });
}
