#include "engines/onednn/convolution_policy.hpp"

#include <algorithm>

#include "engines/onednn/kernel.hpp"

namespace crema::onednn {
namespace {

constexpr int64_t kLanes = 16;  // channels in a block of the AVX-512 kernels

bool all(const std::vector<int64_t>& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

bool winograd_pays(const ops::Convolution& op, const Shape& x, const Shape& y) {
  constexpr int64_t kTile = 4, kFewTiles = 64;
  if (!has_wide_kernels() || op.kernel.size() != 2 || op.groups != 1) return false;
  if (!all(op.kernel, 3) || !all(op.stride, 1) || !all(op.dilation, 1)) return false;
  if (op.pad[0] > 1 || op.pad[1] > 1 || std::min(x[1], y[1]) < kLanes) return false;
  const auto tiles = [](int64_t extent) { return (extent + kTile - 1) / kTile; };
  return y[0] * tiles(y[2]) * tiles(y[3]) >= kFewTiles;
}

}  // namespace

std::vector<dnnl::algorithm> algorithms(const ops::Convolution& op, const Shape& x,
                                        const Shape& y) {
  std::vector<dnnl::algorithm> out;
  if (winograd_pays(op, x, y)) out.push_back(dnnl::algorithm::convolution_winograd);
  out.push_back(dnnl::algorithm::convolution_direct);
  return out;
}

bool padding_costs(int64_t in_channels, int64_t out_channels) {
  const auto padded = [](int64_t c) { return (c + kLanes - 1) / kLanes * kLanes; };
  // Kernels for 1 to 3 input channels pad only the output.
  const int64_t in = in_channels <= 3 ? in_channels : padded(in_channels);
  return has_wide_kernels() && 4 * in * padded(out_channels) > 5 * in_channels * out_channels;
}

bool slow_backward_data(const ops::Convolution& op, const Shape& x,
                        std::string_view implementation) {
  return x[1] / op.groups <= 3 && implementation.find("dw") == std::string_view::npos;
}

bool slow_backward_weights(const Shape& x, std::string_view implementation) {
  return x[1] == 1 && implementation == "jit:avx2";
}

}  // namespace crema::onednn
