#include "engines/onednn/winograd.hpp"

#include <algorithm>
#include <utility>

#include "engines/onednn/winograd_by_channels.hpp"
#include "engines/onednn/winograd_product.hpp"
#include "engines/onednn/winograd_transforms.hpp"

namespace crema::onednn {
namespace {

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
  const int64_t bytes = op.group_bytes();
  const int64_t most = bytes <= kNear ? kFewTiles : kFewTiles * (bytes <= kFar ? 2 : 4);
  return block_size(op.tiles(), most, op.groups % compute_threads() == 0 ? 1 : compute_threads());
}
// Each thread adds up the gradient over a part of the tiles.
int64_t gradient_parts(const Winograd& op) {
  return std::min<int64_t>(compute_threads(), op.tiles());
}
int64_t gradient_tiles(const Winograd& op) {
  const int64_t most = op.group_bytes() <= kNear ? kFewTiles : 4 * kFewTiles;
  return block_size(op.tiles(), most, gradient_parts(op));
}

// Transformed weights: [group][point][pair of output blocks][in][2 L], the last pair may be single.
template <class F>
int64_t pair_offset(const Winograd& op, int64_t group, int point, int64_t block) {
  return ((group * F::kPoints + point) * op.out_channels + block * F::L) * op.in_channels;
}

template <class F>
void transform_weights(const Winograd& op, const float* weights, bool flipped, float* to) {
  constexpr int L = F::L;
  const int64_t in = op.in_channels / L, out = op.out_channels / L;
  parallel_for(op.groups * in * out, 1, [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t n = begin; n < end; ++n) {
        const int64_t group = n / (in * out), o = n / in % out, i = n % in;
        const int64_t pair = o / kWide * kWide, width = std::min<int64_t>(kWide, out - pair);
        transform_block<F>(
            weights + block_of(op, flipped, group, i, o) * F::R * F::R * L * L, flipped,
            op.in_channels * op.out_channels, width * L,
            to + pair_offset<F>(op, group, 0, pair) + (i * L * width + o - pair) * L);
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
  transform_outputs<F>(op, results, group, first, count, rows, 0, blocks, output, y);
}

int64_t scratch_floats(const Winograd& op, int64_t rows) {
  return op.points() * rows * (op.in_channels + op.out_channels);
}

template <class F>
void forward(const Winograd& op, const float* x, const float* raw, bool flipped,
             const WinogradOutput& output, float* y, float* weights) {
  transform_weights<F>(op, raw, flipped, weights);
  float* scratch = weights + op.weight_floats();
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
        for (int64_t n = begin; n < end; ++n) {
          const int64_t out = n / (op.in_channels / F::L), in = n % (op.in_channels / F::L);
          finish_block<F>(scratch + in * F::L * op.out_channels + out * F::L, parts, points,
                          op.in_channels * op.out_channels, op.out_channels,
                          dw + (group * all + n) * F::R * F::R * F::L * F::L);
        }
      });
    });
  }
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
  if (by_channels::forward_pays(*this)) return by_channels::forward_scratch(*this);
  const int64_t work = compute_threads() * scratch_floats(*this, forward_tiles(*this));
  return static_cast<size_t>(weight_floats() + work) * sizeof(float);
}

size_t Winograd::weights_scratch() const {
  if (by_channels::gradient_pays(*this)) return by_channels::gradient_scratch(*this);
  const int64_t each =
      scratch_floats(*this, gradient_tiles(*this)) + points() * in_channels * out_channels;
  return static_cast<size_t>(compute_threads() * each) * sizeof(float);
}

void winograd_forward(const Winograd& op, const float* x, const float* weights, bool flipped,
                      const WinogradOutput& output, float* y, float* scratch) {
  if (by_channels::forward_pays(op))
    return by_channels::forward(op, x, weights, flipped, output, y, scratch);
  with_form(
      op, [&](auto form) { forward<decltype(form)>(op, x, weights, flipped, output, y, scratch); });
}

void winograd_backward_weights(const Winograd& op, const float* x, const float* dy, float* dw,
                               float* scratch) {
  if (by_channels::gradient_pays(op)) return by_channels::gradient(op, x, dy, dw, scratch);
  with_form(op, [&](auto form) { backward_weights<decltype(form)>(op, x, dy, dw, scratch); });
}

}  // namespace crema::onednn
