// What the kernels of the OpenBLAS engine share.
#pragma once

#include <cblas.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/registry.hpp"
#include "ops/engine.hpp"

namespace crema::openblas {

struct OpenBlasKernelTag {
  using Entry = ops::Answer (*)(const ops::KernelRequest&);
  static constexpr const char* kTable = "openblas kernel";
};

inline const float* in(std::span<const void* const> operands, size_t i) {
  return static_cast<const float*>(operands[i]);
}
inline float* out(std::span<void* const> operands, size_t i) {
  return static_cast<float*>(operands[i]);
}

// OpenBLAS counts rows and columns in 32 bits.
inline bool countable(int64_t n) {
  return n <= std::numeric_limits<int32_t>::max();
}

// A row-major matrix in memory, read as it is or transposed.
struct Matrix {
  const float* data;
  int64_t row_length;  // of the memory
  bool transposed = false;
};

// c (m, n) = a (m, k) b (k, n) + beta c, row-major. With k = 0 the product is zero.
inline void multiply(int64_t m, int64_t n, int64_t k, const Matrix& a, const Matrix& b, float beta,
                     float* c) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (beta == 0) std::fill_n(c, m * n, 0.0f);
    return;
  }
  const auto trans = [](const Matrix& x) { return x.transposed ? CblasTrans : CblasNoTrans; };
  const auto size = [](int64_t x) { return static_cast<blasint>(x); };
  cblas_sgemm(CblasRowMajor, trans(a), trans(b), size(m), size(n), size(k), 1.0f, a.data,
              size(a.row_length), b.data, size(b.row_length), beta, c, size(n));
}

}  // namespace crema::openblas
