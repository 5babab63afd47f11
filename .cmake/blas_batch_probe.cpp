// SPDX-License-Identifier: MIT
//
// Compiled and linked by the configure step, never run: does this BLAS declare and define both batched products?
#include <cblas.h>

int main() {
  const CBLAS_TRANSPOSE plain = CblasNoTrans;
  const int one = 1;
  const float s = 1.0F;
  const double d = 1.0;
  float s_out = 0.0F;
  double d_out = 0.0;
  const float* s_in[] = {&s};
  const double* d_in[] = {&d};
  float* s_to[] = {&s_out};
  double* d_to[] = {&d_out};
  cblas_sgemm_batch(CblasRowMajor, &plain, &plain, &one, &one, &one, &s, s_in, &one, s_in, &one, &s, s_to, &one, 1,
                    &one);
  cblas_dgemm_batch(CblasRowMajor, &plain, &plain, &one, &one, &one, &d, d_in, &one, d_in, &one, &d, d_to, &one, 1,
                    &one);
  return 0;
}
