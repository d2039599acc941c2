#include <algorithm>

#include "engines/reference/side_by_side.hpp"
#include "ops/shape_ops.hpp"

namespace crema::reference {
namespace {

ops::Answer make(const ops::KernelRequest& request) {
  const SideBySide in(request.dst, op_of<ops::Slice>(request).axis);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    const bool forward = request.part == ops::kForward;
    ops::Answer answer =
        forward ? function_offer(request,
                                 [in](const auto& args) {
                                   for (size_t part = 0; part < in.parts.size(); ++part)
                                     in.copy_out(src<T>(args, 0), part, dst<T>(args, part));
                                 })
                : function_offer(request, [in](const auto& args) {
                    in.copy_in([&](size_t part) { return diff_dst<T>(args, part); },
                               diff_src<T>(args, 0));
                  });
    const auto& diffs = request.diff_dst;  // one that is not there is zeros, which somebody writes
    if (std::all_of(diffs.begin(), diffs.end(), [](const auto& diff) { return diff.present; }))
      std::get<ops::Offer>(answer).parts = in.in_place(!forward, sizeof(T));
    return answer;
  });
}

CREMA_REGISTER(ReferenceKernelTag, "slice", make);

}  // namespace
}  // namespace crema::reference
