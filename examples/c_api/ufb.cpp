// SPDX-License-Identifier: MIT
//
// The C interface over the library: no exception leaves it, and no type of C++ shows.
#include "ufb.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ultrafastbert/model/auto_model.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace ufb = ultrafastbert;

struct ufb_model {
  using any_model = ufb::auto_model<float>::any_model;

  any_model model;
  std::string task;
};

struct ufb_session {
  ufb::workspace scratch{};
};

namespace {

void write(char* to, std::size_t size, std::string_view text) noexcept {
  if (to == nullptr || size == 0) return;
  std::size_t length = std::min(text.size(), size - 1);
  if (length < text.size()) {  // no part of a character
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
  }
  std::memcpy(to, text.data(), length);
  to[length] = '\0';
}

// Calls `work`; what it throws becomes a status and a message. `refused`: that of what the library refuses, which is up
// to the call: the same code may be about a folder where one is loaded, and about a text where one is computed.
template <class Work>
ufb_status guarded(ufb_status refused, char* message, std::size_t size, const Work& work) noexcept {
  try {
    work();
    return UFB_OK;
  } catch (const ufb::error& problem) {
    write(message, size, problem.what());
    return refused;
  } catch (const std::bad_alloc&) {
    write(message, size, "out of memory");
    return UFB_NO_MEMORY;
  } catch (const std::exception& problem) {
    write(message, size, problem.what());
  } catch (...) {
    write(message, size, "unknown exception");
  }
  return UFB_INTERNAL;
}

void need(const void* pointer, const char* name) {
  if (pointer == nullptr) ufb::fail_input(name, "a pointer", "null");
}

// The model as one of a task. Throws: invalid_input.
template <class Model>
const Model& need_task(const ufb_model* model, const char* task) {
  need(model, "model");
  const auto* found = std::get_if<Model>(&model->model);
  if (found == nullptr) ufb::fail_input("model", task, model->task);
  return *found;
}

std::vector<std::string_view> views(const char* const* texts, std::size_t count) {
  if (count != 0) need(texts, "texts");
  std::vector<std::string_view> all;
  for (std::size_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) ufb::fail_input("texts[" + std::to_string(i) + ']', "a text", "null");
    all.emplace_back(texts[i]);
  }
  return all;
}

// Calls `use` with the labels of a classifier, or with none.
template <class Use>
auto with_labels(const ufb_model* model, const Use& use) noexcept {
  std::span<const std::string> labels;
  if (model != nullptr) {
    if (const auto* one = std::get_if<ufb::sequence_classifier<float>>(&model->model)) labels = one->labels();
  }
  return use(labels);
}

}  // namespace

ufb_status ufb_load(const char* folder, ufb_model** model, char* message, size_t size) {
  const ufb_status given = guarded(UFB_BAD_INPUT, message, size, [&] {
    need(folder, "folder");
    need(model, "model");
  });
  if (given != UFB_OK) return given;
  return guarded(UFB_BAD_FOLDER, message, size, [&] {
    auto any = ufb::auto_model<float>::load(folder);
    std::string task = any.task();
    auto loaded = std::move(any).take();
    if (task == "encoder_model") {  // of no use here but for embeddings: the means of its states
      loaded = ufb::embedder<float>::load(folder);
      task = "embedder";
    }
    *model = new ufb_model{std::move(loaded), std::move(task)};
  });
}

void ufb_free(ufb_model* model) { delete model; }

ufb_status ufb_open(ufb_session** session, char* message, size_t size) {
  return guarded(UFB_BAD_INPUT, message, size, [&] {
    need(session, "session");
    *session = new ufb_session;
  });
}

void ufb_close(ufb_session* session) { delete session; }

const char* ufb_task(const ufb_model* model) { return model == nullptr ? "" : model->task.c_str(); }

size_t ufb_dimensions(const ufb_model* model) {
  const auto* found = model == nullptr ? nullptr : std::get_if<ufb::embedder<float>>(&model->model);
  return found == nullptr ? 0 : found->dimensions();
}

size_t ufb_labels(const ufb_model* model) {
  return with_labels(model, [](std::span<const std::string> labels) { return labels.size(); });
}

const char* ufb_label(const ufb_model* model, size_t label) {
  return with_labels(model, [label](std::span<const std::string> labels) {
    return label < labels.size() ? labels[label].c_str() : nullptr;
  });
}

ufb_status ufb_embed(const ufb_model* model, ufb_session* session, const char* const* texts, size_t count,
                     float* vectors, char* message, size_t size) {
  return guarded(UFB_BAD_INPUT, message, size, [&] {
    const auto& embedder = need_task<ufb::embedder<float>>(model, "an embedder");
    need(session, "session");
    const auto all = views(texts, count);
    if (count != 0) need(vectors, "vectors");
    const ufb::matrix<float> found = embedder.embed(std::span<const std::string_view>(all), session->scratch);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = found.view().row_span(i);
      std::copy(row.begin(), row.end(), vectors + i * row.size());
    }
  });
}

ufb_status ufb_classify(const ufb_model* model, ufb_session* session, const char* const* texts, size_t count,
                        float* scores, char* message, size_t size) {
  return guarded(UFB_BAD_INPUT, message, size, [&] {
    const auto& classifier = need_task<ufb::sequence_classifier<float>>(model, "a sequence_classifier");
    need(session, "session");
    const auto all = views(texts, count);
    if (count != 0) need(scores, "scores");
    const auto found = classifier.classify(std::span<const std::string_view>(all), session->scratch);
    for (std::size_t i = 0; i < count; ++i) {
      for (const ufb::label_score& each : found[i]) {
        scores[i * classifier.labels().size() + each.index] = static_cast<float>(each.score);
      }
    }
  });
}

ufb_status ufb_fill_mask(const ufb_model* model, ufb_session* session, const char* text, size_t top,
                         ufb_candidate* candidates, size_t capacity, size_t* found, char* message, size_t size) {
  return guarded(UFB_BAD_INPUT, message, size, [&] {
    const auto& filler = need_task<ufb::masked_lm<float>>(model, "a masked_lm");
    need(session, "session");
    need(text, "text");
    need(found, "found");
    if (capacity != 0) need(candidates, "candidates");
    const auto words = filler.fill_mask(text, {.top_k = top}, session->scratch);
    for (std::size_t i = 0; i < std::min(capacity, words.size()); ++i) {
      candidates[i].position = words[i].position;
      candidates[i].id = static_cast<std::int64_t>(words[i].id);
      candidates[i].probability = words[i].probability;
      write(candidates[i].token, sizeof candidates[i].token, words[i].token);
    }
    *found = words.size();
  });
}
