#include "engines/reference/labels.hpp"
#include "engines/reference/softmax.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

double divisor(const ops::InfogainLoss& op, const Split& s, int64_t valid) {
  return normalizer(op.normalization, s.outer * s.inner, valid, s.outer);
}

// Calls fn(matrix) with H as numbers of whichever type holds it.
template <class T, class Fn>
auto with_matrix(const ops::InfogainLoss& op, const ops::KernelArgs& args, Fn&& fn) {
  return op.matrix != nullptr ? fn(op.matrix->data()) : fn(src<T>(args, 2));
}

// Position i of the outer and inner axes: where its class 0 is.
int64_t first_of(const Split& s, int64_t i) {
  return i / s.inner * s.middle * s.inner + i % s.inner;
}

template <class T>
void forward(const ops::InfogainLoss& op, const Split& s, const ops::KernelArgs& args) {
  const T* labels = src<T>(args, 1);
  const int64_t valid = check_labels(s, labels, op.ignore_label, op.layer);
  T* p = dst<T>(args, 1);
  softmax(s, src<T>(args, 0), p);
  const double sum = with_matrix<T>(op, args, [&](const auto* h) {
    return chunked_sum(s.outer * s.inner, args.scratch, [&](int64_t begin, int64_t end) {
      double part = 0;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t label = class_of(labels[i], op.ignore_label), at = first_of(s, i);
        if (label == kIgnored) continue;
        for (int64_t k = 0; k < s.middle; ++k)
          part -= static_cast<double>(h[label * s.middle + k]) *
                  std::log(std::max(static_cast<double>(p[at + k * s.inner]), kLeastProbability));
      }
      return part;
    });
  });
  *dst<T>(args, 0) = static_cast<T>(sum / divisor(op, s, valid));
}

// dx_k = (p_k * row sum of H[label] - H[label, k]) w / Z, 0 where the label is ignored.
template <class T, class H>
void gradient_with(const ops::InfogainLoss& op, const Split& s, T weight, const H* h,
                   const ops::KernelArgs& args) {
  const T *labels = src<T>(args, 1), *p = dst<T>(args, 1);
  T* dx = diff_src<T>(args, 0);
  parallel_each(s.outer * s.inner, 4 * s.middle, [&](int64_t i) {
    const int64_t label = class_of(labels[i], op.ignore_label), first = first_of(s, i);
    const H* row = h + std::max<int64_t>(0, label) * s.middle;
    double total = 0;
    for (int64_t k = 0; k < s.middle; ++k) total += static_cast<double>(row[k]);
    for (int64_t k = 0; k < s.middle; ++k) {
      const int64_t at = first + k * s.inner;
      dx[at] = label == kIgnored
                   ? T(0)
                   : (p[at] * static_cast<T>(total) - static_cast<T>(row[k])) * weight;
    }
  });
}

template <class T>
void gradient(const ops::InfogainLoss& op, const Split& s, const ops::KernelArgs& args) {
  const int64_t valid = check_labels(s, src<T>(args, 1), op.ignore_label, op.layer);
  const T weight =
      static_cast<T>(static_cast<double>(*diff_dst<T>(args, 0)) / divisor(op, s, valid));
  with_matrix<T>(op, args, [&](const auto* h) { gradient_with(op, s, weight, h, args); });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::InfogainLoss>(request);
  const Split split(request.src[0].shape, op.axis, op.axis + 1);
  const int64_t numbers =
      op.matrix != nullptr ? static_cast<int64_t>(op.matrix->size()) : request.src[2].shape.count();
  CREMA_CHECK(request.src[1].shape.count() == split.outer * split.inner &&
                  numbers == split.middle * split.middle,
              "infogain loss: one label per position, K x K numbers");
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

CREMA_REGISTER(ReferenceKernelTag, "infogain_loss", make);

}  // namespace
}  // namespace crema::reference
