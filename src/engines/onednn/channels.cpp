#include "engines/onednn/channels.hpp"

#include <algorithm>
#include <array>

#include "base/parallel.hpp"

namespace crema::onednn {
namespace {

constexpr int64_t kGrain = 4096;  // elements below which a second thread does not pay

int64_t grain_of(int64_t elements_each) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements_each));
}

template <int kLanes>
void affine(const ChannelView& v, const float* x, const float* factor, const float* bias,
            float* y) {
  const int64_t size = v.positions * kLanes;
  parallel_for(v.batch * v.blocks, grain_of(size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % v.blocks * kLanes;
      std::array<float, kLanes> f{}, b{};
      for (int64_t l = 0; l < std::min<int64_t>(kLanes, v.channels - first); ++l) {
        f[static_cast<size_t>(l)] = factor != nullptr ? factor[first + l] : 1.0f;
        b[static_cast<size_t>(l)] = bias != nullptr ? bias[first + l] : 0.0f;
      }
      const float* from = x + i * size;
      float* to = y + i * size;
      for (int64_t p = 0; p < v.positions; ++p)
        for (int l = 0; l < kLanes; ++l)
          to[p * kLanes + l] =
              from[p * kLanes + l] * f[static_cast<size_t>(l)] + b[static_cast<size_t>(l)];
    }
  });
}

// One image's block is summed in single precision, in short runs, the runs in double.
template <int kLanes, bool kProduct>
void sum_block(int64_t positions, const float* g, const float* x,
               std::array<double, kLanes>& total) {
  constexpr int64_t kRun = 64;
  for (int64_t p = 0; p < positions; p += kRun) {
    std::array<float, kLanes> run{};
    for (int64_t q = p; q < std::min(positions, p + kRun); ++q)
      for (int l = 0; l < kLanes; ++l) {
        const int64_t at = q * kLanes + l;
        run[static_cast<size_t>(l)] += kProduct ? g[at] * x[at] : g[at];
      }
    for (size_t l = 0; l < kLanes; ++l) total[l] += static_cast<double>(run[l]);
  }
}

template <int kLanes>
void sums_of(const ChannelView& v, const float* g, const float* x, float* sums) {
  const int64_t size = v.positions * kLanes;
  parallel_for(v.blocks, grain_of(size * v.batch), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      std::array<double, kLanes> total{};
      for (int64_t n = 0; n < v.batch; ++n) {
        const int64_t at = (n * v.blocks + block) * size;
        if (x != nullptr)
          sum_block<kLanes, true>(v.positions, g + at, x + at, total);
        else
          sum_block<kLanes, false>(v.positions, g + at, nullptr, total);
      }
      const int64_t first = block * kLanes;
      for (int64_t l = 0; l < std::min<int64_t>(kLanes, v.channels - first); ++l)
        sums[first + l] = static_cast<float>(total[static_cast<size_t>(l)]);
    }
  });
}

// The slopes of one block.
template <int kLanes>
std::array<float, kLanes> slopes_of(const ChannelSlopes& s, const float* slope, int64_t block) {
  std::array<float, kLanes> out{};
  for (int64_t l = 0; l < std::min<int64_t>(kLanes, s.view.channels - block * kLanes); ++l)
    out[static_cast<size_t>(l)] = slope[s.single ? 0 : block * kLanes + l];
  return out;
}

template <int kLanes>
void prelu(const ChannelSlopes& s, const float* x, const float* slope, float* y) {
  const ChannelView& v = s.view;
  const int64_t size = v.positions * kLanes;
  parallel_for(v.batch * v.blocks, grain_of(size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto a = slopes_of<kLanes>(s, slope, i % v.blocks);
      const float* from = x + i * size;
      float* to = y + i * size;
      for (int64_t p = 0; p < v.positions; ++p)
        for (int l = 0; l < kLanes; ++l) {
          const float value = from[p * kLanes + l];
          to[p * kLanes + l] = value > 0 ? value : a[static_cast<size_t>(l)] * value;
        }
    }
  });
}

