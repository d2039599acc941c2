#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.hpp"
#include "base/simd.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/fused.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;

// Where the sources lie in the result, if each lies there in one run.
std::optional<ops::Parts> parts_of(const KernelRequest& request, int axis,
                                   const dnnl::concat::primitive_desc& desc) {
  ops::Parts parts;
  int64_t begin = 0;
  for (int i = 0; i < static_cast<int>(request.src.size()); ++i) {
    const auto runs = runs_of(desc.dst_desc(), axis, begin, desc.src_desc(i));
    if (!runs || runs->count != 1) return std::nullopt;
    parts.offsets[i] = static_cast<size_t>(runs->offset);
    begin += request.src[static_cast<size_t>(i)].shape[axis];
  }
  return parts;
}

// The sources as they lie if oneDNN can copy them side by side so, else all plain.
ops::Answer forward(const KernelRequest& request, const ops::Concat& op, const Context& context) {
  std::vector<Desc> now, plain;
  size_t rounded = 0;
  for (const ops::Operand& operand : request.src) {
    now.push_back(stored_or_plain(operand));
    plain.push_back(plain_desc(operand.shape));
    rounded += is_bf16(now.back());
  }
  // All in the type that most have.
  const Type type = 2 * rounded > now.size() ? Type::bf16 : Type::f32;
  for (Desc& desc : now) desc = as(desc, type);
  const std::vector<std::vector<Desc>> choices = {now, plain};
  using PrimitiveDesc = dnnl::concat::primitive_desc;
  const auto desc = best_of<PrimitiveDesc>(choices, [&](const std::vector<Desc>& sources) {
    return PrimitiveDesc(op.axis, sources, context.engine, context.attributes);
  });
  if (!desc) return ops::Refusal{"oneDNN cannot concatenate these layouts"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());
  ops::Offer offer = blank_offer(request);
  std::vector<Binding> bindings = {{DNNL_ARG_DST, Role::kDst, 0, desc->dst_desc()}};
  for (int i = 0; i < static_cast<int>(request.src.size()); ++i) {
    offer.src[static_cast<size_t>(i)] = layout_of(desc->src_desc(i));
    bindings.push_back({DNNL_ARG_MULTIPLE_SRC + i, Role::kSrc, i, desc->src_desc(i)});
  }
  offer.dst[0] = layout_of(desc->dst_desc());
  offer.parts = parts_of(request, op.axis, *desc);
  set_primitive<dnnl::concat>(offer, context, *desc, std::move(bindings));
  return offer;
}

// Where the source that a gradient part is about begins in the whole.
int64_t begin_of(const KernelRequest& request, int axis) {
  int64_t begin = 0;
  for (size_t i = 0; i < static_cast<size_t>(request.part); ++i)
    begin += request.src[i].shape[axis];
  return begin;
}

// One source's slice of diff_dst, copied out by a reorder from the part of it.
ops::Answer backward(const KernelRequest& request, const ops::Concat& op, const Context& context) {
  const auto part = static_cast<size_t>(request.part);
  const Desc whole = stored_or_plain(request.dst[0]), slice = stored_or_plain(request.src[part]);
  const int64_t begin = begin_of(request, op.axis);
  Dims offsets(static_cast<size_t>(whole.data.ndims), 0);
  offsets[static_cast<size_t>(op.axis)] = begin;
  const Desc from = whole.submemory_desc(request.src[part].shape.dims(), offsets, true);
  if (!from)
    return ops::Refusal{fmt::format("a slice at {} does not begin with a block of {}", begin,
                                    layout_of(whole).text())};
  const dnnl::reorder::primitive_desc desc(context.engine, from, context.engine, slice,
                                           context.attributes);
  ops::Offer offer = blank_offer(request);
  offer.diff_dst[0] = layout_of(whole);
  offer.diff_src[part] = layout_of(slice);
  const auto runs = runs_of(whole, op.axis, begin, slice);
  if (runs && runs->count == 1)
    offer.parts = ops::Parts{false, {{request.part, static_cast<size_t>(runs->offset)}}};
  set_primitive<dnnl::reorder>(offer, context, desc,
                               {{DNNL_ARG_FROM, Role::kDiffDst, 0, from},
                                {DNNL_ARG_TO, Role::kDiffSrc, request.part, slice}});
  return offer;
}

ops::Answer concat(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Concat&>(*request.op);
  return request.part == ops::kForward ? forward(request, op, context)
                                       : backward(request, op, context);
}

// dx = y > 0 ? g : slope g
template <class T>
void rectify(int64_t n, float slope, const T* g, const T* y, T* dx) {
  constexpr int kLanes = 16;
  simd::in_vectors<kLanes>(n, [&](int64_t i, auto count) {
    simd::Vector<kLanes> gi, yi;
    simd::load<kLanes>(gi, g + i, count);
    simd::load<kLanes>(yi, y + i, count);
    const simd::Vector<kLanes> out = yi > 0 ? gi : slope * gi;
    simd::store<kLanes>(dx + i, out, count);
  });
}

// A part of `whole`, where the same part of `mask` decides, to `part`.
template <class T>
void rectify_part(const Runs& runs, float slope, const void* whole, const void* mask, void* part) {
  const auto bytes = static_cast<int64_t>(sizeof(T));
  const int64_t length = runs.length / bytes, stride = runs.stride / bytes;
  const auto* g = static_cast<const T*>(whole) + runs.offset / bytes;
  const auto* y = static_cast<const T*>(mask) + runs.offset / bytes;
  auto* dx = static_cast<T*>(part);
  constexpr int64_t kGrain = 16384;
  parallel_for(runs.count * length, kGrain, [&](int64_t begin, int64_t end) {
    simd::run([&] {
      for (int64_t i = begin; i < end;) {
        const int64_t run = i / length, at = run * stride + i - run * length;
        const int64_t n = std::min(end, (run + 1) * length) - i;
        rectify(n, slope, g + at, y + at, dx + i);
        i += n;
      }
    });
  });
}

ops::Answer rectified_concat(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::RectifiedConcat&>(*request.op);
  if (request.part == ops::kForward) return forward(request, op.concat, context);
  const auto part = static_cast<size_t>(request.part);
  const Desc whole = stored_or_plain(request.dst[0]), slice = stored_or_plain(request.src[part]);
  const auto runs = runs_of(whole, op.concat.axis, begin_of(request, op.concat.axis), slice);
  if (!runs) return ops::Refusal{"the part is not in runs of " + layout_of(whole).text()};
  ops::Offer offer = blank_offer(request);
  offer.implementation = "runs";
  offer.dst[0] = offer.diff_dst[0] = layout_of(whole);
  offer.diff_src[part] = layout_of(slice);
  offer.kernel = ops::function_kernel(
      [run = is_bf16(whole) ? rectify_part<simd::Bf16> : rectify_part<float>, runs = *runs,
       slope = op.negative_slopes[part], part](const ops::KernelArgs& args) {
        run(runs, slope, args.diff_dst[0], args.dst[0], args.diff_src[part]);
      });
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "concat", concat);
CREMA_REGISTER(OneDnnKernelTag, "rectified_concat", rectified_concat);

}  // namespace
}  // namespace crema::onednn
