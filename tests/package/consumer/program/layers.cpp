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
  using backend = ultrafastbert::default_backend;
  std::cout << "backend=" << backend::name << " batched=" << batched<backend> << " answer=";
  for (const float value : answer()) std::cout << value << ',';
  std::cout << '\n';
}
