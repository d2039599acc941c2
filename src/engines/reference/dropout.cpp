#include "base/random.hpp"
#include "engines/reference/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

// y = x * mask / (1 - ratio); y may be x. The mask depends on the seed, the stream's name, the
// pass and the element's row-major number only.
template <class T>
void apply(int64_t n, float ratio, const RandomStream& stream, const T* x, T* y) {
  const T scale = T(1) / (T(1) - static_cast<T>(ratio));
  parallel_each((n + 3) / 4, 4, [&](int64_t block) {
    const Philox4 bits = stream.block(static_cast<uint64_t>(block));
    const int64_t first = block * 4, last = std::min(n, first + 4);
    for (int64_t i = first; i < last; ++i) {
      // RandomStream::uniform(i), of which one block gives four.
      const float u = static_cast<float>(bits[static_cast<size_t>(i - first)] >> 8) * 0x1p-24f;
      y[i] = u >= ratio ? x[i] * scale : T(0);
    }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Dropout>(request);
  const int64_t n = request.src[0].shape.count();
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    const bool forward = request.part == ops::kForward;
    return function_offer(request, [n, forward, ratio = op.ratio,
                                    purpose = "mask/" + op.stream](const ops::KernelArgs& args) {
      const RandomStream stream(args.step->seed, purpose, static_cast<uint64_t>(args.step->pass));
      if (forward)
        apply(n, ratio, stream, src<T>(args, 0), dst<T>(args, 0));
      else
        apply(n, ratio, stream, diff_dst<T>(args, 0), diff_src<T>(args, 0));
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "dropout", make);

}  // namespace
}  // namespace crema::reference
