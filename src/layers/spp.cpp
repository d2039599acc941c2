// Spatial pyramid pooling: level l = 0, 1, ... pools each plane into 2^l x 2^l windows; all levels
// together are one vector per item, whatever the size of the planes. He et al., "Spatial pyramid
// pooling in deep convolutional networks for visual recognition", ECCV 2014.
//   bottom  (N, C, H, W)
//   top     (N, C * windows of all levels); with pyramid_height: 1 it is (N, C, 1, 1), as in Caffe
//   params  none
//   pool    MAX, AVE, or STOCHASTIC (a cell is drawn in TEST too, as in Caffe)
//   levels  windows of ceil(H / 2^l) x ceil(W / 2^l), padded evenly; Pooling's rounding rule may
//           drop the last
//   errors  pyramid_height >= 1;  a level whose padding is as large as its window, or needs any
//           with STOCHASTIC
#include <fmt/format.h>

#include "layers/check.hpp"
#include "layers/pooled_size.hpp"
#include "ops/shape_ops.hpp"
#include "ops/spatial.hpp"

namespace crema::layers {
namespace {

constexpr const char* kHeight = "spp_param.pyramid_height";

ops::PoolMethod method_of(const caffe::SPPParameter& param) {
  switch (param.pool()) {
    case caffe::SPPParameter::MAX:
      return ops::PoolMethod::kMax;
    case caffe::SPPParameter::AVE:
      return ops::PoolMethod::kAverage;
    case caffe::SPPParameter::STOCHASTIC:
      return ops::PoolMethod::kStochastic;
  }
  return ops::PoolMethod::kMax;
}

struct Bins {
  int64_t kernel, pad;
  Bins(int64_t size, int64_t count)
      : kernel((size + count - 1) / count), pad((kernel * count - size + 1) / 2) {}
};

// Pooling of one level.
ops::Pooling level_op(const caffe::LayerParameter& layer, const Shape& x, int level) {
  const Bins h(x[2], int64_t{1} << level), w(x[3], int64_t{1} << level);
  ops::Pooling op;
  op.method = method_of(layer.spp_param());
  op.kernel_h = op.stride_h = h.kernel;
  op.kernel_w = op.stride_w = w.kernel;
  op.pad_h = h.pad;
  op.pad_w = w.pad;
  const bool clip = h.pad != 0 || w.pad != 0;
  op.out_h = pooled_size(x[2], h.kernel, h.kernel, h.pad, false, clip);
  op.out_w = pooled_size(x[3], w.kernel, w.kernel, w.pad, false, clip);
  op.stream = fmt::format("{}/{}", layer.name(), level);
  return op;
}

class Spp final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    require_rank(in, 0, 4, "(N, C, H, W)");
    const auto& param = in.param().spp_param();
    const Shape& x = in.bottom(0);
    if (param.pyramid_height() == 0)
      in.fail(kHeight, "the number of levels is not given", "write pyramid_height: 1 or more");
    if (x[2] == 0 || x[3] == 0)
      in.fail("bottom[0]", fmt::format("the planes of the bottom ({}) are empty", x.text()));
    int64_t windows = 0;
    for (uint32_t level = 0; level < param.pyramid_height(); ++level) {
      check_level(in, static_cast<int>(level));
      const ops::Pooling op = level_op(in.param(), x, static_cast<int>(level));
      windows += op.out_h * op.out_w;
    }
    if (param.pyramid_height() == 1)
      in.set_top(0, Shape{x[0], x[1], 1, 1});
    else
      set_checked_top(in, 0, Shape{x[0], x[1] * windows}, kHeight);
  }

  void lower(Lowering& to) const override {
    const auto levels = static_cast<int>(to.param().spp_param().pyramid_height());
    const Value x = to.bottom(0);
    const Shape shape = to.shape(x);
    std::vector<Value> parts;
    for (int level = 0; level < levels; ++level)
      parts.push_back(to.emit1(level_op(to.param(), shape, level), {x}));
    if (levels == 1) return to.set_top(0, parts[0]);
    for (Value& part : parts) part = as_rows(to, part);
    ops::Concat concat;
    concat.sources = levels;
    to.set_top(0, to.emit1(concat, parts));
  }

 private:
  static void check_level(const Inference& in, int level) {
    const Shape& x = in.bottom(0);
    // Beyond this every window would be padding, and 2^level no number of windows.
    const bool fits = level < 31;
    const Bins h(x[2], fits ? int64_t{1} << level : 1), w(x[3], fits ? int64_t{1} << level : 1);
    if (!fits || h.pad >= h.kernel || w.pad >= w.kernel)
      in.fail(kHeight,
              fmt::format("level {} has 2^{} x 2^{} windows, too many for planes of {} x {}", level,
                          level, level, x[2], x[3]),
              "use fewer levels");
    if (in.param().spp_param().pool() == caffe::SPPParameter::STOCHASTIC &&
        (h.pad > 0 || w.pad > 0))
      in.fail("spp_param.pool",
              fmt::format("stochastic pooling has no padding, but level {} needs it: planes of {} "
                          "x {} cannot be divided into 2^{} x 2^{} equal windows",
                          level, x[2], x[3], level, level),
              "use MAX or AVE");
  }
};

CREMA_LAYER("SPP", Spp);

}  // namespace
}  // namespace crema::layers
