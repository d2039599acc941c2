#include "engines/onednn/channels.hpp"

#include "base/parallel.hpp"

namespace crema::onednn {
namespace {

template <int L>
void affine(const ChannelView& v, const float* x, const float* factor, const float* bias,
            float* y) {
  parallel_for(v.batch * v.blocks, grain_of(v.panel_floats()), [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t block = i % v.blocks;
        simd::Vector<L> f{}, b{};
        if (factor != nullptr)
          lanes_of<L>(v, factor, block, f);
        else
          f += 1.0f;
        if (bias != nullptr) lanes_of<L>(v, bias, block, b);
        each_row<L>(panel_of<L>(v, i / v.blocks, block), [&](int64_t at, auto n) {
          simd::Vector<L> value;
          simd::load<L>(value, x + at, n);
          value = value * f + b;
          simd::store<L>(y + at, value, n);
        });
      }
    });
  });
}

template <int L>
void sums_of(const ChannelView& v, const float* g, const float* x, float* sums) {
  const int64_t each = v.panel_floats() * v.batch;
  parallel_for(v.blocks, grain_of(each), [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t block = begin; block < end; ++block) {
        RunningSums<L, 1> sum;
        for (int64_t n = 0; n < v.batch; ++n) {
          each_row<L>(panel_of<L>(v, n, block), [&](int64_t at, auto count) {
            simd::Vector<L> value, other;
            simd::load<L>(value, g + at, count);
            if (x != nullptr) {
              simd::load<L>(other, x + at, count);
              value *= other;
            }
            sum.add(value);
          });
          sum.flush();
        }
        each_channel<L>(v, block, sum.totals[0],
                        [&](int64_t c, double total) { sums[c] = static_cast<float>(total); });
      }
    });
  });
}

// The slopes of one block.
template <int L>
void slopes_of(const ChannelSlopes& s, const float* slope, int64_t block, simd::Vector<L>& out) {
  if (!s.single) return lanes_of<L>(s.view, slope, block, out);
  out = simd::Vector<L>{};
  out += slope[0];
}

template <int L>
void prelu(const ChannelSlopes& s, const float* x, const float* slope, float* y) {
  const ChannelView& v = s.view;
  parallel_for(v.batch * v.blocks, grain_of(v.panel_floats()), [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t block = i % v.blocks;
        simd::Vector<L> a;
        slopes_of<L>(s, slope, block, a);
        each_row<L>(panel_of<L>(v, i / v.blocks, block), [&](int64_t at, auto n) {
          simd::Vector<L> value;
          simd::load<L>(value, x + at, n);
          value = value > 0 ? value : a * value;
          simd::store<L>(y + at, value, n);
        });
      }
    });
  });
}

template <int L>
void prelu_gradient(const ChannelSlopes& s, const float* x, const float* slope, const float* g,
                    float* dx, double* totals) {
  const ChannelView& v = s.view;
  parallel_for(v.blocks, grain_of(v.panel_floats() * v.batch), [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t block = begin; block < end; ++block) {
        simd::Vector<L> a;
        slopes_of<L>(s, slope, block, a);
        RunningSums<L, 1> sum;
        for (int64_t image = 0; image < v.batch; ++image) {
          each_row<L>(panel_of<L>(v, image, block), [&](int64_t at, auto n) {
            simd::Vector<L> value, passed;
            simd::load<L>(value, x + at, n);
            simd::load<L>(passed, g + at, n);
            sum.add(value > 0 ? simd::Vector<L>{} : passed * value);
            passed = value > 0 ? passed : a * passed;
            if (dx != nullptr) simd::store<L>(dx + at, passed, n);
          });
          sum.flush();
        }
        each_channel<L>(v, block, sum.totals[0],
                        [&](int64_t c, double total) { totals[c] = total; });
      }
    });
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
  view.positions = 1;
  for (int axis = 2; axis < data.ndims; ++axis) view.positions *= data.dims[axis];
  const bool last =
      view.lanes == 1 && view.channels > 1 && view.positions > 1 && blocking.strides[1] == 1;
  if (last) {
    constexpr int kBlock = 16;
    view.lanes = kBlock;
    view.blocks = (view.channels + kBlock - 1) / kBlock;
    view.padded = view.channels % kBlock == 0;
    view.row = view.channels;
    view.block = kBlock;
    view.image = view.channels * view.positions;
  } else {
    view.blocks = data.padded_dims[1] / view.lanes;
    view.row = view.lanes;
    view.block = view.positions * view.lanes;
    view.image = view.blocks * view.block;
  }
  int64_t step = view.row;
  for (int axis = data.ndims - 1; axis >= 2; --axis) {
    if (data.dims[axis] > 1 && blocking.strides[axis] != step) return std::nullopt;
    step *= data.dims[axis];
  }
  if (!last && view.blocks > 1 && blocking.strides[1] != view.block) return std::nullopt;
  if (view.batch > 1 && blocking.strides[0] != view.image) return std::nullopt;
  return view;
}

void channel_affine(const ChannelView& view, const float* x, const float* factor, const float* bias,
                    float* y) {
  with_rows(view, [&](auto rows) { affine<rows()>(view, x, factor, bias, y); });
}

void channel_sums(const ChannelView& view, const float* g, const float* x, float* sums) {
  with_rows(view, [&](auto rows) { sums_of<rows()>(view, g, x, sums); });
}

void channel_prelu(const ChannelSlopes& slopes, const float* x, const float* slope, float* y) {
  with_rows(slopes.view, [&](auto rows) { prelu<rows()>(slopes, x, slope, y); });
}

void channel_prelu_gradient(const ChannelSlopes& slopes, const float* x, const float* slope,
                            const float* g, float* dx, float* dslope, double* scratch) {
  with_rows(slopes.view,
            [&](auto rows) { prelu_gradient<rows()>(slopes, x, slope, g, dx, scratch); });
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
