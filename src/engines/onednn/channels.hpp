// Per-channel arithmetic on activations in any of the layouts that convolutions use.
#pragma once

#include <algorithm>
#include <type_traits>

#include "base/simd.hpp"
#include "engines/onednn/layout.hpp"

namespace crema::onednn {

// A tensor (N, C, ...) as blocks of `lanes` channels: nChw16c and its like, channels last (blocks
// of 16, the last one shorter), or plain (blocks of one channel, `flat`).
struct ChannelView {
  int64_t batch = 0, channels = 0, blocks = 0, positions = 0;
  int lanes = 1;                          // channels of a block: 1, 4, 8 or 16
  int64_t row = 0, block = 0, image = 0;  // floats from a position, block, image to the next
  bool padded = true;                     // the last block has all its lanes in memory

  // Empty if the tensor is stored in another order.
  static std::optional<ChannelView> of(const Desc& desc);
  int64_t padded_channels() const { return blocks * lanes; }
  bool flat() const { return lanes == 1; }
  // [N][channel blocks][positions][channels in a block]
  bool blocked() const { return lanes > 1 && row == lanes; }
  int64_t panel_floats() const { return positions * lanes; }
};

// The elements of one block in one image, as rows of L floats: a row is the block's channels at
// one position, or L positions of a plain channel.
struct Panel {
  int64_t first = 0, rows = 0, row = 0;
  int lanes = 0;  // floats in a row
  int tail = 0;   // floats in one row more
};

template <int L>
Panel panel_of(const ChannelView& v, int64_t image, int64_t block) {
  Panel p;
  p.first = image * v.image + block * v.block;
  if (v.flat()) {
    p.rows = v.positions / L;
    p.row = p.lanes = L;
    p.tail = static_cast<int>(v.positions % L);
  } else {
    p.rows = v.positions;
    p.row = v.row;
    p.lanes = v.padded ? L : static_cast<int>(std::min<int64_t>(L, v.channels - block * L));
  }
  return p;
}

// fn(offset, n) for every row; n is a std::integral_constant where the row is full.
template <int L, class Fn>
void each_row(const Panel& p, Fn&& fn) {
  if (p.lanes == L)
    for (int64_t r = 0; r < p.rows; ++r) fn(p.first + r * p.row, std::integral_constant<int, L>());
  else
    for (int64_t r = 0; r < p.rows; ++r) fn(p.first + r * p.row, p.lanes);
  if (p.tail > 0) fn(p.first + p.rows * p.row, p.tail);
}

// One number per channel, spread over the lanes of a row; zero where there is no channel.
// (By reference: vectors are not passed in registers that the baseline does not have.)
template <int L>
void lanes_of(const ChannelView& v, const float* values, int64_t block, simd::Vector<L>& out) {
  out = simd::Vector<L>{};
  if (v.flat())
    out += values[block];
  else
    simd::load<L>(out, values + block * L, std::min<int64_t>(L, v.channels - block * L));
}

// The other way round: fn(channel, sum of that channel's lanes).
template <int L, class Fn>
void each_channel(const ChannelView& v, int64_t block, const double* lanes, Fn&& fn) {
  if (v.flat()) {
    double sum = 0;
    for (int l = 0; l < L; ++l) sum += lanes[l];
    return fn(block, sum);
  }
  for (int64_t l = 0; l < std::min<int64_t>(L, v.channels - block * L); ++l)
    fn(block * L + l, lanes[l]);
}

// fn(std::integral_constant<int, L>): the width of the rows in which a view is worked on.
template <class Fn>
void with_rows(const ChannelView& v, Fn&& fn) {
  switch (v.lanes) {
    case 4:
      return fn(std::integral_constant<int, 4>());
    case 8:
      return fn(std::integral_constant<int, 8>());
    default:
      return fn(std::integral_constant<int, 16>());
  }
}

// Sums of rows in single precision, in short runs, the runs in double: add() per row.
template <int L, int kSums>
class RunningSums {
 public:
  using Vector = simd::Vector<L>;
  template <class... Vectors>
  void add(const Vectors&... terms) {
    int i = 0;
    ((run_[i++] += terms), ...);
    if (++count_ == kRun) flush();
  }
  void flush() {
    for (int s = 0; s < kSums; ++s) {
      for (int l = 0; l < L; ++l) totals[s][l] += static_cast<double>(run_[s][l]);
      run_[s] = Vector{};
    }
    count_ = 0;
  }
  double totals[kSums][L] = {};

 private:
  static constexpr int kRun = 64;
  Vector run_[kSums] = {};
  int count_ = 0;
};

// y = x * factor [+ bias]: per-channel numbers, `channels` of them; a null bias is zero, a null
// factor is one. y may be x. Padding comes out as zeros.
void channel_affine(const ChannelView& view, const float* x, const float* factor, const float* bias,
                    float* y);

// sums[c] = sum over batch and positions of g [* x]. In a fixed order whatever the threads.
void channel_sums(const ChannelView& view, const float* g, const float* x, float* sums);

// Slopes of PReLU: one per channel, or a single one.
struct ChannelSlopes {
  ChannelView view;
  bool single = false;
};

// y = x > 0 ? x : slope x; y may be x.
void channel_prelu(const ChannelSlopes& slopes, const float* x, const float* slope, float* y);

// dx = x > 0 ? g : slope g, dslope = sum of g x where x <= 0. Either may be null; dx may be g.
// Scratch: one number per padded channel. In a fixed order whatever the threads.
void channel_prelu_gradient(const ChannelSlopes& slopes, const float* x, const float* slope,
                            const float* g, float* dx, float* dslope, double* scratch);

// Elements below which a second thread does not pay.
inline constexpr int64_t kGrain = 4096;
inline int64_t grain_of(int64_t elements_each) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements_each));
}

}  // namespace crema::onednn
