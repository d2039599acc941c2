#include "engines/onednn/max_pooling.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/parallel.hpp"

namespace crema::onednn {
namespace {

// The part inside the image of the window of output o.
struct Window {
  int64_t begin, end;
  Window(int64_t o, int64_t kernel, int64_t stride, int64_t pad, int64_t in)
      : begin(std::max<int64_t>(0, o * stride - pad)),
        end(std::min(in, o * stride - pad + kernel)) {}
};

// The running maximum of every lane. GCC's vectors of four: its own vectorizer leaves this scalar.
template <int kLanes>
struct Best {
  typedef float Floats __attribute__((vector_size(16)));
  typedef int32_t Ints __attribute__((vector_size(16)));
  static constexpr size_t kVectors = kLanes / 4;
  std::array<Floats, kVectors> value;
  std::array<Ints, kVectors> position;

  Best() {
    value.fill(Floats{} + std::numeric_limits<float>::lowest());
    position.fill(Ints{} - 1);
  }
  // Strictly greater: of equals the first stays, and NaN never wins.
  void offer(const float* x, int32_t at) {
    for (size_t v = 0; v < kVectors; ++v) {
      Floats now;
      std::memcpy(&now, x + 4 * v, sizeof(now));
      const Ints wins = now > value[v];
      value[v] = wins ? now : value[v];
      position[v] = wins ? Ints{} + at : position[v];
    }
  }
  void clear_padding(int64_t valid) {
    for (int64_t l = valid; l < kLanes; ++l) {
      value[static_cast<size_t>(l / 4)][l % 4] = 0;
      position[static_cast<size_t>(l / 4)][l % 4] = -1;
    }
  }
};

template <int kLanes>
Best<kLanes> best_in(const MaxPooling& p, const float* plane, const Window& h, const Window& w) {
  Best<kLanes> best;
  for (int64_t i = h.begin; i < h.end; ++i)
    for (int64_t j = w.begin; j < w.end; ++j) {
      const int64_t at = i * p.in_w + j;
      best.offer(plane + at * kLanes, static_cast<int32_t>(at));
    }
  return best;
}

// One plane of one block of channels.
template <int kLanes>
void forward_plane(const MaxPooling& p, int64_t valid, const float* x, float* y,
                   int32_t* positions) {
  const ops::Pooling& op = p.op;
  for (int64_t i = 0; i < op.out_h; ++i) {
    const Window h(i, op.kernel_h, op.stride_h, op.pad_h, p.in_h);
    for (int64_t j = 0; j < op.out_w; ++j) {
      const Window w(j, op.kernel_w, op.stride_w, op.pad_w, p.in_w);
      Best<kLanes> best = best_in<kLanes>(p, x, h, w);
      if (valid < kLanes) best.clear_padding(valid);
      const int64_t at = (i * op.out_w + j) * kLanes;
      std::memcpy(y + at, best.value.data(), sizeof(best.value));
      if (positions != nullptr)
        std::memcpy(positions + at, best.position.data(), sizeof(best.position));
    }
  }
}

// fn(plane, channels in it that are not padding) for every plane.
template <class Fn>
void each_plane(const MaxPooling& p, Fn&& fn) {
  parallel_for(p.src.batch * p.src.blocks, grain_of(p.src.panel_floats()),
               [&](int64_t begin, int64_t end) {
                 for (int64_t plane = begin; plane < end; ++plane)
                   fn(plane, p.src.channels - plane % p.src.blocks * p.src.lanes);
               });
}

template <int kLanes>
void forward(const MaxPooling& p, const float* x, float* y, int32_t* positions) {
  const int64_t in = p.src.positions * kLanes, out = p.dst.positions * kLanes;
  each_plane(p, [&](int64_t plane, int64_t valid) {
    forward_plane<kLanes>(p, valid, x + plane * in, y + plane * out,
                          positions == nullptr ? nullptr : positions + plane * out);
  });
}

template <int kLanes>
void backward(const MaxPooling& p, const int32_t* positions, const float* dy, float* dx) {
  const int64_t in = p.src.positions * kLanes, out = p.dst.positions * kLanes;
  each_plane(p, [&](int64_t plane, int64_t) {
    float* to = dx + plane * in;
    std::fill_n(to, in, 0.0f);
    const float* from = dy + plane * out;
    const int32_t* at = positions + plane * out;
    for (int64_t i = 0; i < out; i += kLanes)
      for (int l = 0; l < kLanes; ++l)
        if (at[i + l] >= 0) to[int64_t{at[i + l]} * kLanes + l] += from[i + l];
  });
}

}  // namespace

size_t MaxPooling::position_bytes() const {
  const int64_t count = dst.batch * dst.padded_channels() * dst.positions;
  return static_cast<size_t>(count) * sizeof(int32_t);
}

void max_pool(const MaxPooling& p, const float* x, float* y, int32_t* positions) {
  with_rows(p.src, [&](auto lanes) { forward<lanes()>(p, x, y, positions); });
}

void max_pool_gradient(const MaxPooling& p, const int32_t* positions, const float* dy, float* dx) {
  with_rows(p.src, [&](auto lanes) { backward<lanes()>(p, positions, dy, dx); });
}

}  // namespace crema::onednn
