#include "engines/reference/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

// y[i] = fn(x[i]); y may be x.
template <class T, class Fn>
void map(int64_t n, const T* x, T* y, Fn&& fn) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = fn(x[i]);
  });
}

// dx[i] = fn(g[i], v[i]) with v the op's source or destination; dx may be g.
template <class T, class Fn>
void map_gradient(int64_t n, const T* g, const T* v, T* dx, Fn&& fn) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dx[i] = fn(g[i], v[i]);
  });
}

template <class T>
void relu(int64_t n, T slope, const T* x, T* y) {
  // max(x, 0) alone where the slope is 0: 0 times minus infinity would be NaN. NaN stays NaN.
  if (slope == 0) return map(n, x, y, [](T v) { return std::max(v, T(0)); });
  map(n, x, y, [=](T v) { return v > 0 ? v : slope * v; });
}

template <class T>
void power(int64_t n, T p, T q, T r, const T* x, T* y) {
  if (p == 0 || q == 0) {
    const T constant = p == 0 ? T(1) : std::pow(r, p);
    return map(n, x, y, [=](T) { return constant; });
  }
  if (p == 1) return map(n, x, y, [=](T v) { return r + q * v; });
  if (p == 2) return map(n, x, y, [=](T v) { return (r + q * v) * (r + q * v); });
  map(n, x, y, [=](T v) { return std::pow(r + q * v, p); });
}

// p q (r + q x)^(p - 1): finite at r + q x = 0 wherever the derivative is.
template <class T>
void power_gradient(int64_t n, T p, T q, T r, const T* g, const T* x, T* dx) {
  if (p == 0 || q == 0) return map(n, g, dx, [](T) { return T(0); });
  if (p == 1) return map(n, g, dx, [=](T d) { return q * d; });
  if (p == 2) return map_gradient(n, g, x, dx, [=](T d, T v) { return d * 2 * q * (r + q * v); });
  map_gradient(n, g, x, dx, [=](T d, T v) { return d * p * q * std::pow(r + q * v, p - 1); });
}

template <class T>
T sigmoid(T x) {
  return T(0.5) * std::tanh(T(0.5) * x) + T(0.5);
}

// log(1 + e^x) without overflow.
template <class T>
T softplus(T x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

template <class T>
void forward(const ops::Unary& op, int64_t n, const T* x, T* y) {
  const T p = static_cast<T>(op.p), q = static_cast<T>(op.q), r = static_cast<T>(op.r);
  switch (op.function) {
    case ops::Function::kRelu:
      return relu(n, p, x, y);
    case ops::Function::kSigmoid:
      return map(n, x, y, [](T v) { return sigmoid(v); });
    case ops::Function::kTanh:
      return map(n, x, y, [](T v) { return std::tanh(v); });
    case ops::Function::kPower:
      return power(n, p, q, r, x, y);
    case ops::Function::kAbs:
      return map(n, x, y, [](T v) { return std::abs(v); });
    case ops::Function::kBnll:
      return map(n, x, y, [](T v) { return softplus(v); });
    case ops::Function::kElu:
      return map(n, x, y, [=](T v) { return v > 0 ? v : p * std::expm1(v); });
    case ops::Function::kExp:
      return map(n, x, y, [=](T v) { return q * std::exp(p * v); });
    case ops::Function::kLog:
      return map(n, x, y, [=](T v) { return p * std::log(r + q * v); });
    case ops::Function::kSwish:
      return map(n, x, y, [=](T v) { return v * sigmoid(p * v); });
    case ops::Function::kClip:
      return map(n, x, y, [=](T v) { return std::max(p, std::min(v, q)); });
    case ops::Function::kThreshold:
      return map(n, x, y, [=](T v) { return v > p ? T(1) : T(0); });
  }
}

// `v` is y where op.gradient_from_dst(), else x.
template <class T>
void gradient(const ops::Unary& op, int64_t n, const T* g, const T* v, T* dx) {
  const T p = static_cast<T>(op.p), q = static_cast<T>(op.q), r = static_cast<T>(op.r);
  switch (op.function) {
    case ops::Function::kRelu:  // with slope >= 0, y > 0 exactly where x > 0
      return map_gradient(n, g, v, dx, [=](T d, T u) { return u > 0 ? d : p * d; });
    case ops::Function::kSigmoid:
      return map_gradient(n, g, v, dx, [](T d, T y) { return d * y * (1 - y); });
    case ops::Function::kTanh:
      return map_gradient(n, g, v, dx, [](T d, T y) { return d * (1 - y * y); });
    case ops::Function::kPower:
      return power_gradient(n, p, q, r, g, v, dx);
    case ops::Function::kAbs:
      return map_gradient(n, g, v, dx, [](T d, T x) { return x > 0 ? d : x < 0 ? -d : T(0); });
    case ops::Function::kBnll:
      return map_gradient(n, g, v, dx, [](T d, T x) { return d * sigmoid(x); });
    case ops::Function::kElu:
      if (op.gradient_from_dst())
        return map_gradient(n, g, v, dx, [=](T d, T y) { return y > 0 ? d : d * (p + y); });
      return map_gradient(n, g, v, dx, [=](T d, T x) { return x > 0 ? d : d * p * std::exp(x); });
    case ops::Function::kExp:
      return map_gradient(n, g, v, dx, [=](T d, T y) { return d * y * p; });
    case ops::Function::kLog:
      return map_gradient(n, g, v, dx, [=](T d, T x) { return d * p * q / (r + q * x); });
    case ops::Function::kSwish:
      return map_gradient(n, g, v, dx, [=](T d, T x) {
        const T s = sigmoid(p * x), y = x * s;
        return d * (p * y + s * (1 - p * y));
      });
    case ops::Function::kClip:
      return map_gradient(n, g, v, dx, [=](T d, T x) { return x >= p && x <= q ? d : T(0); });
    case ops::Function::kThreshold:
      break;  // the op says that it has none
  }
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto op = op_of<ops::Unary>(request);
  const int64_t n = request.src[0].shape.count();
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == ops::kForward)
      return function_offer(
          request, [=](const auto& args) { forward(op, n, src<T>(args, 0), dst<T>(args, 0)); });
    const bool from_dst = op.gradient_from_dst();
    return function_offer(request, [=](const ops::KernelArgs& args) {
      const T* v = from_dst ? dst<T>(args, 0) : src<T>(args, 0);
      gradient(op, n, diff_dst<T>(args, 0), v, diff_src<T>(args, 0));
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "unary", make);

}  // namespace
}  // namespace crema::reference
