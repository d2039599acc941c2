#include <fmt/format.h>

#include "engines/onednn/kernel.hpp"
#include "ops/shape_ops.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;
using PrimitiveDesc = dnnl::reorder::primitive_desc;

// Two layouts of one tensor under different axes (weights by group and whole): by way of plain
// memory, which both know, in scratch.
class TwoSteps final : public ops::Kernel {
 public:
  TwoSteps(Call first, Call second) : first_(std::move(first)), second_(std::move(second)) {}
  void prepare() override {
    first_.prepare();
    second_.prepare();
  }
  void run(const ops::KernelArgs& args) override {
    first_.run(args);
    second_.run(args);
  }

 private:
  Call first_, second_;
};

bool known(const std::optional<Layout>& layout) {
  return layout && (layout->plain() || ours(*layout) != nullptr);
}

PrimitiveDesc describe(const Desc& from, const Desc& to, const Context& context) {
  return {context.engine, from, context.engine, to, context.attributes};
}

constexpr int kAlignment = 64;
size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Scratch: the plain tensor, then each step's scratchpad.
void two_steps(ops::Offer& offer, const OneDnnLayout& from, const OneDnnLayout& to,
               const Context& context) {
  const auto first = describe(from.desc(), from.row_major(), context);
  const auto second = describe(to.row_major(), to.desc(), context);
  const size_t own = aligned(from.row_major().get_size());
  const Binding pad1{DNNL_ARG_SCRATCHPAD, Role::kScratch, static_cast<int64_t>(own),
                     first.scratchpad_desc()};
  const Binding pad2{DNNL_ARG_SCRATCHPAD, Role::kScratch, static_cast<int64_t>(own),
                     second.scratchpad_desc()};
  Call a(context, [first] { return dnnl::reorder(first); },
         {{DNNL_ARG_FROM, Role::kSrc, 0, from.desc()},
          {DNNL_ARG_TO, Role::kScratch, 0, from.row_major()},
          pad1});
  Call b(context, [second] { return dnnl::reorder(second); },
         {{DNNL_ARG_FROM, Role::kScratch, 0, to.row_major()},
          {DNNL_ARG_TO, Role::kDst, 0, to.desc()},
          pad2});
  offer.scratch_bytes = own + std::max(pad1.desc.get_size(), pad2.desc.get_size());
  offer.implementation = fmt::format("{}, {}", first.impl_info_str(), second.impl_info_str());
  offer.kernel = std::make_unique<TwoSteps>(std::move(a), std::move(b));
}

// Any implementation will do: nobody else can read oneDNN's layouts.
ops::Answer reorder(const KernelRequest& request, const Context& context) {
  const auto& src = request.src[0].layout;
  const auto& dst = request.dst[0].layout;
  if (!known(src) || !known(dst)) return ops::Refusal{"a layout of another engine"};
  if (src->plain() && dst->plain()) return ops::Refusal{"both layouts are plain"};
  const OneDnnLayout *from = ours(*src), *to = ours(*dst);
  ops::Offer offer = blank_offer(request);
  offer.src[0] = *src;
  offer.dst[0] = *dst;
  if (from != nullptr && to != nullptr && from->row_major() != to->row_major()) {
    two_steps(offer, *from, *to, context);
    return offer;
  }
  const Desc a = from != nullptr ? from->desc() : to->row_major();
  const Desc b = to != nullptr ? to->desc() : from->row_major();
  const PrimitiveDesc desc = describe(a, b, context);
  set_primitive<dnnl::reorder>(
      offer, context, desc, {{DNNL_ARG_FROM, Role::kSrc, 0, a}, {DNNL_ARG_TO, Role::kDst, 0, b}});
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "reorder", reorder);

}  // namespace
}  // namespace crema::onednn
