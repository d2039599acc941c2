#include "engines/reference/side_by_side.hpp"
#include "ops/fused.hpp"

namespace crema::reference {
namespace {

template <class T>
ops::Answer gradient(const ops::KernelRequest& request, const SideBySide& in) {
  const auto part = static_cast<size_t>(request.part);
  ops::Answer answer = function_offer(request, [in, part](const ops::KernelArgs& args) {
    in.copy_out(diff_dst<T>(args, 0), part, diff_src<T>(args, part));
  });
  if (auto parts = in.in_place(false, sizeof(T)))
    std::get<ops::Offer>(answer).parts =
        ops::Parts{false, {{request.part, parts->offsets[request.part]}}};
  return answer;
}

template <class T>
ops::Answer forward(const ops::KernelRequest& request, const SideBySide& in) {
  ops::Answer answer = function_offer(request, [in](const ops::KernelArgs& args) {
    in.copy_in([&](size_t part) { return src<T>(args, part); }, dst<T>(args, 0));
  });
  std::get<ops::Offer>(answer).parts = in.in_place(true, sizeof(T));
  return answer;
}

ops::Answer concat(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Concat>(request);
  CREMA_CHECK(static_cast<size_t>(op.sources) == request.src.size(), "concat: number of sources");
  const SideBySide in(request.src, op.axis);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    return request.part == ops::kForward ? forward<T>(request, in) : gradient<T>(request, in);
  });
}

ops::Answer rectified_concat(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::RectifiedConcat>(request);
  const SideBySide in(request.src, op.concat.axis);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == ops::kForward) return forward<T>(request, in);
    const auto part = static_cast<size_t>(request.part);
    const auto slope = static_cast<T>(op.negative_slopes[part]);
    return function_offer(request, [=](const ops::KernelArgs& args) {
      in.copy_out(diff_dst<T>(args, 0), static_cast<const T*>(args.dst[0]), slope, part,
                  diff_src<T>(args, part));
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "concat", concat);
CREMA_REGISTER(ReferenceKernelTag, "rectified_concat", rectified_concat);

}  // namespace
}  // namespace crema::reference
