// SPDX-License-Identifier: MIT
//
// Lets every allocation fail, one after another, while models and tokenizers are loaded and used:
//   ufb_allocations [--most N] [--only PART] [--later]
// A failing call has to leave std::bad_alloc, nothing that is not freed, and the model, the tokenizer and the workspace
// as they were: the same call gives the same bits afterwards. A call that gets by without its allocation has to give
// these bits at once. With --later all allocations after the failing one fail too, until the call has ended. --most
// takes N allocations of each call, evenly spread; --only the calls whose name contains PART. The last line is
//   N failed allocations, N leaks, N differing results, N wrong exceptions
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <exception>
#include <iostream>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "hammer/subjects.hpp"
#include "support/allocation_counter.hpp"

namespace {

using namespace ufb_test;

struct options {
  bool silent = false;
  std::size_t most = std::numeric_limits<std::size_t>::max();
  std::string only{};
  bool later = false;
};

struct tally {
  std::size_t failures = 0;
  std::size_t leaks = 0;
  std::size_t different = 0;
  std::size_t wrong = 0;

  [[nodiscard]] bool good() const noexcept { return leaks == 0 && different == 0 && wrong == 0; }
};

std::ostream& operator<<(std::ostream& out, const tally& counts) {
  return out << counts.failures << " failed allocations, " << counts.leaks << " leaks, " << counts.different
             << " differing results, " << counts.wrong << " wrong exceptions";
}

class failer {
 public:
  explicit failer(options wanted) : wanted_(std::move(wanted)) {}

  /// Makes the allocations of `call(scratch)` fail in turn. A fresh workspace goes to `before` first.
  template <class Call, class Before>
  void check(const std::string& name, const Call& call, const Before& before) {
    if (name.find(wanted_.only) == std::string::npos) return;
    std::string expected;
    for (int warm = 0; warm < 2; ++warm) {  // what is allocated once only, such as locales, is allocated here
      ufb::workspace scratch;
      before(scratch);
      expected = call(scratch);
    }
    std::size_t total = 0;
    {
      ufb::workspace scratch;
      before(scratch);
      total = allocations_in([&] { static_cast<void>(call(scratch)); });
    }
    const std::size_t step = (total + wanted_.most - 1) / wanted_.most;
    tally counts;
    for (std::size_t k = 1; k <= total; k += (std::max)(step, std::size_t{1})) {
      check_one(name, k, expected, call, before, counts);
    }
    if (!wanted_.silent) std::cout << name << ": " << counts << std::endl;
    all_.failures += counts.failures;
    all_.leaks += counts.leaks;
    all_.different += counts.different;
    all_.wrong += counts.wrong;
  }

  template <class Call>
  void check(const std::string& name, const Call& call) {
    check(name, call, [](ufb::workspace&) {});
  }

  [[nodiscard]] const tally& all() const noexcept { return all_; }

 private:
  template <class Call, class Before>
  void check_one(const std::string& name, std::size_t k, const std::string& expected, const Call& call,
                 const Before& before, tally& counts) {
    const std::size_t live = live_allocations();
    const std::size_t wrong = counts.wrong;
    {
      ufb::workspace scratch;
      before(scratch);
      fail_one(
          name, k, expected, [&] { return call(scratch); }, counts);
      try {
        if (call(scratch) != expected) complain(name, k, "another result afterwards", counts.different);
      } catch (const std::exception& problem) {
        complain(name, k, problem.what(), counts.wrong);
      }
    }
    const std::size_t left = live_allocations();
    if (allocations_are_counted() && left != live && counts.wrong == wrong) {
      complain(name, k, std::to_string(live) + " allocations before, " + std::to_string(left) + " afterwards",
               counts.leaks);
    }
  }

