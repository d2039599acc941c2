// A window of bottom 0 of the size of bottom 1.
//   bottom 0  any shape
//   bottom 1  supplies its sizes on the axes from `axis` (2) on, and nothing else: no gradient
//             flows into it
//   top       bottom 0's axes before `axis`, then bottom 1's sizes
//   params    none
//   offset    where the window starts on these axes: none (0), one for all, or one each
//   errors    axis in range;  the number of offsets;  the window inside bottom 0
#include <fmt/format.h>

#include "base/parallel.hpp"
#include "layers/check.hpp"
#include "ops/custom.hpp"

namespace crema::layers {
namespace {

// Where the window starts, per axis of bottom 0.
std::vector<int64_t> starts(const caffe::CropParameter& param, int axis, int rank) {
  std::vector<int64_t> out(static_cast<size_t>(rank), 0);
  for (int i = axis; i < rank && param.offset_size() > 0; ++i)
    out[static_cast<size_t>(i)] = param.offset(param.offset_size() == 1 ? 0 : i - axis);
  return out;
}

// The window as runs of neighbouring numbers.
struct Runs {
  int64_t count = 0, length = 0;
  Shape outer;                 // one run for each of its elements
  std::vector<int64_t> steps;  // per axis of `outer`, in elements of bottom 0
  int64_t first = 0;           // element of bottom 0 where the window starts

  Runs(const Shape& x, const Shape& y, const std::vector<int64_t>& starts) {
    int inner = y.rank();  // axes behind are there in full
    while (inner > 0 && x[inner - 1] == y[inner - 1]) --inner;
    inner = std::max(0, inner - 1);
    length = y.count(inner);
    outer = y.slice(0, inner);
    count = length == 0 ? 0 : outer.count();
    for (int a = 0; a < y.rank(); ++a) first += starts[static_cast<size_t>(a)] * x.count(a + 1);
    for (int a = 0; a < inner; ++a) steps.push_back(x.count(a + 1));
  }

  // Element of bottom 0 where a run starts.
  int64_t from(int64_t run) const {
    int64_t at = first;
    for (int a = outer.rank() - 1; a >= 0; run /= outer[a], --a)
      at += run % outer[a] * steps[static_cast<size_t>(a)];
    return at;
  }
};

ops::Custom cropping_op(const Shape& x, const Shape& y, const std::vector<int64_t>& start) {
  const auto runs = std::make_shared<const Runs>(x, y, start);
  // copy(from, to) for each run: positions in bottom 0 and in the window.
  const auto each = [runs](auto&& copy) {
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, runs->length));
    parallel_for(runs->count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) copy(runs->from(i), i * runs->length);
    });
  };
  ops::Custom op;
  op.name = fmt::format("window {} of {}", y.text(), x.text());
  op.shapes = [y](std::span<const Shape>) { return std::vector<Shape>{y}; };
  op.parts = {{{0}, {}, {}}};
  op.set_forward([=](auto& args) {
    each([&](int64_t from, int64_t to) {
      std::copy_n(args.src[0].data() + from, runs->length, args.dst[0].data() + to);
    });
  });
  op.set_backward([=](auto& args) {
    std::fill(args.diff_src[0].begin(), args.diff_src[0].end(), 0);
    each([&](int64_t from, int64_t to) {
      std::copy_n(args.diff_dst[0].data() + to, runs->length, args.diff_src[0].data() + from);
    });
  });
  return op;
}

class Crop final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().crop_param();
    const Shape &x = in.bottom(0), &reference = in.bottom(1);
    const int axis = in.axis("crop_param.axis", param.axis(), x.rank());
    if (param.offset_size() > 1 && param.offset_size() != x.rank() - axis)
      in.fail("crop_param.offset",
              fmt::format("{} offsets for {} to crop (from axis {} of {})", param.offset_size(),
                          axes_text(x.rank() - axis), axis, x.text()),
              "give one for all of them, or one each");
    if (reference.rank() < x.rank())
      in.fail("bottom[1]",
              fmt::format("bottom 1 ({}) has {}, bottom 0 ({}) has {}", reference.text(),
                          axes_text(reference.rank()), x.text(), axes_text(x.rank())),
              "bottom 1 must have a size for each axis to crop");
    const std::vector<int64_t> start = starts(param, axis, x.rank());
    Shape top = x;
    for (int i = axis; i < x.rank(); ++i) {
      check_axis(in, i, start[static_cast<size_t>(i)]);
      top[i] = reference[i];
    }
    in.set_top(0, top);
  }

  bool moves(int bottom) const override { return bottom == 0; }

  void lower(Lowering& to) const override {
    const Shape &x = to.shape(to.bottom(0)), &reference = to.shape(to.bottom(1));
    const int axis = from_front(to.param().crop_param().axis(), x.rank());
    Shape y = x;
    for (int i = axis; i < x.rank(); ++i) y[i] = reference[i];
    if (y == x) {
      to.set_top(0, to.bottom(0));
      return;
    }
    const auto start = starts(to.param().crop_param(), axis, x.rank());
    to.set_top(0, to.emit1(cropping_op(x, y, start), {to.bottom(0)}));
  }

 private:
  static void check_axis(const Inference& in, int axis, int64_t start) {
    const int64_t have = in.bottom(0)[axis], wanted = in.bottom(1)[axis];
    if (wanted <= have - start) return;
    in.fail(start > 0 ? "crop_param.offset" : "bottom[1]",
            fmt::format("{} cells from {} on do not fit into axis {} of bottom 0 ({})", wanted,
                        start, axis, in.bottom(0).text()),
            wanted <= have ? fmt::format("the offset can be {} at most", have - wanted)
                           : "the window is the size of bottom 1; pad bottom 0's layer more, or "
                             "crop the other way round");
  }
};

CREMA_LAYER("Crop", Crop);

}  // namespace
}  // namespace crema::layers
