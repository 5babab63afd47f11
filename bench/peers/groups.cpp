// SPDX-License-Identifier: MIT
#include "groups.hpp"

namespace ufb_bench {

const std::vector<peer_group>& peer_groups() {
  using enum ultrafastbert::weight_storage;
  using enum peer_encoder;
  using enum call_style;
  static const std::vector<peer_group> all{
      {"peers",
       "The whole encoder, here and elsewhere",
       "torch_dense",
       "5 GB of memory, and 1.7 GB on the disk",
       "16 layers of width 768 with 12 heads, ids to final states; FFF: one tree of depth 11; dense: 4095 neurons. All "
       "read the same random weights and ids",
       {"1x16", "1x128", "8x128"},
       {
           {"ours_fff_f32", "this library, FFF, f32", "", fff, float32},
           {"ours_fff_bf16", "this library, FFF, bf16 projections", "", fff, bfloat16},
           {"ours_fff_int8", "this library, FFF, int8 projections", "", fff, int8},
           {"ours_dense_f32", "this library, dense, f32", "", dense, float32},
           {"onnxruntime_dense", "ONNX Runtime, dense, f32", "onnxruntime", dense, float32},
           {"torch_dense", "PyTorch, dense, f32", "torch", dense, float32},
           {"torch_dense_int8", "PyTorch, dense, dynamic int8", "torch", dense, int8},
           {"torch_fff_masked", "PyTorch, FFF as published: all neurons, then a mask", "torch", fff, float32},
           {"torch_fff_gather", "PyTorch, FFF by batched gathers", "torch", fff, float32},
       }},
      {"hub",
       "A dense BERT as the hub stores it, here and elsewhere",
       "torch_hub",
       "1 GB of memory, and 250 MB on the disk",
       "MiniLM's sizes: 6 layers of width 384 with 12 heads and 1536 neurons, GELU by erf, ids to final states. All "
       "read "
       "the same random weights and ids",
       {"1x16", "1x128", "8x128", "mixed"},
       {
           {"ours_f32", "this library, f32", "", hub, float32},
           {"ours_bf16", "this library, bf16 projections", "", hub, bfloat16},
           {"ours_int8", "this library, int8 projections", "", hub, int8},
           {"onnxruntime", "ONNX Runtime, f32", "onnxruntime", hub, float32},
           {"onnxruntime_sorted", "ONNX Runtime, f32, sorted by length, eight at a time", "onnxruntime", hub, float32,
            sorted_eights},
           {"onnxruntime_single", "ONNX Runtime, f32, one by one", "onnxruntime", hub, float32, one_by_one},
       }},
  };
  return all;
}

}  // namespace ufb_bench
