// SPDX-License-Identifier: MIT
//
// Embeds texts, given on the command line or line by line on standard input:
//   embed --model FOLDER "a text" "another one"                 numbers, a line for each text
//   embed --model FOLDER --json < texts.txt                     {"index": .., "embedding": [..]}, a line for each text
//   embed --model FOLDER --npy vectors.npy < texts.txt          a file for NumPy
//   embed --model FOLDER --similarity "a text" "another one"    how close each text is to each other one, from -1 to 1
// The first answer comes before the input ends, but for the similarities, which need all texts.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loading.hpp"
#include "npy.hpp"
#include "program.hpp"
#include "streaming.hpp"
#include "texts.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;

struct options {
  std::string model{};
  std::vector<std::string> texts{};
  std::string npy{};
  bool json = false;
  bool similarity = false;
  bool describe = false;
  bool refuse_long = false;
  bool skip_bad = false;
  std::size_t max_length = 0;
  std::size_t threads = 1;
  ufb::embed_options how{};
};

// A matrix of float32 in NumPy's format. The number of rows is written when it is known, at the end.
class npy_file {
 public:
  /// Throws: std::runtime_error, also where the texts are read from that very file.
  npy_file(const std::string& name, std::size_t columns) : name_(name), columns_(columns) {
    examples::refuse_overwriting(name, examples::standard_input);
    out_.open(name, std::ios::binary);
    write_header();
  }

  void add(std::span<const float> row) {
    out_.write(reinterpret_cast<const char*>(row.data()), static_cast<std::streamsize>(row.size_bytes()));
    if (!out_) throw std::runtime_error("cannot write " + name_);
    ++rows_;
  }

  void finish() {
    out_.seekp(0);
    write_header();
    out_.close();
    if (!out_) throw std::runtime_error("cannot write " + name_);
  }

 private:
  // The header has one length, whatever the number of rows.
  void write_header() {
    out_ << examples::npy_header(rows_, columns_);
    if (!out_) throw std::runtime_error("cannot write " + name_);
  }

  std::string name_;
  std::ofstream out_{};
  std::size_t columns_;
  std::size_t rows_ = 0;
};

double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0.0;
  double of_a = 0.0;
  double of_b = 0.0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    product += static_cast<double>(a[k]) * static_cast<double>(b[k]);
    of_a += static_cast<double>(a[k]) * static_cast<double>(a[k]);
    of_b += static_cast<double>(b[k]) * static_cast<double>(b[k]);
  }
  return of_a == 0.0 || of_b == 0.0 ? 0.0 : product / std::sqrt(of_a * of_b);
}

void print_similarities(const std::vector<std::vector<float>>& vectors, bool json) {
  for (const auto& a : vectors) {
    ordered_json line = ordered_json::array();
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      const double value = cosine(a, vectors[i]);
      if (json) {
        line.push_back(value);
      } else {
        std::cout << (i == 0 ? "" : "\t") << std::fixed << std::setprecision(4) << value;
      }
    }
    if (json) {
      examples::print_line(line);
    } else {
      std::cout << '\n';
    }
  }
}

void print_vector(std::size_t index, std::span<const float> vector, bool json) {
  if (json) {
    return examples::print_line({{"index", index}, {"embedding", std::vector<float>(vector.begin(), vector.end())}});
  }
  for (std::size_t k = 0; k < vector.size(); ++k) std::cout << (k == 0 ? "" : " ") << vector[k];
  std::cout << '\n';
}

void run(options wanted) {
  const auto model = ufb::embedder<float>::load(wanted.model, examples::with_loading_line());
  if (wanted.describe) {
    std::cout << model.describe() << '\n';
    return;
  }
  wanted.how.texts = {.truncation = !wanted.refuse_long, .max_length = wanted.max_length};
  ufb::thread_pool threads(wanted.threads);
  auto workspace = model.make_workspace();
  const std::size_t columns = wanted.how.dimensions == 0 ? model.dimensions() : wanted.how.dimensions;
  std::optional<npy_file> file;
  if (!wanted.npy.empty()) file.emplace(wanted.npy, columns);
  std::vector<std::vector<float>> kept;
  examples::text_reader reader(std::move(wanted.texts));
  examples::bad_texts bad(wanted.skip_bad);
  examples::progress progress(0, examples::has_terminal(!file && !wanted.similarity, reader.reads_input()));
  std::size_t texts = 0;
  for (examples::text_group group; reader.next(group);) {
    const std::vector<std::string_view> views(group.texts.begin(), group.texts.end());
    const auto outcomes = model.try_embed(views, workspace, wanted.how, threads);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].problem) {
        progress.clear();
        bad.add(*outcomes[i].problem, reader.name(group.first + i));
        continue;
      }
      if (file) {
        file->add(*outcomes[i].result);
      } else if (wanted.similarity) {
        kept.push_back(*outcomes[i].result);
      } else {
        print_vector(group.first + i, *outcomes[i].result, wanted.json);
      }
    }
    std::cout.flush();
    texts += group.texts.size();
    progress.add(group.texts.size());
  }
  progress.end();
  if (file) file->finish();
  if (wanted.similarity) print_similarities(kept, wanted.json);
  bad.print(texts);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Embeds texts", "embed"};
  app.add_option("--model", wanted.model, "folder of an embedding model, or of any encoder or language model")
      ->required();
  examples::add_texts(app, "texts", "texts; the lines of standard input if none is given");
  auto* json = app.add_flag("--json", wanted.json, "one JSON line per text: index, embedding");
  auto* npy = app.add_option("--npy", wanted.npy, "write the vectors to this file, for NumPy")->excludes(json);
  auto* similarity =
      app.add_flag("--similarity", wanted.similarity, "print the cosines of all pairs of texts instead of vectors")
          ->excludes(npy);
  auto* prompt =
      app.add_option("--prompt-name", wanted.how.prompt_name, "the folder's prompt to put before every text");
  auto* dimensions = app.add_option("--dimensions", wanted.how.dimensions, "the first columns alone, of length 1 again")
                         ->check(examples::positive);
  auto* length = app.add_option("--max-length", wanted.max_length, "tokens at which texts are cut (as the folder says)")
                     ->check(examples::positive);
  auto* refuse =
      app.add_flag("--refuse-long", wanted.refuse_long, "an error for texts that would be cut")->excludes(length);
  auto* skip = examples::bad_texts::add_option(app, wanted.skip_bad);
  auto* threads = examples::add_threads(app, wanted.threads);
  auto* describe = app.add_flag("--describe", wanted.describe, "say what the vectors are made of, and stop");
  for (auto* other : {json, npy, similarity, prompt, dimensions, length, refuse, skip, threads}) {
    describe->excludes(other);
  }
  app.final_callback([&] {
    wanted.texts = examples::texts_of(app);
    if (wanted.describe && !wanted.texts.empty()) throw CLI::ExcludesError("texts", "--describe");
  });
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-mlm --similarity \"a cup of tea\" \"a cup of coffee\"",
                                "@ --model examples/models/tiny-mlm --npy vectors.npy < FILE"},
                               [&] { run(std::move(wanted)); });
}
