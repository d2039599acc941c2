#include <array>

#include "engines/reference/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

using Winner = int32_t;  // index of a source

// Elements worked on at a time. All sources of a block are read before its result is written, so
// that the destination may be any of the sources.
constexpr int64_t kBlock = 256;

template <class T, class Fn>
void for_each_block(int64_t n, Fn&& fn) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    std::array<T, kBlock> result;
    for (int64_t i = begin; i < end; i += kBlock) fn(i, std::min(kBlock, end - i), result.data());
  });
}

template <class T>
void sum(int64_t n, const std::vector<float>& coefficients, const ops::KernelArgs& args) {
  for_each_block<T>(n, [&](int64_t first, int64_t count, T* result) {
    std::fill_n(result, count, T(0));
    for (size_t s = 0; s < args.src.size(); ++s) {
      const T* x = src<T>(args, s) + first;
      const T c = static_cast<T>(coefficients[s]);
      for (int64_t i = 0; i < count; ++i) result[i] += c * x[i];
    }
    std::copy_n(result, count, dst<T>(args, 0) + first);
  });
}

// y = product of the sources but `except` (none: -1), times g unless null. y may be g or a source.
template <class T>
void product(int64_t n, int except, const T* g, T* y, const ops::KernelArgs& args) {
  for_each_block<T>(n, [&](int64_t first, int64_t count, T* result) {
    if (g != nullptr)
      std::copy_n(g + first, count, result);
    else
      std::fill_n(result, count, T(1));
    for (size_t s = 0; s < args.src.size(); ++s) {
      if (static_cast<int>(s) == except) continue;
      const T* x = src<T>(args, s) + first;
      for (int64_t i = 0; i < count; ++i) result[i] *= x[i];
    }
    std::copy_n(result, count, y + first);
  });
}

// Of equals, source 1 wins against source 0, and the earlier one afterwards.
template <class T>
void maximum(int64_t n, const ops::KernelArgs& args) {
  Winner* winners = static_cast<Winner*>(args.workspace);
  for_each_block<T>(n, [&](int64_t first, int64_t count, T* best) {
    std::array<Winner, kBlock> winner{};
    std::copy_n(src<T>(args, 0) + first, count, best);
    for (size_t s = 1; s < args.src.size(); ++s) {
      const T* x = src<T>(args, s) + first;
      for (int64_t i = 0; i < count; ++i) {
        const bool keep = s == 1 ? best[i] > x[i] : !(x[i] > best[i]);
        winner[static_cast<size_t>(i)] =
            keep ? winner[static_cast<size_t>(i)] : static_cast<Winner>(s);
        best[i] = keep ? best[i] : x[i];
      }
    }
    std::copy_n(best, count, dst<T>(args, 0) + first);
    if (winners != nullptr) std::copy_n(winner.data(), count, winners + first);
  });
}

// The gradient of the source `part`; dx may be g.
template <class T>
void gradient(const ops::Eltwise& op, int part, int64_t n, const ops::KernelArgs& args) {
  const auto at = static_cast<size_t>(part);
  const T* g = diff_dst<T>(args, 0);
  T* dx = diff_src<T>(args, at);
  const auto each = [&](auto&& fn) {
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dx[i] = fn(i);
    });
  };
  switch (op.method) {
    case ops::EltwiseMethod::kSum: {
      const T c = static_cast<T>(op.coefficients[at]);
      return each([=](int64_t i) { return c * g[i]; });
    }
    case ops::EltwiseMethod::kProduct: {
      if (op.stable_product_gradient) return product(n, part, g, dx, args);
      const T *x = src<T>(args, at), *y = dst<T>(args, 0);
      return each([=](int64_t i) { return g[i] * y[i] / x[i]; });
    }
    case ops::EltwiseMethod::kMax: {
      const Winner* winners = static_cast<const Winner*>(args.workspace);
      return each([=](int64_t i) { return winners[i] == part ? g[i] : T(0); });
    }
  }
}

template <class T>
void forward(const ops::Eltwise& op, int64_t n, const ops::KernelArgs& args) {
  switch (op.method) {
    case ops::EltwiseMethod::kSum:
      return sum<T>(n, op.coefficients, args);
    case ops::EltwiseMethod::kProduct:
      return product<T>(n, -1, nullptr, dst<T>(args, 0), args);
    case ops::EltwiseMethod::kMax:
      return maximum<T>(n, args);
  }
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Eltwise>(request);
  const int64_t n = request.src[0].shape.count();
  const bool max = op.method == ops::EltwiseMethod::kMax;
  CREMA_CHECK(static_cast<size_t>(op.sources) == request.src.size(), "eltwise: number of sources");
  CREMA_CHECK(op.method != ops::EltwiseMethod::kSum || op.coefficients.size() == request.src.size(),
              "eltwise: one coefficient per source");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [op, n, part = request.part](const auto& args) {
        gradient<T>(op, part, n, args);
      });
    return function_offer(
        request, [op, n](const auto& args) { forward<T>(op, n, args); },
        max && request.training ? static_cast<size_t>(n) * sizeof(Winner) : 0);
  });
}

CREMA_REGISTER(ReferenceKernelTag, "eltwise", make);

}  // namespace
}  // namespace crema::reference
