#include "engines/onednn/convolution_policy.hpp"

#include <array>

#include "engines/onednn/kernel.hpp"

namespace crema::onednn {
namespace {

constexpr int64_t kLanes = 16;  // channels in a block of the AVX-512 kernels

}  // namespace

bool few_channels(int64_t in_channels) {
  return in_channels <= 3;
}

bool padding_costs(int64_t in_channels, int64_t out_channels) {
  if (!has_wide_kernels() || few_channels(in_channels)) return false;
  const auto padded = [](int64_t c) { return (c + kLanes - 1) / kLanes * kLanes; };
  return 4 * padded(in_channels) * padded(out_channels) > 5 * in_channels * out_channels;
}

bool slow_backward_data(const ops::Convolution& op, const Shape& x,
                        std::string_view implementation) {
  return few_channels(x[1] / op.groups) && implementation.find("dw") == std::string_view::npos;
}

bool gains_by_bf16(const ops::Convolution& op, const Shape& x, const Shape& weights,
                   const Shape& y) {
  constexpr double kEnough = 150;  // operations for each number read or written
  const std::array<Shape, 2> operands = {x, weights};
  return !few_channels(x[1]) ||
         op.flops(operands) >= kEnough * static_cast<double>(x.count() + y.count());
}

bool slow_backward_weights(const Shape& x, std::string_view implementation) {
  return x[1] == 1 && implementation == "jit:avx2";
}

}  // namespace crema::onednn
