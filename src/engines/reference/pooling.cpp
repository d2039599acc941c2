#include <cfloat>

#include "base/random.hpp"
#include "engines/reference/kernel.hpp"
#include "ops/spatial.hpp"

namespace crema::reference {
namespace {

using Index = int32_t;  // within an H x W plane
constexpr Index kNone = -1;

struct Geometry {
  ops::Pooling op;
  int64_t planes, h, w;

  // Along one axis: cells [first, last) inside the image, and the window's length including
  // padding but not what lies beyond it.
  struct Window {
    int64_t first, last, padded;
  };
  static Window window(int64_t i, int64_t kernel, int64_t stride, int64_t pad, int64_t extent) {
    const int64_t start = i * stride - pad, end = std::min(start + kernel, extent + pad);
    return {std::max<int64_t>(start, 0), std::min(end, extent), end - start};
  }
  Window rows(int64_t i) const { return window(i, op.kernel_h, op.stride_h, op.pad_h, h); }
  Window columns(int64_t i) const { return window(i, op.kernel_w, op.stride_w, op.pad_w, w); }
  int64_t in_plane() const { return h * w; }
  int64_t out_plane() const { return op.out_h * op.out_w; }
  int64_t cost() const { return out_plane() * op.kernel_h * op.kernel_w; }
};

// fn(index of the output in its plane, rows, columns) for every window.
template <class Fn>
void for_each_window(const Geometry& g, Fn&& fn) {
  for (int64_t i = 0; i < g.op.out_h; ++i)
    for (int64_t j = 0; j < g.op.out_w; ++j) fn(i * g.op.out_w + j, g.rows(i), g.columns(j));
}

// The first of the largest, in row-major order. NaN and the padding never win: a window without a
// winner gives -FLT_MAX and no index.
template <class T>
void max_forward(const Geometry& g, const ops::KernelArgs& args) {
  Index* winners = static_cast<Index*>(args.workspace);
  T* mask = g.op.mask ? dst<T>(args, 1) : nullptr;
  parallel_each(g.planes, g.cost(), [&](int64_t plane) {
    const T* x = src<T>(args, 0) + plane * g.in_plane();
    const int64_t base = plane * g.out_plane();
    for_each_window(g, [&](int64_t out, Geometry::Window rows, Geometry::Window columns) {
      T best = -FLT_MAX;
      Index at = kNone;
      for (int64_t r = rows.first; r < rows.last; ++r)
        for (int64_t c = columns.first; c < columns.last; ++c)
          if (x[r * g.w + c] > best) {
            best = x[r * g.w + c];
            at = static_cast<Index>(r * g.w + c);
          }
      dst<T>(args, 0)[base + out] = best;
      if (winners != nullptr) winners[base + out] = at;
      if (mask != nullptr) mask[base + out] = static_cast<T>(at);
    });
  });
}

// Adds up x over a window in row-major order.
template <class T, class Fn>
T window_sum(const Geometry& g, const T* x, Geometry::Window rows, Geometry::Window columns,
             Fn&& fn) {
  T sum = 0;
  for (int64_t r = rows.first; r < rows.last; ++r)
    for (int64_t c = columns.first; c < columns.last; ++c) sum += fn(x[r * g.w + c]);
  return sum;
}

// The first cell at which the running sum reaches `threshold`; the last cell if none does, which
// takes numbers below 0.
template <class T>
Index draw(const Geometry& g, const T* x, Geometry::Window rows, Geometry::Window columns,
           T threshold) {
  T sum = 0;
  Index at = kNone;
  for (int64_t r = rows.first; r < rows.last; ++r)
    for (int64_t c = columns.first; c < columns.last; ++c) {
      at = static_cast<Index>(r * g.w + c);
      sum += x[at];
      if (sum >= threshold) return at;
    }
  return at;
}

template <class T>
void stochastic_forward(const Geometry& g, const ops::KernelArgs& args) {
  Index* winners = static_cast<Index*>(args.workspace);
  const RandomStream stream(args.step->seed, "pool/" + g.op.stream,
                            static_cast<uint64_t>(args.step->pass));
  parallel_each(g.planes, 2 * g.cost(), [&](int64_t plane) {
    const T* x = src<T>(args, 0) + plane * g.in_plane();
    const int64_t base = plane * g.out_plane();
    for_each_window(g, [&](int64_t out, Geometry::Window rows, Geometry::Window columns) {
      // In (0, 1], so that a cell of 0 is drawn only where all are 0.
      const T u = T(1) - static_cast<T>(stream.uniform(static_cast<uint64_t>(base + out)));
      const T sum = window_sum(g, x, rows, columns, [](T v) { return v; });
      const Index at = draw(g, x, rows, columns, u * sum);
      dst<T>(args, 0)[base + out] = at == kNone ? T(0) : x[at];
      if (winners != nullptr) winners[base + out] = at;
    });
  });
}

template <class T>
void weighted_forward(const Geometry& g, const ops::KernelArgs& args) {
  parallel_each(g.planes, 2 * g.cost(), [&](int64_t plane) {
    const T* x = src<T>(args, 0) + plane * g.in_plane();
    T* y = dst<T>(args, 0) + plane * g.out_plane();
    for_each_window(g, [&](int64_t out, Geometry::Window rows, Geometry::Window columns) {
      const T sum = window_sum(g, x, rows, columns, [](T v) { return v; });
      y[out] = sum > 0 ? window_sum(g, x, rows, columns, [](T v) { return v * v; }) / sum : T(0);
    });
  });
}

// y = q / s:  dx = dy (2 x - y) / s.
template <class T>
void weighted_gradient(const Geometry& g, const ops::KernelArgs& args) {
  parallel_each(g.planes, 3 * g.cost(), [&](int64_t plane) {
    const T* x = src<T>(args, 0) + plane * g.in_plane();
    const T* dy = diff_dst<T>(args, 0) + plane * g.out_plane();
    T* dx = diff_src<T>(args, 0) + plane * g.in_plane();
    std::fill_n(dx, g.in_plane(), T(0));
    for_each_window(g, [&](int64_t out, Geometry::Window rows, Geometry::Window columns) {
      const T sum = window_sum(g, x, rows, columns, [](T v) { return v; });
      if (!(sum > 0)) return;
      const T y = window_sum(g, x, rows, columns, [](T v) { return v * v; }) / sum;
      const T share = dy[out] / sum;
      for (int64_t r = rows.first; r < rows.last; ++r)
        for (int64_t c = columns.first; c < columns.last; ++c)
          dx[r * g.w + c] += share * (2 * x[r * g.w + c] - y);
    });
  });
}

// Of maxima and of drawn cells.
template <class T>
void winner_gradient(const Geometry& g, const ops::KernelArgs& args) {
  parallel_each(g.planes, g.in_plane() + g.out_plane(), [&](int64_t plane) {
    const Index* winners = static_cast<const Index*>(args.workspace) + plane * g.out_plane();
    const T* dy = diff_dst<T>(args, 0) + plane * g.out_plane();
    T* dx = diff_src<T>(args, 0) + plane * g.in_plane();
    std::fill_n(dx, g.in_plane(), T(0));
    for (int64_t i = 0; i < g.out_plane(); ++i)
      if (winners[i] != kNone) dx[winners[i]] += dy[i];
  });
}

// The number a window's sum is divided by; infinite for a window outside the image, so that its
// average is 0 (BVLC divides 0 by 0 there).
double divisor(Geometry::Window rows, Geometry::Window columns) {
  const bool empty = rows.first >= rows.last || columns.first >= columns.last;
  return empty ? std::numeric_limits<double>::infinity()
               : static_cast<double>(rows.padded * columns.padded);
}

template <class T>
void average_forward(const Geometry& g, const ops::KernelArgs& args) {
  parallel_each(g.planes, g.cost(), [&](int64_t plane) {
    const T* x = src<T>(args, 0) + plane * g.in_plane();
    T* y = dst<T>(args, 0) + plane * g.out_plane();
    for_each_window(g, [&](int64_t out, Geometry::Window rows, Geometry::Window columns) {
      double sum = 0;
      for (int64_t r = rows.first; r < rows.last; ++r)
        for (int64_t c = columns.first; c < columns.last; ++c) sum += x[r * g.w + c];
      y[out] = static_cast<T>(sum / divisor(rows, columns));
    });
  });
}

template <class T>
void average_gradient(const Geometry& g, const ops::KernelArgs& args) {
  parallel_each(g.planes, g.cost(), [&](int64_t plane) {
    const T* dy = diff_dst<T>(args, 0) + plane * g.out_plane();
    T* dx = diff_src<T>(args, 0) + plane * g.in_plane();
    std::fill_n(dx, g.in_plane(), T(0));
    for_each_window(g, [&](int64_t out, Geometry::Window rows, Geometry::Window columns) {
      const T share = static_cast<T>(static_cast<double>(dy[out]) / divisor(rows, columns));
      for (int64_t r = rows.first; r < rows.last; ++r)
        for (int64_t c = columns.first; c < columns.last; ++c) dx[r * g.w + c] += share;
    });
  });
}

template <class T>
ops::Answer forward_offer(const ops::KernelRequest& request, const Geometry& g) {
  const size_t winners =
      request.training ? static_cast<size_t>(g.planes * g.out_plane()) * sizeof(Index) : 0;
  switch (g.op.method) {
    case ops::PoolMethod::kMax:
      return function_offer(
          request, [=](const auto& args) { max_forward<T>(g, args); }, winners);
    case ops::PoolMethod::kStochastic:
      return function_offer(
          request, [=](const auto& args) { stochastic_forward<T>(g, args); }, winners);
    case ops::PoolMethod::kAverage:
      return function_offer(request, [=](const auto& args) { average_forward<T>(g, args); });
    case ops::PoolMethod::kWeighted:
      return function_offer(request, [=](const auto& args) { weighted_forward<T>(g, args); });
  }
  return ops::Refusal{"no such method"};
}

template <class T>
ops::Answer gradient_offer(const ops::KernelRequest& request, const Geometry& g) {
  switch (g.op.method) {
    case ops::PoolMethod::kMax:
    case ops::PoolMethod::kStochastic:
      return function_offer(request, [=](const auto& args) { winner_gradient<T>(g, args); });
    case ops::PoolMethod::kAverage:
      return function_offer(request, [=](const auto& args) { average_gradient<T>(g, args); });
    case ops::PoolMethod::kWeighted:
      return function_offer(request, [=](const auto& args) { weighted_gradient<T>(g, args); });
  }
  return ops::Refusal{"no such method"};
}

ops::Answer make(const ops::KernelRequest& request) {
  const Shape& x = request.src[0].shape;
  const Geometry g{op_of<ops::Pooling>(request), x[0] * x[1], x[2], x[3]};
  if (g.in_plane() > std::numeric_limits<Index>::max())
    return ops::Refusal{"a plane of 2^31 elements or more"};
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    return request.part == ops::kForward ? forward_offer<T>(request, g)
                                         : gradient_offer<T>(request, g);
  });
}

CREMA_REGISTER(ReferenceKernelTag, "pooling", make);

}  // namespace
}  // namespace crema::reference
