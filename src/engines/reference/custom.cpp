#include "ops/custom.hpp"

#include "engines/reference/kernel.hpp"

namespace crema::reference {
namespace {

template <class T>
using Function = std::function<void(ops::CustomArgs<T>&)>;

template <class T>
const Function<T>& function_of(const ops::Custom& op, bool forward) {
  if constexpr (std::is_same_v<T, float>)
    return forward ? op.forward32 : op.backward32;
  else
    return forward ? op.forward64 : op.backward64;
}

// Elements of an operand; an empty span where there is none.
template <class T, class Pointer>
std::span<T> elements(Pointer pointer, int64_t count) {
  if (pointer == nullptr) return {};
  return {static_cast<T*>(pointer), static_cast<size_t>(count)};
}

template <class T>
class CustomKernel {
 public:
  CustomKernel(const ops::KernelRequest& request, Function<T> fn) : fn_(std::move(fn)) {
    for (const ops::Operand& o : request.src) src_counts_.push_back(o.shape.count());
    for (const ops::Operand& o : request.dst) dst_counts_.push_back(o.shape.count());
    args_.src.resize(src_counts_.size());
    args_.dst.resize(dst_counts_.size());
    args_.diff_dst.resize(request.diff_dst.size());
    args_.diff_src.resize(request.diff_src.size());
  }

  void operator()(const ops::KernelArgs& args) {
    for (size_t i = 0; i < args_.src.size(); ++i)
      args_.src[i] = elements<const T>(args.src[i], src_counts_[i]);
    for (size_t i = 0; i < args_.dst.size(); ++i)
      args_.dst[i] = elements<T>(args.dst[i], dst_counts_[i]);
    for (size_t i = 0; i < args_.diff_dst.size(); ++i)
      args_.diff_dst[i] = elements<const T>(args.diff_dst[i], dst_counts_[i]);
    for (size_t i = 0; i < args_.diff_src.size(); ++i)
      args_.diff_src[i] = elements<T>(args.diff_src[i], src_counts_[i]);
    args_.step = *args.step;
    fn_(args_);
  }

 private:
  Function<T> fn_;
  std::vector<int64_t> src_counts_, dst_counts_;
  ops::CustomArgs<T> args_;
};

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Custom>(request);
  const bool forward = request.part == ops::kForward;
  return by_type(request, [&](auto type) -> ops::Answer {
    using T = decltype(type);
    const Function<T>& fn = function_of<T>(op, forward);
    if (!fn)
      return ops::Refusal{op.name + " has no " + (forward ? "forward" : "backward") +
                          " function for " + name_of(request.dtype)};
    return function_offer(request, CustomKernel<T>(request, fn));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "custom", make);

}  // namespace
}  // namespace crema::reference
