#include "engines/reference/linear_algebra.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

// y = x + bias, broadcast; y may be x.
template <class T>
void add(const Split& s, const T* x, const T* bias, T* y) {
  for_each_run(s, [=](int64_t begin, int64_t end, int64_t j, bool constant) {
    if (constant) {
      const T b = bias[j];
      for (int64_t i = begin; i < end; ++i) y[i] = x[i] + b;
    } else {
      for (int64_t i = begin; i < end; ++i) y[i] = x[i] + bias[j + i - begin];
    }
  });
}

template <class T>
void copy(int64_t n, const T* from, T* to) {
  if (from == to) return;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    std::copy(from + begin, from + end, to + begin);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Bias>(request);
  const int rank = request.src[1].shape.rank();
  const Split split(request.src[0].shape, rank == 0 ? 0 : op.axis, rank == 0 ? 0 : op.axis + rank);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    switch (request.part) {
      case 0:
        return function_offer(request, [=](const auto& args) {
          copy(split.count(), diff_dst<T>(args, 0), diff_src<T>(args, 0));
        });
      case 1:
        return function_offer(request, [=](const auto& args) {
          sum_outside<T>(split, diff_dst<T>(args, 0), nullptr, diff_src<T>(args, 1));
        });
      default:
        return function_offer(request, [=](const auto& args) {
          add(split, src<T>(args, 0), src<T>(args, 1), dst<T>(args, 0));
        });
    }
  });
}

CREMA_REGISTER(ReferenceKernelTag, "bias", make);

}  // namespace
}  // namespace crema::reference
