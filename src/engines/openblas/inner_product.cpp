#include "base/parallel.hpp"
#include "engines/openblas/kernel.hpp"
#include "ops/linear.hpp"

namespace crema::openblas {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

struct Geometry {
  int64_t m, k, n;  // rows, inputs, outputs
  bool transpose, bias;
};

void forward(const Geometry& g, const KernelArgs& args) {
  float* y = out(args.dst, 0);
  if (g.bias)
    for (int64_t row = 0; row < g.m; ++row) std::copy_n(in(args.src, 2), g.n, y + row * g.n);
  const Matrix x{in(args.src, 0), g.k};
  const Matrix w{in(args.src, 1), g.transpose ? g.n : g.k, !g.transpose};
  multiply(g.m, g.n, g.k, x, w, g.bias ? 1.0f : 0.0f, y);
}

void backward_data(const Geometry& g, const KernelArgs& args) {
  const Matrix dy{in(args.diff_dst, 0), g.n};
  const Matrix w{in(args.src, 1), g.transpose ? g.n : g.k, g.transpose};
  multiply(g.m, g.k, g.n, dy, w, 0, out(args.diff_src, 0));
}

// Column sums, rows in order: the same whatever the threads.
void bias_gradient(const Geometry& g, const float* dy, float* sums) {
  parallel_for(g.n, 512, [&](int64_t begin, int64_t end) {
    std::fill(sums + begin, sums + end, 0.0f);
    for (int64_t row = 0; row < g.m; ++row)
      for (int64_t i = begin; i < end; ++i) sums[i] += dy[row * g.n + i];
  });
}

void backward_weights(const Geometry& g, const KernelArgs& args) {
  const float *x = in(args.src, 0), *dy = in(args.diff_dst, 0);
  if (float* dw = out(args.diff_src, 1)) {
    if (g.transpose)
      multiply(g.k, g.n, g.m, {x, g.k, true}, {dy, g.n}, 0, dw);
    else
      multiply(g.n, g.k, g.m, {dy, g.n, true}, {x, g.k}, 0, dw);
  }
  if (g.bias && args.diff_src[2] != nullptr) bias_gradient(g, dy, out(args.diff_src, 2));
}

ops::Answer inner_product(const KernelRequest& request) {
  const auto& op = static_cast<const ops::InnerProduct&>(*request.op);
  const Shape &x = request.src[0].shape, &w = request.src[1].shape;
  const Geometry g{x.count(0, op.axis), x.count(op.axis), w[op.transpose ? 1 : 0], op.transpose,
                   op.bias};
  if (!countable(g.m) || !countable(g.k) || !countable(g.n))
    return ops::Refusal{"a matrix has more rows or columns than 32 bits count"};
  const auto function = request.part == ops::kForward ? forward
                        : request.part == 0           ? backward_data
                                                      : backward_weights;
  return ops::plain_offer(
      request, ops::function_kernel([g, function](const KernelArgs& args) { function(g, args); }),
      "sgemm");
}

CREMA_REGISTER(OpenBlasKernelTag, "inner_product", inner_product);

}  // namespace
}  // namespace crema::openblas
