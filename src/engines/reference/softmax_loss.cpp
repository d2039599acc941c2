#include <cfloat>

#include "engines/reference/labels.hpp"
#include "engines/reference/softmax.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

double divisor(const ops::SoftmaxLoss& op, const Split& s, int64_t valid) {
  return normalizer(op.normalization, s.outer * s.inner, valid, s.outer);
}

template <class T>
void forward(const ops::SoftmaxLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T* labels = src<T>(args, 1);
  const int64_t valid = check_labels(s, labels, op.ignore_label, op.layer);
  T* p = dst<T>(args, 1);
  softmax(s, src<T>(args, 0), p);
  const double sum = chunked_sum(s.outer * s.inner, args.scratch, [&](int64_t begin, int64_t end) {
    double part = 0;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t label = class_of(labels[i], op.ignore_label);
      if (label == kIgnored) continue;
      const T likely = p[(i / s.inner * s.middle + label) * s.inner + i % s.inner];
      part -= std::log(std::max(static_cast<double>(likely), static_cast<double>(FLT_MIN)));
    }
    return part;
  });
  *dst<T>(args, 0) = static_cast<T>(sum / divisor(op, s, valid));
}

// dx = (p - onehot) w / Z, 0 where the label is ignored; w is what arrives at the loss.
template <class T>
void gradient(const ops::SoftmaxLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T *labels = src<T>(args, 1), *p = dst<T>(args, 1);
  const int64_t valid = check_labels(s, labels, op.ignore_label, op.layer);
  const T weight =
      static_cast<T>(static_cast<double>(*diff_dst<T>(args, 0)) / divisor(op, s, valid));
  T* dx = diff_src<T>(args, 0);
  parallel_each(s.outer, s.middle * s.inner, [&](int64_t o) {
    const int64_t first = o * s.middle * s.inner;
    for (int64_t k = 0; k < s.middle; ++k)
      for (int64_t i = 0; i < s.inner; ++i) {
        const int64_t at = first + k * s.inner + i;
        const int64_t label = class_of(labels[o * s.inner + i], op.ignore_label);
        dx[at] = label == kIgnored ? T(0) : (p[at] - static_cast<T>(label == k)) * weight;
      }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::SoftmaxLoss>(request);
  const Split split(request.src[0].shape, op.axis, op.axis + 1);
  CREMA_CHECK(request.src[1].shape.count() == split.outer * split.inner,
              "softmax loss: one label per position");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request,
                            [op, split](const auto& args) { gradient<T>(op, split, args); });
    return function_offer(
        request, [op, split](const auto& args) { forward<T>(op, split, args); }, 0,
        chunk_scratch(split.outer * split.inner));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "softmax_loss", make);

}  // namespace
}  // namespace crema::reference
