#include "engines/onednn/kernel.hpp"

#include <fmt/format.h>

namespace crema::onednn {

void* address(const ops::KernelArgs& args, Role role, int64_t index) {
  const auto at = static_cast<size_t>(index);
  switch (role) {
    case Role::kSrc:
      return const_cast<void*>(args.src[at]);  // dnnl_memory has no read-only form
    case Role::kDst:
      return args.dst[at];
    case Role::kDiffDst:
      return const_cast<void*>(args.diff_dst[at]);
    case Role::kDiffSrc:
      return args.diff_src[at];
    case Role::kWorkspace:
      return static_cast<std::byte*>(args.workspace) + at;
    case Role::kScratch:
      return static_cast<std::byte*>(args.scratch) + at;
  }
  return nullptr;
}

Call::Call(const Context& context, Maker make, const std::vector<Binding>& bindings)
    : make_(std::move(make)), stream_(context.stream) {
  for (const Binding& binding : bindings) {
    slots_.push_back({dnnl::memory(binding.desc, context.engine, DNNL_MEMORY_NONE), binding.role,
                      binding.index});
    arguments_.push_back({binding.argument, slots_.back().memory.get()});
  }
}

void Call::prepare() {
  if (!primitive_) primitive_ = make_();
}

void Call::run(const ops::KernelArgs& args) {
  prepare();
  for (Slot& slot : slots_) slot.memory.set_data_handle(address(args, slot.role, slot.index));
  // The C call: the C++ one builds a vector of arguments every time.
  const dnnl_status_t status = dnnl_primitive_execute(
      primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data());
  CREMA_CHECK(status == dnnl_success,
              fmt::format("a oneDNN primitive failed: status {}", static_cast<int>(status)));
}

ops::Offer blank_offer(const ops::KernelRequest& request) {
  return ops::plain_offer(request, nullptr, "");
}

namespace {

bool in_use(dnnl::cpu_isa wanted) {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());  // a set of bits
  return (isa & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
}

}  // namespace

bool has_wide_kernels() {
  return in_use(dnnl::cpu_isa::avx512_core);
}

bool has_tile_kernels() {
  return in_use(dnnl::cpu_isa::avx512_core_amx);
}

int grade(std::string_view implementation) {
  if (implementation.find("ref") != std::string_view::npos) return 0;
  const bool product = implementation.find("gemm:") != std::string_view::npos &&
                       implementation.find("brgemm") == std::string_view::npos;
  return product ? 1 : 2;
}

ops::Refusal refuse_reference(std::string_view implementation) {
  return {fmt::format("oneDNN has only its reference loops for this ({})", implementation)};
}

}  // namespace crema::onednn
