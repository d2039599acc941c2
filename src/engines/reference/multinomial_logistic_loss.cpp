#include "engines/reference/labels.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

// The probability of item n's label, kept away from 0.
template <class T>
T likely(const Split& s, const T* p, const T* labels, int64_t n) {
  return std::max(p[n * s.middle + class_of(labels[n], {})], static_cast<T>(kLeastProbability));
}

template <class T>
void forward(const ops::MultinomialLogisticLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T *p = src<T>(args, 0), *labels = src<T>(args, 1);
  check_labels(s, labels, {}, op.layer);
  double sum = 0;
  for (int64_t n = 0; n < s.outer; ++n)
    sum -= std::log(static_cast<double>(likely(s, p, labels, n)));
  *dst<T>(args, 0) = static_cast<T>(sum / static_cast<double>(std::max<int64_t>(1, s.outer)));
}

template <class T>
void gradient(const ops::MultinomialLogisticLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T *p = src<T>(args, 0), *labels = src<T>(args, 1);
  check_labels(s, labels, {}, op.layer);
  const T weight = -*diff_dst<T>(args, 0) / static_cast<T>(std::max<int64_t>(1, s.outer));
  T* dx = diff_src<T>(args, 0);
  parallel_each(s.outer, s.middle, [&](int64_t n) {
    std::fill_n(dx + n * s.middle, s.middle, T(0));
    dx[n * s.middle + class_of(labels[n], {})] = weight / likely(s, p, labels, n);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::MultinomialLogisticLoss>(request);
  const Split split(request.src[0].shape, 1, 2);
  CREMA_CHECK(request.src[0].shape.rank() == 2 && request.src[1].shape.count() == split.outer,
              "multinomial logistic loss: (N, K) and N labels");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request,
                            [op, split](const auto& args) { gradient<T>(op, split, args); });
    return function_offer(request, [op, split](const auto& args) { forward<T>(op, split, args); });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "multinomial_logistic_loss", make);

}  // namespace
}  // namespace crema::reference
