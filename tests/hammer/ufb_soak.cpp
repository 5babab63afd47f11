// SPDX-License-Identifier: MIT
//
// A host that runs for long: ufb_soak [--minutes M] [--seed S] makes random calls in one process, in which every family
// and task, tokenizers, loads with every storage, threads, refused texts and damaged files have their part. Once a
// minute it prints resident memory, calls so far, and how long a fixed call took during that minute: the tenth
// percentile, which other programs of the machine disturb least, the median, and the 99th percentile. It closes with
// two lines: the first says the memory after the first minute and at the end, and the tenth percentiles of the second
// and the last minute; the second is `N calls, N wrong`. Wrong are calls that end in another way than they have to, and
// fixed calls with other bits. With --little-memory calls may end for want of memory or threads, and the second line is
// `N calls, N short of memory, N wrong`.
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "hammer/subjects.hpp"

namespace {

using namespace ufb_test;
using clock_type = std::chrono::steady_clock;

/// Units: KiB. 0 where the system does not say.
std::size_t resident_memory() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

/// Copies of a small folder with one thing wrong in each.
class damaged_folders {
 public:
  damaged_folders() {
    const auto damage = [&](const char* file, auto&& change) {
      folder_copy folder(golden_model("bert_seq_3"));
      std::string text = text_of(folder.path() / file);
      change(text);
      folder.write(file, text);
      folders_.push_back(std::move(folder));
    };
    const auto half = [](std::string& text) { text.resize(text.size() / 2); };
    damage("model.safetensors", half);
    damage("model.safetensors", [](std::string& text) { text[3] = '\x7F'; });
    damage("model.safetensors", [](std::string& text) { text += "more"; });
    damage("model.safetensors", [](std::string& text) { text.clear(); });
    damage("model.safetensors", [](std::string& text) { text.replace(text.find("bert.encoder"), 4, "tree"); });
    damage("config.json", half);
    damage("config.json", [](std::string& text) { text.replace(text.find("\"bert\""), 6, "\"gpt2\""); });
    damage("config.json", [](std::string& text) { text = "[1, 2"; });
  }

  [[nodiscard]] const std::filesystem::path& pick(random_numbers& random) const {
    return folders_[random.size(0, folders_.size() - 1)].path();
  }

 private:
  std::vector<folder_copy> folders_{};
};

struct minute {
  std::size_t resident = 0;
  double fast = 0;  // us, the tenth percentile of the fixed call
};

class soak {
 public:
  soak(std::uint64_t seed, bool little_memory) : random_(seed), little_memory_(little_memory) {
    for (const subject& each : families_.all()) {
      models_.push_back(any_model::load(each.folder));
      masks_.push_back(mask_of(models_.back()));
      workspaces_.emplace_back();
    }
    for (const char* name : {"bert_uncased", "crammed_bytebpe", "crammed_unigram", "crammed_wordpiece"}) {
      tokenizer_folders_.push_back(std::filesystem::path(UFB_TEST_DATA_DIR) / "tokenizers" / name);
      tokenizers_.push_back(ufb::tokenizer::load(tokenizer_folders_.back()));
    }
    fixed_bytes_ = fixed_call();
  }

  bool run(double minutes) {
    const auto start = clock_type::now();
    const auto after = [&](double some) {
      return start + std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(60 * some));
    };
    std::vector<minute> curve;
    for (std::size_t m = 1; static_cast<double>(m - 1) < minutes; ++m) {
      curve.push_back(run_until(after((std::min)(static_cast<double>(m), minutes)), m));
    }
    const minute& second = curve[curve.size() > 1 ? 1 : 0];
    std::cout << "resident memory: " << curve.front().resident << " KiB after the first minute, "
              << curve.back().resident << " KiB at the end; fixed call: " << second.fast << " us in the second minute, "
              << curve.back().fast << " us in the last\n"
              << calls_ << " calls, ";
    if (little_memory_) std::cout << short_ << " short of memory, ";
    std::cout << wrong_ << " wrong\n";
    return wrong_ == 0;
  }

 private:
  minute run_until(clock_type::time_point end, std::size_t number) {
    timed_ = 0;
    do {
      for (int i = 0; i < 10; ++i) random_call();
      for (int i = 0; i < 4; ++i) time_fixed_call();
    } while (clock_type::now() < end);
    std::sort(times_.begin(), times_.begin() + static_cast<std::ptrdiff_t>(timed_));
    const minute result{.resident = resident_memory(), .fast = times_[timed_ / 10]};
    std::cout << "minute " << number << ": " << result.resident << " KiB resident, " << calls_
              << " calls, tenth percentile " << result.fast << " us, median " << times_[timed_ / 2]
              << " us, 99th percentile " << times_[timed_ * 99 / 100] << " us" << std::endl;
    return result;
  }

  std::string fixed_call() { return states_of_ids(models_.front(), 3, fixed_scratch_); }

  void time_fixed_call() {
    const auto before = clock_type::now();
    const std::string bytes = fixed_call();
    const std::chrono::duration<double, std::micro> taken = clock_type::now() - before;
    if (timed_ < times_.size()) times_[timed_++] = taken.count();
    if (bytes != fixed_bytes_) complain("the fixed call has other bits");
  }

