// What both orders of Winograd's algorithm share: the way from images and weights to points and
// back. Private to winograd*.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/parallel.hpp"
#include "base/simd.hpp"
#include "engines/onednn/winograd.hpp"
#include "engines/onednn/winograd_tiles.hpp"

namespace crema::onednn {

// A kernel of R weights on tiles of E inputs, in blocks of L channels.
template <int kLanes, int kEdge, int kWeights>
struct Form {
  static constexpr int L = kLanes, E = kEdge, R = kWeights, M = E - R + 1;
  static constexpr int kPoints = E * E;
};

// fn(Form)
template <class Fn>
void with_form(const Winograd& op, Fn&& fn) {
  if (op.lanes == 16)
    op.kernel == 3 ? fn(Form<16, 6, 3>()) : fn(Form<16, 8, 5>());
  else
    op.kernel == 3 ? fn(Form<8, 6, 3>()) : fn(Form<8, 8, 5>());
}

// A place in the image for each tile of a block.
struct Place {
  int64_t image, y, x;  // of the first output
};

inline Place place_of(const Winograd& op, int64_t tile) {
  const int64_t w = op.tiles_w(), h = op.tiles_h();
  return {tile / (w * h), tile / w % h * Winograd::kTile, tile % w * Winograd::kTile};
}

// rows x columns of a plane, as vectors; outside of it zero.
template <int L>
inline void read_patch(const float* plane, int64_t h, int64_t w, int64_t y, int64_t x, int edge,
                       simd::Vector<L>* to) {
  constexpr std::integral_constant<int, L> all;
  if (y >= 0 && x >= 0 && y + edge <= h && x + edge <= w) {
    for (int i = 0; i < edge; ++i)
      for (int j = 0; j < edge; ++j)
        simd::load<L>(to[i * edge + j], plane + ((y + i) * w + x + j) * L, all);
    return;
  }
  for (int i = 0; i < edge; ++i)
    for (int j = 0; j < edge; ++j) {
      to[i * edge + j] = simd::Vector<L>{};
      if (y + i >= 0 && y + i < h && x + j >= 0 && x + j < w)
        simd::load<L>(to[i * edge + j], plane + ((y + i) * w + x + j) * L, all);
    }
}

// Inputs of `count` tiles to [point][row][in_channels].
template <class F>
void transform_inputs(const Winograd& op, const float* x, int64_t group, int64_t first,
                      int64_t count, int64_t rows, float* to) {
  constexpr int L = F::L, E = F::E, kPoints = F::kPoints;
  const int64_t blocks = op.in_channels / L, plane = op.in_h * op.in_w * L;
  for (int64_t t = 0; t < count; ++t) {
    const Place at = place_of(op, first + t);
    for (int64_t b = 0; b < blocks; ++b) {
      simd::Vector<L> patch[kPoints], half[kPoints], full[kPoints];
      read_patch<L>(x + ((at.image * op.groups + group) * blocks + b) * plane, op.in_h, op.in_w,
                    at.y - op.pad_h, at.x - op.pad_w, E, patch);
      for (int i = 0; i < E; ++i) tiles::input_line<E>(patch + i, E, half + i, E);
      for (int i = 0; i < E; ++i) tiles::input_line<E>(half + i * E, 1, full + i * E, 1);
      for (int p = 0; p < kPoints; ++p)
        simd::store<L>(to + (p * rows + t) * op.in_channels + b * L, full[p],
                       std::integral_constant<int, L>());
    }
  }
}

// [point][row][channels of some blocks] to outputs; row 0 is tile `first`.
template <class F>
void transform_outputs(const Winograd& op, const float* from, int64_t group, int64_t first,
                       int64_t count, int64_t rows, int64_t first_block, int64_t some,
                       const WinogradOutput& output, float* y) {
  constexpr int L = F::L, E = F::E, M = F::M, kPoints = F::kPoints;
  constexpr std::integral_constant<int, L> all;
  const int64_t blocks = op.out_channels / L, plane = op.out_h * op.out_w * L;
  for (int64_t t = 0; t < count; ++t) {
    const Place at = place_of(op, first + t);
    for (int64_t b = first_block; b < first_block + some; ++b) {
      simd::Vector<L> points[kPoints], half[E * M], full[M * M], bias{};
      if (output.bias != nullptr)
        simd::load<L>(bias, output.bias + group * op.out_channels + b * L,
                      std::min<int64_t>(L, output.channels - group * op.out_channels - b * L));
      for (int p = 0; p < kPoints; ++p)
        simd::load<L>(points[p], from + ((p * rows + t) * some + b - first_block) * L, all);
      for (int i = 0; i < E; ++i) tiles::output_line<E, M>(points + i, E, half + i, E);
      for (int i = 0; i < M; ++i) tiles::output_line<E, M>(half + i * E, 1, full + i * M, 1);
      float* to = y + ((at.image * op.groups + group) * blocks + b) * plane;
      for (int i = 0; i < M && at.y + i < op.out_h; ++i)
        for (int j = 0; j < M && at.x + j < op.out_w; ++j) {
          float* here = to + ((at.y + i) * op.out_w + at.x + j) * L;
          simd::Vector<L> value = full[i * M + j] + bias, before;
          if (output.sum) {
            simd::load<L>(before, here, all);
            value += before;
          }
          if (output.relu) value = value < 0 ? simd::Vector<L>{} : value;
          simd::store<L>(here, value, all);
        }
    }
  }
}

// Gradients of outputs to [point][row][out_channels].
template <class F>
void transform_gradients(const Winograd& op, const float* dy, int64_t group, int64_t first,
                         int64_t count, int64_t rows, float* to) {
  constexpr int L = F::L, E = F::E, M = F::M, kPoints = F::kPoints;
  const int64_t blocks = op.out_channels / L, plane = op.out_h * op.out_w * L;
  for (int64_t t = 0; t < count; ++t) {
    const Place at = place_of(op, first + t);
    for (int64_t b = 0; b < blocks; ++b) {
      simd::Vector<L> patch[M * M], half[E * M], full[kPoints];
      read_patch<L>(dy + ((at.image * op.groups + group) * blocks + b) * plane, op.out_h, op.out_w,
                    at.y, at.x, M, patch);
      for (int i = 0; i < M; ++i) tiles::gradient_line<E, M>(patch + i, M, half + i, M);
      for (int i = 0; i < E; ++i) tiles::gradient_line<E, M>(half + i * M, 1, full + i * E, 1);
      for (int p = 0; p < kPoints; ++p)
        simd::store<L>(to + (p * rows + t) * op.out_channels + b * L, full[p],
                       std::integral_constant<int, L>());
    }
  }
}

// One block of weights w[kh][kw][in][out], lanes x lanes channels, to its points: to
// [point][in][width], the distance of points being `point`.
template <class F>
void transform_block(const float* w, bool flipped, int64_t point, int64_t width, float* to) {
  constexpr int L = F::L, E = F::E, R = F::R, kPoints = F::kPoints;
  for (int i = 0; i < L; ++i) {
    simd::Vector<L> raw[R * R], half[E * R], full[kPoints];
    for (int k = 0; k < R * R; ++k)
      for (int o = 0; o < L; ++o)
        raw[k][o] = flipped ? w[(R * R - 1 - k) * L * L + o * L + i] : w[k * L * L + i * L + o];
    for (int j = 0; j < R; ++j) tiles::weight_line<E, R>(raw + j, R, half + j, R);
    for (int j = 0; j < E; ++j) tiles::weight_line<E, R>(half + j * R, 1, full + j * E, 1);
    for (int p = 0; p < kPoints; ++p)
      simd::store<L>(to + p * point + i * width, full[p], std::integral_constant<int, L>());
  }
}

// Where the weights of a pair of blocks lie. A transposed convolution's are stored as [its in][its
// out].
inline int64_t block_of(const Winograd& op, bool flipped, int64_t group, int64_t in, int64_t out) {
  const int64_t ins = op.in_channels / op.lanes, outs = op.out_channels / op.lanes;
  return flipped ? (group * ins + in) * outs + out : (group * outs + out) * ins + in;
}

// The gradient of a block of weights, from its points. sums: [part][point][in][width], of one block
// of inputs; distances of parts and points.
template <class F>
void finish_block(const float* sums, int64_t parts, int64_t part, int64_t point, int64_t width,
                  float* to) {
  constexpr int L = F::L, E = F::E, R = F::R, kPoints = F::kPoints;
  for (int i = 0; i < L; ++i) {
    simd::Vector<L> full[kPoints], half[E * R], raw[R * R], one;
    for (int p = 0; p < kPoints; ++p) {
      full[p] = simd::Vector<L>{};
      for (int64_t n = 0; n < parts; ++n) {
        simd::load<L>(one, sums + n * part + p * point + i * width,
                      std::integral_constant<int, L>());
        full[p] += one;
      }
    }
    for (int j = 0; j < E; ++j) tiles::weight_gradient_line<E, R>(full + j, E, half + j, E);
    for (int j = 0; j < R; ++j) tiles::weight_gradient_line<E, R>(half + j * E, 1, raw + j * R, 1);
    for (int k = 0; k < R * R; ++k)
      simd::store<L>(to + k * L * L + i * L, raw[k], std::integral_constant<int, L>());
  }
}

}  // namespace crema::onednn
