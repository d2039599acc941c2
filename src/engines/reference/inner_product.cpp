#include "engines/reference/linear_algebra.hpp"
#include "ops/linear.hpp"

namespace crema::reference {
namespace {

// Columns combined at a time: they and one row of B stay in the first-level cache.
constexpr int64_t kColumns = 1024;

// C (M, N) = A (M, K) B^T, B (N, K), + bias (N) unless null. Each row of B is read once.
template <class T>
void product_of_rows(int64_t m, int64_t n, int64_t k, const T* a, const T* b, const T* bias, T* c) {
  parallel_each(n, m * k, [&](int64_t j) {
    for (int64_t i = 0; i < m; ++i)
      c[i * n + j] = dot(a + i * k, b + j * k, k) + (bias != nullptr ? bias[j] : T(0));
  });
}

// C (M, N): row i = sum over l of A[i * row_step + l * step] * row l of B (K, N), + bias (N).
template <class T>
void combination_of_rows(int64_t m, int64_t n, int64_t k, const T* a, int64_t row_step,
                         int64_t step, const T* b, const T* bias, T* c) {
  const int64_t blocks = (n + kColumns - 1) / kColumns;
  parallel_each(m * blocks, k * std::min(n, kColumns), [&](int64_t task) {
    const int64_t i = task % m, first = task / m * kColumns, width = std::min(kColumns, n - first);
    T* row = c + i * n + first;
    if (bias != nullptr)
      std::copy_n(bias + first, width, row);
    else
      std::fill_n(row, width, T(0));
    for (int64_t l = 0; l < k; ++l)
      add_scaled(row, a[i * row_step + l * step], b + l * n + first, width);
  });
}

struct Sizes {
  int64_t m, n, k;
  bool transpose;
};

template <class T>
void forward(const Sizes& s, const ops::KernelArgs& args, bool bias) {
  const T* b = bias ? src<T>(args, 2) : nullptr;
  if (s.transpose)
    combination_of_rows(s.m, s.n, s.k, src<T>(args, 0), s.k, 1, src<T>(args, 1), b,
                        dst<T>(args, 0));
  else
    product_of_rows(s.m, s.n, s.k, src<T>(args, 0), src<T>(args, 1), b, dst<T>(args, 0));
}

template <class T>
void data_gradient(const Sizes& s, const ops::KernelArgs& args) {
  T* dx = diff_src<T>(args, 0);
  const T *g = diff_dst<T>(args, 0), *w = src<T>(args, 1);
  if (dx == nullptr) return;
  if (s.transpose)
    product_of_rows<T>(s.m, s.k, s.n, g, w, nullptr, dx);
  else
    combination_of_rows<T>(s.m, s.k, s.n, g, s.n, 1, w, nullptr, dx);
}

template <class T>
void weight_gradient(const Sizes& s, const ops::KernelArgs& args, bool bias) {
  T* dw = diff_src<T>(args, 1);
  const T *g = diff_dst<T>(args, 0), *x = src<T>(args, 0);
  if (dw != nullptr && s.transpose)
    combination_of_rows<T>(s.k, s.n, s.m, x, 1, s.k, g, nullptr, dw);
  else if (dw != nullptr)
    combination_of_rows<T>(s.n, s.k, s.m, g, 1, s.n, x, nullptr, dw);
  if (bias && diff_src<T>(args, 2) != nullptr)
    sum_outside<T>(Split(Shape{s.m, s.n}, 1, 2), g, nullptr, diff_src<T>(args, 2));
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::InnerProduct>(request);
  const Shape &x = request.src[0].shape, &w = request.src[1].shape;
  const Sizes s{x.count(0, op.axis), w[op.transpose ? 1 : 0], x.count(op.axis), op.transpose};
  const bool bias = op.bias;
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == 0)
      return function_offer(request, [=](const auto& args) { data_gradient<T>(s, args); });
    if (request.part == 1)
      return function_offer(request, [=](const auto& args) { weight_gradient<T>(s, args, bias); });
    return function_offer(request, [=](const auto& args) { forward<T>(s, args, bias); });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "inner_product", make);

}  // namespace
}  // namespace crema::reference
