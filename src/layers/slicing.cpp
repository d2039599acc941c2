#include "layers/slicing.hpp"

#include <algorithm>
#include <numeric>

#include "ops/custom.hpp"

namespace crema::layers {

namespace {

// Calls fn(piece, offset in the whole, offset in the piece, length) for every run of elements that
// lie together in both: `outer` times each piece.
template <class Fn>
void for_each_run(int64_t outer, int64_t inner, const std::vector<int64_t>& cut, Fn&& fn) {
  for (int64_t o = 0; o < outer; ++o)
    for (size_t piece = 0; piece + 1 < cut.size(); ++piece) {
      const int64_t length = (cut[piece + 1] - cut[piece]) * inner;
      fn(piece, (o * cut.back() + cut[piece]) * inner, o * length, length);
    }
}

ops::Custom slicing_op(const Shape& x, int axis, const std::vector<int64_t>& cut) {
  const int64_t outer = x.count(0, axis), inner = x.count(axis + 1);
  const auto forward = [=](auto& args) {
    for_each_run(outer, inner, cut, [&](size_t piece, int64_t from, int64_t to, int64_t length) {
      std::copy_n(args.src[0].begin() + from, length, args.dst[piece].begin() + to);
    });
  };
  const auto backward = [=](auto& args) {
    for_each_run(outer, inner, cut, [&](size_t piece, int64_t from, int64_t to, int64_t length) {
      const auto& diff = args.diff_dst[piece];
      const auto out = args.diff_src[0].begin() + from;
      if (diff.empty())  // nobody needs this top
        std::fill_n(out, length, 0);
      else
        std::copy_n(diff.begin() + to, length, out);
    });
  };
  ops::Custom op;
  op.name = "slice";
  op.shapes = [axis, cut](std::span<const Shape> src) {
    std::vector<Shape> out(cut.size() - 1, src[0]);
    for (size_t i = 0; i < out.size(); ++i) out[i][axis] = cut[i + 1] - cut[i];
    return out;
  };
  op.parts = {{{0}, {}, {}}};
  op.differentiable.resize(cut.size() - 1);
  std::iota(op.differentiable.begin(), op.differentiable.end(), 0);
  op.forward32 = forward;
  op.forward64 = forward;
  op.backward32 = backward;
  op.backward64 = backward;
  return op;
}

}  // namespace

std::vector<Value> slice(Lowering& to, Value value, int axis, const std::vector<int64_t>& cuts) {
  if (cuts.size() == 2) return {value};
  return to.emit(std::make_shared<const ops::Custom>(slicing_op(to.shape(value), axis, cuts)),
                 {value});
}

}  // namespace crema::layers
