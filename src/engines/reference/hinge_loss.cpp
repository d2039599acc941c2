#include "engines/reference/labels.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

// The margin of class k is max(0, 1 + sign x) with sign -1 for the label's class, +1 for others.
template <class T>
T margin(T x, bool mine) {
  return std::max(T(0), mine ? 1 - x : 1 + x);
}

template <class T>
void forward(const ops::HingeLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *labels = src<T>(args, 1);
  check_labels(s, labels, {}, op.layer);
  const double sum = chunked_sum(s.count(), args.scratch, [&](int64_t begin, int64_t end) {
    double part = 0;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t label = class_of(labels[i / s.middle], {});
      const auto m = static_cast<double>(margin(x[i], i % s.middle == label));
      part += op.squared ? m * m : m;
    }
    return part;
  });
  *dst<T>(args, 0) = static_cast<T>(sum / static_cast<double>(std::max<int64_t>(1, s.outer)));
}

template <class T>
void gradient(const ops::HingeLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *labels = src<T>(args, 1);
  check_labels(s, labels, {}, op.layer);
  const T weight = *diff_dst<T>(args, 0) / static_cast<T>(std::max<int64_t>(1, s.outer));
  T* dx = diff_src<T>(args, 0);
  parallel_each(s.outer, s.middle, [&](int64_t n) {
    const int64_t label = class_of(labels[n], {});
    for (int64_t k = 0; k < s.middle; ++k) {
      const int64_t at = n * s.middle + k;
      const T m = margin(x[at], k == label), sign = k == label ? T(-1) : T(1);
      dx[at] = op.squared ? 2 * sign * m * weight : m > 0 ? sign * weight : T(0);
    }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::HingeLoss>(request);
  const Split split(request.src[0].shape, 1, 2);
  CREMA_CHECK(request.src[0].shape.rank() == 2 && request.src[1].shape.count() == split.outer,
              "hinge loss: (N, K) and N labels");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request,
                            [op, split](const auto& args) { gradient<T>(op, split, args); });
    return function_offer(
        request, [op, split](const auto& args) { forward<T>(op, split, args); }, 0,
        chunk_scratch(split.count()));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "hinge_loss", make);

}  // namespace
}  // namespace crema::reference
