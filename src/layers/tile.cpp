// The block of the axes from `axis` (1) on, repeated.
//   bottom  any shape with the axis
//   top     the bottom's shape, `tiles` times as large along the axis
//   params  none
//   errors  axis in range;  tiles >= 1, must be given
#include <fmt/format.h>

#include "base/parallel.hpp"
#include "layers/check.hpp"
#include "ops/custom.hpp"

namespace crema::layers {
namespace {

// Blocks of `length` numbers, each repeated `tiles` times.
ops::Custom tiling_op(int axis, int64_t tiles, int64_t length) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, length * tiles));
  ops::Custom op;
  op.name = fmt::format("{} tiles", tiles);
  op.shapes = [=](std::span<const Shape> src) {
    Shape y = src[0];
    y[axis] *= tiles;
    return std::vector<Shape>{y};
  };
  op.parts = {{{0}, {}, {}}};
  op.set_forward([=](auto& args) {
    const auto blocks = static_cast<int64_t>(args.src[0].size()) / std::max<int64_t>(1, length);
    parallel_for(blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        for (int64_t t = 0; t < tiles; ++t)
          std::copy_n(args.src[0].data() + b * length, length,
                      args.dst[0].data() + (b * tiles + t) * length);
    });
  });
  op.set_backward([=](auto& args) {
    const auto blocks =
        static_cast<int64_t>(args.diff_src[0].size()) / std::max<int64_t>(1, length);
    parallel_for(blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const auto* from = args.diff_dst[0].data() + b * tiles * length;
        auto* to = args.diff_src[0].data() + b * length;
        std::copy_n(from, length, to);
        for (int64_t t = 1; t < tiles; ++t)
          for (int64_t i = 0; i < length; ++i) to[i] += from[t * length + i];
      }
    });
  });
  return op;
}

class Tile final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().tile_param();
    Shape top = in.bottom(0);
    const int axis = in.axis("tile_param.axis", param.axis(), top.rank());
    if (param.tiles() < 1)
      in.fail("tile_param.tiles",
              param.has_tiles() ? fmt::format("tiles is {}", param.tiles())
                                : "the number of tiles is not given",
              "write tiles: N with N at least 1");
    top[axis] *= param.tiles();
    set_checked_top(in, 0, top, "tile_param.tiles");
  }

  bool moves(int) const override { return true; }

  void lower(Lowering& to) const override {
    const auto& param = to.param().tile_param();
    const Shape& x = to.shape(to.bottom(0));
    const int axis = from_front(param.axis(), x.rank());
    to.set_top(0, to.emit1(tiling_op(axis, param.tiles(), x.count(axis)), {to.bottom(0)}));
  }
};

CREMA_LAYER("Tile", Tile);

}  // namespace
}  // namespace crema::layers
