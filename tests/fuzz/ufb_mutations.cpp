// SPDX-License-Identifier: MIT
//
// What becomes of damaged checkpoints: `ufb_mutations [COUNT]` (20,000) writes small ones of random weights, cuts their
// files at every byte, flips every bit of the weights' header and of the JSON files, and changes several bytes of any
// file COUNT times. Every folder is refused with a typed error, or is a model whose results are finite, but where its
// weights are so large that they cannot be. Prints the outcomes by code.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fuzz/fuzz_input.hpp"
#include "fuzz/tiny_models.hpp"
#include "support/random.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

using namespace ufb_fuzz;

constexpr std::string_view weights_file = "model.safetensors";
constexpr std::string_view config_file = "config.json";
constexpr std::string_view tokenizer_file = "tokenizer.json";

using checkpoint = std::map<std::string_view, std::string>;

checkpoint make_checkpoint(std::string_view family, std::string config, tiny_task task, std::size_t labels) {
  tiny_model model;
  model.family = family;
  model.config = std::move(config);
  model.labels = labels;
  // Bytes that choose numbers and types: none is out of the ordinary.
  std::vector<std::uint8_t> bytes(4096);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(ufb_test::splitmix64(11, i) % 64);
  }
  byte_stream input(bytes.data(), bytes.size());
  add_tensors(model, task, input);
  checkpoint out;
  out[weights_file] = container_of(model.tensors, input);
  out[config_file] = model.config;
  out[tokenizer_file] = tiny_tokenizer();
  require(out[weights_file].size() <= 65'536, "a checkpoint of more than 64 KiB");
  return out;
}

std::vector<checkpoint> make_checkpoints() {
  std::vector<checkpoint> out;
  out.push_back(make_checkpoint(
      "crammedBERT",
      R"({"architectures":["ScriptableLMForPreTraining"],"model_type":"crammedBERT","arch":{"hidden_size":8,)"
      R"("num_transformer_layers":2,"norm":"LayerNorm","norm_eps":1e-12,"nonlin":"GELU","intermed_type":"fff",)"
      R"("intermed_depth":2,"intermed_size":2,"use_bias":false,"final_norm":true,"skip_head_transform":true,)"
      R"("decoder_bias":false,"attention":{"type":"self-attention","num_attention_heads":2,"qkv_bias":false,)"
      R"("rotary_embedding":false,"sequence_op":"torch-softmax"},"embedding":{"vocab_size":11,"max_seq_length":16,)"
      R"("pos_embedding":"scaled-sinusoidal","normalization":true}}})",
      tiny_task::masked_lm, 0));
  out.push_back(make_checkpoint(
      "BERT",
      R"({"architectures":["BertForSequenceClassification"],"model_type":"bert","hidden_size":8,)"
      R"("num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":12,"max_position_embeddings":16,)"
      R"("vocab_size":11,"hidden_act":"gelu","layer_norm_eps":1e-5,"type_vocab_size":2,)"
      R"("id2label":{"0":"no","1":"yes"},"problem_type":"single_label_classification"})",
      tiny_task::sequences, 2));
  return out;
}

/// Whether a folder's weights are so large that sums of them leave the range of float.
bool has_huge_weights(const std::filesystem::path& folder) {
  const auto weights = ufb::checkpoint_folder::open(folder).open_weights();
  const ufb::safetensors_source source(weights);
  bool huge = false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    std::vector<float> values(static_cast<std::size_t>(element_count(source.entry(i))));
    const auto problem = attempt([&] { source.read(i, 0, std::span<float>(values)); });
    huge = huge || problem || std::any_of(values.begin(), values.end(), [](float v) { return std::abs(v) > 1e6F; });
  }
  return huge;
}

/// Everything that a loaded model computes is finite.
struct computes_finite {
  ufb::workspace scratch{};

  template <class Model>
  bool states(const Model& model) {
    return all_finite(model.encode({"the cats sat .", "on <mask>"}, scratch).states.view());
  }
  bool operator()(const ufb::masked_lm<float>& model) {
    bool finite = states(model);
    for (const auto& word : model.fill_mask("the <mask> sat .", {}, scratch)) {
      finite = finite && std::isfinite(word.logit) && std::isfinite(word.probability);
    }
    return finite;
  }
  bool operator()(const ufb::sequence_classifier<float>& model) {
    bool finite = states(model);
    for (const auto& text : model.classify({"the cat", "on"}, scratch)) {
      for (const auto& each : text) finite = finite && std::isfinite(each.score);
    }
    return finite;
  }
  template <class Model>
  bool operator()(const Model& model) {
    if constexpr (requires { model.stack(); }) return states(model);
    return true;
  }
};