  void random_call() {
    ++calls_;
    const std::size_t m = random_.size(0, models_.size() - 1);
    const std::uint64_t seed = random_.bits();
    try {
      switch (random_.size(0, 9)) {
        case 0: return use_fresh(m, seed);
        case 1: return refuse_folder();
        case 2: return refuse_text(m);
        case 3: return use_tokenizer();
        case 4: return static_cast<void>(states_of_ids(models_[m], seed, workspaces_[m]));
        case 5: return on_threads(m, seed);
        default: return static_cast<void>(answers(models_[m], some_texts(m, seed), workspaces_[m]));
      }
    } catch (const std::bad_alloc& problem) {
      lack(problem.what());
    } catch (const std::system_error& problem) {  // of std::thread
      lack(problem.what());
    } catch (const std::exception& problem) {
      complain(problem.what());
    }
  }

  std::vector<std::string> some_texts(std::size_t m, std::uint64_t seed) {
    return random_texts(seed, random_.size(1, 20), masks_[m]);
  }

  void use_fresh(std::size_t m, std::uint64_t seed) {
    const std::vector<storages> kinds = all_storages();
    const storages& kept = kinds[random_.size(0, kinds.size() - 1)];
    const auto fresh = any_model::load(families_.all()[m].folder, kept.options());
    ufb::workspace scratch;
    static_cast<void>(answers(fresh, some_texts(m, seed), scratch));
  }

  template <class Action>
  void refused(const char* what, const Action& action) {
    try {
      action();
    } catch (const ufb::error&) {
      return;
    }
    complain(what);
  }

  void refuse_folder() {
    refused("a damaged folder is loaded", [&] { static_cast<void>(any_model::load(damaged_.pick(random_))); });
    refused("a folder that is not there is loaded", [&] { static_cast<void>(any_model::load("/no/such/folder")); });
  }

  void refuse_text(std::size_t m) {
    if (const auto* model = models_[m].get_if<ufb::sequence_classifier<float>>()) {
      std::string text;
      for (std::size_t i = 0; i < 200; ++i) text += "a ";
      refused("a text that is too long is read", [&] { static_cast<void>(model->classify(text, workspaces_[m])); });
    }
    refused("an id out of range is read", [&] {
      const std::vector<token_id> ids{1'000'000};
      with_encoder(models_[m], [&](const auto& model) {
        static_cast<void>(model.encode({ids.data(), {1, 1}}, {}, workspaces_[m]));
      });
    });
  }

  // Random bytes, mostly letters, now and then by a tokenizer that was read for it.
  void use_tokenizer() {
    const std::size_t t = random_.size(0, tokenizers_.size() - 1);
    std::string text;
    const std::size_t size = random_.size(0, 400);
    for (std::size_t i = 0; i < size; ++i) {
      text += static_cast<char>(random_.size(0, 5) == 0 ? random_.size(0, 255) : random_.size(' ', 'z'));
    }
    const auto use = [&](const ufb::tokenizer& reader) {
      const auto encoded = reader.encode(text, {.max_length = random_.size(8, 64)});
      static_cast<void>(reader.decode(encoded.ids));
    };
    if (random_.size(0, 9) == 0) return use(ufb::tokenizer::load(tokenizer_folders_[t]));
    use(tokenizers_[t]);
  }

  void on_threads(std::size_t m, std::uint64_t seed) {
    const auto texts = some_texts(m, seed);
    const std::string alone = answers(models_[m], texts, workspaces_[m]);
    if (random_.coin()) {
      ufb::thread_pool fresh(random_.size(1, 4));
      if (answers(models_[m], texts, workspaces_[m], fresh) != alone) complain("other bits on fresh threads");
    }
    if (answers(models_[m], texts, workspaces_[m], pool_) != alone) complain("other bits on threads");
  }

  void lack(const std::string& what) {
    if (!little_memory_) return complain(what);
    ++short_;
  }

  void complain(const std::string& what) {
    constexpr std::size_t most_told = 20;
    if (++wrong_ <= most_told) std::cerr << what.substr(0, 500).append("\n");
  }

  subject_folders families_{};
  damaged_folders damaged_{};
  random_numbers random_;
  bool little_memory_;
  std::vector<any_model> models_{};
  std::vector<std::string> masks_{};
  std::vector<ufb::workspace> workspaces_{};
  std::vector<std::filesystem::path> tokenizer_folders_{};
  std::vector<ufb::tokenizer> tokenizers_{};
  ufb::thread_pool pool_{3};
  ufb::workspace fixed_scratch_{};
  std::string fixed_bytes_{};
  std::vector<double> times_ = std::vector<double>(100'000, 1.0);  // us; the same memory in every minute
  std::size_t timed_ = 0;                                          // of them, in this minute
  std::size_t calls_ = 0;
  std::size_t short_ = 0;
  std::size_t wrong_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  double minutes = 30;
  std::uint64_t seed = 1;
  bool little_memory = false;
  CLI::App app{"Random calls for a long time, with the memory and the times that they take."};
  app.add_option("--minutes", minutes, "how long")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seed", seed, "of the calls")->capture_default_str();
  app.add_flag("--little-memory", little_memory, "calls may end for want of memory");
  CLI11_PARSE(app, argc, argv);
  try {
    return soak(seed, little_memory).run(minutes) ? 0 : 1;
  } catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
  }
}
