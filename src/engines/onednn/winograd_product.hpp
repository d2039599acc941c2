// The matrix products in the middle of Winograd's algorithm, in registers. Private to winograd.cpp.
#pragma once

#include <type_traits>

#include "base/simd.hpp"

namespace crema::onednn {

// Vectors of output channels worked on at once, and rows (tiles, input channels) of them: what fits
// into 32 registers of 16 floats, or 16 of 8.
constexpr int kWide = 2;
template <int L>
constexpr int kRows = L == 16 ? 12 : 6;

// c[row][0 .. kWide * L) = (or +=) sum over k of a[row][k] b[k][...]; a: rows of distance a_row, k
// of distance a_k; b: k of distance b_k; c: rows of distance c_row.
struct Product {
  int64_t k, a_row, a_k, b_k, c_row;
  bool add;
};

template <int L, int kR, int kW>
inline void multiply(const Product& p, const float* a, const float* b, float* c) {
  using V = simd::Vector<L>;
  V sum[kR][kW];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < kW; ++w) {
      sum[r][w] = V{};
      if (p.add)
        simd::load<L>(sum[r][w], c + r * p.c_row + w * L, std::integral_constant<int, L>());
    }
  for (int64_t k = 0; k < p.k; ++k) {
    V right[kW];
#pragma GCC unroll 4
    for (int w = 0; w < kW; ++w)
      simd::load<L>(right[w], b + k * p.b_k + w * L, std::integral_constant<int, L>());
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const float left = a[r * p.a_row + k * p.a_k];
#pragma GCC unroll 4
      for (int w = 0; w < kW; ++w) sum[r][w] += left * right[w];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r)
#pragma GCC unroll 4
    for (int w = 0; w < kW; ++w)
      simd::store<L>(c + r * p.c_row + w * L, sum[r][w], std::integral_constant<int, L>());
}

template <int L, int kW>
inline void multiply_rows(const Product& p, int64_t rows, const float* a, const float* b,
                          float* c) {
  constexpr int kMost = kRows<L>;
  for (; rows >= kMost; rows -= kMost, a += kMost * p.a_row, c += kMost * p.c_row)
    multiply<L, kMost, kW>(p, a, b, c);
  if (rows >= kMost / 2) {
    multiply<L, kMost / 2, kW>(p, a, b, c);
    rows -= kMost / 2;
    a += kMost / 2 * p.a_row;
    c += kMost / 2 * p.c_row;
  }
  for (; rows >= 2; rows -= 2, a += 2 * p.a_row, c += 2 * p.c_row) multiply<L, 2, kW>(p, a, b, c);
  if (rows == 1) multiply<L, 1, kW>(p, a, b, c);
}

}  // namespace crema::onednn
