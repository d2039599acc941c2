// Direct convolution by rows of the last spatial axis.
//
// A table made once says, for every kernel position and output row, where the input row is that
// they meet (or that it lies in the padding). Zero spatial axes are one axis of extent 1.

#include "engines/reference/linear_algebra.hpp"
#include "ops/linear.hpp"

namespace crema::reference {
namespace {

constexpr int64_t kOutside = -1;

struct Geometry {
  int64_t batch, in_channels, out_channels, groups;
  int64_t in_plane, out_plane;  // elements of a channel
  int64_t out_rows, out_width;  // rows of the last axis in a channel
  int64_t kernel_rows, kernel_width;
  int64_t width, stride, pad, dilation;  // last axis
  std::vector<int64_t> input_row;        // [kernel_rows][out_rows], offset in the input channel

  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t taps() const { return kernel_rows * kernel_width; }
  int64_t row(int64_t kernel_row, int64_t out_row) const {
    return input_row[static_cast<size_t>(kernel_row * out_rows + out_row)];
  }
  // Output columns [first, last) whose input column at kernel column k is inside the image.
  struct Columns {
    int64_t first, last, input;  // input: column of output column `first`
  };
  Columns columns(int64_t k) const {
    const int64_t shift = k * dilation - pad;  // input column = out * stride + shift
    const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t room = width - 1 - shift;
    const int64_t last = room < 0 ? 0 : std::min(out_width, room / stride + 1);
    return {first, std::max(first, last), first * stride + shift};
  }
};

// The multi-index of flat `index` in `extents`, row-major.
std::vector<int64_t> unflatten(int64_t index, const std::vector<int64_t>& extents) {
  std::vector<int64_t> at(extents.size());
  for (size_t i = extents.size(); i-- > 0; index /= extents[i]) at[i] = index % extents[i];
  return at;
}

struct Axes {
  std::vector<int64_t> in, out, kernel, stride, pad, dilation;
};

void fill_row_table(Geometry& g, const Axes& a) {
  const size_t leading = a.in.size() - 1;
  const std::vector<int64_t> outs(a.out.begin(), a.out.end() - 1);
  const std::vector<int64_t> kernels(a.kernel.begin(), a.kernel.end() - 1);
  for (int64_t k = 0; k < g.kernel_rows; ++k) {
    const std::vector<int64_t> tap = unflatten(k, kernels);
    for (int64_t r = 0; r < g.out_rows; ++r) {
      const std::vector<int64_t> at = unflatten(r, outs);
      int64_t offset = 0;
      for (size_t i = 0; i < leading && offset != kOutside; ++i) {
        const int64_t x = at[i] * a.stride[i] - a.pad[i] + tap[i] * a.dilation[i];
        offset = x < 0 || x >= a.in[i] ? kOutside : offset * a.in[i] + x;
      }
      g.input_row.push_back(offset == kOutside ? kOutside : offset * g.width);
    }
  }
}

Geometry geometry_of(const ops::Convolution& op, const Shape& x, const Shape& y) {
  Axes a{x.slice(2, x.rank()).dims(),
         y.slice(2, y.rank()).dims(),
         op.kernel,
         op.stride,
         op.pad,
         op.dilation};
  if (a.in.empty()) a = {{1}, {1}, {1}, {1}, {0}, {1}};
  Geometry g{};
  g.batch = x[0], g.in_channels = x[1], g.out_channels = y[1], g.groups = op.groups;
  g.in_plane = x.count(2), g.out_plane = y.count(2);
  g.out_width = a.out.back(), g.kernel_width = a.kernel.back();
  g.width = a.in.back(), g.stride = a.stride.back();
  g.pad = a.pad.back(), g.dilation = a.dilation.back();
  const Shape out(a.out), kernel(a.kernel);
  g.out_rows = out.count(0, out.rank() - 1);
  g.kernel_rows = kernel.count(0, kernel.rank() - 1);
  fill_row_table(g, a);
  return g;
}

// Calls fn(tap, output offset, input offset, columns) for every kernel position and every part of
// an output row that meets the image there, in one output and one input channel.
template <class Fn>
void for_each_meeting(const Geometry& g, Fn&& fn) {
  for (int64_t kr = 0; kr < g.kernel_rows; ++kr)
    for (int64_t kc = 0; kc < g.kernel_width; ++kc) {
      const Geometry::Columns c = g.columns(kc);
      if (c.first == c.last) continue;
      for (int64_t r = 0; r < g.out_rows; ++r)
        if (const int64_t row = g.row(kr, r); row != kOutside)
          fn(kr * g.kernel_width + kc, r * g.out_width + c.first, row + c.input, c.last - c.first);
    }
}

template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args, bool bias) {
  const T *x = src<T>(args, 0), *w = src<T>(args, 1);
  const T* b = bias ? src<T>(args, 2) : nullptr;
  T* y = dst<T>(args, 0);
  const int64_t cost = g.out_plane * g.group_in() * g.taps();
  parallel_each(g.batch * g.out_channels, cost, [&](int64_t task) {
    const int64_t n = task / g.out_channels, k = task % g.out_channels;
    T* out = y + task * g.out_plane;
    std::fill_n(out, g.out_plane, b != nullptr ? b[k] : T(0));
    for (int64_t c = 0; c < g.group_in(); ++c) {
      const int64_t channel = k / g.group_out() * g.group_in() + c;
      const T* in = x + (n * g.in_channels + channel) * g.in_plane;
      const T* taps = w + (k * g.group_in() + c) * g.taps();
      for_each_meeting(g, [&](int64_t tap, int64_t to, int64_t from, int64_t count) {
        if (g.stride == 1) return add_scaled(out + to, taps[tap], in + from, count);
        for (int64_t i = 0; i < count; ++i) out[to + i] += taps[tap] * in[from + i * g.stride];
      });
    }
  });
}

template <class T>
void data_gradient(const Geometry& g, const ops::KernelArgs& args) {
  const T *dy = diff_dst<T>(args, 0), *w = src<T>(args, 1);
  T* dx = diff_src<T>(args, 0);
  if (dx == nullptr) return;
  const int64_t cost = g.out_plane * g.group_out() * g.taps();
  parallel_each(g.batch * g.in_channels, cost, [&](int64_t task) {
    const int64_t n = task / g.in_channels, channel = task % g.in_channels;
    const int64_t group = channel / g.group_in(), c = channel % g.group_in();
    T* in = dx + task * g.in_plane;
    std::fill_n(in, g.in_plane, T(0));
    for (int64_t j = 0; j < g.group_out(); ++j) {
      const int64_t k = group * g.group_out() + j;
      const T* out = dy + (n * g.out_channels + k) * g.out_plane;
      const T* taps = w + (k * g.group_in() + c) * g.taps();
      for_each_meeting(g, [&](int64_t tap, int64_t to, int64_t from, int64_t count) {
        if (g.stride == 1) return add_scaled(in + from, taps[tap], out + to, count);
        for (int64_t i = 0; i < count; ++i) in[from + i * g.stride] += taps[tap] * out[to + i];
      });
    }
  });
}

template <class T>
T strided_dot(const T* a, const T* b, int64_t stride, int64_t n) {
  if (stride == 1) return dot(a, b, n);
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i * stride];
  return sum;
}

