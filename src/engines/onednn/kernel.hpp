// What the kernels of the oneDNN engine share: their table, and a Kernel that runs primitives.
#pragma once

#include <array>
#include <dnnl.hpp>
#include <functional>
#include <string_view>

#include "base/registry.hpp"
#include "engines/onednn/layout.hpp"
#include "ops/engine.hpp"

namespace crema::onednn {

struct Context {
  dnnl::engine engine;
  dnnl::stream stream;
  dnnl::primitive_attr attributes;  // scratch memory comes from the plan
};

// Kernel tables by op kind. An entry may throw dnnl::error, which becomes a refusal.
struct OneDnnKernelTag {
  using Entry = ops::Answer (*)(const ops::KernelRequest&, const Context&);
  static constexpr const char* kTable = "onednn kernel";
};

// Where a primitive's argument is found in KernelArgs.
enum class Role { kSrc, kDst, kDiffDst, kDiffSrc, kWorkspace, kScratch };

struct Binding {
  int argument;  // DNNL_ARG_...
  Role role;
  int64_t index;  // of the operand; byte offset in the workspace and scratch
  Desc desc;
};

void* address(const ops::KernelArgs& args, Role role, int64_t index);

// One primitive with its memory objects, made once; running it only sets pointers.
class Call {
 public:
  using Maker = std::function<dnnl::primitive()>;
  // Making a primitive compiles it: that is left to prepare(), or to the first run.
  Call(const Context& context, Maker make, const std::vector<Binding>& bindings);
  void prepare();
  void run(const ops::KernelArgs& args);

 private:
  struct Slot {
    dnnl::memory memory;
    Role role;
    int64_t index;
  };
  Maker make_;
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<Slot> slots_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// A kernel that is one primitive.
class PrimitiveKernel final : public ops::Kernel {
 public:
  explicit PrimitiveKernel(Call call) : call_(std::move(call)) {}
  void prepare() override { call_.prepare(); }
  void run(const ops::KernelArgs& args) override { call_.run(args); }

 private:
  Call call_;
};

// A kernel that is a function of its arguments.
class FunctionKernel final : public ops::Kernel {
 public:
  explicit FunctionKernel(std::function<void(const ops::KernelArgs&)> fn) : fn_(std::move(fn)) {}
  void run(const ops::KernelArgs& args) override { fn_(args); }

 private:
  std::function<void(const ops::KernelArgs&)> fn_;
};

// All operands plain, to be amended.
ops::Offer blank_offer(const ops::KernelRequest& request);

// An offer whose kernel is the primitive described; `bindings` need not name the scratchpad.
template <class Primitive, class PrimitiveDesc>
void set_primitive(ops::Offer& offer, const Context& context, const PrimitiveDesc& desc,
                   std::vector<Binding> bindings) {
  const Desc scratch = desc.scratchpad_desc();
  offer.scratch_bytes = scratch.get_size();
  if (offer.scratch_bytes > 0)
    bindings.push_back({DNNL_ARG_SCRATCHPAD, Role::kScratch, 0, scratch});
  offer.implementation = desc.impl_info_str();
  offer.kernel = std::make_unique<PrimitiveKernel>(Call(
      context, [desc] { return Primitive(desc); }, bindings));
}

// Whether oneDNN's AVX-512 kernels are in use; some of those for AVX2 lose against simpler ones.
bool has_wide_kernels();

// Whether matrix tiles for bf16 (AMX) are.
bool has_tile_kernels();

// How good an implementation is: 0 plain C++ loops ("ref"), 1 through a matrix product, 2 direct.
int grade(std::string_view implementation);
ops::Refusal refuse_reference(std::string_view implementation);

// The best of several primitive descriptors; of equals the first. make(candidate) may throw
// dnnl::error, which skips the candidate. Empty if all did.
template <class PrimitiveDesc, class Candidates, class Make>
std::optional<PrimitiveDesc> best_of(const Candidates& candidates, const Make& make) {
  std::optional<PrimitiveDesc> best;
  for (const auto& candidate : candidates) {
    try {
      PrimitiveDesc desc = make(candidate);
      if (!best || grade(desc.impl_info_str()) > grade(best->impl_info_str()))
        best = std::move(desc);
    } catch (const dnnl::error&) {  // this combination of layouts does not exist
    }
  }
  return best;
}

// make(Type::bf16) if the request wants it, `faster` or forced, and that is a direct kernel; else
// make(Type::f32).
template <class Make>
ops::Answer in_precision(const ops::KernelRequest& request, bool faster, const Make& make) {
  if (request.precision == ops::Precision::kBf16Forced ||
      (request.precision == ops::Precision::kBf16 && faster)) {
    try {
      ops::Answer rounded = make(Type::bf16);
      const auto* offer = std::get_if<ops::Offer>(&rounded);
      if (offer != nullptr && grade(offer->implementation) == 2) return rounded;
    } catch (const dnnl::error&) {  // no kernel for bf16
    }
  }
  return make(Type::f32);
}

}  // namespace crema::onednn