class campaign {
 public:
  explicit campaign(const checkpoint& files) : files_(files) {
    for (const auto& [name, text] : files_) folder_.write(name, text);
    judge("nothing is changed");
    require(outcomes_.size() == 1 && outcomes_.count("a model"), "an undamaged checkpoint is no model");
  }

  void truncate_all() {
    for (const auto& [name, text] : files_) {
      for (std::size_t size = 0; size < text.size(); ++size) {
        damage(name, text.substr(0, size), "cut at byte " + std::to_string(size));
      }
    }
  }

  void flip_all_bits() {
    for (const auto& [name, text] : files_) {
      std::uint64_t end = text.size();
      if (name == weights_file) {
        text.copy(reinterpret_cast<char*>(&end), sizeof end);
        end += sizeof end;
      }
      std::string changed = text;
      for (std::size_t bit = 0; bit < 8 * end; ++bit) {
        const auto mask = static_cast<char>(1U << (bit % 8));
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ mask);
        damage(name, changed, "bit " + std::to_string(bit));
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ mask);
      }
    }
  }

  /// Several bytes are overwritten, removed, repeated or taken from elsewhere.
  void mutate(std::size_t count) {
    ufb_test::random_numbers random(12);
    for (std::size_t i = 0; i < count; ++i) {
      const auto file = std::next(files_.begin(), static_cast<std::ptrdiff_t>(random.size(0, files_.size() - 1)));
      std::string text = file->second;
      for (std::size_t changes = random.size(1, 4); changes > 0; --changes) {
        const std::size_t length = random.size(1, random.size(1, 32));
        const std::size_t to = random.size(0, text.size() - 1);
        const std::size_t from = random.size(0, text.size() - 1);
        switch (random.size(0, 4)) {
          case 0: text[to] = static_cast<char>(random.bits()); break;
          case 1: text.erase(to, length); break;
          case 2: text.insert(to, std::string(text, from, length)); break;
          case 3: text.replace(to, length, std::string(text, from, length)); break;
          default:
            text.replace(to, 1, random.pick<const char*>({"-", "9", "0", "1e9", "null", "\"", "{}", "[", "\xFF"}));
        }
        if (text.empty()) text = "x";
      }
      damage(file->first, text, "mutation " + std::to_string(i));
    }
  }

  void add_to(std::map<std::string, std::size_t>& outcomes) const {
    for (const auto& [what, count] : outcomes_) outcomes[what] += count;
  }

 private:
  void damage(std::string_view name, const std::string& text, const std::string& how) {
    folder_.write(name, text);
    judge(std::string(name) + ": " + how);
    folder_.write(name, files_.at(name));
  }

  void judge(const std::string& how) {
    const auto start = std::chrono::steady_clock::now();
    std::string outcome;
    try {
      const auto model = ufb::auto_model<float>::load(folder_.path());
      outcome = "a model";
      // A text may lack its words, or its tokens their rows: those are typed errors, too.
      computes_finite call;
      const bool finite = std::visit([&](const auto& each) { return call(each); }, model.model());
      if (!finite && !has_huge_weights(folder_.path())) outcome = "FAULT: results that are not finite";
    } catch (const ufb::error& problem) {
      check_message(problem);
      outcome = std::string(outcome.empty() ? "" : "a model that refuses a text: ").append(name(problem.code()));
    } catch (const std::bad_alloc&) {
      outcome = "FAULT: std::bad_alloc";
    } catch (const std::exception& other) {
      outcome = std::string("FAULT: ").append(other.what());
    }
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(10)) outcome = "FAULT: more than ten seconds";
    if (outcome.starts_with("FAULT") && ++printed_ <= 20) std::cout << outcome << ": " << how << '\n';
    ++outcomes_[outcome];
  }

  const checkpoint& files_;
  scratch_folder folder_{};
  std::map<std::string, std::size_t> outcomes_{};
  std::size_t printed_ = 0;
};

int run(std::size_t count) {
  std::map<std::string, std::size_t> outcomes;
  for (const checkpoint& files : make_checkpoints()) {
    campaign each(files);
    each.truncate_all();
    each.flip_all_bits();
    each.mutate(count);
    each.add_to(outcomes);
  }
  std::size_t all = 0;
  std::size_t models = 0;
  std::size_t faults = 0;
  for (const auto& [what, number] : outcomes) {
    std::cout << number << ' ' << what << '\n';
    all += number;
    if (what.starts_with("a model")) models += number;
    if (what.starts_with("FAULT")) faults += number;
  }
  std::cout << all << " mutations, " << models << " models, " << all - models - faults << " refusals, " << faults
            << " faults\n";
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(argc > 1 ? std::stoull(argv[1]) : 20'000);
} catch (const std::exception& problem) {
  std::cerr << "ufb_mutations: " << problem.what() << '\n';
  return 2;
}