template <class T>
void weight_gradient(const Geometry& g, const ops::KernelArgs& args, bool bias) {
  const T *dy = diff_dst<T>(args, 0), *x = src<T>(args, 0);
  if (T* dw = diff_src<T>(args, 1)) {
    const int64_t cost = g.batch * g.out_plane * g.taps();
    parallel_each(g.out_channels * g.group_in(), cost, [&](int64_t task) {
      const int64_t k = task / g.group_in(), c = task % g.group_in();
      const int64_t channel = k / g.group_out() * g.group_in() + c;
      T* taps = dw + task * g.taps();
      std::fill_n(taps, g.taps(), T(0));
      for (int64_t n = 0; n < g.batch; ++n) {
        const T* out = dy + (n * g.out_channels + k) * g.out_plane;
        const T* in = x + (n * g.in_channels + channel) * g.in_plane;
        for_each_meeting(g, [&](int64_t tap, int64_t to, int64_t from, int64_t count) {
          taps[tap] += strided_dot(out + to, in + from, g.stride, count);
        });
      }
    });
  }
  if (bias && diff_src<T>(args, 2) != nullptr)
    sum_outside<T>(Split(Shape{g.batch, g.out_channels, g.out_plane}, 1, 2), dy, nullptr,
                   diff_src<T>(args, 2));
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Convolution>(request);
  const bool bias = op.bias;
  auto g =
      std::make_shared<const Geometry>(geometry_of(op, request.src[0].shape, request.dst[0].shape));
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == 0)
      return function_offer(request, [=](const auto& args) { data_gradient<T>(*g, args); });
    if (request.part == 1)
      return function_offer(request, [=](const auto& args) { weight_gradient<T>(*g, args, bias); });
    return function_offer(request, [=](const auto& args) { forward<T>(*g, args, bias); });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "convolution", make);

}  // namespace
}  // namespace crema::reference
