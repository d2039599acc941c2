#include "engines/onednn/engine.hpp"

#include <fmt/format.h>

#include "engines/onednn/bf16.hpp"
#include "engines/onednn/kernel.hpp"

namespace crema {
namespace {

// oneDNN reads its ceiling once, at the first primitive; a second engine finds it set already.
void cap_instruction_set() {
  if (onednn::amx_is_broken(onednn::cpu_id())) dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
}

std::string unfit(const std::vector<ops::Operand>& operands) {
  for (const ops::Operand& operand : operands) {
    if (operand.shape.count() == 0) return "an operand has no elements";
    if (operand.shape.rank() > DNNL_MAX_NDIMS)
      return fmt::format("oneDNN has at most {} axes", DNNL_MAX_NDIMS);
  }
  return {};
}

std::string unfit(const ops::KernelRequest& request) {
  if (request.dtype != DType::kF32)
    return fmt::format("oneDNN kernels are single precision only, not {}", name_of(request.dtype));
  for (const auto* operands : {&request.src, &request.dst})
    if (std::string why = unfit(*operands); !why.empty()) return why;
  return {};
}

}  // namespace

OneDnnEngine::OneDnnEngine() {
  cap_instruction_set();
  context_ = std::make_unique<onednn::Context>();
  context_->engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
  context_->stream = dnnl::stream(context_->engine);
  context_->attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
}

OneDnnEngine::~OneDnnEngine() = default;

ops::Bf16Support OneDnnEngine::bf16() {
  if (!bf16_) bf16_ = onednn::bf16_support(*context_);
  return *bf16_;
}

ops::Answer OneDnnEngine::offer(const ops::KernelRequest& request) {
  const char* kind = request.op->kind();
  const auto* entry = Registry<onednn::OneDnnKernelTag>::instance().find(kind);
  if (entry == nullptr) return ops::Refusal{fmt::format("no kernel for {}", kind)};
  if (std::string why = unfit(request); !why.empty()) return ops::Refusal{std::move(why)};
  try {
    return (*entry)(request, *context_);
  } catch (const dnnl::error& error) {
    return ops::Refusal{fmt::format("oneDNN cannot do it: {}", error.what())};
  }
}

}  // namespace crema
