// Keeps the rows that a selector marks.
//   bottoms  one or more, of N rows each (axis 0); last the selector, N numbers: (N), (N, 1), ...
//   tops     one per bottom but the last: the rows whose selector is not 0, in their order. How
//            many these are, only the data decide (Inference::count_nonzero)
//   params   none.  The selector gets no gradient; rows that are dropped get 0
//   errors   another number of rows than the selector's;  a selector with other axes than the first
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "layers/check.hpp"
#include "ops/custom.hpp"

namespace crema::layers {
namespace {

// Calls fn(row, place among the kept rows) for each row that the selector keeps.
template <class T, class Fn>
void each_kept(std::span<const T> selector, Fn&& fn) {
  int64_t kept = 0;
  for (int64_t row = 0; row < std::ssize(selector); ++row)
    if (selector[static_cast<size_t>(row)] != 0) fn(row, kept++);
}

// Sources x, selector.
ops::Custom filter_op(const Shape& x, const Shape& top) {
  const int64_t width = x.count(1);
  ops::Custom op;
  op.set_forward([width](auto& args) {
    each_kept(args.src[1], [&](int64_t row, int64_t place) {
      std::copy_n(args.src[0].begin() + row * width, width, args.dst[0].begin() + place * width);
    });
  });
  op.set_backward([width](auto& args) {
    std::fill(args.diff_src[0].begin(), args.diff_src[0].end(), 0);
    each_kept(args.src[1], [&](int64_t row, int64_t place) {
      std::copy_n(args.diff_dst[0].begin() + place * width, width,
                  args.diff_src[0].begin() + row * width);
    });
  });
  op.name = fmt::format("filter, {} rows", top[0]);
  op.shapes = [top](std::span<const Shape>) { return std::vector{top}; };
  op.parts = {{{0}, {1}, {}}};
  return op;
}

class Filter final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter& param) const override {
    const int tops = std::max(1, param.bottom_size() - 1);
    return {.min_bottoms = 2,
            .max_bottoms = Signature::kAny,
            .min_tops = tops,
            .max_tops = tops,
            .no_gradient = {param.bottom_size() - 1},
            .forced = {param.bottom_size() - 1}};
  }

  void infer(Inference& in) const override {
    const int last = in.bottoms() - 1;
    const Shape& selector = in.bottom(last);
    if (selector.rank() < 1 || selector.count(1) != 1)
      in.fail(fmt::format("bottom[{}]", last),
              fmt::format("the selector (bottom {}) is {}: one number per row is needed", last,
                          selector.text()),
              "give it one axis, the rows; further ones must be 1");
    for (int i = 0; i < last; ++i)
      if (in.bottom(i).rank() < 1 || in.bottom(i)[0] != selector[0])
        in.fail(fmt::format("bottom[{}]", i),
                fmt::format("bottom {} is {}, but the selector (bottom {}) has {} rows", i,
                            in.bottom(i).text(), last, selector[0]),
                "axis 0 must be the rows, of all bottoms");
    const int64_t rows = in.count_nonzero(last);
    for (int i = 0; i < last; ++i) {
      Shape top = in.bottom(i);
      top[0] = rows;
      in.set_top(i, top);
    }
  }

  int64_t index_range(const Inference& in, int bottom) const override {
    return bottom == in.bottoms() - 1 ? 2 : 0;
  }
  bool moves(int) const override { return true; }

  void lower(Lowering& to) const override {
    const Value selector = to.bottom(to.bottoms() - 1);
    for (int i = 0; i < to.tops(); ++i)
      to.set_top(i, to.emit1(filter_op(to.shape(to.bottom(i)), to.top_shape(i)),
                             {to.bottom(i), selector}));
  }
};

CREMA_LAYER("Filter", Filter);

}  // namespace
}  // namespace crema::layers