  template <class Call>
  void fail_one(const std::string& name, std::size_t k, const std::string& expected, const Call& call, tally& counts) {
    using kind = failing_allocation::kind;
    enum class ending { result, bad_alloc, wrong };
    ending how = ending::result;
    std::string text;
    {
      const failing_allocation failing(k, wanted_.later ? kind::all_from_there : kind::one);
      // Nothing here allocates: what an exception says is asked for below.
      std::exception_ptr thrown;
      try {
        text = call();
      } catch (const std::bad_alloc&) {
        how = ending::bad_alloc;
      } catch (...) {
        how = ending::wrong;
        thrown = std::current_exception();
      }
      if (failing_allocation::failures() == 0) return;  // this time the call takes fewer
      ++counts.failures;
      if (thrown) problem_ = thrown;
    }
    if (how == ending::result && text != expected) complain(name, k, "another result at once", counts.different);
    if (how == ending::wrong) {
      try {
        std::rethrow_exception(std::exchange(problem_, nullptr));
      } catch (const std::exception& problem) {
        complain(name, k, problem.what(), counts.wrong);
      } catch (...) {
        complain(name, k, "an exception of no known type", counts.wrong);
      }
    }
  }

  void complain(const std::string& name, std::size_t k, const std::string& what, std::size_t& count) const {
    constexpr std::size_t most_told = 5;
    if (++count <= most_told && !wanted_.silent)
      std::cerr << name << ", allocation " << k << ": " << what.substr(0, 300) << '\n';
  }

  options wanted_;
  tally all_{};
  std::exception_ptr problem_{};
};

// Calls that do wrong: each has to be found out, or else the figures of the others say nothing.
void find_wrong_calls() {
  const auto counts_of = [](const auto& call) {
    failer fails({.silent = true});
    fails.check("", call);
    return fails.all();
  };
  const auto allocates = [] { return std::string(100, 'a'); };
  int* lost = nullptr;
  const tally leaking = counts_of([&](ufb::workspace&) {
    auto* const number = new int(1);  // freed only if the rest goes well
    try {
      std::string text = allocates();
      delete number;
      return text;
    } catch (...) {
      lost = number;
      throw;
    }
  });
  delete lost;
  const tally swallowing = counts_of([&](ufb::workspace&) {
    try {
      return allocates();
    } catch (const std::bad_alloc&) {
      return std::string("nothing");
    }
  });
  const tally renaming = counts_of([&](ufb::workspace&) {
    try {
      return allocates();
    } catch (const std::bad_alloc&) {
      throw std::runtime_error("no");
    }
  });
  if ((allocations_are_counted() && leaking.leaks != 1) || swallowing.different != 1 || renaming.wrong != 1) {
    throw std::logic_error("a call that does wrong was not found out");
  }
}

void load_models(failer& fails, const std::vector<subject>& subjects) {
  for (const subject& each : subjects) {
    for (const storages& kept : all_storages()) {
      const auto load = [&] { return any_model::load(each.folder, kept.options()); };
      any_model old = load();
      const std::string mask = mask_of(old);
      const auto texts = random_texts(5, 2, mask);
      // The old model is replaced by the new one, or stays.
      fails.check("load " + each.name + ' ' + kept.text(), [&](ufb::workspace& scratch) {
        old = load();
        return answers(old, texts, scratch);
      });
    }
  }
}

void use_models(failer& fails, const std::vector<subject>& subjects) {
  ufb::thread_pool pool(3);
  for (const subject& each : subjects) {
    for (const storages& kept : all_storages()) {
      const auto model = any_model::load(each.folder, kept.options());
      const std::string mask = mask_of(model);
      const std::string name = each.name + ' ' + kept.text();
      const auto texts = random_texts(6, 5, mask);
      const auto one = random_texts(7, 1, mask);
      fails.check("texts " + name, [&](ufb::workspace& scratch) { return answers(model, texts, scratch); });
      fails.check(
          "further texts " + name, [&](ufb::workspace& scratch) { return answers(model, texts, scratch); },
          [&](ufb::workspace& scratch) { static_cast<void>(answers(model, one, scratch)); });
      fails.check("texts on threads " + name,
                  [&](ufb::workspace& scratch) { return answers(model, texts, scratch, pool); });
      fails.check("ids " + name, [&](ufb::workspace& scratch) { return states_of_ids(model, 8, scratch); });
      fails.check("ids on threads " + name,
                  [&](ufb::workspace& scratch) { return states_of_ids(model, 8, scratch, pool); });
    }
  }
}

/// The message of the error that `action` ends with.
template <class Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const ufb::error& problem) {
    return problem.what();
  }
  throw std::logic_error("this was to be refused");
}

