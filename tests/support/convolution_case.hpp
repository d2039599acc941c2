// One convolution or deconvolution to try engines on: sizes, its op and random sources.
#pragma once

#include <type_traits>
#include <vector>

#include "ops/linear.hpp"
#include "support/values.hpp"

namespace crema::test {

struct ConvolutionCase {
  Shape x;  // (N, C, D...)
  int64_t outputs;
  std::vector<int64_t> kernel, stride, pad, dilation;  // per axis of D
  int64_t groups = 1;
  bool bias = true;
};

// Op: ops::Convolution or ops::Deconvolution.
template <class Op>
Op convolution_op(const ConvolutionCase& c) {
  Op op;
  op.kernel = c.kernel;
  op.stride = c.stride;
  op.pad = c.pad;
  op.dilation = c.dilation;
  op.groups = c.groups;
  op.bias = c.bias;
  return op;
}

// x, weight and, with a bias, that.
template <class Op>
std::vector<Values> convolution_sources(const ConvolutionCase& c) {
  constexpr bool kTransposed = std::is_same_v<Op, ops::Deconvolution>;
  Shape w = kTransposed ? Shape{c.x[1], c.outputs / c.groups} : Shape{c.outputs, c.x[1] / c.groups};
  for (const int64_t k : c.kernel) w.append(k);
  std::vector<Values> out = {random_values(c.x, 1), random_values(w, 2)};
  if (c.bias) out.push_back(random_values(Shape{c.outputs}, 3));
  return out;
}

}  // namespace crema::test
