#include <fmt/format.h>

#include "base/error.hpp"
#include "engines/reference/kernel.hpp"
#include "ops/shape_ops.hpp"

namespace crema::reference {
namespace {

struct Geometry {
  int64_t rows, length, count;  // of the table; numbers in the index
  std::string layer;
};

// Serial: an exception must not leave a parallel region.
template <class T>
void check_index(const Geometry& g, const T* index) {
  for (int64_t i = 0; i < g.count; ++i) {
    const T whole = std::trunc(index[i]);
    if (whole >= 0 && whole < static_cast<T>(g.rows)) continue;  // false for NaN
    throw Error(ErrorCode::kData, fmt::format("layer '{}': index {} (item {}) is not in 0..{}",
                                              g.layer, index[i], i, g.rows - 1))
        .advise(fmt::format("there are {} rows to take from; indices count from 0", g.rows));
  }
}

template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  const T *table = src<T>(args, 0), *index = src<T>(args, 1);
  check_index(g, index);
  parallel_each(g.count, g.length, [&](int64_t i) {
    std::copy_n(table + static_cast<int64_t>(index[i]) * g.length, g.length,
                dst<T>(args, 0) + i * g.length);
  });
}

// Threads share the columns: each adds all items to its own in their order.
template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const T *index = src<T>(args, 1), *dy = diff_dst<T>(args, 0);
  T* table = diff_src<T>(args, 0);
  parallel_for(g.rows * g.length, kGrain,
               [&](int64_t begin, int64_t end) { std::fill(table + begin, table + end, T(0)); });
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, g.count));
  parallel_for(g.length, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < g.count; ++i) {
      T* row = table + static_cast<int64_t>(index[i]) * g.length;
      for (int64_t k = begin; k < end; ++k) row[k] += dy[i * g.length + k];
    }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const Shape& table = request.src[0].shape;
  const Geometry g{table[0], table.count(1), request.src[1].shape.count(),
                   op_of<ops::Gather>(request).layer};
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [g](const auto& args) { gradient<T>(g, args); });
    return function_offer(request, [g](const auto& args) { forward<T>(g, args); });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "gather", make);

}  // namespace
}  // namespace crema::reference
