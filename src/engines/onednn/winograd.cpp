#include "engines/onednn/winograd.hpp"

#include <algorithm>
#include <utility>

#include "base/parallel.hpp"
#include "engines/onednn/winograd_product.hpp"
#include "engines/onednn/winograd_tiles.hpp"

namespace crema::onednn {
namespace {

// A kernel of R weights on tiles of E inputs, in blocks of L channels.
template <int kLanes, int kEdge, int kWeights>
struct Form {
  static constexpr int L = kLanes, E = kEdge, R = kWeights, M = E - R + 1;
  static constexpr int kPoints = E * E;
};

int64_t weight_bytes(const Winograd& op) {
  return op.points() * op.in_channels * op.out_channels * 4;  // of a group
}

// Tiles worked on at once: so many that reading the transformed weights (or adding to their
// gradient) once for each block costs little beside the work on it; then what is transformed stays
// in cache.
constexpr int64_t kFewTiles = 24;
constexpr int64_t kNear = 2 << 20, kFar = 12 << 20;  // what caches hold beside a block

// `items` in blocks of at most `most`, as many for each of `threads`.
int64_t block_size(int64_t items, int64_t most, int64_t threads) {
  const int64_t rounds = (items + most * threads - 1) / (most * threads);
  return (items + rounds * threads - 1) / (rounds * threads);
}
// Blocks of all groups are shared out among the threads.
int64_t forward_tiles(const Winograd& op) {
  const int64_t bytes = weight_bytes(op);
  const int64_t most = bytes <= kNear ? kFewTiles : kFewTiles * (bytes <= kFar ? 2 : 4);
  return block_size(op.tiles(), most, op.groups % compute_threads() == 0 ? 1 : compute_threads());
}
// Each thread adds up the gradient over a part of the tiles.
int64_t gradient_parts(const Winograd& op) {
  return std::min<int64_t>(compute_threads(), op.tiles());
}
int64_t gradient_tiles(const Winograd& op) {
  const int64_t most = weight_bytes(op) <= kNear ? kFewTiles : 4 * kFewTiles;
  return block_size(op.tiles(), most, gradient_parts(op));
}

// A place in the image for each tile of a block.
struct Place {
  int64_t image, y, x;  // of the first output
};

Place place_of(const Winograd& op, int64_t tile) {
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

// Inputs of `count` tiles to [point][tile][in_channels].
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

// [point][tile][out_channels] to outputs.
template <class F>
void transform_outputs(const Winograd& op, const float* from, int64_t group, int64_t first,
                       int64_t count, int64_t rows, const WinogradOutput& output, float* y) {
  constexpr int L = F::L, E = F::E, M = F::M, kPoints = F::kPoints;
  constexpr std::integral_constant<int, L> all;
  const int64_t blocks = op.out_channels / L, plane = op.out_h * op.out_w * L;
  for (int64_t t = 0; t < count; ++t) {
    const Place at = place_of(op, first + t);
    for (int64_t b = 0; b < blocks; ++b) {
      simd::Vector<L> points[kPoints], half[E * M], full[M * M], bias{};
      if (output.bias != nullptr)
        simd::load<L>(bias, output.bias + group * op.out_channels + b * L,
                      std::min<int64_t>(L, output.channels - group * op.out_channels - b * L));
      for (int p = 0; p < kPoints; ++p)
        simd::load<L>(points[p], from + (p * rows + t) * op.out_channels + b * L, all);
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

// Gradients of outputs to [point][tile][out_channels].
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

// Transformed weights: [group][point][pair of output blocks][in][2 L], the last pair may be single.
template <class F>
int64_t pair_offset(const Winograd& op, int64_t group, int point, int64_t block) {
  return ((group * F::kPoints + point) * op.out_channels + block * F::L) * op.in_channels;
}

// One block of weights w[kh][kw][in][out], lanes x lanes channels, to its points.
template <class F>
void transform_block(const Winograd& op, const float* w, bool flipped, int64_t group, int64_t in,
                     int64_t out, float* to) {
  constexpr int L = F::L, E = F::E, R = F::R, kPoints = F::kPoints;
  const int64_t pair = out / kWide * kWide,
                width = std::min<int64_t>(kWide, op.out_channels / L - pair);
  for (int i = 0; i < L; ++i) {
    simd::Vector<L> raw[R * R], half[E * R], full[kPoints];
    for (int k = 0; k < R * R; ++k)
      for (int o = 0; o < L; ++o)
        raw[k][o] = flipped ? w[(R * R - 1 - k) * L * L + o * L + i] : w[k * L * L + i * L + o];
    for (int j = 0; j < R; ++j) tiles::weight_line<E, R>(raw + j, R, half + j, R);
    for (int j = 0; j < E; ++j) tiles::weight_line<E, R>(half + j * R, 1, full + j * E, 1);
    for (int p = 0; p < kPoints; ++p)
      simd::store<L>(
          to + pair_offset<F>(op, group, p, pair) + ((in * L + i) * width + out - pair) * L,
          full[p], std::integral_constant<int, L>());
  }
}

template <class F>
void weights_forward(const Winograd& op, const float* weights, bool flipped, float* to) {
  constexpr int L = F::L;
  const int64_t in = op.in_channels / L, out = op.out_channels / L;
  parallel_for(op.groups * in * out, 1, [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t n = begin; n < end; ++n) {
        const int64_t group = n / (in * out), o = n / in % out, i = n % in;
        // A transposed convolution's weights are stored as [its in][its out].
        const int64_t block = flipped ? (group * in + i) * out + o : n;
        transform_block<F>(op, weights + block * F::R * F::R * L * L, flipped, group, i, o, to);
      }
    });
  });
}

template <class F>
void forward_block(const Winograd& op, const float* x, const float* weights,
                   const WinogradOutput& output, float* y, int64_t group, int64_t first,
                   int64_t count, int64_t rows, float* scratch) {
  constexpr int L = F::L, kPoints = F::kPoints;
  float* inputs = scratch;
  float* results = scratch + kPoints * rows * op.in_channels;
  transform_inputs<F>(op, x, group, first, count, rows, inputs);
  const int64_t blocks = op.out_channels / L;
  for (int p = 0; p < kPoints; ++p)
    for (int64_t o = 0; o < blocks; o += kWide) {
      const int64_t width = std::min<int64_t>(kWide, blocks - o);
      const Product product{op.in_channels, op.in_channels, 1, width * L, op.out_channels, false};
      const float* a = inputs + p * rows * op.in_channels;
      const float* b = weights + pair_offset<F>(op, group, p, o);
      float* c = results + p * rows * op.out_channels + o * L;
      if (width == kWide)
        multiply_rows<L, kWide>(product, count, a, b, c);
      else
        multiply_rows<L, 1>(product, count, a, b, c);
    }
  transform_outputs<F>(op, results, group, first, count, rows, output, y);
}

int64_t scratch_floats(const Winograd& op, int64_t rows) {
  return op.points() * rows * (op.in_channels + op.out_channels);
}

template <class F>
void forward(const Winograd& op, const float* x, const float* weights, const WinogradOutput& output,
             float* y, float* scratch) {
  const int64_t rows = forward_tiles(op), blocks = (op.tiles() + rows - 1) / rows;
  parallel_for(op.groups * blocks, 1, [&](int64_t begin, int64_t end) {
    float* mine = scratch + omp_get_thread_num() * scratch_floats(op, rows);
    simd::run([&] {
      for (int64_t n = begin; n < end; ++n) {
        const int64_t first = n % blocks * rows;
        forward_block<F>(op, x, weights, output, y, n / blocks, first,
                         std::min(rows, op.tiles() - first), rows, mine);
      }
    });
  });
}

// Points of the gradient of one group's weights, [point][in][out], += those of some tiles.
template <class F>
void gradient_block(const Winograd& op, const float* x, const float* dy, int64_t group,
                    int64_t first, int64_t count, int64_t rows, bool add, float* sums,
                    float* scratch) {
  constexpr int L = F::L, kPoints = F::kPoints;
  float* inputs = scratch;
  float* gradients = scratch + kPoints * rows * op.in_channels;
  transform_inputs<F>(op, x, group, first, count, rows, inputs);
  transform_gradients<F>(op, dy, group, first, count, rows, gradients);
  const int64_t blocks = op.out_channels / L;
  const Product product{count, 1, op.in_channels, op.out_channels, op.out_channels, add};
  for (int p = 0; p < kPoints; ++p)
    for (int64_t o = 0; o < blocks; o += kWide) {
      const float* a = inputs + p * rows * op.in_channels;
      const float* b = gradients + p * rows * op.out_channels + o * L;
      float* c = sums + p * op.in_channels * op.out_channels + o * L;
      if (o + kWide <= blocks)
        multiply_rows<L, kWide>(product, op.in_channels, a, b, c);
      else
        multiply_rows<L, 1>(product, op.in_channels, a, b, c);
    }
}

// Sums of all parts, back from points to weights.
template <class F>
void finish_weights(const Winograd& op, const float* sums, int64_t parts, int64_t group, int64_t n,
                    float* dw) {
  constexpr int L = F::L, E = F::E, R = F::R, kPoints = F::kPoints;
  const int64_t in_blocks = op.in_channels / L, out = n / in_blocks, in = n % in_blocks;
  float* to = dw + (group * op.out_channels / L * in_blocks + n) * R * R * L * L;
  for (int i = 0; i < L; ++i) {
    simd::Vector<L> full[kPoints], half[E * R], raw[R * R], one;
    for (int p = 0; p < kPoints; ++p) {
      full[p] = simd::Vector<L>{};
      for (int64_t part = 0; part < parts; ++part) {
        simd::load<L>(one,
                      sums + part * kPoints * op.in_channels * op.out_channels +
                          (p * op.in_channels + in * L + i) * op.out_channels + out * L,
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

template <class F>
void backward_weights(const Winograd& op, const float* x, const float* dy, float* dw,
                      float* scratch) {
  const int64_t rows = gradient_tiles(op), parts = gradient_parts(op);
  const int64_t points = op.points() * op.in_channels * op.out_channels;
  float* work = scratch + parts * points;
  for (int64_t group = 0; group < op.groups; ++group) {
    parallel_for(parts, 1, [&](int64_t part, int64_t last) {
      simd::run([&] {
        for (; part < last; ++part) {
          const int64_t begin = op.tiles() * part / parts, end = op.tiles() * (part + 1) / parts;
          for (int64_t n = begin; n < end; n += rows)
            gradient_block<F>(op, x, dy, group, n, std::min(rows, end - n), rows, n > begin,
                              scratch + part * points, work + part * scratch_floats(op, rows));
        }
      });
    });
    const int64_t all = op.in_channels / F::L * (op.out_channels / F::L);
    parallel_for(all, 1, [&](int64_t begin, int64_t end) {
      simd::run([&] {
        for (int64_t n = begin; n < end; ++n) finish_weights<F>(op, scratch, parts, group, n, dw);
      });
    });
  }
}

// fn(Form)
template <class Fn>
void dispatch(const Winograd& op, Fn&& fn) {
  if (op.lanes == 16)
    op.kernel == 3 ? fn(Form<16, 6, 3>()) : fn(Form<16, 8, 5>());
  else
    op.kernel == 3 ? fn(Form<8, 6, 3>()) : fn(Form<8, 8, 5>());
}

}  // namespace

Winograd Winograd::transposed() const {
  Winograd out = *this;
  std::swap(out.in_channels, out.out_channels);
  std::swap(out.in_h, out.out_h);
  std::swap(out.in_w, out.out_w);
  out.pad_h = kernel - 1 - pad_h;
  out.pad_w = kernel - 1 - pad_w;
  return out;
}

size_t Winograd::forward_scratch() const {
  return static_cast<size_t>(compute_threads() * scratch_floats(*this, forward_tiles(*this))) *
         sizeof(float);
}

size_t Winograd::weights_scratch() const {
  const int64_t each =
      scratch_floats(*this, gradient_tiles(*this)) + points() * in_channels * out_channels;
  return static_cast<size_t>(compute_threads() * each) * sizeof(float);
}

void winograd_weights(const Winograd& op, const float* weights, bool flipped, float* transformed) {
  dispatch(op,
           [&](auto form) { weights_forward<decltype(form)>(op, weights, flipped, transformed); });
}

void winograd_forward(const Winograd& op, const float* x, const float* transformed,
                      const WinogradOutput& output, float* y, float* scratch) {
  dispatch(op, [&](auto form) { forward<decltype(form)>(op, x, transformed, output, y, scratch); });
}

void winograd_backward_weights(const Winograd& op, const float* x, const float* dy, float* dw,
                               float* scratch) {
  dispatch(op, [&](auto form) { backward_weights<decltype(form)>(op, x, dy, dw, scratch); });
}

}  // namespace crema::onednn
