// Where the largest numbers are, in descending order; of equals the later one comes first.
//   bottom  (N, ...) without `axis`: the maxima of each item; any shape with `axis`: along it
//   top     without axis: (N, 1, top_k) and axes of size 1 behind, max(3, the bottom's) axes in
//           all; with out_max_val: true (N, 2, top_k): indices, then values.
//           With axis: the bottom's shape with top_k on that axis: indices, or with out_max_val:
//           true the values instead
//   params  none.  No gradient
//   errors  axis in range;  1 <= top_k <= numbers to choose from
#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.hpp"
#include "layers/check.hpp"
#include "ops/custom.hpp"

namespace crema::layers {
namespace {

// Lists of `length` numbers, `inner` apart in memory.
struct Lists {
  int64_t outer = 1, length = 1, inner = 1, top_k = 1;
  bool indices = true, values = false;
};

template <class T>
struct Entry {
  T value;
  int64_t index;
  // NaN is less than every number.
  bool operator>(const Entry& other) const {
    const bool nan = std::isnan(value), other_nan = std::isnan(other.value);
    if (nan != other_nan) return other_nan;
    if (!nan && value != other.value) return value > other.value;
    return index > other.index;
  }
};

// The top_k largest entries of a list, sorted, at the front of `entries`.
template <class T>
void select(const Lists& lists, const T* x, std::vector<Entry<T>>& entries) {
  entries.resize(static_cast<size_t>(lists.length));
  for (int64_t i = 0; i < lists.length; ++i)
    entries[static_cast<size_t>(i)] = {x[i * lists.inner], i};
  std::partial_sort(entries.begin(), entries.begin() + lists.top_k, entries.end(),
                    std::greater<Entry<T>>());
}

template <class T>
void forward(const Lists& lists, std::span<const T> x, std::span<T> y) {
  const int64_t rows = lists.top_k * (int64_t{lists.indices} + int64_t{lists.values});
  const int64_t grain = std::max<int64_t>(1, 4096 / lists.length);
  parallel_for(lists.outer * lists.inner, grain, [&](int64_t begin, int64_t end) {
    thread_local std::vector<Entry<T>> entries;  // grows to the longest list, then stays
    for (int64_t n = begin; n < end; ++n) {
      const int64_t outer = n / lists.inner, inner = n % lists.inner;
      select(lists, x.data() + outer * lists.length * lists.inner + inner, entries);
      T* to = y.data() + outer * rows * lists.inner + inner;
      for (int64_t j = 0; j < lists.top_k; ++j) {
        const Entry<T>& entry = entries[static_cast<size_t>(j)];
        if (lists.indices) to[j * lists.inner] = static_cast<T>(entry.index);
        if (lists.values) to[(rows - lists.top_k + j) * lists.inner] = entry.value;
      }
    }
  });
}

Lists lists_of(const caffe::ArgMaxParameter& param, const Shape& x) {
  const int axis = param.has_axis() ? from_front(param.axis(), x.rank()) : 1;
  const int end = param.has_axis() ? axis + 1 : x.rank();
  return {.outer = x.count(0, axis),
          .length = x.count(axis, end),
          .inner = x.count(end),
          .top_k = param.top_k(),
          .indices = !(param.has_axis() && param.out_max_val()),
          .values = param.out_max_val()};
}

Shape top_shape(const caffe::ArgMaxParameter& param, const Shape& x) {
  if (param.has_axis()) {
    Shape top = x;
    top[from_front(param.axis(), x.rank())] = param.top_k();
    return top;
  }
  Shape top{x[0], param.out_max_val() ? 2 : 1, param.top_k()};
  while (top.rank() < x.rank()) top.append(1);
  return top;
}

class ArgMax final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.differentiable = false};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().argmax_param();
    const Shape& x = in.bottom(0);
    if (param.has_axis()) in.axis("argmax_param.axis", param.axis(), x.rank());
    if (x.rank() == 0)
      in.fail("bottom[0]", "the bottom has no axes, so no items",
              "give it an axis that counts the items, with Reshape for example");
    const int64_t length = lists_of(param, x).length;
    if (param.top_k() < 1 || param.top_k() > length)
      in.fail("argmax_param.top_k", fmt::format("top_k {} of {} numbers", param.top_k(), length),
              length == 0 ? std::string("there is nothing to choose from")
                          : fmt::format("write a number from 1 to {}", length));
    set_checked_top(in, 0, top_shape(param, x), "argmax_param.top_k");
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().argmax_param();
    const Shape& x = to.shape(to.bottom(0));
    const Lists lists = lists_of(param, x);
    ops::Custom op;
    op.name = fmt::format("{} largest of {}", lists.top_k, lists.length);
    op.shapes = [y = top_shape(param, x)](std::span<const Shape>) { return std::vector<Shape>{y}; };
    op.differentiable = {};
    op.set_forward([lists](auto& args) { forward(lists, args.src[0], args.dst[0]); });
    to.set_top(0, to.emit1(std::move(op), {to.bottom(0)}));
  }
};

CREMA_LAYER("ArgMax", ArgMax);

}  // namespace
}  // namespace crema::layers
