// Cross-correlation by rows of the last spatial axis: what convolution, its transpose and im2col
// are made of.
//
// A table made once says, for every kernel position and output row, where the input row is that
// they meet (or that it lies in the padding). Zero spatial axes are one axis of extent 1.
#pragma once

#include <vector>

#include "engines/reference/linear_algebra.hpp"
#include "ops/windows.hpp"

namespace crema::reference {

// "Input" is where the windows slide, "output" has one element per place of the window, whichever
// of the two is computed.
struct Correlation {
  static constexpr int64_t kOutside = -1;

  int64_t batch, in_channels, out_channels, groups;
  int64_t in_plane, out_plane;  // elements of a channel
  int64_t out_rows, out_width;  // rows of the last axis in a channel
  int64_t kernel_rows, kernel_width;
  int64_t width, stride, pad, dilation;  // last axis
  std::vector<int64_t> input_row;        // [kernel_rows][out_rows], offset in the input channel

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t taps() const { return kernel_rows * kernel_width; }
  int64_t row(int64_t kernel_row, int64_t out_row) const {
    return input_row[static_cast<size_t>(kernel_row * out_rows + out_row)];
  }
  // Output columns [first, last) whose input column at kernel column k is inside the image.
  struct Columns {
    int64_t first, last, input;  // input: column of output column `first`
  };
  Columns columns(int64_t k) const {
    const int64_t shift = k * dilation - pad;  // input column = out * stride + shift
    const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t room = width - 1 - shift;
    const int64_t last = room < 0 ? 0 : std::min(out_width, room / stride + 1);
    return {first, std::max(first, last), first * stride + shift};
  }
};

// in (N, C, D...), out (N, K, D'...).
Correlation correlation_of(const ops::Windows& windows, int64_t groups, const Shape& in,
                           const Shape& out);

// Calls fn(tap, output offset, input offset, columns) for every kernel position and every part of
// an output row that meets the image there, in one output and one input channel.
template <class Fn>
void for_each_meeting(const Correlation& g, Fn&& fn) {
  for (int64_t kr = 0; kr < g.kernel_rows; ++kr)
    for (int64_t kc = 0; kc < g.kernel_width; ++kc) {
      const Correlation::Columns c = g.columns(kc);
      if (c.first == c.last) continue;
      for (int64_t r = 0; r < g.out_rows; ++r)
        if (const int64_t row = g.row(kr, r); row != Correlation::kOutside)
          fn(kr * g.kernel_width + kc, r * g.out_width + c.first, row + c.input, c.last - c.first);
    }
}

// out = correlation of `in` with the weights w (out_channels, in_channels / groups, kernel...),
// plus b (out_channels) unless it is null.
template <class T>
void correlate(const Correlation& g, const T* in, const T* w, const T* b, T* out) {
  const int64_t cost = g.out_plane * g.group_in() * g.taps();
  parallel_each(g.batch * g.out_channels, cost, [&](int64_t task) {
    const int64_t n = task / g.out_channels, k = task % g.out_channels;
    T* to = out + task * g.out_plane;
    std::fill_n(to, g.out_plane, b != nullptr ? b[k] : T(0));
    for (int64_t c = 0; c < g.group_in(); ++c) {
      const int64_t channel = k / g.group_out() * g.group_in() + c;
      const T* from = in + (n * g.in_channels + channel) * g.in_plane;
      const T* taps = w + (k * g.group_in() + c) * g.taps();
      for_each_meeting(g, [&](int64_t tap, int64_t at, int64_t input, int64_t count) {
        if (g.stride == 1) return add_scaled(to + at, taps[tap], from + input, count);
        for (int64_t i = 0; i < count; ++i) to[at + i] += taps[tap] * from[input + i * g.stride];
      });
    }
  });
}

// The transpose: in = sum of what each element of `out` met, plus b (in_channels) unless it is
// null.
template <class T>
void correlate_transposed(const Correlation& g, const T* out, const T* w, const T* b, T* in) {
  const int64_t cost = g.out_plane * g.group_out() * g.taps();
  parallel_each(g.batch * g.in_channels, cost, [&](int64_t task) {
    const int64_t n = task / g.in_channels, channel = task % g.in_channels;
    const int64_t group = channel / g.group_in(), c = channel % g.group_in();
    T* to = in + task * g.in_plane;
    std::fill_n(to, g.in_plane, b != nullptr ? b[channel] : T(0));
    for (int64_t j = 0; j < g.group_out(); ++j) {
      const int64_t k = group * g.group_out() + j;
      const T* from = out + (n * g.out_channels + k) * g.out_plane;
      const T* taps = w + (k * g.group_in() + c) * g.taps();
      for_each_meeting(g, [&](int64_t tap, int64_t at, int64_t input, int64_t count) {
        if (g.stride == 1) return add_scaled(to + input, taps[tap], from + at, count);
        for (int64_t i = 0; i < count; ++i) to[input + i * g.stride] += taps[tap] * from[at + i];
      });
    }
  });
}

template <class T>
T strided_dot(const T* a, const T* b, int64_t stride, int64_t n) {
  if (stride == 1) return dot(a, b, n);
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i * stride];
  return sum;
}

// dw = sum over the batch of out x in where they meet: the weights' gradient of both.
template <class T>
void correlate_weights(const Correlation& g, const T* in, const T* out, T* dw) {
  const int64_t cost = g.batch * g.out_plane * g.taps();
  parallel_each(g.out_channels * g.group_in(), cost, [&](int64_t task) {
    const int64_t k = task / g.group_in(), c = task % g.group_in();
    const int64_t channel = k / g.group_out() * g.group_in() + c;
    T* taps = dw + task * g.taps();
    std::fill_n(taps, g.taps(), T(0));
    for (int64_t n = 0; n < g.batch; ++n) {
      const T* a = out + (n * g.out_channels + k) * g.out_plane;
      const T* b = in + (n * g.in_channels + channel) * g.in_plane;
      for_each_meeting(g, [&](int64_t tap, int64_t at, int64_t input, int64_t count) {
        taps[tap] += strided_dot(a + at, b + input, g.stride, count);
      });
    }
  });
}

// db (channels) = sums over the batch and the planes of dy (N, channels, ...).
template <class T>
void channel_sums(const Shape& y, const T* dy, T* db) {
  sum_outside<T>(Split(Shape{y[0], y[1], y.count(2)}, 1, 2), dy, nullptr, db);
}

}  // namespace crema::reference