// Errors have to get through, or std::bad_alloc in their place; and where texts are tried, one error each.
void refuse(failer& fails, const std::vector<subject>& subjects) {
  const folder_copy bad(golden_model("bert_seq_3"));
  bad.rename_tensors([](const std::string& name) { return name.starts_with("bert.encoder") ? "old." + name : name; });
  fails.check("refuse missing tensors",
              [&](ufb::workspace&) { return refusal([&] { static_cast<void>(any_model::load(bad.path())); }); });
  bad.write("model.safetensors", "no container");
  fails.check("refuse a container",
              [&](ufb::workspace&) { return refusal([&] { static_cast<void>(any_model::load(bad.path())); }); });
  bad.write("config.json", R"({"model_type": "bert", "hidden_size": "many"})");
  fails.check("refuse a configuration",
              [&](ufb::workspace&) { return refusal([&] { static_cast<void>(any_model::load(bad.path())); }); });

  for (const subject& each : subjects) {
    if (each.name != "bert sequence_classifier") continue;
    const auto model = ufb::sequence_classifier<float>::load(each.folder);
    std::string long_text;
    for (int i = 0; i < 100; ++i) long_text += "a ";
    const std::vector<std::string_view> texts{"a b", long_text, "c"};
    fails.check("refuse a text", [&](ufb::workspace& scratch) {
      return refusal([&] { static_cast<void>(model.classify(texts, scratch)); });
    });
    fails.check("try texts", [&](ufb::workspace& scratch) {
      result_bytes bytes;
      for (const auto& outcome : model.try_classify(texts, scratch)) {
        if (outcome.result) bytes.add(*outcome.result);
        if (outcome.problem) bytes.add(std::string(outcome.problem->what()));
      }
      return bytes.take();
    });
  }
}

void add_encoding(result_bytes& bytes, const ufb::encoding& text) {
  bytes.add(text.ids);
  bytes.add(text.tokens);
  for (const ufb::text_span& span : text.byte_offsets) {
    bytes.add(span.begin);
    bytes.add(span.end);
  }
  for (const ufb::encoding& further : text.overflow) add_encoding(bytes, further);
}

void use_tokenizers(failer& fails) {
  const std::vector<std::string> texts{"The caf\xC3\xA9 isn't open, or is it?", "",
                                       "\xE4\xBD\xA0\xE5\xA5\xBD 1234 \xFF x", "un believable tokens"};
  for (const char* name : {"bert_uncased", "crammed_bytebpe", "crammed_unigram", "crammed_wordpiece"}) {
    const auto folder = std::filesystem::path(UFB_TEST_DATA_DIR) / "tokenizers" / name;
    const auto reader = ufb::tokenizer::load(folder);
    const std::string of = std::string(" ").append(name);
    fails.check("encode" + of, [&](ufb::workspace&) {
      result_bytes bytes;
      for (const auto& text : texts) add_encoding(bytes, reader.encode(text));
      return bytes.take();
    });
    fails.check("encode and cut" + of, [&](ufb::workspace&) {
      result_bytes bytes;
      add_encoding(bytes, reader.encode(texts[0], texts[3], {.max_length = 8, .overflow = true, .stride = 1}));
      return bytes.take();
    });
    fails.check("encode a batch and decode" + of, [&](ufb::workspace&) {
      result_bytes bytes;
      for (const auto& text : reader.encode_batch(texts)) {
        add_encoding(bytes, text);
        bytes.add(reader.decode(text.ids));
      }
      return bytes.take();
    });
    fails.check("load tokenizer" + of, [&](ufb::workspace&) {
      const auto fresh = ufb::tokenizer::load(folder);
      result_bytes bytes;
      add_encoding(bytes, fresh.encode(texts[0]));
      return bytes.take();
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Lets every allocation fail in turn."};
  app.add_option("--most", wanted.most, "allocations of each call that fail, evenly spread; all by default")
      ->check(CLI::PositiveNumber);
  app.add_option("--only", wanted.only, "part of the names of calls");
  app.add_flag("--later", wanted.later, "all later allocations fail too");
  CLI11_PARSE(app, argc, argv);
  try {
    const subject_folders families;
    find_wrong_calls();
    failer fails(wanted);
    refuse(fails, families.all());
    use_tokenizers(fails);
    use_models(fails, families.all());
    load_models(fails, families.all());
    std::cout << fails.all() << '\n';
    return fails.all().good() && fails.all().failures != 0 ? 0 : 1;
  } catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
  }
}
