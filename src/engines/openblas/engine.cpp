#include "engines/openblas/engine.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include "engines/openblas/kernel.hpp"

namespace crema {
namespace {

// "OpenBLAS 0.3.21", from the configuration line that begins so.
std::string library_name() {
  const std::string config = openblas_get_config();
  return config.substr(0, config.find(' ', config.find(' ') + 1));
}

}  // namespace

OpenBlasEngine::OpenBlasEngine(std::optional<std::string> better_core)
    : better_core_(std::move(better_core)) {}

ops::Answer OpenBlasEngine::offer(const ops::KernelRequest& request) {
  const char* kind = request.op->kind();
  const auto* entry = Registry<openblas::OpenBlasKernelTag>::instance().find(kind);
  if (entry == nullptr) return ops::Refusal{fmt::format("no kernel for {}", kind)};
  if (better_core_)
    return ops::Refusal{fmt::format(
        "{} chose its slowest kernels ({}) on this processor; start with OPENBLAS_CORETYPE={}",
        library_name(), openblas_get_corename(), *better_core_)};
  if (request.dtype != DType::kF32)
    return ops::Refusal{fmt::format("single precision only, not {}", name_of(request.dtype))};
  return (*entry)(request);
}

}  // namespace crema
