#include "engines/reference/labels.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

// Whether fewer than top_k other classes score at least as much as the label's. A NaN is never "at
// least as much".
template <class T>
bool right(const Split& s, const T* scores, int64_t label, int64_t top_k) {
  const T mine = scores[label * s.inner];
  int64_t rivals = 0;
  for (int64_t k = 0; k < s.middle; ++k) rivals += k != label && scores[k * s.inner] >= mine;
  return rivals < top_k;
}

// Share of right positions in each class. `seen` has room for one count per class.
template <class T>
void per_class(const Split& s, const uint8_t* hits, const T* labels,
               const std::optional<int>& ignore, T* out, int64_t* seen) {
  std::fill_n(out, s.middle, T(0));
  std::fill_n(seen, s.middle, int64_t{0});
  for (int64_t i = 0; i < s.outer * s.inner; ++i) {
    const int64_t label = class_of(labels[i], ignore);
    if (label == kIgnored) continue;
    ++seen[label];
    out[label] += hits[i];
  }
  for (int64_t k = 0; k < s.middle; ++k)
    if (seen[k] > 0) out[k] /= static_cast<T>(seen[k]);
}

// Scratch: a count per class, then a flag per position.
template <class T>
void forward(const ops::Accuracy& op, const Split& s, const ops::KernelArgs& args) {
  const T *scores = src<T>(args, 0), *labels = src<T>(args, 1);
  const int64_t positions = s.outer * s.inner;
  const int64_t valid = check_labels(s, labels, op.ignore_label, op.layer);
  int64_t* seen = static_cast<int64_t*>(args.scratch);
  uint8_t* hits = reinterpret_cast<uint8_t*>(seen + s.middle);
  parallel_each(positions, s.middle, [&](int64_t i) {
    const int64_t label = class_of(labels[i], op.ignore_label);
    const T* column = scores + i / s.inner * s.middle * s.inner + i % s.inner;
    hits[i] = label != kIgnored && right(s, column, label, op.top_k);
  });
  const auto total = static_cast<double>(std::count(hits, hits + positions, uint8_t{1}));
  *dst<T>(args, 0) = valid == 0 ? T(0) : static_cast<T>(total / static_cast<double>(valid));
  if (op.per_class) per_class(s, hits, labels, op.ignore_label, dst<T>(args, 1), seen);
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Accuracy>(request);
  const Split split(request.src[0].shape, op.axis, op.axis + 1);
  CREMA_CHECK(request.src[1].shape.count() == split.outer * split.inner,
              "accuracy: one label per position");
  const int64_t scratch =
      split.middle * static_cast<int64_t>(sizeof(int64_t)) + split.outer * split.inner;
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    return function_offer(
        request, [op, split](const auto& args) { forward<T>(op, split, args); }, 0,
        static_cast<size_t>(scratch));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "accuracy", make);

}  // namespace
}  // namespace crema::reference
