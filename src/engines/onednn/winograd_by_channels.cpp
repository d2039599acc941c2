#include "engines/onednn/winograd_by_channels.hpp"

#include "engines/onednn/winograd_product.hpp"
#include "engines/onednn/winograd_transforms.hpp"

namespace crema::onednn::by_channels {
namespace {

int64_t pairs(const Winograd& op) {
  return (op.out_channels / op.lanes + kWide - 1) / kWide;
}
// Every thread has about as many pairs as the others.
bool shared_evenly(const Winograd& op) {
  return pairs(op) % compute_threads() == 0 || pairs(op) >= 4 * compute_threads();
}

constexpr int64_t kLargeWeights = 4 << 20, kNear = 12 << 20;  // bytes
constexpr int64_t kTilesAtOnce = 96;

int64_t points_of(const Winograd& op, int64_t rows, int64_t channels) {
  return op.points() * rows * channels;
}

// fn(first tile, count) on every thread.
template <class Fn>
void for_tiles(const Winograd& op, Fn&& fn) {
  parallel_for(op.tiles(), 1,
               [&](int64_t begin, int64_t end) { simd::run([&] { fn(begin, end - begin); }); });
}
// fn(first block, blocks in it, floats of this thread)
template <class Fn>
void for_pairs(const Winograd& op, float* scratch, int64_t floats, Fn&& fn) {
  const int64_t blocks = op.out_channels / op.lanes;
  parallel_for(pairs(op), 1, [&](int64_t begin, int64_t end) {
    float* mine = scratch + omp_get_thread_num() * floats;
    simd::run([&] {
      for (int64_t o = begin * kWide; o < std::min(end * kWide, blocks); o += kWide)
        fn(o, std::min<int64_t>(kWide, blocks - o), mine);
    });
  });
}

template <int L>
inline void multiply_pair(const Product& product, int64_t width, int64_t rows, const float* a,
                          const float* b, float* c) {
  if (width == kWide)
    multiply_rows<L, kWide>(product, rows, a, b, c);
  else
    multiply_rows<L, 1>(product, rows, a, b, c);
}

int64_t forward_rows(const Winograd& op) {
  return std::min(op.tiles(), kTilesAtOnce);
}
int64_t forward_floats(const Winograd& op) {  // of one thread
  return points_of(op, op.in_channels + forward_rows(op), kWide * op.lanes);
}

// The outputs of one pair, from all transformed inputs.
template <class F>
void forward_pair(const Winograd& op, const float* inputs, const float* weights, bool flipped,
                  const WinogradOutput& output, float* y, int64_t group, int64_t o, int64_t width,
                  float* mine) {
  constexpr int L = F::L;
  const int64_t rows = forward_rows(op), tiles = op.tiles();
  for (int64_t i = 0; i < op.in_channels / L; ++i)
    for (int64_t w = 0; w < width; ++w)
      transform_block<F>(weights + block_of(op, flipped, group, i, o + w) * F::R * F::R * L * L,
                         flipped, op.in_channels * width * L, width * L,
                         mine + (i * L * width + w) * L);
  float* results = mine + points_of(op, op.in_channels, kWide * L);
  for (int64_t first = 0; first < tiles; first += rows) {
    const int64_t count = std::min(rows, tiles - first);
    const Product product{op.in_channels, op.in_channels, 1, width * L, width * L, false};
    for (int p = 0; p < F::kPoints; ++p)
      multiply_pair<L>(product, width, count, inputs + (p * tiles + first) * op.in_channels,
                       mine + p * op.in_channels * width * L, results + p * rows * width * L);
    transform_outputs<F>(op, results, group, first, count, rows, o, width, output, y);
  }
}

// The gradient of one pair's weights, from all transformed inputs and gradients.
template <class F>
void gradient_pair(const Winograd& op, const float* inputs, const float* gradients, float* dw,
                   int64_t group, int64_t o, int64_t width, float* mine) {
  constexpr int L = F::L;
  const int64_t tiles = op.tiles(), point = op.in_channels * width * L;
  const Product product{tiles, 1, op.in_channels, op.out_channels, width * L, false};
  for (int p = 0; p < F::kPoints; ++p)
    multiply_pair<L>(product, width, op.in_channels, inputs + p * tiles * op.in_channels,
                     gradients + p * tiles * op.out_channels + o * L, mine + p * point);
  for (int64_t i = 0; i < op.in_channels / L; ++i)
    for (int64_t w = 0; w < width; ++w)
      finish_block<F>(mine + (i * L * width + w) * L, 1, 0, point, width * L,
                      dw + block_of(op, false, group, i, o + w) * F::R * F::R * L * L);
}

}  // namespace

bool forward_pays(const Winograd& op) {
  return op.group_bytes() >= kLargeWeights && shared_evenly(op) &&
         points_of(op, op.tiles(), op.in_channels) * 4 <= kNear;
}

size_t forward_scratch(const Winograd& op) {
  return static_cast<size_t>(points_of(op, op.tiles(), op.in_channels) +
                             compute_threads() * forward_floats(op)) *
         sizeof(float);
}

void forward(const Winograd& op, const float* x, const float* weights, bool flipped,
             const WinogradOutput& output, float* y, float* scratch) {
  float* inputs = scratch;
  float* work = scratch + points_of(op, op.tiles(), op.in_channels);
  with_form(op, [&](auto form) {
    using F = decltype(form);
    for (int64_t group = 0; group < op.groups; ++group) {
      for_tiles(op, [&](int64_t first, int64_t count) {
        transform_inputs<F>(op, x, group, first, count, op.tiles(),
                            inputs + first * op.in_channels);
      });
      for_pairs(op, work, forward_floats(op), [&](int64_t o, int64_t width, float* mine) {
        forward_pair<F>(op, inputs, weights, flipped, output, y, group, o, width, mine);
      });
    }
  });
}

bool gradient_pays(const Winograd& op) {
  return op.group_bytes() >= kLargeWeights && shared_evenly(op) &&
         points_of(op, op.tiles(), op.in_channels + op.out_channels) * 4 <= 2 * kNear;
}

size_t gradient_scratch(const Winograd& op) {
  return static_cast<size_t>(points_of(op, op.tiles(), op.in_channels + op.out_channels) +
                             compute_threads() * points_of(op, op.in_channels, kWide * op.lanes)) *
         sizeof(float);
}

void gradient(const Winograd& op, const float* x, const float* dy, float* dw, float* scratch) {
  float* inputs = scratch;
  float* gradients = inputs + points_of(op, op.tiles(), op.in_channels);
  float* work = gradients + points_of(op, op.tiles(), op.out_channels);
  with_form(op, [&](auto form) {
    using F = decltype(form);
    for (int64_t group = 0; group < op.groups; ++group) {
      for_tiles(op, [&](int64_t first, int64_t count) {
        transform_inputs<F>(op, x, group, first, count, op.tiles(),
                            inputs + first * op.in_channels);
        transform_gradients<F>(op, dy, group, first, count, op.tiles(),
                               gradients + first * op.out_channels);
      });
      for_pairs(op, work, points_of(op, op.in_channels, kWide * op.lanes),
                [&](int64_t o, int64_t width, float* mine) {
                  gradient_pair<F>(op, inputs, gradients, dw, group, o, width, mine);
                });
    }
  });
}

}  // namespace crema::onednn::by_channels
