// Dropout on activations in any layout of channels: the mask is drawn by rows of the plain tensor,
// many numbers at a time, and kept in the order of the layout, a byte for each element.
#include <array>
#include <cstring>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "engines/onednn/channels.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::onednn {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

struct Dropping {
  ChannelView view;
  int64_t floats = 0;  // in memory, padding included
  ops::Dropout op;
  std::string purpose;
};

// The mask of one block of channels in one image. Padding is dropped.
void draw_panel(const Dropping& d, const RandomStream& stream, int64_t image, int64_t block,
                float* row, uint8_t* mask) {
  const ChannelView& v = d.view;
  const int64_t first = image * v.image + block * v.block;
  const int64_t lanes =
      v.padded ? v.lanes : std::min<int64_t>(v.lanes, v.channels - block * v.lanes);
  for (int64_t l = 0; l < lanes; ++l) {
    const int64_t channel = block * v.lanes + l;
    uint8_t* to = mask + first + l;
    if (channel >= v.channels) {
      for (int64_t p = 0; p < v.positions; ++p) to[p * v.row] = 0;
      continue;
    }
    stream.uniforms(static_cast<uint64_t>((image * v.channels + channel) * v.positions),
                    {row, static_cast<size_t>(v.positions)});
    for (int64_t p = 0; p < v.positions; ++p) to[p * v.row] = row[p] >= d.op.ratio;
  }
}

// A plain tensor: element i of the memory is number i.
void draw_plain(const Dropping& d, const RandomStream& stream, uint8_t* mask) {
  constexpr int64_t kRun = 1024;
  parallel_for((d.floats + kRun - 1) / kRun, 8, [&](int64_t begin, int64_t end) {
    std::array<float, kRun> row;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t n = std::min(kRun, d.floats - r * kRun);
      stream.uniforms(static_cast<uint64_t>(r * kRun), {row.data(), static_cast<size_t>(n)});
      for (int64_t i = 0; i < n; ++i)
        mask[r * kRun + i] = row[static_cast<size_t>(i)] >= d.op.ratio;
    }
  });
}

void draw(const Dropping& d, const KernelArgs& args, uint8_t* mask, float* rows) {
  const RandomStream stream(args.step->seed, d.purpose, static_cast<uint64_t>(args.step->pass));
  const ChannelView& v = d.view;
  if (v.flat() || (v.positions == 1 && !v.blocked())) return draw_plain(d, stream, mask);
  parallel_for(v.batch * v.blocks, grain_of(v.panel_floats()), [&](int64_t begin, int64_t end) {
    float* row = rows + omp_get_thread_num() * v.positions;
    for (int64_t i = begin; i < end; ++i)
      draw_panel(d, stream, i / v.blocks, i % v.blocks, row, mask);
  });
}

// y = mask ? scale x : 0
void apply(int64_t n, float scale, const uint8_t* mask, const float* x, float* y) {
  constexpr int kLanes = 16;
  typedef uint8_t Bytes __attribute__((vector_size(kLanes)));
  using Floats = simd::Vector<kLanes>;
  simd::in_vectors<kLanes>(n, [&](int64_t i, auto count) {
    Bytes kept{};
    std::memcpy(&kept, mask + i, static_cast<size_t>(count));
    Floats values;
    simd::load<kLanes>(values, x + i, count);
    const Floats out = __builtin_convertvector(kept, Floats) != 0 ? values * scale : Floats{};
    simd::store<kLanes>(y + i, out, count);
  });
}

void apply(const Dropping& d, const uint8_t* mask, const float* x, float* y) {
  const float scale = 1.0f / (1.0f - d.op.ratio);
  parallel_for(d.floats, kGrain, [&](int64_t begin, int64_t end) {
    simd::run([&] { apply(end - begin, scale, mask + begin, x + begin, y + begin); });
  });
}

ops::Answer dropout(const KernelRequest& request, const Context&) {
  Dropping d;
  d.op = static_cast<const ops::Dropout&>(*request.op);
  d.purpose = "mask/" + d.op.stream;
  const Shape& shape = request.src[0].shape;
  Desc x = desc_or_plain(request.src[0]);
  if (!ChannelView::of(x)) x = plain_desc(shape);
  const bool rows = !ChannelView::of(x);  // a vector: all in one row
  d.view = rows ? ChannelView::of(plain_desc(Shape{1, 1, shape.count()})).value()
                : ChannelView::of(x).value();
  d.floats = static_cast<int64_t>(x.get_size() / sizeof(float));
  ops::Offer offer = blank_offer(request);
  offer.implementation = "blocked loops";
  const auto mask_bytes = (static_cast<size_t>(d.floats) + 63) / 64 * 64;
  if (request.part != ops::kForward) {
    offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
    offer.kernel = std::make_unique<FunctionKernel>([d](const KernelArgs& a) {
      apply(d, static_cast<const uint8_t*>(a.workspace), static_cast<const float*>(a.diff_dst[0]),
            static_cast<float*>(a.diff_src[0]));
    });
    return offer;
  }
  offer.src[0] = offer.dst[0] = layout_of(x);
  const bool keep = request.training;
  if (keep) offer.workspace_bytes = mask_bytes;
  offer.scratch_bytes = (keep ? 0 : mask_bytes) +
                        static_cast<size_t>(d.view.positions * compute_threads()) * sizeof(float);
  offer.kernel = std::make_unique<FunctionKernel>([d, keep, mask_bytes](const KernelArgs& a) {
    auto* scratch = static_cast<std::byte*>(a.scratch);
    auto* mask = static_cast<uint8_t*>(keep ? a.workspace : scratch);
    draw(d, a, mask, reinterpret_cast<float*>(scratch + (keep ? 0 : mask_bytes)));
    apply(d, mask, static_cast<const float*>(a.src[0]), static_cast<float*>(a.dst[0]));
  });
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "dropout", dropout);

}  // namespace
}  // namespace crema::onednn
