// SPDX-License-Identifier: MIT
//
// The tokenizer alone: text to ids and back, from the files of the hub. Needs nlohmann-json and utf8proc, no Eigen and
// no BLAS. The CMake target is ultrafastbert::tokenizer.
// Layer: umbrella over core, io, tokenizer.
#pragma once

#include "ultrafastbert/core/language.hpp"  // first

#include "ultrafastbert/core/error.hpp"
#include "ultrafastbert/core/token.hpp"
#include "ultrafastbert/core/version.hpp"
#include "ultrafastbert/tokenizer/encoding.hpp"
#include "ultrafastbert/tokenizer/encoding_matrices.hpp"
#include "ultrafastbert/tokenizer/padding.hpp"
#include "ultrafastbert/tokenizer/special_role.hpp"
#include "ultrafastbert/tokenizer/tokenizer.hpp"
#include "ultrafastbert/tokenizer/tokenizer_report.hpp"
#include "ultrafastbert/tokenizer/truncation.hpp"
