// Winograd's transformations along one axis of a tile, in vectors of channels: E inputs, M = E - R
// + 1 outputs of a kernel of R weights, E points. Private to winograd.cpp.
//
// The points are 0, infinity and pairs p, -p: 1 and 2 for E = 6, and 1/2 for E = 8. With Q_p(y) the
// product of (y - q^2) over the other pairs, and R(y) that over all of them (Toom and Cook):
//   inputs d      point p: sum of d_k x^k in x (x + p) Q_p(x^2);  0: R(x^2);  infinity: x R(x^2)
//   weights w     point p: sum of w_k p^k / (2 p^2 Q_p(p^2));     0: w_0 / R(0);  infinity: last
//   outputs y_k   sum over points of p^k m_p;  infinity counts for the last
#pragma once

namespace crema::onednn::tiles {

template <int E>
struct Points {
  static constexpr int kPairs = E / 2 - 1;
  float pair[kPairs] = {};
  float q[kPairs][kPairs] = {};  // coefficients of Q_p
  float r[kPairs + 1] = {};      // and of R
  float power[kPairs][E] = {};   // p^k
  float weight[E][E] = {};       // of w_k for each point, R = E at most; infinity is left out
};

template <int E>
constexpr Points<E> points() {
  constexpr int kPairs = Points<E>::kPairs;
  constexpr float all[] = {1, 2, 0.5f};
  Points<E> out;
  // (y - a) times a polynomial of degree n
  const auto multiply = [](float* c, int n, float a) {
    for (int k = n; k >= 0; --k) {
      c[k + 1] += c[k];
      c[k] *= -a;
    }
  };
  out.r[0] = 1;
  for (int j = 0; j < kPairs; ++j) {
    out.pair[j] = all[j];
    multiply(out.r, j, all[j] * all[j]);
    out.q[j][0] = 1;
    for (int i = 0, n = 0; i < kPairs; ++i)
      if (i != j) multiply(out.q[j], n++, all[i] * all[i]);
    out.power[j][0] = 1;
    for (int k = 1; k < E; ++k) out.power[j][k] = out.power[j][k - 1] * all[j];
  }
  out.weight[0][0] = 1 / out.r[0];
  for (int j = 0; j < kPairs; ++j) {
    float norm = 0, y = 1;
    for (int k = 0; k < kPairs; ++k, y *= all[j] * all[j]) norm += out.q[j][k] * y;
    norm *= 2 * all[j] * all[j];
    for (int k = 0; k < E; ++k) {
      out.weight[1 + 2 * j][k] = out.power[j][k] / norm;
      out.weight[2 + 2 * j][k] = (k % 2 == 0 ? 1 : -1) * out.power[j][k] / norm;
    }
  }
  return out;
}

template <int E, class V>
inline void input_line(const V* d, int step, V* to, int to_step) {
  constexpr auto t = points<E>();
  constexpr int n = Points<E>::kPairs;
  V zero = t.r[0] * d[0], infinity = t.r[0] * d[step];
#pragma GCC unroll 8
  for (int k = 1; k <= n; ++k) {
    zero += t.r[k] * d[2 * k * step];
    infinity += t.r[k] * d[(2 * k + 1) * step];
  }
  to[0] = zero;
  to[(E - 1) * to_step] = infinity;
#pragma GCC unroll 8
  for (int j = 0; j < n; ++j) {
    V even = t.q[j][0] * d[2 * step], odd = t.q[j][0] * d[step];
#pragma GCC unroll 8
    for (int k = 1; k < n; ++k) {
      even += t.q[j][k] * d[(2 * k + 2) * step];
      odd += t.q[j][k] * d[(2 * k + 1) * step];
    }
    to[(1 + 2 * j) * to_step] = even + t.pair[j] * odd;
    to[(2 + 2 * j) * to_step] = even - t.pair[j] * odd;
  }
}

template <int E, int M, class V>
inline void output_line(const V* m, int step, V* to, int to_step) {
  constexpr auto t = points<E>();
  constexpr int n = Points<E>::kPairs;
  V sum[n], difference[n];
#pragma GCC unroll 8
  for (int j = 0; j < n; ++j) {
    sum[j] = m[(1 + 2 * j) * step] + m[(2 + 2 * j) * step];
    difference[j] = m[(1 + 2 * j) * step] - m[(2 + 2 * j) * step];
  }
#pragma GCC unroll 8
  for (int k = 0; k < M; ++k) {
    const V* terms = k % 2 == 0 ? sum : difference;
    V y = t.power[0][k] * terms[0];
#pragma GCC unroll 8
    for (int j = 1; j < n; ++j) y += t.power[j][k] * terms[j];
    if (k == 0) y += m[0];
    if (k == M - 1) y += m[(E - 1) * step];
    to[k * to_step] = y;
  }
}

// The transpose of output_line: gradients of outputs to points.
template <int E, int M, class V>
inline void gradient_line(const V* y, int step, V* to, int to_step) {
  constexpr auto t = points<E>();
  to[0] = y[0];
  to[(E - 1) * to_step] = y[(M - 1) * step];
#pragma GCC unroll 8
  for (int j = 0; j < Points<E>::kPairs; ++j) {
    V even = y[0], odd = t.power[j][1] * y[step];
#pragma GCC unroll 8
    for (int k = 2; k < M; ++k) (k % 2 == 0 ? even : odd) += t.power[j][k] * y[k * step];
    to[(1 + 2 * j) * to_step] = even + odd;
    to[(2 + 2 * j) * to_step] = even - odd;
  }
}

template <int E, int R, class V>
inline void weight_line(const V* w, int step, V* to, int to_step) {
  constexpr auto t = points<E>();
  to[0] = t.weight[0][0] * w[0];
  to[(E - 1) * to_step] = w[(R - 1) * step];
#pragma GCC unroll 8
  for (int i = 1; i < E - 1; ++i) {
    V sum = t.weight[i][0] * w[0];
#pragma GCC unroll 8
    for (int k = 1; k < R; ++k) sum += t.weight[i][k] * w[k * step];
    to[i * to_step] = sum;
  }
}

// The transpose of weight_line: gradients of points to those of the weights.
template <int E, int R, class V>
inline void weight_gradient_line(const V* m, int step, V* to, int to_step) {
  constexpr auto t = points<E>();
#pragma GCC unroll 8
  for (int k = 0; k < R; ++k) {
    V sum = t.weight[1][k] * m[step];
#pragma GCC unroll 8
    for (int i = 2; i < E - 1; ++i) sum += t.weight[i][k] * m[i * step];
    if (k == 0) sum += t.weight[0][0] * m[0];
    if (k == R - 1) sum += m[(E - 1) * step];
    to[k * to_step] = sum;
  }
}

}  // namespace crema::onednn::tiles
