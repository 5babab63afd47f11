// SPDX-License-Identifier: MIT
//
// Run by the configure step against the BLAS it found. Links only if that BLAS has the C interface; returns 0 if its
// integers have 32 bits and a number that names the proof if they have 64.
#include <cblas.h>

#include <cstring>

// Weak: only OpenBLAS has the first, and a library need not offer the Fortran names of the second.
extern "C" {
__attribute__((weak)) char* openblas_get_config(void);
__attribute__((weak)) void daxpy_(const int* n, const double* alpha, const double* x, const int* incx, double* y,
                                  const int* incy);
}

namespace {

enum result { narrow = 0, not_working = 1, wide_by_configuration = 64, wide_by_fortran = 65, wide_by_stride = 66 };

template <class Int>
constexpr unsigned width(void (*)(Int, double, const double*, Int, double*, Int)) {
  return sizeof(Int);
}

// The configure step looks for this text, which also serves when the program cannot be run (cross-compiling).
static_assert(width(&cblas_daxpy) == sizeof(int), "the header of this BLAS declares 64-bit integers");

bool says_64_bit() {
  return openblas_get_config != nullptr && std::strstr(openblas_get_config(), "USE64BITINT") != nullptr;
}

// A library that reads 64 bits takes {2, -1} for a negative length (on little-endian machines) and does nothing.
bool reads_64_bit_lengths() {
  if (daxpy_ == nullptr) return false;
  const int n[2] = {2, -1};
  const int one[2] = {1, 0};
  const double alpha = 3.0;
  const double x[2] = {1.0, 2.0};
  double y[2] = {10.0, 20.0};
  daxpy_(n, &alpha, x, one, y, one);
  return y[0] != 13.0 || y[1] != 26.0;
}

// A negative stride walks backwards from the end; one that is widened without its sign leaves memory, or gives other
// numbers. Last, because it may crash: the configure step takes that as the same answer.
bool loses_the_sign_of_strides() {
  const double x[2] = {1.0, 2.0};
  double y[2] = {10.0, 20.0};
  cblas_daxpy(2, 3.0, x, -1, y, 1);
  return y[0] != 16.0 || y[1] != 23.0;
}

bool multiplies() {
  const float a[6] = {1, 2, 3, 4, 5, 6};
  const float b[6] = {1, 0, 2, 0, 1, 1};
  float c[4] = {};
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, 2, 2, 3, 1.0F, a, 3, b, 3, 0.0F, c, 2);
  return c[0] == 7 && c[1] == 5 && c[2] == 16 && c[3] == 11;
}

}  // namespace

int main() {
  if (says_64_bit()) return wide_by_configuration;
  if (reads_64_bit_lengths()) return wide_by_fortran;
  if (loses_the_sign_of_strides()) return wide_by_stride;
  return multiplies() ? narrow : not_working;
}
