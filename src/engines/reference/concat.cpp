#include "engines/reference/side_by_side.hpp"
#include "ops/shape_ops.hpp"

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

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Concat>(request);
  CREMA_CHECK(static_cast<size_t>(op.sources) == request.src.size(), "concat: number of sources");
  const SideBySide in(request.src, op.axis);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward) return gradient<T>(request, in);
    ops::Answer answer = function_offer(request, [in](const auto& args) {
      in.copy_in([&](size_t part) { return src<T>(args, part); }, dst<T>(args, 0));
    });
    std::get<ops::Offer>(answer).parts = in.in_place(true, sizeof(T));
    return answer;
  });
}

CREMA_REGISTER(ReferenceKernelTag, "concat", make);

}  // namespace
}  // namespace crema::reference
