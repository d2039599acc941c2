#include "engines/reference/linear_algebra.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

// y = x * factor [+ bias], broadcast; y may be x.
template <class T>
void scale(const Split& s, const T* x, const T* factor, const T* bias, T* y) {
  for_each_run(s, [=](int64_t begin, int64_t end, int64_t j, bool constant) {
    if (constant) {
      const T f = factor[j], b = bias != nullptr ? bias[j] : T(0);
      for (int64_t i = begin; i < end; ++i) y[i] = x[i] * f + b;
    } else {
      for (int64_t i = begin; i < end; ++i)
        y[i] = x[i] * factor[j + i - begin] + (bias != nullptr ? bias[j + i - begin] : T(0));
    }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Scale>(request);
  const int begin = op.axis, rank = request.src[1].shape.rank();
  const Split split(request.src[0].shape, rank == 0 ? 0 : begin, rank == 0 ? 0 : begin + rank);
  const bool bias = op.bias;
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    switch (request.part) {
      case 0:
        return function_offer(request, [=](const auto& args) {
          scale<T>(split, diff_dst<T>(args, 0), src<T>(args, 1), nullptr, diff_src<T>(args, 0));
        });
      case 1:
        return function_offer(request, [=](const auto& args) {
          sum_outside(split, diff_dst<T>(args, 0), src<T>(args, 0), diff_src<T>(args, 1));
        });
      case 2:
        return function_offer(request, [=](const auto& args) {
          sum_outside<T>(split, diff_dst<T>(args, 0), nullptr, diff_src<T>(args, 2));
        });
      default:
        return function_offer(request, [=](const auto& args) {
          scale(split, src<T>(args, 0), src<T>(args, 1), bias ? src<T>(args, 2) : nullptr,
                dst<T>(args, 0));
        });
    }
  });
}

CREMA_REGISTER(ReferenceKernelTag, "scale", make);

}  // namespace
}  // namespace crema::reference
