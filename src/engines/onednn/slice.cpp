// Slice on blocked layouts, where each part begins with a block. On plain ones the reference engine
// is as fast.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/parallel.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/shape_ops.hpp"

namespace crema::onednn {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

// fn(part, run, byte in the whole, byte in the part) for all runs, on several threads.
template <class Fn>
void each_run(const std::vector<Runs>& parts, const Fn& fn) {
  const int64_t count = parts[0].count, grain = std::max<int64_t>(1, 65536 / parts[0].stride);
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run)
      for (size_t p = 0; p < parts.size(); ++p)
        fn(p, parts[p], run * parts[p].stride + parts[p].offset, run * parts[p].length);
  });
}

void forward(const std::vector<Runs>& parts, const KernelArgs& args) {
  const auto* whole = static_cast<const std::byte*>(args.src[0]);
  each_run(parts, [&](size_t p, const Runs& runs, int64_t from, int64_t to) {
    std::memcpy(static_cast<std::byte*>(args.dst[p]) + to, whole + from,
                static_cast<size_t>(runs.length));
  });
}

void backward(const std::vector<Runs>& parts, const KernelArgs& args) {
  auto* whole = static_cast<std::byte*>(args.diff_src[0]);
  each_run(parts, [&](size_t p, const Runs& runs, int64_t to, int64_t from) {
    const auto length = static_cast<size_t>(runs.length);
    if (args.diff_dst[p] == nullptr)
      std::memset(whole + to, 0, length);
    else
      std::memcpy(whole + to, static_cast<const std::byte*>(args.diff_dst[p]) + from, length);
  });
}

ops::Answer slice(const KernelRequest& request, const Context&) {
  const auto& op = static_cast<const ops::Slice&>(*request.op);
  const ops::Operand& x = request.src[0];
  if (!x.layout || x.layout->plain()) return ops::Refusal{"the reference is as fast on plain data"};
  const Desc whole = stored_or_plain(x);
  ops::Offer offer = blank_offer(request);
  offer.implementation = "blocked runs";
  const bool is_forward = request.part == ops::kForward;
  offer.src[0] = layout_of(whole);
  if (!is_forward) offer.diff_src[0] = offer.src[0];
  std::vector<Runs> runs;
  ops::Parts parts{!is_forward, {}};
  bool one_run = true;
  for (size_t i = 0; i < request.dst.size(); ++i) {
    const Desc part = resized(whole, op.axis, request.dst[i].shape[op.axis]);
    const auto found = runs_of(whole, op.axis, op.cuts[i], part);
    if (!found)
      return ops::Refusal{fmt::format("a part from {} on does not begin with a block of {}",
                                      op.cuts[i], layout_of(whole).text())};
    runs.push_back(*found);
    offer.dst[i] = layout_of(part);
    if (!is_forward) offer.diff_dst[i] = offer.dst[i];
    parts.offsets[static_cast<int>(i)] = static_cast<size_t>(found->offset);
    one_run &= found->count == 1 && (is_forward || request.diff_dst[i].present);
  }
  if (one_run) offer.parts = std::move(parts);
  offer.kernel =
      ops::function_kernel([run = is_forward ? forward : backward,
                            runs = std::move(runs)](const KernelArgs& args) { run(runs, args); });
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "slice", slice);

}  // namespace
}  // namespace crema::onednn
