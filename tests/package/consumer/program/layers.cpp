// SPDX-License-Identifier: MIT
#include <iostream>
#include <type_traits>
#include <ultrafastbert/layers.hpp>

#include "answer.hpp"

#if defined(INCLUDE_NLOHMANN_JSON_HPP_) || defined(UTF8PROC_H)
#error "layers.hpp brings JSON or Unicode along"
#endif

template <class Backend>
constexpr bool batched = false;
template <class Backend>
requires requires { Backend::has_batched_calls; }
constexpr bool batched<Backend> = Backend::has_batched_calls;

int main() {
  using backend = ultrafastbert::default_blas;
  std::cout << "backend=" << backend::name << " batched=" << batched<backend> << " answer=";
  const auto by_kernels = answer();
  const auto by_blas = answer<backend>();
  if (by_kernels != by_blas) return 1;
  for (const float value : by_blas) std::cout << value << ',';
  std::cout << '\n';
}
