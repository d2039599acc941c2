#include "engines/onednn/lrn_blocks.hpp"

#include <cmath>

#include "base/parallel.hpp"

namespace crema::onednn {
namespace {

constexpr int kLanes = 16;  // floats worked on at once

// One position's channels beside each other, with zeros on both sides for the sums around.
struct Row {
  int64_t channels, reach;
  int64_t padded() const { return (channels + kLanes - 1) / kLanes * kLanes; }
  int64_t floats() const { return (padded() + 2 * reach + kLanes - 1) / kLanes * kLanes; }
};

Row row_of(const BlockLrn& op) {
  return {op.view.channels, op.reach};
}

using Floats = simd::Vector<kLanes>;
constexpr std::integral_constant<int, kLanes> kAll;

// The sum over the neighbourhood; `at` points to the padded row's element of the first channel.
inline void sum_around(const float* at, int64_t reach, Floats& sum) {
  Floats next;
  sum = Floats{};
  for (int64_t d = -reach; d <= reach; ++d) {
    simd::load<kLanes>(next, at + d, kAll);
    sum += next;
  }
}

// s^-beta for the betas that are possible().
inline void power(const Floats& s, float beta, Floats& out) {
  if (beta == 1) {
    out = 1.0f / s;
    return;
  }
  Floats root;
  for (int l = 0; l < kLanes; ++l) root[l] = std::sqrt(s[l]);
  out = 1.0f / root;
  if (beta == 0.75f)
    for (int l = 0; l < kLanes; ++l) out[l] *= std::sqrt(out[l]);
}

// fn(offset of the block in memory, of its channels in the row, number of floats)
template <int L, class Fn>
inline void each_block(const ChannelView& v, int64_t image, int64_t position, Fn&& fn) {
  const int64_t first = image * v.image + position * v.row;
  for (int64_t b = 0; b < v.blocks; ++b) {
    const int64_t left = v.channels - b * L;
    if (v.padded || left >= L)
      fn(first + b * v.block, b * L, std::integral_constant<int, L>());
    else
      fn(first + b * v.block, b * L, static_cast<int>(left));
  }
}

template <int L, class T>
void load_row(const BlockLrn& op, int64_t image, int64_t position, const T* from, float* row) {
  each_block<L>(op.view, image, position, [&](int64_t at, int64_t channel, auto n) {
    simd::Vector<L> value;
    simd::load<L>(value, from + at, n);
    simd::store<L>(row + channel, value, std::integral_constant<int, L>());
  });
}

template <int L, class T>
void store_row(const BlockLrn& op, int64_t image, int64_t position, const float* row, T* to) {
  each_block<L>(op.view, image, position, [&](int64_t at, int64_t channel, auto n) {
    simd::Vector<L> value;
    simd::load<L>(value, row + channel, std::integral_constant<int, L>());
    simd::store<L>(to + at, value, n);
  });
}

// Rows of one thread: the data, then one with room on both sides, then the gradient.
struct Rows {
  float *x, *around, *g;
  Rows(const Row& row, float* memory)
      : x(memory), around(memory + row.padded()), g(memory + row.padded() + row.floats()) {
    std::fill_n(memory, floats(row), 0.0f);
  }
  static int64_t floats(const Row& row) { return 2 * row.padded() + row.floats(); }
};

template <class Fn>
void each_position(const BlockLrn& op, float* scratch, Fn&& fn) {
  const ChannelView& v = op.view;
  const Row row = row_of(op);
  parallel_for(v.batch * v.positions, grain_of(v.channels), [&](int64_t begin, int64_t end) {
    simd::run([&] {
      Rows rows(row, scratch + omp_get_thread_num() * Rows::floats(row));
      for (int64_t i = begin; i < end; ++i) fn(rows, i / v.positions, i % v.positions);
    });
  });
}

template <int L, class T>
void forward(const BlockLrn& op, const T* x, T* y, float* scratch) {
  const Row row = row_of(op);
  each_position(op, scratch, [&](Rows& rows, int64_t image, int64_t position) {
    load_row<L>(op, image, position, x, rows.x);
    float* squares = rows.around + op.reach;
    for (int64_t c = 0; c < row.padded(); ++c) squares[c] = rows.x[c] * rows.x[c];
    for (int64_t c = 0; c < row.padded(); c += kLanes) {
      Floats value, s, p;
      simd::load<kLanes>(value, rows.x + c, kAll);
      sum_around(squares + c, op.reach, s);
      s = op.base + op.factor * s;
      power(s, op.beta, p);
      value *= p;
      simd::store<kLanes>(rows.x + c, value, kAll);
    }
    store_row<L>(op, image, position, rows.x, y);
  });
}

template <int L, class T>
void backward(const BlockLrn& op, const T* x, const T* dy, T* dx, float* scratch) {
  const Row row = row_of(op);
  const float slope = 2 * op.factor * op.beta;
  each_position(op, scratch, [&](Rows& rows, int64_t image, int64_t position) {
    load_row<L>(op, image, position, x, rows.x);
    load_row<L>(op, image, position, dy, rows.g);
    float* around = rows.around + op.reach;
    for (int64_t c = 0; c < row.padded(); ++c) around[c] = rows.x[c] * rows.x[c];
    // g becomes dy s^-beta; what is summed around, dy x s^(-beta - 1), has to wait for its turn:
    // the squares are still needed.
    Floats waiting{};
    for (int64_t c = 0; c < row.padded(); c += kLanes) {
      Floats value, g, s, p;
      simd::load<kLanes>(value, rows.x + c, kAll);
      simd::load<kLanes>(g, rows.g + c, kAll);
      sum_around(around + c, op.reach, s);
      s = op.base + op.factor * s;
      power(s, op.beta, p);
      g *= p;
      simd::store<kLanes>(rows.g + c, g, kAll);
      if (c > 0) simd::store<kLanes>(around + c - kLanes, waiting, kAll);
      waiting = g * value / s;
    }
    simd::store<kLanes>(around + row.padded() - kLanes, waiting, kAll);
    for (int64_t c = 0; c < row.padded(); c += kLanes) {
      Floats value, g, sum;
      simd::load<kLanes>(value, rows.x + c, kAll);
      simd::load<kLanes>(g, rows.g + c, kAll);
      sum_around(around + c, op.reach, sum);
      g -= slope * value * sum;
      simd::store<kLanes>(rows.g + c, g, kAll);
    }
    store_row<L>(op, image, position, rows.g, dx);
  });
}

}  // namespace

size_t BlockLrn::scratch_bytes() const {
  return static_cast<size_t>(Rows::floats(row_of(*this)) * compute_threads()) * sizeof(float);
}

bool possible(const BlockLrn& op) {
  const bool roots = op.beta == 0.75f || op.beta == 0.5f || op.beta == 1.0f;
  return roots && op.base > 0 && op.reach <= kLanes && !op.view.flat();
}

template <class T>
void lrn_forward(const BlockLrn& op, const T* x, T* y, float* scratch) {
  with_rows(op.view, [&](auto lanes) { forward<lanes()>(op, x, y, scratch); });
}

template <class T>
void lrn_backward(const BlockLrn& op, const T* x, const T* dy, T* dx, float* scratch) {
  with_rows(op.view, [&](auto lanes) { backward<lanes()>(op, x, dy, dx, scratch); });
}

template void lrn_forward(const BlockLrn&, const float*, float*, float*);
template void lrn_forward(const BlockLrn&, const simd::Bf16*, simd::Bf16*, float*);
template void lrn_backward(const BlockLrn&, const float*, const float*, float*, float*);
template void lrn_backward(const BlockLrn&, const simd::Bf16*, const simd::Bf16*, simd::Bf16*,
                           float*);

}  // namespace crema::onednn
