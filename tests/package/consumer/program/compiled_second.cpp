// SPDX-License-Identifier: MIT
#include <array>
#include <ultrafastbert/layers.hpp>

#include "answer.hpp"

std::array<float, 4> second_answer() { return answer(); }
