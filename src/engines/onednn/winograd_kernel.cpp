#include "engines/onednn/winograd_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engines/onednn/channels.hpp"

namespace crema::onednn {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;
using Tag = dnnl::memory::format_tag;

const float* in(std::span<const void* const> operands, size_t i) {
  return static_cast<const float*>(operands[i]);
}
float* out(std::span<void* const> operands, size_t i) {
  return static_cast<float*>(operands[i]);
}

// The layouts of a convolution in blocks of channels.
struct Layouts {
  Layout x, w, y;
  Desc y_desc;

  Layouts(const ops::Convolution& op, const KernelRequest& request, int lanes) {
    const auto f32 = Type::f32;
    const Tag blocks = lanes == 16 ? Tag::nChw16c : Tag::nChw8c;
    Dims weights = request.src[1].shape.dims();
    Tag tag = lanes == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o;
    if (op.groups > 1) {
      weights[0] /= op.groups;
      weights.insert(weights.begin(), op.groups);
      tag = lanes == 16 ? Tag::gOIhw16i16o : Tag::gOIhw8i8o;
    }
    y_desc = {request.dst[0].shape.dims(), f32, blocks};
    x = layout_of({request.src[0].shape.dims(), f32, blocks});
    w = layout_of({weights, f32, tag}, plain_desc(weights));
    y = layout_of(y_desc);
  }
};

ops::Offer forward(const KernelRequest& request, const Winograd& w, const Layouts& layouts,
                   bool bias, const ops::Post& post) {
  ops::Offer offer = blank_offer(request);
  offer.src[0] = layouts.x;
  offer.src[1] = layouts.w;
  offer.dst[0] = layouts.y;
  offer.scratch_bytes = w.forward_scratch();
  WinogradOutput output;
  output.channels = request.src[1].shape[0];
  output.sum = post.sum;
  output.relu = post.function != nullptr;
  offer.kernel = std::make_unique<FunctionKernel>([w, bias, output](const KernelArgs& a) {
    WinogradOutput with = output;
    if (bias) with.bias = in(a.src, 2);
    winograd_forward(w, in(a.src, 0), in(a.src, 1), false, with, out(a.dst, 0),
                     static_cast<float*>(a.scratch));
  });
  if (post.sum) add_in_place(offer, request.src.size() - 1, layouts.y_desc);
  return offer;
}

ops::Offer backward_data(const KernelRequest& request, const Winograd& w, const Layouts& layouts) {
  const Winograd turned = w.transposed();
  ops::Offer offer = blank_offer(request);
  offer.src[1] = layouts.w;
  offer.diff_dst[0] = layouts.y;
  offer.diff_src[0] = layouts.x;
  offer.scratch_bytes = turned.forward_scratch();
  offer.kernel = std::make_unique<FunctionKernel>([turned](const KernelArgs& a) {
    winograd_forward(turned, in(a.diff_dst, 0), in(a.src, 1), true, {}, out(a.diff_src, 0),
                     static_cast<float*>(a.scratch));
  });
  return offer;
}

ops::Offer backward_weights(const KernelRequest& request, const Winograd& w, const Layouts& layouts,
                            bool bias) {
  ops::Offer offer = blank_offer(request);
  offer.src[0] = layouts.x;
  offer.diff_dst[0] = layouts.y;
  offer.diff_src[1] = layouts.w;
  offer.scratch_bytes = w.weights_scratch();
  const ChannelView y = ChannelView::of(layouts.y_desc).value();
  offer.kernel = std::make_unique<FunctionKernel>([w, y, bias](const KernelArgs& a) {
    winograd_backward_weights(w, in(a.src, 0), in(a.diff_dst, 0), out(a.diff_src, 1),
                              static_cast<float*>(a.scratch));
    if (bias) channel_sums(y, in(a.diff_dst, 0), nullptr, out(a.diff_src, 2));
  });
  return offer;
}

}  // namespace

std::optional<Winograd> winograd_for(const ops::Convolution& op, const Shape& x, const Shape& y) {
  constexpr int64_t kEnoughTiles = 32, kEnoughChannels = 16;
  const auto all = [](const std::vector<int64_t>& values, int64_t wanted) {
    return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
  };
  if (op.kernel.size() != 2 || op.kernel[0] != op.kernel[1]) return std::nullopt;
  if ((op.kernel[0] != 3 && op.kernel[0] != 5) || !all(op.stride, 1) || !all(op.dilation, 1))
    return std::nullopt;
  Winograd w;
  w.kernel = static_cast<int>(op.kernel[0]);
  w.lanes = has_wide_kernels() ? 16 : 8;
  const auto padded = [&](int64_t c) { return (c + w.lanes - 1) / w.lanes * w.lanes; };
  w.batch = x[0];
  w.groups = op.groups;
  w.in_channels = padded(x[1] / op.groups);
  w.out_channels = padded(y[1] / op.groups);
  w.in_h = x[2];
  w.in_w = x[3];
  w.out_h = y[2];
  w.out_w = y[3];
  w.pad_h = op.pad[0];
  w.pad_w = op.pad[1];
  const bool whole = w.in_channels * op.groups == x[1] && w.out_channels * op.groups == y[1];
  if (op.groups > 1 && !whole) return std::nullopt;
  if (std::min(x[1], y[1]) / op.groups < kEnoughChannels || w.tiles() < kEnoughTiles)
    return std::nullopt;
  if (std::max(w.pad_h, w.pad_w) >= w.kernel) return std::nullopt;
  return w;
}

bool beats_bf16(const Winograd& w) {
  constexpr int64_t kEnoughChannels = 32;
  // Products go with in x out, conversions with in + out.
  constexpr int64_t kProductsPerConversion = 48;
  const int64_t computed = w.tiles() * Winograd::kTile * Winograd::kTile;
  const bool whole_tiles = 10 * w.batch * w.out_h * w.out_w >= 9 * computed;
  if (!whole_tiles || has_tile_kernels()) return false;
  if (w.kernel == 5) return w.in_channels >= kEnoughChannels;
  return w.in_channels * w.out_channels >=
         kProductsPerConversion * (w.in_channels + w.out_channels);
}

ops::Answer winograd(const KernelRequest& request, const ops::Convolution& op,
                     const ops::Post& post, const Winograd& w) {
  const Layouts layouts(op, request, w.lanes);
  const bool forwards = request.part == ops::kForward;
  if (forwards && post.function && !is_relu(*post.function))
    return ops::Refusal{"Winograd's algorithm is followed by ReLU only"};
  if (request.part == 1 && !request.diff_src[1].present)
    return ops::Refusal{"no bias gradient without the weights'"};
  ops::Offer offer = forwards            ? forward(request, w, layouts, op.bias, post)
                     : request.part == 0 ? backward_data(request, w, layouts)
                                         : backward_weights(request, w, layouts,
                                                            op.bias && request.diff_src[2].present);
  offer.implementation = fmt::format("winograd_4x{}", w.kernel);
  return offer;
}

}  // namespace crema::onednn