// One image's block; sums as in sum_block.
template <int kLanes>
void prelu_gradient_of(int64_t positions, const std::array<float, kLanes>& a, const float* x,
                       const float* g, float* dx, double* total) {
  constexpr int64_t kRun = 64;
  for (int64_t p = 0; p < positions; p += kRun) {
    std::array<float, kLanes> run{};
    for (int64_t q = p; q < std::min(positions, p + kRun); ++q)
      for (int l = 0; l < kLanes; ++l) {
        const int64_t at = q * kLanes + l;
        const bool below = !(x[at] > 0);
        run[static_cast<size_t>(l)] += below ? g[at] * x[at] : 0.0f;
        if (dx != nullptr) dx[at] = below ? a[static_cast<size_t>(l)] * g[at] : g[at];
      }
    for (size_t l = 0; l < kLanes; ++l) total[l] += static_cast<double>(run[l]);
  }
}

template <int kLanes>
void prelu_gradient(const ChannelSlopes& s, const float* x, const float* slope, const float* g,
                    float* dx, double* totals) {
  const ChannelView& v = s.view;
  const int64_t size = v.positions * kLanes;
  std::fill_n(totals, v.padded_channels(), 0.0);
  parallel_for(v.blocks, grain_of(size * v.batch), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const auto a = slopes_of<kLanes>(s, slope, block);
      for (int64_t n = 0; n < v.batch; ++n) {
        const int64_t at = (n * v.blocks + block) * size;
        prelu_gradient_of<kLanes>(v.positions, a, x + at, g + at, dx == nullptr ? dx : dx + at,
                                  totals + block * kLanes);
      }
    }
  });
}

}  // namespace

std::optional<ChannelView> ChannelView::of(const Desc& desc) {
  const auto& data = desc.data;
  const auto& blocking = data.format_desc.blocking;
  if (data.format_kind != dnnl_blocked || data.ndims < 2 || blocking.inner_nblks > 1)
    return std::nullopt;
  ChannelView view;
  if (blocking.inner_nblks == 1) {
    view.lanes = static_cast<int>(blocking.inner_blks[0]);
    const bool known_size = view.lanes == 4 || view.lanes == 8 || view.lanes == 16;
    if (blocking.inner_idxs[0] != 1 || !known_size) return std::nullopt;
  }
  view.batch = data.dims[0];
  view.channels = data.dims[1];
  view.blocks = data.padded_dims[1] / view.lanes;
  view.positions = 1;
  for (int axis = data.ndims - 1; axis >= 2; --axis) {
    if (data.dims[axis] > 1 && blocking.strides[axis] != view.positions * view.lanes)
      return std::nullopt;
    view.positions *= data.dims[axis];
  }
  const int64_t block = view.positions * view.lanes;
  if (view.blocks > 1 && blocking.strides[1] != block) return std::nullopt;
  if (view.batch > 1 && blocking.strides[0] != block * view.blocks) return std::nullopt;
  return view;
}

void channel_affine(const ChannelView& view, const float* x, const float* factor, const float* bias,
                    float* y) {
  with_lanes(view.lanes, [&](auto lanes) { affine<lanes()>(view, x, factor, bias, y); });
}

void channel_sums(const ChannelView& view, const float* g, const float* x, float* sums) {
  with_lanes(view.lanes, [&](auto lanes) { sums_of<lanes()>(view, g, x, sums); });
}

void channel_prelu(const ChannelSlopes& slopes, const float* x, const float* slope, float* y) {
  with_lanes(slopes.view.lanes, [&](auto lanes) { prelu<lanes()>(slopes, x, slope, y); });
}

void channel_prelu_gradient(const ChannelSlopes& slopes, const float* x, const float* slope,
                            const float* g, float* dx, float* dslope, double* scratch) {
  with_lanes(slopes.view.lanes,
             [&](auto lanes) { prelu_gradient<lanes()>(slopes, x, slope, g, dx, scratch); });
  if (dslope == nullptr) return;
  const int64_t channels = slopes.view.channels;
  if (slopes.single) {
    double total = 0;
    for (int64_t c = 0; c < channels; ++c) total += scratch[c];
    *dslope = static_cast<float>(total);
    return;
  }
  for (int64_t c = 0; c < channels; ++c) dslope[c] = static_cast<float>(scratch[c]);
}

}  // namespace crema::onednn
