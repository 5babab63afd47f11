// SPDX-License-Identifier: MIT
//
// The whole library. Load a checkpoint folder and fill the masks of a sentence:
//
//   const auto model = ultrafastbert::masked_lm<float>::load("models/tiny-mlm");
//   auto workspace = model.make_workspace();
//   for (const auto& c : model.fill_mask("she <mask> to the market every day .", {.top_k = 5}, workspace)) {
//     std::cout << c.token << ' ' << c.probability << '\n';
//   }
//
// Layer: umbrella over everything. The CMake target is ultrafastbert::ultrafastbert.
#pragma once

#include "ultrafastbert/core/language.hpp"  // first

#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/layers.hpp"
#include "ultrafastbert/tokenizer.hpp"

#include "ultrafastbert/encoder/config.hpp"
#include "ultrafastbert/encoder/encoder.hpp"
#include "ultrafastbert/encoder/trace.hpp"
#include "ultrafastbert/io/checkpoint.hpp"
#include "ultrafastbert/io/safetensors.hpp"
#include "ultrafastbert/io/safetensors_source.hpp"
#include "ultrafastbert/io/weight_files.hpp"
#include "ultrafastbert/model/auto_model.hpp"
#include "ultrafastbert/model/compare_models.hpp"
#include "ultrafastbert/model/tasks/cross_encoder.hpp"
#include "ultrafastbert/model/tasks/embedder.hpp"
#include "ultrafastbert/model/tasks/encoder_model.hpp"
#include "ultrafastbert/model/tasks/masked_lm.hpp"
#include "ultrafastbert/model/tasks/sequence_classifier.hpp"
#include "ultrafastbert/model/tasks/token_classifier.hpp"
