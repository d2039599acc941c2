#include "engines/reference/correlation.hpp"
#include "ops/spatial.hpp"

namespace crema::reference {
namespace {

// fn(channel of the batch, meetings of it): see for_each_meeting; a kernel position is a row of
// out_plane elements of the columns.
template <class Fn>
void each_channel(const Correlation& g, Fn&& fn) {
  parallel_each(g.batch * g.in_channels, g.taps() * g.out_plane, fn);
}

template <class T>
void forward(const Correlation& g, const T* x, T* y) {
  each_channel(g, [&](int64_t channel) {
    const T* from = x + channel * g.in_plane;
    T* to = y + channel * g.taps() * g.out_plane;
    std::fill_n(to, g.taps() * g.out_plane, T(0));
    for_each_meeting(g, [&](int64_t tap, int64_t at, int64_t input, int64_t count) {
      T* row = to + tap * g.out_plane + at;
      for (int64_t i = 0; i < count; ++i) row[i] = from[input + i * g.stride];
    });
  });
}

template <class T>
void gradient(const Correlation& g, const T* dy, T* dx) {
  each_channel(g, [&](int64_t channel) {
    const T* from = dy + channel * g.taps() * g.out_plane;
    T* to = dx + channel * g.in_plane;
    std::fill_n(to, g.in_plane, T(0));
    for_each_meeting(g, [&](int64_t tap, int64_t at, int64_t input, int64_t count) {
      const T* row = from + tap * g.out_plane + at;
      for (int64_t i = 0; i < count; ++i) to[input + i * g.stride] += row[i];
    });
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Im2Col>(request);
  const auto g = std::make_shared<const Correlation>(
      correlation_of(op, 1, request.src[0].shape, request.dst[0].shape));
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [g](const auto& args) {
        gradient<T>(*g, diff_dst<T>(args, 0), diff_src<T>(args, 0));
      });
    return function_offer(
        request, [g](const auto& args) { forward<T>(*g, src<T>(args, 0), dst<T>(args, 0)); });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "im2col", make);

}  // namespace
}  // namespace crema::reference
